"""Keys by name, as terminals send them."""

from __future__ import annotations

from flowforge.cli.fleet_screen.keys import DOWN, ENTER, ESCAPE, PAGE_UP, UP, KeyDecoder


def test_letters_arrows_and_what_is_unknown() -> None:
    """Also those of the other mode of the arrows; an unknown sequence is no letters."""
    assert KeyDecoder().keys(b"jk\x1b[A\x1bOB\x1b[5~\r\x1b[15~\x01q") == [
        "j", "k", UP, DOWN, PAGE_UP, ENTER, "q",
    ]  # fmt: skip
    assert KeyDecoder().keys(b"\x1b") == [ESCAPE]


def test_a_character_that_is_cut_waits_for_its_rest() -> None:
    decoder = KeyDecoder()
    assert decoder.keys("é".encode()[:1]) == []
    assert decoder.keys("é".encode()[1:]) == ["é"]
