"""The file of users: ``name:role:hash`` a line. Hashes are scrypt's (RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from flowforge.errors import ConfigurationError

#: Cost: about 50 ms and 32 MiB a password, the least that OWASP's password storage cheat sheet
#: names for scrypt with p=2.
_N, _R, _P = 2**15, 8, 2
_MEMORY = 256 * _N * _R


def hashed(password: str) -> str:
    """What stands in the file for a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_text(salt)}${_text(_scrypt(password, salt))}"


def matches(password: str, stored: str) -> bool:
    """Whether it is the password of this hash."""
    kind, _, rest = stored.partition("$")
    salt, _, expected = rest.partition("$")
    if kind != "scrypt":
        return False
    return hmac.compare_digest(_scrypt(password, _bytes(salt)), _bytes(expected))


def read(path: Path) -> Iterator[tuple[str, str, str]]:
    """Name, role and hash of each user; ConfigurationError names the line that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the users' file {path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = line.strip().split(":")
            if len(parts) != 3 or not parts[0]:
                raise ConfigurationError(f"{path}, line {number}: it is not name:role:hash")
            yield parts[0], parts[1], parts[2]


def add(path: Path, name: str, role: str, password: str) -> None:
    """Write a user into the file, in place of an earlier one of this name."""
    if not name or ":" in name or not name.isprintable():
        raise ConfigurationError("a user's name is printable and has no colon")
    kept = [one for one in read(path) if one[0] != name] if path.exists() else []
    lines = [":".join(one) for one in (*kept, (name, role, hashed(password)))]
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text("\n".join(lines) + "\n", encoding="utf-8")
    made.replace(path)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode())


#: The hash of no password.
NO_PASSWORD = f"scrypt${_text(bytes(16))}${_text(bytes(32))}"
