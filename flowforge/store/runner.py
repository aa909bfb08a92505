"""Running the scripts of one key prefix on one server."""

from __future__ import annotations

import secrets
from typing import Any

from redis.exceptions import NoScriptError

from flowforge.errors import CommandRefusedError
from flowforge.store.key_types import explained
from flowforge.store.keys import Keys
from flowforge.store.scripts import SCRIPTS
from flowforge.store.server.link import Argument, Link


class ScriptRunner:
    """Each run of a script is one round trip."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self.link = link
        self.keys = keys

    def run(self, script: str, *arguments: Argument) -> Any:
        """Run one script by name; a server that does not know it is taught first.

        CommandRefusedError names the key that something else lies in place of, if that is why.
        """
        found = SCRIPTS[script]
        try:
            try:
                return self.link.call("EVALSHA", found.sha, 0, self.keys.root, *arguments)
            except NoScriptError:
                # EVAL runs and caches in one step: a concurrent SCRIPT FLUSH cannot come between.
                return self.link.call("EVAL", found.source, 0, self.keys.root, *arguments)
        except CommandRefusedError as error:
            raise explained(self.link, self.keys, arguments, error) from error.__cause__


def new_request() -> str:
    """A number of a request, which is met once: the link sends it again when its reply is lost."""
    return secrets.token_hex(8)
