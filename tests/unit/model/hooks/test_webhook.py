"""Webhooks: which addresses and secrets are taken, and what is signed."""

from __future__ import annotations

import pytest

from flowforge.errors import InvalidValueError
from flowforge.model.hooks.webhook import Webhook, signature

#: The example of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "QUFB" * 8


def webhook(url: object = "https://example.com/x", secret: object = None) -> Webhook:
    return Webhook.of(url, secret, insecure=False)


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """Receivers can use the libraries that exist."""
    (key,) = webhook(secret=SECRET).keys
    body = b'{"test": 2432232314}'
    assert signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_two_secrets_give_two_signatures() -> None:
    """While a secret is changed, a receiver has one of them."""
    both = webhook(secret=[OTHER, SECRET])
    headers = both.headers("id", 1, b"{}")
    expected = [signature(key, "id", 1, b"{}") for key in both.keys]
    assert headers["webhook-signature"].split(" ") == expected
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("id", "1")
    assert len(set(expected)) == 2


def test_without_a_secret_nothing_is_signed() -> None:
    """For receivers that look at the address alone."""
    assert set(webhook().headers("id", 1, b"")) == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize(
    ("url", "place", "path"),
    [
        ("https://example.com", "https://example.com", "/"),
        ("https://example.com:8443/a/b?c=d#e", "https://example.com:8443", "/a/b?c=d"),
        ("http://localhost:9/x", "http://localhost:9", "/x"),
        ("http://127.3.2.1/", "http://127.3.2.1", "/"),
        ("http://[::1]:80/", "http://[::1]", "/"),
    ],
)
def test_an_address_is_shown_without_its_path(url: str, place: str, path: str) -> None:
    """The path of many receivers is a secret."""
    found = webhook(url, SECRET)
    assert (found.place, found.path) == (place, path)
    assert "MfKQ" not in repr(found)
    assert path == "/" or path not in repr(found)


@pytest.mark.attack(what="Addresses of webhooks that are none, or not encrypted")
@pytest.mark.parametrize(
    "url",
    [
        None, b"https://x", "", "example.com", "//example.com", "ftp://example.com",
        "file:///etc/passwd", "https://", "https://:80", "https://x:0/", "https://x:99999/",
        "https://x/ y", "https://x/\r\nHost: y", "https://x/\x00", "https://bücher.example/",
        "https://user:secret@example.com/", "https://[::1", "http://example.com/",
        "http://10.0.0.1/", "http://169.254.169.254/", "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: object) -> None:
    """Where it is declared, with no secret part of it in the error."""
    with pytest.raises(InvalidValueError) as caught:
        webhook(url)
    assert "secret" not in str(caught.value)


def test_an_address_without_encryption_can_be_asked_for() -> None:
    """For a network that is one's own."""
    assert Webhook.of("http://10.0.0.1/", None, insecure=True).place == "http://10.0.0.1"


@pytest.mark.parametrize(
    "secret",
    [
        "", "plain", "whsec_", "whsec_short", "whsec_!!!!", "whsec_" + "QUFB" * 22, 5, b"x", [],
        [5], {},
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused(secret: object) -> None:
    """And shown nowhere."""
    with pytest.raises(InvalidValueError) as caught:
        webhook(secret=secret)
    assert "plain" not in str(caught.value)
    assert "short" not in str(caught.value)
