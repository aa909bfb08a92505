"""The graph of the flights job.

fetch ─ found ─▶ split ─ day_ready ─┬▶ clean ─┬ rows ─────▶ aggregate ─ partial ──┬▶ total ─▶ report
(retried)        (one emission      │ (router)└ rejected ─▶ quarantine ┬ partial ─┤  (join)
                  a day)            │                                  └ counted ─│─▶ watch
                                    └▶ weather ─ partial ─────────────────────────┘  (append)
                                       (optional)
"""

from __future__ import annotations

from examples.flights.routines import (
    Aggregate,
    Clean,
    Fetch,
    Quarantine,
    Report,
    Split,
    Total,
    Watch,
    Weather,
)
from flowforge import ErrorHandler, ErrorStrategy, Flow


def build_flow() -> Flow:
    flow = Flow(flow_id="flights")
    flow.add_routine(Fetch(), routine_id="fetch")
    flow.add_routine(Split(), routine_id="split")
    flow.add_routine(Clean(), routine_id="clean")
    flow.add_routine(Aggregate(), routine_id="aggregate")
    flow.add_routine(Quarantine(), routine_id="quarantine")
    flow.add_routine(Weather(), routine_id="weather")
    flow.add_routine(Watch(), routine_id="watch")
    flow.add_routine(Total(), routine_id="total")
    flow.add_routine(Report(), routine_id="report")
    flow.connect("fetch", "found", "split", "input")
    flow.connect("split", "day_ready", "clean", "input")
    flow.connect("split", "day_ready", "weather", "input")
    flow.connect("clean", "rows", "aggregate", "input")
    flow.connect("clean", "rejected", "quarantine", "input")
    flow.connect("quarantine", "counted", "watch", "input")
    flow.connect("aggregate", "partial", "total", "partials")
    flow.connect("quarantine", "partial", "total", "partials")
    flow.connect("weather", "partial", "total", "partials")
    flow.connect("total", "complete", "report", "input")
    # A full disk or a slow network drive may recover; a wrong answer does not.
    flow.set_error_handler(
        ErrorHandler(
            strategy=ErrorStrategy.RETRY,
            max_retries=3,
            retry_delay=0.5,
            retryable_exceptions=(OSError,),
        )
    )
    return flow


flow = build_flow()
