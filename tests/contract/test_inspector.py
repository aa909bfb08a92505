"""What is read of one job."""

from __future__ import annotations

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import CorruptRecordError, JobNotFoundError
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.job_reads.slot_records import SlotRecords
from tests.contract.bench import Bench, record


def test_a_row_is_told_field_by_field_and_as_a_whole(bench: Bench) -> None:
    """Both tell the same."""
    inspector = Inspector(bench.store)
    job = bench.submit()
    bench.start(job)
    bench.pause(job, "look", {"step": 1})
    summary, details = inspector.describe(job)
    assert (summary.job_id, summary.flow_id) == (job, inspector.flow_id(job)) == (job, "flow")
    assert summary.status == inspector.status(job) == "paused"
    assert summary.reason == inspector.reason(job) == "look"
    assert summary.created_at == inspector.created_at(job)
    assert summary.updated_at == inspector.updated_at(job)
    assert summary.counts == inspector.counts(job)
    assert (details.entry, details.parent_job_id, details.ended_at) == ("r0.s0", None, None)
    assert details.limits["max_in_flight"] == 100
    assert inspector.checkpoint(job) == {"step": 1}
    assert inspector.error(job) is None
    assert inspector.reason_and_error(job) == ("look", None)


def test_a_job_that_is_not_there_is_told(bench: Bench) -> None:
    """By whatever is asked of it, but for what its handlers ask."""
    inspector = Inspector(bench.store)
    for read in (inspector.describe, inspector.status, inspector.settled, inspector.counts):
        with pytest.raises(JobNotFoundError, match="there is no job 'none'"):
            read("none")
    for listed in (inspector.outputs, inspector.pauses, inspector.open_joins, inspector.definition):
        with pytest.raises(JobNotFoundError, match="there is no job 'none'"):
            listed("none")
    assert inspector.checkpoint("none") is None
    assert not inspector.may_be_running("none")


def test_a_job_is_settled_when_waiting_for_it_ends(bench: Bench) -> None:
    """A pause settles it once nothing runs."""
    inspector = Inspector(bench.store)
    job = bench.submit()
    assert inspector.settled(job) is None
    assert not inspector.may_be_running(job)
    bench.start(job)
    bench.pause(job)
    assert inspector.settled(job) is None
    assert inspector.may_be_running(job)
    bench.release(job)
    assert inspector.settled(job) == "paused"
    bench.store.control.cancel(job, "")
    assert inspector.settled(job) == "cancelled"


def test_an_invocation_is_outstanding_until_its_commit(bench: Bench) -> None:
    """However its attempts end before."""
    inspector = Inspector(bench.store)
    job = bench.submit()
    assert inspector.is_outstanding(job, "1.0.0")
    bench.start(job)
    bench.commit(job)
    assert not inspector.is_outstanding(job, "1.0.0")


def test_what_a_script_left_as_the_error_is_told_in_words(bench: Bench) -> None:
    """A record is told as it is; what is neither cannot be read."""
    inspector = Inspector(bench.store)
    job = bench.submit()
    told = {
        b"unkept 100000": "more than 100,000 invocations that can be undone",
        b"missing 3": "3 emissions of committed handlers are gone",
        b"undefined 0 1.0.0": "the definition of the job is gone from the server",
        pack_record({"type": "ValueError", "message": "no such day"}): "no such day",
    }
    for raw, words in told.items():
        bench.link.call("HSET", bench.key("job", job), "error", raw)
        error = inspector.error(job)
        assert error is not None
        assert words in error["message"]
        assert error.get("invocation", 1) == 1, "an invocation is named by its number"
    bench.link.call("HSET", bench.key("job", job), "error", "junk")
    with pytest.raises(CorruptRecordError, match=f"the error of job {job}"):
        inspector.error(job)


def test_a_slot_tells_how_far_its_log_goes(bench: Bench) -> None:
    """A record that is gone is told as None, so that it is not passed over."""
    records = SlotRecords(bench.store)
    job = bench.submit()
    assert records.log(job, 0, 0) == (0, 0, None)
    key = bench.key("merges", job)
    for place in (1, 2, 3):
        bench.link.call("HSET", key, f"0.0.{place}", record(n=place))
    bench.link.call("HSET", key, "0.0", 3, "0.0.base", 1)
    assert records.log(job, 0, 0) == (3, 1, None)
    assert records.logged(job, 0, 0, 2, 4) == [record(n=2), record(n=3), None]
    assert records.logged(job, 0, 0, 2, 1) == []
    bench.link.call("HSET", bench.key("collected", job), "7.1", b"a", "7.2", b"b")
    assert records.collected(job, "7", 1, 3) == [b"a", b"b", None]


def test_a_job_at_rest_is_known_until_something_of_it_changes(bench: Bench) -> None:
    """One that has ended, and has nothing that runs."""
    rows = JobRows(bench.store)
    job = bench.submit()
    assert rows.at_rest(job) is None
    bench.start(job)
    assert rows.at_rest(job) is None
    bench.fail(job)
    seen = [rows.at_rest(job)]
    for change in (
        lambda: bench.edit(job, "1.0.0", record(n=2)),
        lambda: bench.store.control.label(job, {"tenant": "acme"}),
        lambda: bench.link.call("HSET", bench.key("job", job), "output_count", 3),
    ):
        assert rows.at_rest(job) == seen[-1]
        change()
        seen.append(rows.at_rest(job))
        assert None not in seen
        assert seen[-1] not in seen[:-1]
    bench.store.control.retry(job)
    assert rows.at_rest(job) is None
    assert rows.at_rest("none") is None


def test_a_job_is_not_at_rest_while_a_handler_runs_or_beside_other_jobs(bench: Bench) -> None:
    """Its page shows how these stand."""
    rows = JobRows(bench.store)
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, jobs=[bench.child()])
    bench.store.control.cancel(parent, "")
    bench.store.control.cancel("child", "")
    assert rows.at_rest(parent) is rows.at_rest("child") is None
    running = bench.submit()
    bench.start(running)
    bench.store.control.cancel(running, "")
    assert rows.at_rest(running) is None
    bench.commit(running)
    assert rows.at_rest(running) is not None
    bench.link.call("HSET", bench.key("job", running), "undo", "some-job")
    assert rows.at_rest(running) is None
