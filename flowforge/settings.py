"""Settings of one engine, from arguments and from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.errors import ConfigurationError

#: Bounds far above what makes sense, within what the server can count: seconds, and counts.
LONGEST = 1e10
MOST = 10**12

#: The highest port.
MOST_PORT = 65535

#: What ``log_format`` may be, apart from None.
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True)
class Settings:
    """How this process reaches the store and what jobs may use. Times are seconds, sizes bytes."""

    #: ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://`` URL, or several with commas
    #: between them: independent servers that share the jobs. None: the embedded engine.
    redis_url: str | None = field(default=None, repr=False)
    #: Modules that a worker imports so that their routines are known.
    imports: tuple[str, ...] = ()
    #: First part of every key, so that several fleets can share one server.
    prefix: str = "ff"
    #: Whether the embedded engine may run where no server is named. None: it does, and the log
    #: warns of flows that a fleet could run. False: for programs that belong to a fleet.
    embedded: bool | None = None
    #: Directory of the embedded engine's data; None: nothing survives the process.
    data_dir: str | None = None
    #: How long a process runs one invocation after another, each claimed by the commit before it,
    #: until it returns to Celery's own loop; 0: it returns after each.
    time_slice: float = 0.05
    #: Handlers that the embedded engine runs at the same time.
    concurrency: int = 4
    #: How long a claim holds without a heartbeat. A dead worker is noticed after this.
    lease: float = 15.0
    #: How often a process renews its leases; well below ``lease``.
    heartbeat: float = 5.0
    #: How often the upkeep looks for expired leases, lost messages and expired jobs.
    upkeep_interval: float = 2.0
    #: How long a message that a worker has fetched may stay unclaimed before it is pushed again.
    unclaimed_grace: float = 5.0
    #: How long what waits first at a limit may wait before the limit counts as starving.
    limit_starving: float = 300.0
    #: Workers that an invocation may lose: with the last of them it is quarantined.
    max_losses: int = 3
    #: How long a job is kept after its end.
    retention: float = 7 * 86400.0
    #: History entries kept per job, about; the oldest are dropped first.
    history_limit: int = 10_000
    #: Outputs kept per job; later ones are dropped.
    output_limit: int = 10_000
    #: Largest encoded payload of one invocation.
    max_payload: int = 1024 * 1024
    #: Largest message of another task of an app that flows have joined, as it is and decompressed.
    max_message: int = 16 * 1024 * 1024
    #: Invocations of one job in the broker and in workers at the same time.
    max_in_flight: int = 1000
    #: Lines that handlers log and that are kept of each job, about, the latest; 0: none.
    keep_logs: int = 0
    #: How log lines are written: ``text`` or ``json``. None: in workers that run nothing but
    #: FlowForge as text, with the job, place and attempt of handlers; elsewhere they are left.
    log_format: str | None = None
    #: Whether this process makes spans of OpenTelemetry for jobs. None: where the program has
    #: configured a tracer provider. True needs the extra ``otel``.
    traces: bool | None = None
    #: Port on which a worker serves its metrics to Prometheus; 0: none.
    metrics_port: int = 0
    #: Address on which it does.
    metrics_host: str = "127.0.0.1"
    #: Address under which people reach the dashboard, such as ``https://flows.example.org``, for
    #: links in messages. None: there are none.
    dashboard_url: str | None = None
    #: Options for the Celery app that FlowForge makes (``task_routes`` and the like).
    celery: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for one in fields(self):
            _check_type(one.name, getattr(self, one.name), one.default)
        _check_traces(self.traces)
        if self.heartbeat * 2 > self.lease:
            raise ConfigurationError(
                f"heartbeat ({self.heartbeat} s) must be at most half of lease ({self.lease} s): "
                "otherwise one late renewal loses the lease of a healthy worker"
            )
        for name in (
            "lease",
            "heartbeat",
            "upkeep_interval",
            "unclaimed_grace",
            "limit_starving",
            "retention",
        ):
            if not 0 < getattr(self, name) <= LONGEST:
                raise ConfigurationError(
                    f"{name} must be above 0 seconds and at most {LONGEST:g}, not "
                    f"{shown(getattr(self, name))}"
                )
        for name in (
            "concurrency",
            "max_losses",
            "max_payload",
            "max_message",
            "max_in_flight",
        ):
            if not 1 <= getattr(self, name) <= MOST:
                raise ConfigurationError(
                    f"{name} must be at least 1 and at most {MOST:g}, not "
                    f"{shown(getattr(self, name))}"
                )
        highest = dict.fromkeys(("history_limit", "output_limit", "time_slice", "keep_logs"), MOST)
        for name, most in {**highest, "metrics_port": MOST_PORT}.items():
            if not 0 <= getattr(self, name) <= most:
                raise ConfigurationError(
                    f"{name} must not be below 0 nor above {most:g}, not "
                    f"{shown(getattr(self, name))}"
                )
        if not self.prefix or any(c in self.prefix for c in " /{}\n"):
            raise ConfigurationError(
                f"prefix {self.prefix!r} must be non-empty and free of blanks, braces and slashes"
            )

    @property
    def servers(self) -> tuple[Settings, ...]:
        """These settings for each of the servers; none for the embedded engine.

        Raises ConfigurationError when a server is named twice, or a URL is missing.
        """
        urls = [] if _blank(self.redis_url) else _NEXT_URL.split(str(self.redis_url).strip())
        if any(url.strip(", ") != url for url in urls):
            raise ConfigurationError(
                "redis_url has a comma with no URL beside it: give one URL, or several with "
                "commas between them"
            )
        if len(set(urls)) < len(urls):
            raise ConfigurationError("redis_url names the same server twice: name each once")
        return tuple(replace(self, redis_url=url) for url in urls)


def _check_traces(traces: bool | None) -> None:
    if traces and find_spec("opentelemetry") is None:
        raise ConfigurationError(
            "traces=True needs OpenTelemetry, which is not installed here: "
            "pip install 'flowforge[otel]'"
        )


_TUPLES = {"imports"}

#: How a flag may stand in the environment.
_FLAGS = {"1": True, "true": True, "yes": True, "on": True} | dict.fromkeys(
    ("0", "false", "no", "off"), False
)

#: What may hold a password: its value is shown nowhere.
_PRIVATE = {"redis_url", "celery"}

#: Settings that once had another name: the name that was, and the one that is.
RENAMED = {
    "follow_on": "time_slice",
    "max_deliveries": "max_losses",
    "sweep": "upkeep_interval",
}

_FORMER_VARIABLES = {f"FLOWFORGE_{former.upper()}": name for former, name in RENAMED.items()}

#: Variables that begin like settings and are none: those of the fault harness, and those that
#: Kubernetes sets in each pod for a service whose name begins with ``flowforge``.
_OTHERS = re.compile(
    r"FLOWFORGE_(CHAOS_\w+|(\w+_)?SERVICE_(HOST|PORT(_\w+)?)|(\w+_)?PORT(_\d+_\w+)?)"
)

#: Between two URLs. A comma within one, in a password for example, has no scheme behind it.
_NEXT_URL = re.compile(r"\s*,\s*(?=[a-z+]+://)")


def from_environment(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Read ``FLOWFORGE_*`` variables (one for each scalar setting); keyword arguments win.

    What is blank is not set, and neither is a blank ``redis_url`` among the arguments.

    Raises ConfigurationError for a value that cannot be read, an unknown override, and a name that
    a setting had before.
    """
    _refuse_former_names(environ, overrides)
    defaults = Settings()
    values: dict[str, Any] = {}
    for name, default in vars(defaults).items():
        raw = environ.get(f"FLOWFORGE_{name.upper()}")
        if raw is None or not raw.strip() or name == "celery":
            continue
        values[name] = _parse(name, raw, default)
    unknown = set(overrides) - set(vars(defaults))
    if unknown:
        known = ", ".join(sorted(vars(defaults)))
        raise ConfigurationError(f"unknown setting {', '.join(sorted(unknown))}; known: {known}")
    if overrides.get("redis_url") is not None and _blank(overrides["redis_url"]):
        del overrides["redis_url"]
    values.update(overrides)
    found = replace(defaults, **values)
    return replace(found, imports=tuple(found.imports))


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each ``FLOWFORGE_*`` variable that is no setting, with the nearest setting.

    None for a name that a setting had before: ``from_environment`` refuses it with the new name.
    """
    known = [f"FLOWFORGE_{one.name.upper()}" for one in fields(Settings) if one.name != "celery"]
    return [
        f"{name} is no setting and has no effect; the nearest setting is "
        f"{get_close_matches(name, known, 1, 0)[0]}"
        for name in sorted(environ)
        if name.startswith("FLOWFORGE_")
        and name not in known
        and name not in _FORMER_VARIABLES
        and not _OTHERS.fullmatch(name)
    ]


def _refuse_former_names(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
    for former, name in RENAMED.items():
        if former in overrides:
            raise ConfigurationError(f"the setting {former} is now called {name}")
    for variable, name in _FORMER_VARIABLES.items():
        if environ.get(variable, "").strip():
            raise ConfigurationError(f"{variable} is now called FLOWFORGE_{name.upper()}")


def _check_type(name: str, value: object, default: object) -> None:
    """Raise ConfigurationError for a value that is not of the setting's kind."""
    fits, wanted = _KINDS[name] if name in _KINDS else _KINDS[type(default).__name__]
    if not fits(value):
        given = f"of type {type(value).__name__}" if name in _PRIVATE else shown(value)
        raise ConfigurationError(f"{name} must be {wanted}, not {given}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_names(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(name, str) for name in value)


#: By the name of a setting, else of its default's type: whether a value fits, and what would.
_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "redis_url": (
        lambda value: value is None or isinstance(value, str),
        "text, or None (several URLs are one text, with commas between them)",
    ),
    "dashboard_url": (
        lambda value: (
            value is None
            or (isinstance(value, str) and re.fullmatch(r"https?://[^\s?#]+", value) is not None)
        ),
        "an http or https address without ? and #, or None",
    ),
    "imports": (_are_names, 'a list of module names, such as ["package.module"]'),
    "data_dir": (
        lambda value: value is None or isinstance(value, (str, os.PathLike)),
        "a path, or None",
    ),
    "celery": (
        lambda value: isinstance(value, Mapping),
        "a dict of Celery settings, such as {'task_routes': ...}",
    ),
    **dict.fromkeys(
        ("embedded", "traces"),
        (lambda value: value is None or isinstance(value, bool), "True, False or None"),
    ),
    "log_format": (lambda value: value in (None, *LOG_FORMATS), '"text", "json" or None'),
    "str": (lambda value: isinstance(value, str), "text"),
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number of seconds"),
}


def _blank(url: object) -> bool:
    return url is None or (isinstance(url, str) and not url.strip())


def _parse(name: str, raw: str, default: Any) -> Any:
    if name in _TUPLES:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if name in ("embedded", "traces"):
        if raw.strip().lower() not in _FLAGS:
            raise ConfigurationError(f"FLOWFORGE_{name.upper()}={raw!r} is neither 1 nor 0")
        return _FLAGS[raw.strip().lower()]
    if not isinstance(default, (int, float)):
        return raw
    try:
        return type(default)(raw)
    except ValueError:
        wanted = "a whole number" if isinstance(default, int) else "a number"
        raise ConfigurationError(f"FLOWFORGE_{name.upper()}={raw!r} is not {wanted}") from None
