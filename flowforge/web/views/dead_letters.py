"""Dead letters: messages that workers refused, each sent again or dropped after a question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import AuditFilter
from flowforge.engine.finding.dead_letters import requeue
from flowforge.errors import DeadLetterError, RecordError
from flowforge.store.fleet_reads.dead_letters import DeadLetter, DeadLetters
from flowforge.web.changed_by import done_by
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role

#: Letters on the page, the newest ones.
_SHOWN = 50

#: Characters of a message on the page.
_CHARACTERS = 300


@dataclass(frozen=True)
class Answer:
    """What is done with a letter. ``does``: what will happen. ``done``: what is told afterwards."""

    name: str
    does: str
    done: str
    run: Callable[[Engine, int], object]


ANSWERS = (
    Answer(
        "requeue",
        "The message goes to its queue again. A worker checks it again: do it once one runs that "
        "takes it.",
        "was sent again",
        requeue,
    ),
    Answer(
        "drop",
        "The message is forgotten. The invocation that it was for is not run by it.",
        "is dropped",
        lambda engine, number: DeadLetters(engine.store).drop(number),
    ),
)


def letters(call: Call) -> View:
    """The newest letters of all servers."""
    corrupt: list[RecordError] = []
    found = [
        (engine.store.server_name, letter, _text(letter))
        for engine in call.engines
        for letter in DeadLetters(engine.store).newest(_SHOWN, corrupt)
    ]
    found.sort(key=lambda one: one[1].at, reverse=True)
    return View(
        "dead_letters.html",
        {
            "letters": found[:_SHOWN],
            "total": sum(DeadLetters(engine.store).count() for engine in call.engines),
            "left_out": corrupt,
            "several": len(call.engines) > 1,
            "answers": ANSWERS if call.may(Role.ADMIN) else (),
        },
    )


def _text(letter: DeadLetter) -> str:
    text = letter.item.decode(errors="backslashreplace")
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


def ask(answer: Answer, call: Call) -> View:
    """What will happen, and the form that does it."""
    engine, number = _addressed(call)
    try:
        letter = DeadLetters(engine.store).get(number)
    except DeadLetterError as error:
        raise DeadLetterError(f"{error}{_who(engine, number)}") from error
    return View("dead_letter.html", {"answer": answer, "letter": letter, "text": _text(letter)})


def act(answer: Answer, call: Call) -> Leave:
    """Do it; DeadLetterError when another person was faster."""
    engine, number = _addressed(call)
    try:
        answer.run(engine, number)
    except DeadLetterError as error:
        raise DeadLetterError(f"{error}{_who(engine, number)}") from error
    return Leave("/dead-letters", f"Dead letter {number} {answer.done}.")


def _who(engine: Engine, number: int) -> str:
    """Who has sent the letter again or dropped it."""
    return done_by([engine], AuditFilter(action="dead letter"), f"Dead letter {number} ")


def _addressed(call: Call) -> tuple[Engine, int]:
    name = call.path("server")
    for engine in call.engines:
        if engine.store.server_name == name:
            return engine, int(call.path("letter"))
    raise DeadLetterError(f"no server is named {name}")


PAGES = [
    Page("/dead-letters", letters, nav="Dead letters"),
    *(
        page
        for answer in ANSWERS
        for page in (
            Page(
                f"/dead-letters/{{server}}/{{letter:int}}/{answer.name}",
                partial(ask, answer), Role.ADMIN,
            ),
            Page(
                f"/dead-letters/{{server}}/{{letter:int}}/{answer.name}",
                partial(act, answer), Role.ADMIN, "POST", does=f"{answer.name} dead letter",
            ),
        )
    ),
]  # fmt: skip
