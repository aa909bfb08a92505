"""A flow as a table of its layers, and its connections as lines: what fits where boxes do not."""

from __future__ import annotations

from flowforge.cli.drawing.layers import layers
from flowforge.cli.drawing.subject import Subject, counts
from flowforge.cli.terminal.render import one_line
from flowforge.cli.terminal.tables import column_lines


def layered_table(subject: Subject) -> list[str]:
    """A row for each routine, in the order of the layers, and for each place that it leads to."""
    found = layers(len(subject.definition.routines), subject.edges)
    leads_to: dict[int, list[str]] = {}
    for edge, one in zip(subject.edges, subject.definition.connections, strict=True):
        back = "back to " if edge in found.back else ""
        target = f"{one.target_routine_id}.{one.target_slot}"
        leads_to.setdefault(edge[0], []).append(f"{back}{target}")
    rows = []
    for place in sorted(range(len(found.of)), key=lambda one: (found.of[one], one)):
        spec = subject.definition.routines[place]
        state = subject.states.get(spec.id)
        told = [] if state is None else [str(state["status"]), counts(state)]
        targets = leads_to.get(place, ["-"])
        rows.append([str(found.of[place] + 1), spec.id, *told, targets[0]])
        rows += [["", "", *([""] * len(told)), target] for target in targets[1:]]
    columns = [">LAYER", "ROUTINE", *(["STATUS", "WORK"] if subject.states else []), "LEADS TO"]
    return column_lines(columns, rows)


def connection_lines(subject: Subject) -> list[str]:
    """What each line of the drawing carries."""
    return [one_line(str(connection)) for connection in subject.definition.connections]
