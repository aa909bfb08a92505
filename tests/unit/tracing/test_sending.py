"""Spans of calls that create jobs."""

from __future__ import annotations

import pytest

from flowforge.errors import PayloadError, StoreUnavailableError
from flowforge.tracing.spans import SPANS
from tests.support.spans import recorded


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PayloadError("params['card'] key 4111 is a Card"), "flowforge.errors.PayloadError"),
        (
            StoreUnavailableError("the server is away"),
            "flowforge.errors.StoreUnavailableError: the server is away",
        ),
    ],
)
def test_a_call_that_fails_tells_no_key_of_its_params(error: Exception, told: str) -> None:
    """A key within a secret param is a secret as well; what is no payload's error is told."""
    with recorded() as exporter:
        with pytest.raises(type(error)), SPANS.sending("shop", "charge"):
            raise error
        (span,) = exporter.get_finished_spans()
    assert span.status.description == told
