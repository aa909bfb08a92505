"""What stands in the log of what the server did not take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import tell
from flowforge.errors import StoreUnavailableError
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia
from flowforge.store.fleet_reads.audit import AuditStream


def test_an_entry_that_is_not_kept_stands_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In words, with what it has."""

    def refuse(*_: object) -> None:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(AuditStream, "__init__", lambda *_: None)
    monkeypatch.setattr(AuditStream, "add", refuse)
    record = AuditRecord(
        "kim", AuditVia.COMMAND_LINE, "set limit", AuditOutcome.REFUSED, job_ids=("a", "b"),
        what="limit vendor rate=4",
    )  # fmt: skip
    tell(cast("Engine", SimpleNamespace(store=None)), record)
    assert caplog.messages == [
        "not kept in the audit stream: by kim, via command line, action set limit, "
        "outcome refused, job_ids a, b, what limit vendor rate=4 (no answer)"
    ]
