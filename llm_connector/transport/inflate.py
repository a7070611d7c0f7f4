"""Compressed bodies, in pieces of bounded size: a kilobyte may stand for a megabyte.

httpx decompresses a block at once, and as many layers as the server names, so that 500 bytes fill the memory.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping

from llm_connector.errors import TransportError

__all__ = ["inflated", "inflated_async", "is_compressed"]

PIECE = 256 << 10

_ASKED_FOR = ("gzip", "x-gzip", "deflate")
_OTHERS = ("br", "compress", "x-compress", "zstd")


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Whether a body must be decompressed. Raises TransportError for a way that was not asked for.

    A word that names no compression, such as `utf-8`, counts for nothing.
    """
    value = headers.get("content-encoding")
    if value is None:
        return False
    named = [word for word in (word.strip().lower() for word in value.split(",")) if word in _ASKED_FOR + _OTHERS]
    if len(named) > 1 or (named and named[0] in _OTHERS):
        raise TransportError(f"the body is compressed as {', '.join(named)}, which was not asked for")
    return bool(named)


def inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, decompressed. Raises TransportError when they cannot be."""
    inflater = _Inflater()
    for block in blocks:
        yield from inflater.feed(block)


async def inflated_async(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same for coroutines."""
    inflater = _Inflater()
    async for block in blocks:
        for piece in inflater.feed(block):
            yield piece


class _Inflater:
    """One compressed body: gzip, zlib, or the bare deflate that some servers send."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(zlib.MAX_WBITS | 32)  # tells gzip and zlib apart
        self._first: bytes | None = b""

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Yield what the block stands for, piece by piece."""
        rest = block
        while rest:
            if self._object.eof:
                raise TransportError("the compressed body goes on after its end")
            piece = self._piece(rest)
            rest = self._object.unused_data or self._object.unconsumed_tail
            if piece:
                yield piece

    def _piece(self, data: bytes) -> bytes:
        try:
            piece = self._object.decompress(data, PIECE)
        except zlib.error as error:
            if self._first is None:
                raise TransportError(f"the body cannot be decompressed: {error}") from None
            data, self._first = self._first + data, None
            self._object = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._piece(data)
        if self._first is not None:  # two bytes tell which form it is
            seen = self._first + data
            self._first = seen if len(seen) < 2 else None
        return piece
