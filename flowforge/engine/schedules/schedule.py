"""A schedule as code declares it, and saving it."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any, NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.operator_name import operator_name
from flowforge.engine.schedules.state import ScheduleState, home_of_schedule
from flowforge.engine.submission.job_keys import scoped_key
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import DefinitionError, ScheduleStateError
from flowforge.model.jobs.labels import labels_text
from flowforge.model.locate import MAINS
from flowforge.model.param_checks import check_entry
from flowforge.model.times.schedule import Policy
from flowforge.model.times.timing import Timing
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.schedules import NewSchedule
from flowforge.store.transitions.submission import COMMON_NAMES

#: Schedules of one process that modules declare; more come from data, which belongs in the store.
MOST_DECLARED = 20_000

#: Between the parts of what a mark is a digest of; no number of parts can be taken for another.
_PART = b"%d:%b"


class Schedule:
    """When and how jobs of a flow are to start; ``Flow.schedule`` makes it.

    One that a module makes while it is imported is declared in code: workers that import the module
    save it at their start. Any other is saved by ``save`` alone.
    """

    def __init__(
        self,
        name: str,
        template: JobTemplate,
        params: dict[str, Any] | None,
        timing: Timing,
        policy: Policy,
        labels: Mapping[str, str] | None,
    ) -> None:
        #: Its name, of which a fleet has one.
        self.name = name
        self._template = template
        self._params = params
        self._timing = timing
        self._policy = policy
        self._labels = labels_text(labels)
        #: The module that declares it; empty: none does.
        self.module = _importing()
        #: What the mark below was made of, by the identity of the definition and of the engine.
        self._content: tuple[object, object, _Content] | None = None
        if self.module:
            _declare(self)

    def __repr__(self) -> str:
        return f"Schedule({self.name!r}, {self._timing.describe()!r})"

    @property
    def timing(self) -> Timing:
        """Its times."""
        return self._timing

    @property
    def flow_id(self) -> str:
        """The flow whose jobs it starts."""
        return self._template.flow.flow_id

    @property
    def has_limits(self) -> bool:
        """Whether its jobs count at limits."""
        return self._template.flow.definition().has_limits

    def save(self, *, by: str | None = None) -> ScheduleState:
        """Store it, and return its handle. One that is stored is changed: its pause, its history
        and, if its times are the same, its next time stay. ``by``: who does it; None:
        ``user@host`` of this process.

        Raises what ``Flow.execute`` raises, and ArgumentError for params that the handler of the
        entry cannot be called with or does not take. ScheduleStateError when code declares a
        schedule of this name and this one is made elsewhere, or the other way round, or when
        workers have newer code.
        """
        engine = home_of_schedule(current_engine(), self.name, limited=self.has_limits)
        answer = self.save_on(engine, operator_name(by))
        if answer is Answer.MADE:
            raise ScheduleStateError(
                f"schedule {self.name!r} was saved by a program, so the one that {self.module} "
                f"declares does not change it: give it another name, or remove the other first "
                f"(flowforge schedules remove {self.name})"
            )
        if answer is Answer.DECLARED:
            raise ScheduleStateError(
                f"schedule {self.name!r} is declared in code that workers have: change it there, "
                "or give this one another name"
            )
        if answer is Answer.OLDER:
            raise ScheduleStateError(
                f"workers have a newer version of schedule {self.name!r} in code than "
                f"{self.module}: deploy this one to them, or wait until they are gone"
            )
        return ScheduleState(self.name, engine)

    def save_on(self, engine: Engine, by: str) -> Answer:
        """Store it on this server; what is answered."""
        content = self._content_for(engine)
        now = engine.overview.now() // 1000
        following = self._timing.after(now)
        starts_at = None if following is None else self._timing.starts_at(self.name, following)
        new = NewSchedule(
            self.name, "code" if self.module else "api", content.mark, content.fields, following,
            starts_at,
        )  # fmt: skip
        answer = engine.store.schedules.save(new, by, None)
        if answer is Answer.DEFINITION:
            answer = engine.store.schedules.save(new, by, content.definition)
        return answer

    def mark(self, engine: Engine) -> str:
        """A digest of what would be stored on this server."""
        return self._content_for(engine).mark

    def _content_for(self, engine: Engine) -> _Content:
        definition = self._template.flow.definition()
        if self._content is not None:
            of_definition, of_engine, content = self._content
            if of_definition is definition and of_engine is engine:
                return content
        content = self._make_content(engine)
        self._content = (definition, engine, content)
        return content

    def _make_content(self, engine: Engine) -> _Content:
        described = self._template.flow.definition()
        engine.check_server(described)
        common, first, definition = engine.prepare(self._template, self._params)
        check_entry(described, (common.routine, common.slot), self._params or {})
        timing, policy = self._timing, self._policy
        fields: dict[str, Argument] = {
            **dict(zip(COMMON_NAMES, common.arguments(), strict=True)),
            "mode": first.started(None),
            "record": first.record,
            "params": first.params,
            "labels": self._labels,
            "key": scoped_key(common.flow_id, f"schedule/{self.name}/"),
            **timing.fields(),
            "timing": "/".join(map(str, timing)),
            "overlap": policy.overlap.value,
            "missed": policy.missed.value,
            "catch_up": policy.catch_up,
            "pause_on_failure": int(policy.pause_on_failure),
            "times": "" if policy.times is None else policy.times,
            "place": self.module,
        }
        return _Content(_digest(fields), fields, definition)


class _Content(NamedTuple):
    mark: str
    fields: dict[str, Argument]
    definition: dict[str, Argument]


def _digest(fields: Mapping[str, Argument]) -> str:
    digest = hashlib.sha1()
    for pair in fields.items():
        for part in pair:
            raw = part if isinstance(part, bytes) else str(part).encode()
            digest.update(_PART % (len(raw), raw))
    return digest.hexdigest()[:16]


# --- what modules declare ------------------------------------------------------------------

_lock = threading.Lock()
_declared: dict[str, Schedule] = {}


def declared_schedules(modules: Iterable[str] | None = None) -> list[Schedule]:
    """The schedules that modules of this process declare; ``modules``: those of these alone."""
    with _lock:
        found = list(_declared.values())
    wanted = None if modules is None else set(modules)
    return [one for one in found if wanted is None or one.module in wanted]


def _declare(schedule: Schedule) -> None:
    with _lock:
        former = _declared.get(schedule.name)
        # The same one again, from a module that was loaded again.
        if former is not None and former.module != schedule.module:
            raise DefinitionError(
                f"{former.module} declares a schedule {shown(schedule.name)} already: give this "
                "one another name"
            )
        if former is None and len(_declared) >= MOST_DECLARED:
            raise DefinitionError(
                f"modules can declare {MOST_DECLARED:,} schedules: save those that come from data "
                "with save(), in a program of their own"
            )
        _declared[schedule.name] = schedule


def _importing() -> str:
    """The module that is being imported and calls this, directly or not; empty when none does."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = _module_of(frame) if frame.f_code.co_name == "<module>" else ""
        if name and name not in MAINS:
            return name
        frame = frame.f_back
    return ""


def _module_of(frame: FrameType) -> str:
    """Its name; empty for code that a program executes under a name of its choice."""
    name = frame.f_globals.get("__name__", "")
    module = sys.modules.get(name)
    return name if module is not None and vars(module) is frame.f_globals else ""
