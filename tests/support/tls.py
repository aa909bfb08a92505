"""TLS in front of a server: the bundled server program speaks plain text alone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Seconds for openssl, and for the proxy to come up.
_LIMIT = 30.0

#: By its address it is somebody else: for tests of that.
_SIGN = "subjectAltName=DNS:localhost"


@dataclass(frozen=True)
class Certificates:
    """An authority of its own, and what it signed for this machine."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make them with the openssl program; valid for two days."""

    def openssl(*arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=_LIMIT)

    fresh = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    days = ("-days", "2")
    openssl("req", "-x509", *fresh, "ca.key", "-out", "ca.pem", *days, "-subj", "/CN=tests' CA")
    openssl("req", *fresh, "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (directory / "names").write_text(_SIGN)
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "server.pem", *days, "-extfile", "names",
    )  # fmt: skip
    return Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")


@contextlib.contextmanager
def tls_proxy(target_port: int, certificates: Certificates) -> Iterator[int]:
    """While it lasts a port of 127.0.0.1 speaks TLS for a plain port; gives that port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(_forward(reader, writer, target_port)))

        return await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)

    async def close(server: asyncio.Server) -> None:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    tasks: set[asyncio.Task[None]] = set()
    try:
        server = asyncio.run_coroutine_threadsafe(serve(), loop).result(_LIMIT)
        yield server.sockets[0].getsockname()[1]
        asyncio.run_coroutine_threadsafe(close(server), loop).result(_LIMIT)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
