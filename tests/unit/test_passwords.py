"""A password in the server's URL is shown nowhere, whatever is wrong with the URL."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from flowforge.broker.address import broker_address, state_url
from flowforge.errors import ConfigurationError, FlowForgeError
from flowforge.settings import Settings, from_environment
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink

PASSWORD = "hunter2SECRET"
P = PASSWORD

#: Ways to write a URL, most of them wrong; nothing listens on port 1.
URLS = (
    f"redis://user:{P}@127.0.0.1:1/0", f"redis://user:{P}@host:port/0", f"redis://:{P}@host:1/x",
    f"redis://:{P}/x@host:1/0", f"redis://:{P}#x@host:1/0", f"redis://:{P}?x@host:1/0",
    f"redis://:x/{P}@host:1/0", f"redis://:x?{P}@host:1/0", f"redis://:12#{P}@127.0.0.1:1/0",
    f"redis://:12/{P}@127.0.0.1:1/0", f"redis://:12?{P}@127.0.0.1:1/0", f"redis:{P}@host", P,
    f"rediss://:{P}@host/0?ssl_cert_reqs=bogus", f"amqp://u:{P}@h//", f"http://:{P}@x",
    f"unix://:{P}@/tmp/none.sock", f"unix://:{P}@host/tmp/x", f"redis://:{P}@[::1/0",
    f"redis://:{P}@127.0.0.1:99999/0", f"redis://:{P}%zz@127.0.0.1:1/0",
    f"redis://:{P}@127.0.0.1:1/0?socket_timeout=x{P}", f"redis://:{P}@127.0.0.1:1/0,",
    f"redis://:{P}@127.0.0.1:1/0, redis://:{P}@127.0.0.1:1/0",
    f"redis://:{P}@127.0.0.1:1/0,http://:{P}@x", f"sentinel://:{P}@127.0.0.1:1/0?master_name=m",
    f"sentinel://:{P}@127.0.0.1:1/0", f"sentinel://127.0.0.1:1/{P}?master_name=m",
    f"sentinel://:x/{P}@h:1/0?master_name=m", f"sentinel://:x?{P}@h:1/0?master_name=m",
    f"sentinel://:x?a&{P}@h:1/0?master_name=m", f"sentinel://:1?{P}=@h:1/0?master_name=m",
    f"sentinel://:12#{P}@127.0.0.1:1/0?master_name=m", f"sentinel://:{P}@h:x/0?master_name=m",
    f"sentinel://:{P}@127.0.0.1:1/0?master_name=m&sentinel_password={P}&bogus=1",
)  # fmt: skip


def use(url: Any) -> None:
    """Everything that is done with a URL until a first command is answered."""
    for one in from_environment({}, redis_url=url).servers:
        state = state_url(str(one.redis_url))
        make_client(state)
        broker_address(state)
        ServerLink(make_client(state, socket_connect_timeout=0.2), patience=0.0).call("PING")


@pytest.mark.attack(what="Passwords with characters of a URL, wrong URLs, URLs as lists and bytes")
@pytest.mark.parametrize(
    "url", [*URLS, [URLS[0], URLS[0]], (URLS[0],), URLS[0].encode(), {"url": URLS[0]}], ids=str
)
def test_no_error_shows_a_password(url: Any) -> None:
    """Each gives an error of FlowForge, which quotes no part of the URL."""
    with pytest.raises(FlowForgeError) as caught:
        use(url)
    shown = "".join(traceback.format_exception(caught.value))
    code = [line for line in shown.splitlines() if not line.startswith("    ")]
    assert "hunter2" not in "\n".join(code)


@pytest.mark.parametrize("url", [f"redis://:12#{P}@h/0", f"sentinel://:12#{P}@h/0?master_name=m"])
def test_a_password_does_not_become_an_address(url: str) -> None:
    """What stands before the password's # would be read as a port of this machine."""
    with pytest.raises(ConfigurationError, match="percent-encode"):
        make_client(url)


def test_a_way_to_check_certificates_that_does_not_exist_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigurationError, match="one of required, optional, none"):
        make_client("rediss://h/0?ssl_cert_reqs=CERT_REQUIRED")


def test_settings_show_no_password() -> None:
    """They stand in logs and tracebacks; Celery's options may hold passwords as well."""
    settings = Settings(redis_url=URLS[0], celery={"result_backend": URLS[0]})
    assert P not in repr(settings)
    assert "prefix='ff'" in repr(settings)
    with pytest.raises(ConfigurationError, match=r"a dict of Celery .*not of type list") as error:
        Settings(celery=[URLS[0]])  # type: ignore[arg-type]
    assert P not in str(error.value)
