"""The benchmarks as a test: everything runs and every figure is there; no time decides."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.frame import clocks
from benchmarks.frame.report import report, write
from benchmarks.frame.rows import Group, Row, Target, judge, show
from benchmarks.frame.samples import MissingError, Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.session import Session
from benchmarks.frame.trial import Result, SkippedError, Trial, run_apart, run_here, told_by
from benchmarks.measures import GROUPS
from tests.support.forked_process import ROOT, run_forked

pytestmark = pytest.mark.skipif(not clocks.supported(), reason="the benchmarks need Linux")

#: One trial of each kind of work, at the smallest size.
KINDS = (
    "chain/flowforge/solo1",
    "chain/hop/solo1",
    "chain/floor/solo1",
    "canvas/chain/short",
    "canvas/chord",
    "queues/huey/quiet",
    "queues/saq/10",
    "fanout/1000",
    "waiting/many",
    "latency/draining",
    "latency/celery",
    "submit/execute_many",
    "submit/apply_async",
    "index",
)

#: The one that a fresh process runs here too, as in a real run.
APART = "chain/flowforge/solo1"

#: Seconds that a trial may take; reached only when something hangs.
LIMIT = 100

ROW = Row("speed", lambda samples: samples.ratio("mine", "theirs", "rate"), Target(">=", 2, "x"))


def _samples(mine: list[float], theirs: list[float]) -> Samples:
    samples = Samples()
    for trial, rates in (("mine", mine), ("theirs", theirs)):
        for number, rate in enumerate(rates, 1):
            samples.add(trial, number, Result({"rate": rate}))
    return samples


def run_in_a_fork(name: str) -> Result:
    """As ``run_apart``, without the imports."""
    words = (name, "--scale", Scale.TINY.value)
    return told_by(run_forked("benchmarks.one", *words, cwd=ROOT, env=os.environ, timeout=LIMIT))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_trial_gives_figures(name: str) -> None:
    """A trial at the smallest size does its work, checks it, and gives finite figures."""
    group, _, rest = name.partition("/")
    package = rest.partition("/")[0]
    if group == "queues" and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    result = run_apart(name, Scale.TINY) if name == APART else run_in_a_fork(name)
    assert not result.problem, result.problem
    assert result.figures
    assert all(math.isfinite(value) for value in result.figures.values())


def test_rows_use_trials_that_exist() -> None:
    """With a figure for every trial each row gets a verdict."""
    samples = Samples()
    figures = dict.fromkeys(_all_figures(), 1.0)
    for group in GROUPS:
        for trial in group.trials:
            samples.add(trial.name, 1, Result(figures))
    verdicts = [judge(group.name, row, samples) for group in GROUPS for row in group.rows]
    assert all(verdict is not None and verdict.measured is not None for verdict in verdicts)


def _all_figures() -> list[str]:
    """Names of all figures that rows may ask for."""
    usage = ("steps_per_s", "wall_us", "worker_us", "server_us", "cpu_us", "producer_us")
    times = ("p50_ms", "p95_ms", "idle_p50_ms", "busy_p50_ms", "busy_max_ms", "ratio", "left")
    fan = ("joins", "worker_mib", "commit_p99_ms", "commit_max_ms", "script_max_ms")
    names = ("bytes_each", "params_bytes", "show_ms", "show_p50_ms", "pause_ms", "resume_ms")
    index = [
        f"{name}_{size}_{when}_ms"
        for name in ("jobs", "show_done", "show_open", "submit")
        for size in ("few", "many")
        for when in ("open", "finished")
    ]
    imports = ("flowforge_ms", "flow_ms", "celery_ms", "app_ms")
    return [*usage, *times, *fan, *names, "cancel_ms", *index, *imports]


def test_trial_names_are_unique() -> None:
    """No trial hides the figures of another."""
    names = [trial.name for group in GROUPS for trial in group.trials]
    assert len(names) == len(set(names))


def test_a_ratio_compares_within_rounds() -> None:
    """A round in which everything was slow changes no ratio."""
    samples = _samples([400, 40, 400], [100, 10, 100])
    assert samples.ratio("mine", "theirs", "rate") == 4


def test_a_round_without_the_other_side_is_left_out() -> None:
    """Only rounds in which both sides succeeded are compared."""
    samples = _samples([400, 900], [100])
    assert samples.ratio("mine", "theirs", "rate") == 4


@pytest.mark.parametrize(("mine", "met"), [(200.0, True), (199.0, False)])
def test_a_target_is_met_or_not(mine: float, met: bool) -> None:
    """The verdict says whether the figure reaches its target."""
    verdict = judge("group", ROW, _samples([mine], [100.0]))
    assert verdict is not None
    assert (verdict.met, verdict.word) == (met, "met" if met else "NOT MET")


def test_a_failed_trial_is_no_success() -> None:
    """A row whose trial failed has no figure and says why."""
    samples = _samples([400.0], [])
    samples.add("theirs", 1, Result(problem="Traceback\nValueError: broken"))
    verdict = judge("group", ROW, samples)
    assert verdict is not None
    assert (verdict.measured, verdict.met) == (None, None)
    assert "ValueError: broken" in verdict.detail


def test_a_trial_that_is_not_part_of_the_run_takes_its_row_along() -> None:
    """A quick run shows no rows of what it leaves out."""
    assert judge("group", ROW, _samples([400.0], [])) is None


def test_rounds_without_a_common_success_have_no_ratio() -> None:
    """Figures of different rounds are not compared."""
    samples = Samples()
    samples.add("mine", 1, Result({"rate": 1.0}))
    samples.add("theirs", 2, Result({"rate": 1.0}))
    with pytest.raises(MissingError, match="no common round"):
        samples.ratio("mine", "theirs", "rate")


def test_a_skipped_trial_says_what_to_install() -> None:
    """A trial that cannot run here is reported with its reason."""

    def run(scale: Scale) -> dict[str, float]:
        raise SkippedError("huey is not installed")

    assert run_here(Trial("t", run), Scale.TINY) == Result(problem="huey is not installed")


def test_an_unknown_trial_is_named() -> None:
    """What happened in the trial's process is told as its problem."""
    assert "no trial 'nonsense'" in run_apart("nonsense", Scale.TINY).problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.094, "0.094"),
        (0.5, "0.5"),
        (4.0, "4"),
        (3.456, "3.46"),
        (42.5, "42.5"),
        (12345.6, "12,346"),
    ],
)
def test_figures_are_shown_with_three_digits(value: float, text: str) -> None:
    """Figures are readable and do not pretend to more than they are."""
    assert show(value) == text


def test_the_cpu_clock_of_another_process_counts_its_work() -> None:
    """A child's CPU time, its own children included, is read while it runs."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    work = "print(sum(range(3_000_000)), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert len(clocks.tree(child.pid)) == 2
        assert clocks.tree_seconds([child.pid]) > clocks.cpu_seconds(child.pid) > 0
        child.communicate(b"\n")
    with pytest.raises(OSError, match="argument"):
        clocks.cpu_seconds(child.pid)


def test_the_report_is_written_and_shown_on_the_page(tmp_path: Path) -> None:
    """The page gets the rows of the report between its markers, and nothing else changes.

    What is reported is what measures imports: a fresh process runs it, as in a real run.
    """
    trials = [Trial("imports", lambda scale: {"celery_ms": 1.0})]
    row = Row("import", lambda samples: samples.median("imports", "celery_ms"), Target("<=", 1e6))
    session = Session([Group("imports", trials, [row])], Scale.TINY, 1, lambda line: None)
    session.run()
    path = tmp_path / "build" / "bench.json"
    write(report(session, "the command", datetime.now(UTC)), path)
    found = json.loads(path.read_text())
    assert [verdict["met"] for verdict in found["rows"]] == [True]
    assert found["problems"] == {}
    figures = found["medians"]["imports"]
    assert figures.keys() == {"flowforge_ms", "flow_ms", "celery_ms", "app_ms"}
    assert all(math.isfinite(value) for value in figures.values())
    text = page.replaced(f"top\n{page.BEGIN}\nold\n{page.END}\nend\n", page.render(found))
    assert text.startswith("top\n")
    assert text.endswith(f"{page.END}\nend\n")
    assert "`the command`" in text
    assert "| import | <= 1,000,000 |" in text
    assert "old" not in text


def test_a_page_without_markers_is_left_alone() -> None:
    """The figures never overwrite a page that does not say where they go."""
    with pytest.raises(ValueError, match="figures: begin"):
        page.replaced("a page", "figures")


def test_many_jobs_are_filled_and_asked_about() -> None:
    """Every question has an answer, however long it takes."""
    command = ("benchmarks.at_scale", "--jobs", "300", "--invocations", "2000", "--times", "1")
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    *rows, last = done.stdout.splitlines()
    assert f"of {len(rows)} not met" in last
    assert {row.count(" | ") for row in rows} == {6}
