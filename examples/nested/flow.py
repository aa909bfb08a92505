"""The graph of the nested job.

split ─ carrier ─▶ fleet ─ aircraft ─▶ aircraft ─ flown ─▶ roll_up ─ carrier ─▶ total
(one emission      (one emission                           (one join            (one join
 a carrier)         an aircraft)                            a carrier)           of all)
"""

from __future__ import annotations

from examples.nested.routines import Aircraft, Fleet, RollUp, Split, Total
from flowforge import ErrorHandler, ErrorStrategy, Flow


def build_flow() -> Flow:
    flow = Flow(flow_id="nested")
    flow.add_routine(Split(), routine_id="split")
    flow.add_routine(Fleet(), routine_id="fleet")
    flow.add_routine(Aircraft(), routine_id="aircraft")
    flow.add_routine(RollUp(), routine_id="roll_up")
    flow.add_routine(Total(), routine_id="total")
    flow.connect("split", "carrier", "fleet", "input")
    flow.connect("fleet", "aircraft", "aircraft", "input")
    flow.connect("aircraft", "flown", "roll_up", "aircraft")
    flow.connect("roll_up", "carrier", "total", "carriers")
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
