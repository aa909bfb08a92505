"""The test that tests/README.md offers to copy works as it stands there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.integration.installation import Installation
from tests.support.pages import ROOT, blocks


def test_the_test_to_copy_runs(own: Installation, tmp_path: Path) -> None:
    """Its imports resolve, and what it asserts holds."""
    (listing,) = blocks(ROOT / "tests/README.md", "python")
    copied = tmp_path / "copied.py"
    copied.write_text(listing.text)
    spec = importlib.util.spec_from_file_location("copied", copied)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.test_a_job_completes(own)
