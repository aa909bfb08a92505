"""A flow as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.cli.drawing.subject import Subject
from flowforge.common.plain_text import clean

#: ASCII characters that mean nothing in Mermaid nor in the HTML that it makes.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,:/()+-=→")

#: Fill and text of the statuses that stand out; each is a word in the box as well.
_STYLES = {
    "running": "fill:#dbeafe,color:#1e3a8a,stroke:#2563eb",
    "completed": "fill:#dcfce7,color:#14532d,stroke:#16a34a",
    "failed": "fill:#fee2e2,color:#7f1d1d,stroke:#dc2626",
    "error_continued": "fill:#fef3c7,color:#78350f,stroke:#d97706",
    "skipped": "fill:#fef3c7,color:#78350f,stroke:#d97706",
}


def mermaid(subject: Subject) -> str:
    """The text of the chart."""
    return "\n".join(_lines(subject)) + "\n"


def _lines(subject: Subject) -> Iterator[str]:
    yield f"%% {_quoted(subject.title)}"
    yield "flowchart TD"
    for place, spec in enumerate(subject.definition.routines):
        text = "<br/>".join(_quoted(line) for line in subject.lines(place))
        status = str(subject.states.get(spec.id, {}).get("status", ""))
        # Not the routine's id, which may be a word of Mermaid's own, as ``end`` is.
        yield f'  r{place}["{text}"]' + (f":::{status}" if status in _STYLES else "")
    pairs = zip(subject.edges, subject.definition.connections, strict=True)
    for (source, target), connection in pairs:
        name = _quoted(f"{connection.source_event} → {connection.target_slot}")
        yield f'  r{source} -->|"{name}"| r{target}'
    used = {str(state["status"]) for state in subject.states.values()}
    for status, style in _STYLES.items():
        if status in used:
            yield f"  classDef {status} {style}"


def _quoted(text: str) -> str:
    """The text for a place between quotes: what may mean something stands as its number."""
    return "".join(
        sign if sign in _PLAIN or (ord(sign) > 127 and sign.isalnum()) else f"#{ord(sign)};"
        for sign in clean(text)
    )
