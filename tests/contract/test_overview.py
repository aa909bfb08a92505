"""What is read of a fleet as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flowforge.errors import CorruptRecordError
from flowforge.store.fleet_reads.broker_lists import BrokerLists
from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.job_reads.job_rows import ActiveJob, JobRows, JobSummary, UnreadableRow
from flowforge.store.reading import moment
from flowforge.store.server.link import Argument, Link
from flowforge.store.store import Store
from tests.contract.bench import DEFINITION, LONG, Bench


class Exchanges:
    """A link that counts the exchanges of many commands, and takes no others."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.count = 0

    def call(self, *command: Argument) -> Any:
        raise AssertionError(f"a command by itself: {command}")

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        self.count += 1
        return self._link.many(commands)


def test_jobs_are_listed_with_the_newest_first(bench: Bench) -> None:
    """Of one status or of all, as many as asked for."""
    jobs = [bench.submit() for _ in range(3)]
    for place, job in enumerate(jobs):
        bench.link.call("ZADD", bench.key("status", "pending"), 1000 + place, job)
    bench.store.control.cancel(jobs[0], "")
    overview = Overview(bench.store)
    assert overview.counts()["pending"] == 2
    assert overview.counts()["cancelled"] == 1
    assert [job_id for job_id, _ in overview.newest("pending", 9)] == [jobs[2], jobs[1]]
    assert len(overview.newest(None, 9)) == 3
    assert len(overview.newest(None, 1)) == 1
    assert overview.newest(None, 0) == []


def test_the_oldest_job_of_each_status_that_has_not_ended(bench: Bench) -> None:
    """By the time of its creation; of a status without jobs there is none."""
    ended, first, second = (bench.submit() for _ in range(3))
    for place, job in enumerate((ended, first, second)):
        bench.link.call("ZADD", bench.key("status", "pending"), 1000 * place, job)
    bench.store.control.cancel(ended, "")
    (found,) = Overview(bench.store).oldest().items()
    assert found == ("pending", (moment(1000), first))


def test_a_row_that_cannot_be_read_does_not_hide_others(bench: Bench) -> None:
    """It is told as such, with the key where it lies; one that is gone is passed over."""
    good, bad, gone = (bench.submit() for _ in range(3))
    bench.link.call("DEL", bench.key("job", bad), bench.key("job", gone))
    bench.link.call("HSET", bench.key("job", bad), "status", "pending", "updated", "x")
    overview = Overview(bench.store)
    found = {type(one): one for one in JobRows(bench.store).summaries([good, bad, gone])}
    assert len(found) == 2
    summary = found[JobSummary]
    assert isinstance(summary, JobSummary)
    assert (summary.job_id, summary.status, summary.counts["queued"]) == (good, "pending", 1)
    active = list(overview.active(9))
    assert [one.key for one in active if isinstance(one, UnreadableRow)] == [bench.key("job", bad)]
    jobs = [one for one in active if not isinstance(one, UnreadableRow)]
    assert [(one.job_id, one.parent_job_id) for one in jobs] == [(good, None)]


def test_active_jobs_are_told_with_their_definitions(bench: Bench) -> None:
    """Ended jobs need none; what is no hash spoils only the definition."""
    kept, damaged, ended = (bench.submit() for _ in range(3))
    bench.store.control.cancel(ended, "")
    bench.link.call("HSET", bench.key("job", damaged), "def", b"\xff")
    found = [one for one in Overview(bench.store).active(9) if isinstance(one, ActiveJob)]
    assert {one.job_id: one.definition for one in found} == {kept: DEFINITION, damaged: "\\xff"}


def test_the_jobs_of_all_statuses_are_found_at_once(bench: Bench) -> None:
    """Of each status the newest or the oldest ones, with two exchanges: the indexes, the rows."""
    jobs = [bench.submit() for _ in range(3)]
    bench.start(jobs[0])
    link = Exchanges(bench.link)
    overview = Overview(Store(link, bench.store.keys.root.removesuffix(":")))
    newest = {one.job_id for one in overview.active(1) if isinstance(one, ActiveJob)}
    assert link.count == 2
    oldest = {one.job_id for one in overview.active(1, oldest=True) if isinstance(one, ActiveJob)}
    assert jobs[0] in newest & oldest
    assert len(newest) == len(oldest) == 2
    assert newest != oldest
    assert list(overview.active(0)) == []


def test_overdue_leases_and_timers_are_counted(bench: Bench) -> None:
    """What expired before the time that is asked for."""
    late, early = bench.submit(), bench.submit()
    bench.start(late, lease=-1000)
    bench.start(early, lease=LONG)
    overview = Overview(bench.store)
    now = overview.now()
    assert abs(now - bench.now()) < LONG
    assert overview.leases(now) == (2, 1)
    assert overview.timers(now) == (0, 0)
    bench.link.call("ZADD", bench.key("timers"), 1, f"{late}/1.0.0")
    assert overview.timers(now) == (1, 1)


def test_the_overview_tells_of_leader_name_and_damage(bench: Bench) -> None:
    """None of them is there before something happened."""
    overview = Overview(bench.store)
    assert (overview.server_name(), overview.has_leader(), overview.damaged()) == ("", False, set())
    name = bench.store.server_name
    bench.store.upkeep.lead("a", LONG)
    bench.store.upkeep.tell_damaged("timers", b"\xff", "no invocation")
    assert overview.server_name() == name
    assert overview.has_leader()
    (text,) = overview.damaged()
    assert "timers" in text


def test_names_that_are_no_text_are_named_as_damaged(bench: Bench) -> None:
    """The server's own and the job of an idempotency key, for producers too."""
    overview = Overview(bench.store)
    bench.link.call("SET", bench.store.keys.of("idempotency", "k"), b"\xc1")
    for ask in (lambda: overview.job_with_key("k"), lambda: bench.submit(idempotency_key="k")):
        with pytest.raises(CorruptRecordError, match="idempotency key cannot be read"):
            ask()
    store = Store(bench.link, bench.prefix)
    bench.link.call("SET", bench.key("server"), b"\xc1")
    for ask in (overview.server_name, lambda: store.server_name):
        with pytest.raises(CorruptRecordError, match="the server's own name cannot be read"):
            ask()


def test_known_idempotency_keys_are_told(bench: Bench) -> None:
    """In the order of the question."""
    bench.submit(idempotency_key="here")
    keys = [("idempotency", "here"), ("idempotency", "not"), ("single", "here")]
    assert Overview(bench.store).known_keys(keys) == [True, False, False]


def test_a_list_tells_what_waits_and_what_was_popped(bench: Bench) -> None:
    """A key of another kind in its place hides no other list."""
    first, second = (bench.number(bench.submit()) for _ in range(2))
    bench.link.call("RPOP", bench.list)
    lists = BrokerLists(bench.store)
    (found,) = lists.all()
    assert (found.name, found.length, found.unclaimed, found.popped) == (bench.list, 1, 2, 1)
    looks = [(second + 1, 0), (second + 1, 1), (second, 0)]
    assert [
        [int(one.number) for one in lists.unclaimed(bench.list, below, skip, 9)]
        for below, skip in looks
    ] == [[first, second], [second], [first]]
    assert len(list(lists.oldest_first(bench.list, 100))) == 1
