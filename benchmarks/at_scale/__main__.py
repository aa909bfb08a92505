"""``python -m benchmarks.at_scale``: what people ask of 300,000 jobs, and how long they wait.

A server of its own gets 300,000 jobs with three labels each, of ten flows and all statuses, and one
job of 100,000 invocations. Then each list, search, explanation and page is asked for: the time of
the caller, of a page over HTTP until its first byte, the longest command of the server by its slow
log, and how many commands there are.
Takes about five minutes. ``--write`` puts the table into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any, NamedTuple

from benchmarks.at_scale.fill import fill
from benchmarks.at_scale.questions import SIZE_LIMIT, Question, questions
from benchmarks.frame.site import Site
from benchmarks.page import PAGE, replaced
from flowforge import configure, shutdown
from flowforge.engine.current import current_engine
from flowforge.local.server import LocalServer

#: How often each question is asked, unless another number is given.
TIMES = 11

#: Microseconds above which the server keeps a command in its slow log.
SLOW = 100

#: Milliseconds for which one command may hold the server.
LONGEST = 5.0

MARKERS = ("<!-- at scale: begin -->", "<!-- at scale: end -->")


class Answer(NamedTuple):
    """Milliseconds, but for ``commands`` of one call and ``size`` in bytes.

    ``command``: the name of the longest one.
    """

    question: Question
    median: float
    worst: float
    longest: float
    command: str
    commands: int
    size: int

    @property
    def met(self) -> bool:
        small = self.size <= 1000 * SIZE_LIMIT
        return self.median <= self.question.limit and self.longest <= LONGEST and small


def measure(question: Question, times: int) -> Answer:
    """Ask several times; the first time, which is cold, counts as well.

    The longest command is the median of the longest ones of each time: by the clock a command takes
    longer once in a while, when the system gives the server's core to another process.
    """
    client = current_engine().each[0].client
    spent, slow, commands = [], [], 0
    found: Any = None
    for _ in range(times):
        client.slowlog_reset()
        sent = client.info("stats")["total_commands_processed"]
        before = time.perf_counter()
        found = question.ask()
        took = time.perf_counter() - before
        if question.page:
            found, took = found
        spent.append(took * 1000)
        commands = client.info("stats")["total_commands_processed"] - sent - 1
        slow.append(_longest(client.slowlog_get(1000)))
    longest, command = sorted(slow)[times // 2]
    size = len(found) if question.page else 0
    return Answer(
        question, sorted(spent)[times // 2], max(spent), longest / 1000, command, commands, size
    )


def _longest(log: list[dict[str, Any]]) -> tuple[int, str]:
    """Microseconds, and the name of the command; of the slow log without this script's own."""
    names = [(entry["duration"], entry["command"].split(b" ")[0].decode()) for entry in log]
    return max((one for one in names if one[1] not in ("INFO", "SLOWLOG")), default=(SLOW, ""))


def line(answer: Answer) -> str:
    """A row of the table."""
    longest = "< 0.1" if answer.longest <= SLOW / 1000 else f"{answer.longest:.1f} {answer.command}"
    cells = (
        answer.question.name, f"{answer.median:.1f}", f"{answer.worst:.1f}", longest,
        f"{answer.commands:,}", f"{answer.size / 1000:.0f} kB" if answer.size else "",
        "" if answer.met else "NOT MET",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table(answers: list[Answer]) -> str:
    head = "| Question | Median ms | Worst ms | Longest command ms | Commands | Size | |"
    return "\n".join([head, "|---|--:|--:|--:|--:|--:|---|", *map(line, answers)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300_000)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    # Not before the jobs are there: to delete what it holds of them is a slow call itself.
    config = {"slowlog-log-slower-than": "-1", "slowlog-max-len": "1000"}
    answers = []
    with LocalServer.start(config=config) as server:
        configure(redis_url=server.url)
        before = time.perf_counter()
        filled = fill(arguments.jobs, arguments.invocations)
        print(f"filled in {time.perf_counter() - before:.0f} s", file=sys.stderr, flush=True)
        current_engine().each[0].client.config_set("slowlog-log-slower-than", SLOW)
        with Site(server.url) as site:
            for question in questions(filled, site):
                answers.append(measure(question, arguments.times))
                print(line(answers[-1]), flush=True)
        shutdown()
    missed = [answer for answer in answers if not answer.met]
    print(f"{len(missed)} of {len(answers)} not met; load {os.getloadavg()[0]:.1f}")
    if arguments.write:
        PAGE.write_text(replaced(PAGE.read_text(), table(answers), MARKERS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
