"""Routines that are given secrets and do their best to give them away."""

from __future__ import annotations

from typing import Any

from flowforge import ErrorHandler, ErrorStrategy, Flow, Join, Routine

#: Values that must be found nowhere; each in another place of the params.
PLAIN = "plain-4f1c2d"
NESTED = "nested-9a77e0"
RAW = b"raw-0be55a"
NUMBER = 735_201_994_120_556_183
SECRETS = {
    "password": PLAIN,
    "login": {"user": "ann", "tokens": [NESTED, {"more": RAW}]},
    "account": NUMBER,
}
#: How they would look in a text.
TRACES = (PLAIN, NESTED, RAW.decode(), str(NUMBER))


class Keeper(Routine):
    """Takes secrets and passes on nothing but that it had them."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.keep, secret=SECRETS)
        self.define_event("kept")

    def keep(self, **params: Any) -> None:
        self.emit("kept", names=sorted(params))


class Blabber(Routine):
    """Tells everything in its errors, each time in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.tell, secret=SECRETS)

    def tell(self, **params: Any) -> None:
        password, login, account = params["password"], params["login"], params["account"]
        # What the handler does to its copy must not blind whoever looks for secrets.
        params.clear()
        try:
            raise KeyError(login["tokens"][0], account)
        except KeyError as cause:
            if self.attempt == 1:
                raise ValueError(f"no {password!r} with {login}") from cause
            raise RuntimeError(login["tokens"][1]["more"], password.upper() == password) from cause


class Collector(Routine):
    """Merges secrets and then complains about all that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot(
            "input", handler=self.complain, merge_strategy="append", secret=["password"]
        )

    def complain(self, password: list[str]) -> None:
        raise ValueError(f"too many: {password[-1]} {password}")


class Joined(Routine):
    """Joins secrets and complains about them."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.complain, join=Join.all(), secret=["password"])

    def complain(self, items: Any) -> None:
        raise ValueError(f"what shall I do with {[item['password'] for item in items]}")


def agree(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Refuses a second password, and tells both."""
    if old and old["password"] != new["password"]:
        raise ValueError(f"{old['password']} was there before {new['password']}")
    return new


class Agreeing(Routine):
    """Merges secrets with a function that complains about them."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.take, merge_strategy=agree, secret=["password"])

    def take(self, password: str) -> None:
        """Had no reason to complain."""


class Asking(Routine):
    """Complains, when it is called for another reason, about what it was told before."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.learn, secret=["password"])
        self.define_slot("again", self.complain)
        self.define_event("learnt")

    def learn(self, password: str) -> None:
        self.emit("learnt")

    def complain(self) -> None:
        raise ValueError(f"still {self.slot_data('input')['password']}")


class Keyed(Routine):
    """Joins for each secret, never enough of them."""

    def __init__(self) -> None:
        super().__init__()
        join = Join.each("password", count=3, timeout=600)
        self.define_slot("input", self.take, secret=["password"], join=join)

    def take(self, items: Any) -> None:
        """Is not called."""


class Sender(Routine):
    """Sends a secret on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.send, secret=["password", "second"])
        self.define_event("secret")

    def send(self, password: str, second: str = "") -> None:
        self.emit("secret", password=password)
        if second:
            self.emit("secret", password=second)


def kept() -> Flow:
    """One handler that keeps what it gets."""
    flow = Flow("vault-kept")
    flow.add_routine(Keeper(), "keeper")
    return flow


def told(strategy: ErrorStrategy) -> Flow:
    """One handler that tells, under an error strategy."""
    flow = Flow(f"vault-told-{strategy.value}")
    flow.add_routine(Blabber(), "blabber")
    flow.set_error_handler(ErrorHandler(strategy, max_retries=1, retry_delay=0.01))
    return flow


def sent_to(routine: Routine, slot: str) -> Flow:
    """A sender in front of a slot."""
    flow = Flow(f"vault-sent-{type(routine).__name__}")
    flow.add_routine(Sender(), "sender")
    flow.add_routine(routine, "receiver")
    flow.connect("sender", "secret", "receiver", slot)
    return flow


def asked() -> Flow:
    """A routine that comes back to a secret."""
    flow = sent_to(Asking(), "input")
    flow.connect("receiver", "learnt", "receiver", "again")
    return flow


class Growing(Routine):
    """Emits what cannot be emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.grow)
        self.define_event("output")

    def grow(self, what: str) -> None:
        self.emit("output", value="before")
        if what == "large":
            self.emit("output", value="x" * 20_000)
        elif what == "large stat":
            self.set_stat("value", "x" * 20_000)
        elif what == "deep":
            value: list[Any] = []
            for _ in range(5000):
                value = [value]
            self.emit("output", value=value)
        elif what == "strange":
            self.emit("output", value=self.grow)
        else:
            raise ValueError("x" * 5_000_000)
