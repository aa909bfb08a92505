"""``flowforge ui``: serve the dashboard, or write a user into the file of its users."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from flowforge.cli.group import CommandFailedError
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import say

_ROLES = ("viewer", "operator", "admin")


@dataclass(frozen=True)
class _Options:
    """What the command line says."""

    host: str
    port: int
    users: Path | None
    add_user: str | None
    user_header: str | None
    role_header: str | None
    role: str | None
    allowed: tuple[str, ...]
    read_only: bool


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8470, show_default=True,
    help="Port to listen on; 0 for any that is free.",
)  # fmt: skip
@click.option(
    "--users", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Users log in with the names and passwords of this file.",
)  # fmt: skip
@click.option(
    "--add-user", metavar="NAME",
    help="Write this user into the file of --users, with the role of --role; ask for the "
    "password, or read it from the first line of what is piped in.",
)  # fmt: skip
@click.option(
    "--trust-user-header", "user_header", metavar="HEADER",
    help="A proxy in front has authenticated the user, and names it in this header.",
)  # fmt: skip
@click.option(
    "--trust-role-header", "role_header", metavar="HEADER",
    help="The proxy names the user's role in this header.",
)  # fmt: skip
@click.option(
    "--role", type=click.Choice(_ROLES),
    help="Of users with the token (default: admin), of users for whom the proxy names none "
    "(default: viewer), or of the user who is added (default: viewer).",
)  # fmt: skip
@click.option(
    "--allow-host", "allowed", metavar="NAME", multiple=True,
    help="A name in the browser's address bar that leads here, beside localhost. May be repeated.",
)  # fmt: skip
@click.option("--read-only", is_flag=True, help="No user changes anything.")
@pass_session
def ui(session: Session, /, **given: Any) -> None:
    """Serve the dashboard.

    On this machine alone it needs no set-up: it prints a link with a token. For any other address
    give --users, or --trust-user-header behind a proxy that authenticates.
    """
    options = _Options(**given)
    web = _web()
    if options.add_user is not None:
        _add_user(web, options, options.add_user)
        return
    authentication = _authentication(web, options)
    application = web.app(
        session.submitter(),
        authentication=authentication,
        hosts=[*web.LOOPBACK, options.host, *options.allowed],
        read_only=options.read_only,
    )
    token = getattr(authentication, "token", None)

    def ready(address: str) -> None:
        say(f"dashboard: {address}{'' if token is None else f'/login?token={token}'}")

    web.serve(application, options.host, options.port, ready)


def _web() -> ModuleType:
    """The dashboard's own packages, which are an extra."""
    try:
        from flowforge import web  # noqa: PLC0415
    except ImportError as error:
        raise CommandFailedError(
            f"the dashboard needs more packages ({error.name} is missing): "
            "pip install 'flowforge[web]'"
        ) from error
    return web


def _add_user(web: ModuleType, options: _Options, name: str) -> None:
    if options.users is None:
        raise click.UsageError("--add-user needs --users FILE, the file to write to")
    role = options.role or "viewer"
    web.add_user(options.users, name, role, _password(name))
    say(f"{name} is a user of {options.users}, role {role}")


def _password(name: str) -> str:
    """As a person types it, twice, or a program writes it, once."""
    if sys.stdin.isatty():
        return str(click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError(
            "--add-user reads the password from the first line of standard input, which is empty"
        )
    return password


def _authentication(web: ModuleType, options: _Options) -> Any:
    if options.users is not None and options.user_header is not None:
        raise click.UsageError("give --users or --trust-user-header, not both")
    if options.role_header is not None and options.user_header is None:
        raise click.UsageError("--trust-role-header needs --trust-user-header")
    if options.users is not None:
        return web.PasswordFile(options.users)
    if options.user_header is not None:
        default = web.Role.named(options.role or "viewer")
        return web.TrustedHeaders(options.user_header, options.role_header, default)
    if not _is_loopback(options.host):
        raise click.UsageError(
            f"{options.host} can be reached from other machines, where a link with a token is no "
            "login: give --users FILE, or --trust-user-header behind a proxy that authenticates"
        )
    return web.Token(role=web.Role.named(options.role or "admin"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
