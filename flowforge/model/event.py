"""A routine's named output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowforge.model.names import check_name, check_names
from flowforge.model.records import Record, read, read_list


@dataclass(frozen=True, slots=True)
class Event:
    """What a routine may emit. ``output_params`` documents the params; others travel as well."""

    name: str
    output_params: tuple[str, ...] | None = None

    @classmethod
    def of(cls, name: str, output_params: Iterable[str] | None = None) -> Event:
        """Make an event from what a user wrote; ValueError for an unfit name."""
        check_name("event name", name)
        if output_params is None:
            return cls(name)
        return cls(name, check_names(f"output_params of event {name!r}", output_params))

    def serialize(self) -> Record:
        params = self.output_params
        return {"name": self.name, "output_params": None if params is None else list(params)}

    @classmethod
    def deserialize(cls, data: Record) -> Event:
        name = read(data, "name", str, "an event")
        where = f"event {name!r}"
        if data.get("output_params") is None:
            return cls.of(name)
        return cls.of(name, read_list(data, "output_params", str, where))
