"""Jobs that count at limits, by direct calls of the store."""

from __future__ import annotations

from flowforge.model.limit import LimitSettings
from tests.contract.bench import Bench


def at(*keys: str, mode: str = "") -> str:
    """The mode of a delivery that counts at these keys."""
    text = "\n".join(keys)
    return f"L{len(text)} {text}{mode}"


def declare(bench: Bench, name: str = "api", **settings: object) -> None:
    bench.store.limits.declare(name, LimitSettings(**settings), None)  # type: ignore[arg-type]


def submit(bench: Bench, *keys: str, **changes: object) -> str:
    """A job whose first invocation counts at these keys, by default at ``api``."""
    request = bench.submission(mode=at(*(keys or ("api",))), **changes)
    assert bench.send(request, {**bench.fields(), "uses": "l"}) == request.job_id
    return request.job_id


def waiting(bench: Bench, key: str = "api") -> list[str]:
    """The jobs that wait at a key, in their order."""
    return [member.partition("/")[0] for member in bench.members("limit_waiters", key)]


def sent(bench: Bench) -> list[str]:
    """The jobs that have a message, in the order in which workers take them."""
    return [job for job, _ in bench.sent()]


def finish(bench: Bench, job: str, token: str = "t") -> None:
    bench.start(job, token=token)
    assert bench.commit(job, token=token) == "ok"


def pop(bench: Bench) -> None:
    bench.link.call("RPOP", bench.list)


def keys_left(bench: Bench) -> set[str]:
    """Keys of limits that are left, but for what is in force."""
    found = {key.removeprefix(f"{bench.prefix}:") for key in bench.every_key()}
    return {key for key in found if key.startswith(("limit:", "limits:"))}


def places(bench: Bench, key: str = "api") -> list[str]:
    """The jobs that have a place of a key, those with a message too."""
    return [member.partition("/")[0] for member in bench.members("limit_places", key)]


def whole(*keys: str, mode: str = "") -> str:
    """The mode of the first delivery of a job that counts as a whole at these keys."""
    return "F" + at(*keys, mode=mode)[1:]


def submit_whole(
    bench: Bench, *keys: str, uses: str = "j", mode: str = "", **changes: object
) -> str:
    """A job that counts as a whole at these keys, by default at ``api``."""
    request = bench.submission(mode=whole(*(keys or ("api",)), mode=mode), **changes)
    assert bench.send(request, {**bench.fields(), "uses": uses}) == request.job_id
    return request.job_id
