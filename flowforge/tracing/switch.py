"""Whether this process makes spans."""

from __future__ import annotations

import importlib
import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowforge.tracing.spans import Spans


logger = logging.getLogger(__name__)


def flush_spans(setting: bool | None) -> None:
    """Export what waits for it: a child process of a pool ends without what Python does at exit."""
    spans = spans_of(setting)
    if spans is not None:
        spans.flush()


def spans_of(setting: bool | None) -> Spans | None:
    """What makes the spans of this process; None: it makes none. ``setting``: ``traces``.

    None makes them where the program has configured a tracer provider: before that, nothing could
    export them. OpenTelemetry is imported only where the program has done so, or the setting asks.
    """
    if setting is False:
        return None
    if setting is None:
        api = sys.modules.get("opentelemetry.trace")
        if api is None or not _is_configured(api):
            return None
    found: Spans = importlib.import_module("flowforge.tracing.spans").SPANS
    return found


def _is_configured(api: ModuleType) -> bool:
    try:
        # It may be named in the environment, and loaded here.
        return not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)
    except Exception:
        logger.exception("there are no traces: OpenTelemetry has no tracer provider")
        return False
