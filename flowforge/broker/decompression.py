"""Decompressing what a stranger compressed: never to more than was allowed.

kombu's decoders have no bound, and a few hundred bytes of bz2 become gigabytes. What passes here
they can decode as well, so the bound holds for them too.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from kombu.compression import decompress, get_decoder

#: Bytes that lzma may use itself: the strongest of its presets needs 65 MiB.
_LZMA_MEMORY = 128 * 2**20


class _Stream(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


#: By kombu's name of the method.
_STREAMS: dict[str, Callable[[], _Stream]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY),
}
_ALIASES = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
}


def decompressed(data: bytes, method: str, most: int, trusted: str | None) -> bytes:
    """The data as kombu will decompress it.

    Raises ValueError above ``most`` bytes, for data behind the end, and for a method that has no
    bound and is not the ``trusted`` one, which the app uses itself; what the method raises for data
    that it did not make.
    """
    method = _ALIASES.get(method, method)
    if method not in _STREAMS:
        get_decoder(method)
        if trusted is None or _ALIASES.get(trusted, trusted) != method:
            raise ValueError("only the app's own task_compression, gzip, bzip2 and lzma are taken")
        return _within(bytes(decompress(data, method)), most)
    stream = _STREAMS[method]()
    found = _within(stream.decompress(data, most + 1), most)
    if not stream.eof or stream.unused_data:
        # kombu's decoders go on with what follows, as far as it is another stream.
        raise ValueError("it is no single stream")
    return found


def _within(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    return data
