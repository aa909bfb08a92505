"""The security page's table of what was tried is the tests' own."""

from __future__ import annotations

from tests.security.table import PAGE, attacks, table, with_table


def test_the_page_has_the_rows_of_the_tests() -> None:
    """``python -m tests.security.table --write`` brings the page up to date."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page, table(attacks())), "run: python -m tests.security.table --write"


def test_every_row_says_what_was_tried_and_what_happens() -> None:
    """In one sentence each, without what would end a cell of the table."""
    found = attacks()
    assert found
    for attack in found:
        assert attack.what, attack
        assert attack.outcome.endswith("."), attack
        assert "|" not in attack.what + attack.outcome, attack
