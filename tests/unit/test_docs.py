"""The documentation runs, its links lead somewhere, and it leaves no public name out."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowforge.local.server import LocalServer
from flowforge.store.keys import PATTERNS
from flowforge.store.scripts import script_names
from tests.support.environment import without_settings
from tests.support.fleet import Fleet
from tests.support.forked_process import run_forked
from tests.support.pages import DOCS, README, ROOT, TUTORIAL, blocks

#: Pages whose `python` blocks run here and whose links are followed. Blocks of other languages
#: (`console`, `sh`, `py`) do not run here; test_tutorial.py enters those of the tutorial.
PAGES = [README, *sorted(DOCS.rglob("*.md"))]

#: Seconds that all blocks of one page may take.
LIMIT = 100


def script_of(page: Path) -> str:
    """All Python blocks of a page as one script, each at its own line numbers."""
    script: list[str] = []
    for block in blocks(page, "python"):
        script += [""] * (block.start - 1 - len(script)) + block.lines
    return "\n".join(script) + "\n"


def expected_output(page: Path) -> list[str]:
    return [line for block in blocks(page, "output") for line in block.lines]


def environment() -> dict[str, str]:
    """Nothing configured, and the library importable from any directory."""
    return without_settings(PYTHONPATH=str(ROOT))


def run(script: Path, env: dict[str, str]) -> list[str]:
    """What the script printed; AssertionError with its errors when it failed."""
    done = run_forked(script.name, cwd=script.parent, env=env, timeout=LIMIT)
    return printed(script, done)


def run_as_readers_do(script: Path, env: dict[str, str]) -> list[str]:
    """As :func:`run`, by the command."""
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=script.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return printed(script, done)


def printed(script: Path, done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, f"{script.name}, lines as in the page:\n{done.stderr[-4000:]}"
    return done.stdout.splitlines()


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


#: Pages whose Python blocks are one script; each listing of the tutorial is a file.
SCRIPTS_OF_PAGES = [page for page in PAGES if script_of(page).strip() and page != TUTORIAL]


@pytest.mark.parametrize("page", SCRIPTS_OF_PAGES, ids=page_name)
def test_the_blocks_of_a_page_run_in_order_and_print_what_it_says(
    page: Path, tmp_path: Path
) -> None:
    """Pasting a page's Python blocks into one file gives a script that works without set-up."""
    script = tmp_path / f"{page.stem.lower()}.py"
    script.write_text(script_of(page))
    started = run_as_readers_do if page == README else run
    assert started(script, environment()) == expected_output(page)


def test_each_file_of_the_tutorial_prints_what_it_says(tmp_path: Path) -> None:
    """A listing is a whole file, and the block after it is what the file prints."""
    script = tmp_path / "orders.py"
    found = list(blocks(TUTORIAL, "python", "output"))
    assert [block.language for block in found] == ["python", "output"] * 4
    for listing, output in zip(found[::2], found[1::2], strict=True):
        script.write_text(listing.text)
        assert run(script, environment()) == output.lines


def test_the_readmes_file_runs_on_a_fleet_as_it_is(
    server: LocalServer,
    prefix: str,
    tmp_path: Path,
) -> None:
    """The README's script submits to a worker that imports the same file, and prints the same."""
    script = tmp_path / "orders.py"
    script.write_text(script_of(README))
    with Fleet(server.url, prefix, tmp_path, ["orders"]) as fleet:
        search = f"{tmp_path}{os.pathsep}{ROOT}"
        fleet.start(concurrency=1, env={"PYTHONPATH": search}, by_command=True)
        env = {**environment(), "FLOWFORGE_REDIS_URL": server.url, "FLOWFORGE_PREFIX": prefix}
        assert run_as_readers_do(script, env) == expected_output(README)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found = set()
    for line in page.read_text().splitlines():
        if line.startswith("#"):
            text = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(text.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading of it if it has an anchor."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


DECISIONS = DOCS / "explanation/decisions"


@pytest.mark.parametrize("record", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_the_index_of_decisions_has_the_title_the_date_and_the_status(record: Path) -> None:
    """A record states them in its first lines, and the later record of two names the earlier."""
    text = record.read_text()
    number = record.name[:4]
    title = re.match(rf"# {number} (.+)\n\n\*Status: accepted ([\d-]+)(.*)\.\*\n", text)
    assert title is not None, "no title, or no status"
    later = re.findall(r"\]\((.+?)\)", title[3])
    rows = (DECISIONS / "index.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| [{number}]({record.name}) | {title[1]} |")]
    assert f"| {title[2]} | accepted" in row
    assert re.findall(r"\]\((.+?)\)", row) == [record.name, *later]
    for name in later:
        assert f"]({record.name})" in (DECISIONS / name).read_text()


def six_words(page: Path) -> str:
    return page.read_text().lower().partition("six words\n\n")[2].partition("\n\n")[0]


def test_the_six_words_mean_the_same_everywhere() -> None:
    """The README and the glossary have one table."""
    assert six_words(README).count("\n") == 7
    assert six_words(README) == six_words(DOCS / "reference/glossary.md")


@pytest.mark.parametrize("purpose", ["how-to", "explanation", "reference"])
def test_an_index_names_every_page_of_its_directory(purpose: str) -> None:
    """In its table, for readers on a forge, and in its contents, for the built pages."""
    index = DOCS / purpose / "index.md"
    pages = {path.stem for path in index.parent.glob("*.md")} - {"index"}
    (contents,) = re.findall(
        r"^```{toctree}\n:hidden:\n\n(.*?)\n```$", index.read_text(), re.M | re.S
    )
    listed = [entry for entry in contents.splitlines() if "/" not in entry]
    linked = re.findall(r"^\| .*\]\(([\w-]+)\.md\)", index.read_text(), re.M)
    assert sorted(listed) == sorted(pages)
    assert set(linked) == pages


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(page: str) -> set[str]:
    """The code spans of a page."""
    return set(re.findall(r"`([^`]+)`", prose(DOCS / page)))


def test_the_internals_have_every_key_and_script() -> None:
    """The page on internals lists each key pattern and each script."""
    assert set(PATTERNS.values()) - spans("explanation/internals.md") == set()
    assert set(script_names()) - spans("explanation/internals.md") == set()


#: Where a path on a page may begin: the repository, the library, its scripts.
PLACES = [ROOT, ROOT / "flowforge", ROOT / "flowforge/worker", ROOT / "flowforge/store/lua"]

#: The first directories of such paths; `shop/orders.py` is a user's.
FIRST = {path.name for place in PLACES for path in place.iterdir() if path.is_dir()} - {"build"}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=page_name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Code spans that are paths of the repository lead somewhere."""
    for path in re.findall(r"`(\w[\w-]*/[\w/.-]*)`", prose(page)):
        if path.partition("/")[0] in FIRST:
            assert any((place / path).exists() for place in PLACES), f"there is no {path}"


def test_the_version_is_the_packages() -> None:
    """The README's maturity row names the version that is installed."""
    version = importlib.import_module("flowforge").__version__
    assert f"version {version}" in README.read_text()


#: Words that make a sentence hard to read, each with a plainer one in its place: "no worker", "a
#: program that", "again", "without end", "called".
AVOIDED = re.compile(
    r"\b(nobody|somebody|whoever|whomever|anew|for ever|told (?:by|of))\b", re.IGNORECASE
)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "decisions" not in page.parts], ids=page_name
)
def test_the_pages_do_without_words_that_are_hard_to_read(page: Path) -> None:
    """Readers whose first language is not English find a name or a plain word instead."""
    found = [match[0] for match in AVOIDED.finditer(prose(page))]
    assert found == []
