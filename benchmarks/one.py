"""``python -m benchmarks.one NAME --scale full``: one trial; prints its figures as JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from benchmarks.frame.scale import Scale
from benchmarks.frame.trial import Trial, run_here
from benchmarks.measures import GROUPS


def find(name: str) -> Trial:
    """The trial of that name; KeyError lists the names there are."""
    trials = {trial.name: trial for group in GROUPS for trial in group.trials}
    if name not in trials:
        raise KeyError(f"no trial {name!r}; there are {', '.join(trials)}")
    return trials[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--scale", choices=[scale.value for scale in Scale], default="full")
    arguments = parser.parse_args()
    print(json.dumps(asdict(run_here(find(arguments.name), Scale(arguments.scale)))))


if __name__ == "__main__":
    main()
