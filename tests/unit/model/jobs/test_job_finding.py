"""The kinds of findings."""

from __future__ import annotations

import re
from pathlib import Path

from flowforge.model.jobs.job_finding import FindingKind

_PAGE = Path(__file__).parents[4] / "docs" / "reference" / "job.md"


def test_the_page_has_every_kind_in_order() -> None:
    """Programs compare with these words."""
    table = _PAGE.read_text(encoding="utf-8").partition("| Kind | The job |")[2]
    rows = re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE)
    assert rows == [kind.value for kind in FindingKind]
