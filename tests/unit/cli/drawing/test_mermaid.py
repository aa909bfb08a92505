"""Mermaid: each routine and connection, and no name that means anything."""

from __future__ import annotations

import re

from flowforge.cli.drawing.mermaid import mermaid
from flowforge.cli.drawing.subject import Subject
from tests.unit.cli.drawing.flows import HOSTILE, flow_of, state, subject


def test_a_flow() -> None:
    """``end`` is a word of Mermaid's own, so ids are not used as names."""
    lines = mermaid(subject(["fetch", "end"], [(0, 1)])).splitlines()
    assert lines[0].startswith("%% flow drawn, definition ")
    assert lines[1:] == [
        "flowchart TD",
        '  r0["fetch"]',
        '  r1["end"]',
        '  r0 -->|"out → input"| r1',
    ]


def test_a_job_has_its_status_as_word_and_colour() -> None:
    flow = flow_of(["fetch"], [])
    states = {"fetch": state("failed", completed=3, failed=1)}
    text = mermaid(Subject(flow.definition(), "j1", "failed", states))
    assert 'r0["fetch<br/>failed<br/>3 done, 1 failed"]:::failed' in text
    assert text.rstrip().endswith("classDef failed fill:#fee2e2,color:#7f1d1d,stroke:#dc2626")


def test_a_hostile_name_stays_text() -> None:
    text = mermaid(subject([HOSTILE, "ok"], [(0, 1)]))
    (label,) = re.findall(r'^  r0\["(.*)"\]$', text, re.MULTILINE)
    assert not set(re.sub(r"#\d+;", "", label)) & set("\"[]<>&%{}`#;'\u202e")
    shown = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)
    assert shown == HOSTILE.replace("\u202e", "\\x202e")
