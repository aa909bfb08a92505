"""Refused messages: kept in order and number, sent again, dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flowforge.errors import DeadLetterError
from flowforge.store.fleet_reads import dead_letters
from flowforge.store.fleet_reads.dead_letters import KEPT_BYTES, DeadLetters
from tests.contract.bench import Bench


@pytest.fixture
def letters(bench: Bench) -> DeadLetters:
    return DeadLetters(bench.store)


def test_a_letter_tells_what_was_refused_and_why(letters: DeadLetters) -> None:
    """Queue, reason, the message itself and the server's time are kept."""
    number = letters.bury("q", "not JSON", b"\xff\x00 rubbish")
    letter = letters.get(number)
    assert (letter.number, letter.queue, letter.reason) == (number, "q", "not JSON")
    assert (letter.item, letter.size, letter.whole) == (b"\xff\x00 rubbish", 10, True)
    assert abs(datetime.now(UTC) - letter.at) < timedelta(hours=1)


def test_the_newest_come_first(letters: DeadLetters) -> None:
    """A list is bounded and begins with what happened last; equal messages stay apart."""
    for _ in range(3):
        letters.bury("q", "no", b"x")
    assert [letter.number for letter in letters.newest(2)] == [3, 2]
    assert letters.count() == 3
    assert letters.newest(10)[-1].number == 1


def test_a_number_is_never_given_twice(letters: DeadLetters) -> None:
    """Whoever noted a number does not find another message under it later."""
    letters.bury("q", "no", b"x")
    letters.drop(1)
    assert letters.bury("q", "no", b"y") == 2
    assert letters.drop_all() == 1
    assert letters.bury("q", "no", b"z") == 3


def test_the_oldest_are_dropped(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rubbish cannot fill the server's memory."""
    monkeypatch.setattr(dead_letters, "KEPT_LETTERS", 3)
    for item in (b"1", b"2", b"3", b"4", b"5"):
        letters.bury("q", "no", item)
    assert [letter.item for letter in letters.newest(10)] == [b"5", b"4", b"3"]


def test_a_letter_is_sent_again_once(bench: Bench, letters: DeadLetters) -> None:
    """The message is on its list as it was, and the letter is gone."""
    number = letters.bury("q", "no such task", b'{"a": 1}')
    letters.requeue(number, bench.list)
    assert bench.link.call("LRANGE", bench.list, 0, -1) == [b'{"a": 1}']
    assert letters.count() == 0
    with pytest.raises(DeadLetterError, match=f"no dead letter {number}"):
        letters.requeue(number, bench.list)
    assert bench.link.call("LLEN", bench.list) == 1


def test_what_was_cut_is_not_sent_again(bench: Bench, letters: DeadLetters) -> None:
    """Half a message would only be refused once more."""
    number = letters.bury("q", "no", b"x" * (KEPT_BYTES + 1))
    with pytest.raises(DeadLetterError, match="cannot be sent again"):
        letters.requeue(number, bench.list)
    assert letters.get(number).item == b"x" * KEPT_BYTES
    assert bench.link.call("LLEN", bench.list) == 0


def test_one_or_all_are_dropped(letters: DeadLetters) -> None:
    """Dropping takes exactly what was named."""
    numbers = [letters.bury("q", "no", b"x") for _ in range(3)]
    letters.drop(numbers[1])
    assert [letter.number for letter in letters.newest(10)] == [numbers[2], numbers[0]]
    with pytest.raises(DeadLetterError):
        letters.drop(numbers[1])
    assert letters.drop_all() == 2
    assert letters.drop_all() == 0
