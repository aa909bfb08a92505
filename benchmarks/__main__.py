"""``python -m benchmarks``: run everything, print the table, write ``build/bench.json``."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.frame import clocks
from benchmarks.frame.report import report, versions, write
from benchmarks.frame.scale import Scale
from benchmarks.frame.session import Session
from benchmarks.frame.stage import ROOT
from benchmarks.frame.table import print_table, summary
from benchmarks.measures import GROUPS

#: Rounds of a full and of a quick run.
ROUNDS = {Scale.FULL: 5, Scale.QUICK: 1, Scale.TINY: 1}

#: Cores that other programs may keep busy before the figures are called doubtful.
OTHERS = 0.2


def main() -> int:
    arguments = _parser().parse_args()
    scale = Scale(arguments.scale)
    console = Console(width=None if sys.stdout.isatty() else 120)
    if not clocks.supported():
        console.print("The benchmarks need Linux: they read /proc and pin processes to cores.")
        return 2
    groups = [g for g in GROUPS if not arguments.only or g.name in arguments.only]
    rounds = arguments.rounds or ROUNDS[scale]
    console.print(" ".join(f"{name} {version}" for name, version in versions().items()))

    began = datetime.now(UTC)
    session = Session(groups, scale, rounds, lambda line: print(line, file=sys.stderr, flush=True))
    session.run()
    verdicts = session.verdicts()
    print_table(verdicts, scale, console)
    for trial, problem in session.samples.problems.items():
        console.print(f"{trial}:\n{problem}", style="yellow", markup=False)
    _warn_of_others(session, console)
    path = Path(arguments.output)
    write(report(session, f"python -m benchmarks {' '.join(sys.argv[1:])}".strip(), began), path)
    console.print(f"{summary(verdicts)}; written to {path}")
    return 0


def _warn_of_others(session: Session, console: Console) -> None:
    shares = [
        figures["others"]
        for rounds in session.samples.raw().values()
        for figures in rounds
        if "others" in figures
    ]
    busy = sorted(shares)[len(shares) // 2] if shares else 0.0
    if busy > OTHERS:
        console.print(
            f"Other programs kept {busy:.1f} cores busy meanwhile: wall times are doubtful.",
            style="yellow",
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [group.name for group in GROUPS]
    parser.add_argument("--scale", choices=[scale.value for scale in Scale], default="full")
    parser.add_argument("--rounds", type=int, help="default: 5 in full, 1 in quick")
    parser.add_argument("--only", nargs="+", choices=names, metavar="GROUP", help=", ".join(names))
    parser.add_argument("--output", default=str(ROOT / "build" / "bench.json"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
