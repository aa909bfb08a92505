"""``python -m tests.chaos.run``: run the fault rounds and tell what was measured."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from tests.chaos.harness import report
from tests.chaos.harness.arena import PROFILES, environment_scale
from tests.chaos.harness.rounds import discover, pick
from tests.chaos.harness.runner import run_all

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/explanation/reliability.md"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every round was passed."""
    options = _parser().parse_args(arguments)
    try:
        rounds = pick(options.only)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        for one in rounds:
            print(f"{one.row:>3}  {one.name:<20} {one.fault}: {one.target}")
        return 0
    scale = options.scale * environment_scale()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}, scale {scale:g}; repeat with --seed {seed}", flush=True)
    results = run_all(
        rounds, options.build / "chaos", seed=seed, scale=scale, profile=options.profile,
        side_by_side=options.side_by_side, told=lambda one: print(report.line(one), flush=True),
    )  # fmt: skip
    print("\n" + report.table(results))
    report.write_json(results, options.build / "chaos.json")
    if len(rounds) == len(discover()) and options.document:
        report.update_document(results, options.document)
    return 0 if all(result.passed for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the rounds (1)")
    parser.add_argument("--only", default="", metavar="ROW,...", help="rows or names (all)")
    parser.add_argument("--seed", type=int, help="repeats a run (random)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="fast")
    parser.add_argument("--side-by-side", type=int, default=2, metavar="N", help="rounds at once")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="for logs and JSON")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="gets the measured table")
    parser.add_argument("--list", action="store_true", help="show the rounds and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
