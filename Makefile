# Needs make and Python 3.11 or later; everything else is installed into .venv.
#
#   make demo    run the flights job on two worker processes and check its figures
#   make demo-ui the dashboard on the job of the demo, until Ctrl-C
#   make test    the whole test suite
#   make bench   everything side by side, half an hour; `make bench-quick` in two minutes
#   make chaos   every fault at full scale, about 15 minutes; writes
#                docs/explanation/reliability.md
#   make check   lint, format, types, layers
#   make docs    the pages as HTML in build/docs; a warning is an error
#   make tutorial  do the tutorial from an empty folder with the built wheel, and write its
#                outputs and pictures
#   make pictures  the picture of a job in the README, from a real run in a browser
#   make clean   remove what was built; `make distclean` removes .venv too

PYTHONS = $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14
VENV = .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
BENCH_STAMP = $(VENV)/.installed-bench
DOCS_STAMP = $(VENV)/.installed-docs
# Most of the suite's time is waiting for processes, so there may be more of it than cores.
PYTEST_ARGS ?= -n 4 --dist loadscope --no-loadscope-reorder

.PHONY: demo demo-ui test bench bench-quick chaos check docs tutorial pictures format install clean distclean
.DEFAULT_GOAL := test

demo: $(STAMP)
	$(BIN)/python -m examples.flights.demo

demo-ui: $(STAMP)
	@test -d build/demo || { echo "There is no job yet: run make demo first." >&2; exit 1; }
	FLOWFORGE_DATA_DIR=build/demo $(BIN)/flowforge ui

# Hundreds of processes import the package. Where the environment forbids to keep bytecode, each of
# them would compile it, which takes a third of its start.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.page

bench-quick: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks --scale quick --output build/bench-quick.json

# CHAOS_ARGS="--only 3,zombie --seed 4711" repeats a part; FLOWFORGE_CHAOS_SCALE multiplies.
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos.run $(CHAOS_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every page is read again each time: Sphinx warns only of pages that it reads.
docs: $(DOCS_STAMP)
	$(BIN)/python -m sphinx -qEW --keep-going -d build/doctrees docs build/docs

tutorial: $(STAMP)
	$(BIN)/python -m tests.tutorial $(TUTORIAL_ARGS)

pictures: $(STAMP)
	$(BIN)/python -m pytest -q -n 0 tests/browser -k has_its_picture_taken
	cp build/screenshots/job-at-work-light.png docs/pictures/job.png

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(STAMP)

# A name can be on PATH and not run (pyenv's shims), so each candidate is tried.
$(STAMP): pyproject.toml
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
	  for candidate in $(PYTHONS); do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "FlowForge needs Python 3.11 or later; none was found." >&2; \
	    echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	  fi; \
	  if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python cannot make virtual environments: its venv module is incomplete." >&2; \
	    echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$($$python --version)"; \
	  $$python -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "Installing FlowForge and its tools into $(VENV) (once, and when pyproject.toml changes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[test,dev,demo]"
	@touch $@

# The queues that `make bench` compares with.
$(BENCH_STAMP): $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[bench]"
	@touch $@

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[docs]"
	@touch $@

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
