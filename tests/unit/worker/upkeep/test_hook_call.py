"""One attempt to tell a hook: whatever the receiver does, it ends in time and hurts nobody."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowforge.model.hooks.hook_event import HookEvent, sample_event
from flowforge.model.hooks.hooks import Hook
from flowforge.model.hooks.webhook import Webhook
from flowforge.worker.upkeep.hook_call import HookCall
from flowforge.worker.upkeep.webhook_request import Answer
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver
from tests.support.tls import make_certificates, tls_proxy

PATH = b"/in/secret-path/0123456789abcdef?key=1&for=you"
EVENT = sample_event("test_1", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def hook(target: Callable[[HookEvent], object] | Webhook, timeout: float = 10) -> Hook:
    return Hook("ops", target, frozenset(), None, timeout)


def send(there: Receiver, timeout: float = 10) -> Answer:
    return HookCall(hook(Webhook.of(there.url, None, insecure=False), timeout), EVENT).answer()


def call(function: Callable[[HookEvent], object], timeout: float = 10) -> Answer:
    return HookCall(hook(function, timeout), EVENT).answer()


class TestWebhook:
    """A request."""

    def test_it_is_a_post_with_json(self, there: Receiver) -> None:
        """To the path of the webhook, with the headers of Standard Webhooks."""
        assert send(there) == Answer(True, "204 No Content")
        (request,) = there.requests
        assert (request.path, request.body) == ("/in/secret-path?key=1", EVENT.body())
        assert request.headers["content-type"] == "application/json"
        assert request.id == "test_1"

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    @pytest.mark.attack(what="A receiver of webhooks that redirects to another address")
    def test_a_redirect_is_not_followed(self, there: Receiver, status: int) -> None:
        """It is a failed attempt; the other address gets nothing."""
        with receiver() as other:
            there.status, there.headers = status, {"location": other.url}
            assert not send(there).good
            assert other.requests == []

    def test_an_error_is_told_with_what_the_receiver_says(self, there: Receiver) -> None:
        """Cut, and without the path of the webhook, which may be a secret."""
        there.status = 500
        there.answer = b"no /in/secret-path?key=1 here\xff " + b"x" * 5000
        good, text, _ = send(there)
        assert not good
        assert text.startswith("500 Internal Server Error: no *** here\ufffd xxx")
        assert len(text) < 400

    @pytest.mark.attack(what="A receiver of webhooks that sends commands for terminals")
    def test_no_terminal_obeys_what_a_receiver_says(self, there: Receiver) -> None:
        """Nor one that shows the log of the worker."""
        there.status = 500
        there.answer = b"\x1b]0;it is mine\x07\x00\xc2\x9b31m\nERROR x"
        _, text, _ = send(there)
        assert text == r"500 Internal Server Error: \x1b]0;it is mine\x07\x00\x9b31m\x0aERROR x"

    @pytest.mark.attack(what="A receiver of webhooks that repeats its secret path in its answer")
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 404 no %s here\r\n\r\n" % PATH,
            b"HTTP/1.1 404 \r\n\r\n" + b"x" * 295 + PATH,
            b'HTTP/1.1 404 \r\n\r\n{"no": "%s"}' % PATH.replace(b"/", b"\\/"),
            b"HTTP/1.1 404 \r\n\r\n<p>%s</p>" % PATH.replace(b"&", b"&amp;"),
            b"HTTP/1.1 404 \r\n\r\nno such token: 0123456789abcdef",
            b"no HTTP %s\r\n\r\n" % PATH,
        ],
    )
    def test_no_answer_shows_the_path(self, answer: bytes) -> None:
        """Wherever the receiver puts it, in the status line too, and however it escapes it."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as request:
                    while request.readline().strip():
                        pass
                    request.read(len(EVENT.body()))
                    connection.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}{PATH.decode()}"
            good, text, _ = HookCall(hook(Webhook.of(url, None, insecure=False)), EVENT).answer()
        assert not good
        assert "***" in text
        for secret in ("in/s", "01234", "secret-", "ecret-"):
            assert secret not in text

    @pytest.mark.parametrize(
        ("asked", "rest"), [("7", 7.0), ("99999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)]
    )
    def test_a_receiver_may_ask_for_time(self, there: Receiver, asked: str, rest: float) -> None:
        """At most an hour."""
        there.status, there.headers = 503, {"retry-after": asked}
        assert send(there).retry_after == rest

    def test_nobody_there(self, there: Receiver) -> None:
        """The reason is told."""
        with receiver() as gone:
            url = gone.url
        found = HookCall(hook(Webhook.of(url, None, insecure=False)), EVENT).answer()
        assert not found.good
        assert "refused" in found.text

    @pytest.mark.attack(what="A receiver of webhooks that never answers, or sends without end")
    @pytest.mark.parametrize("how", ["hang", "drips"])
    def test_one_that_hangs_is_cut_off(self, there: Receiver, how: str) -> None:
        """The attempt ends with its time, and so does its thread."""
        setattr(there, how, True)
        target = Webhook.of(there.url, None, insecure=False)
        attempt = HookCall(hook(target, 0.3), EVENT)
        assert attempt.answer() == Answer(False, "no answer within 0.3 s")
        eventually(lambda: not attempt.running, message="the end of the thread")

    def test_a_certificate_is_checked(
        self, there: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the authorities of the system, or those that ``SSL_CERT_FILE`` names."""
        certificates = make_certificates(tmp_path)
        with tls_proxy(there.port, certificates) as port:
            target = Webhook.of(f"https://localhost:{port}/", None, insecure=False)
            refused = HookCall(hook(target), EVENT).answer()
            monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
            assert HookCall(hook(target), EVENT).answer().good
            other = Webhook.of(f"https://127.0.0.1:{port}/", None, insecure=False)
            misnamed = HookCall(hook(other), EVENT).answer()
        for found in (refused, misnamed):
            assert not found.good
            assert "certificate verify failed" in found.text
        assert len(there.requests) == 1

    def test_what_is_no_http_is_an_error(self) -> None:
        """A receiver may be anything."""

        with socket.create_server(("127.0.0.1", 0)) as listening:

            def answer() -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(b"SSH-2.0-OpenSSH\r\n")

            threading.Thread(target=answer, daemon=True).start()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            found = HookCall(hook(Webhook.of(url, None, insecure=False)), EVENT).answer()
        assert not found.good
        assert "BadStatusLine" in found.text


class HostileError(Exception):
    """An exception whose text ends the program."""

    def __str__(self) -> str:
        raise SystemExit("no text")


def _raise(error: BaseException) -> Callable[[HookEvent], object]:
    def function(event: HookEvent) -> None:
        raise error

    return function


class TestFunction:
    """A call."""

    def test_it_gets_the_event(self) -> None:
        """In a thread of its own; what it returns does not matter."""
        got: list[object] = []
        assert call(lambda event: got.append((event, threading.current_thread()))).good
        assert got[0] != threading.current_thread()
        assert EVENT in got[0]  # type: ignore[operator]

    @pytest.mark.attack(what="A hook that raises, exits, blocks or forks")
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ValueError("no"), "ValueError: no"),
            (SystemExit(3), "SystemExit: 3"),
            (KeyboardInterrupt(), "KeyboardInterrupt: "),
            (GeneratorExit(), "GeneratorExit: "),
            (HostileError(), "HostileError: <its text cannot be made: SystemExit>"),
        ],
    )
    def test_whatever_it_raises_is_a_failed_attempt(self, error: BaseException, text: str) -> None:
        """The worker lives on."""
        found = call(_raise(error))
        assert not found.good
        assert found.text.endswith(text)

    def test_one_that_blocks_is_not_waited_for(self) -> None:
        """It cannot be ended, and it is known that it still runs."""
        free = threading.Event()
        attempt = HookCall(hook(lambda event: free.wait(30), 0.1), EVENT)
        assert attempt.answer() == Answer(False, "no answer within 0.1 s")
        assert attempt.running
        free.set()
        eventually(lambda: not attempt.running, message="the end of the thread")

    def test_a_child_that_it_forks_ends(self, tmp_path: Path) -> None:
        """It must not deliver anything itself."""
        note = tmp_path / "child"

        def function(event: HookEvent) -> None:
            if os.fork() == 0:
                note.write_text(str(os.getpid()))
                return
            os.wait()

        assert call(function).good
        assert int(note.read_text()) != os.getpid()
