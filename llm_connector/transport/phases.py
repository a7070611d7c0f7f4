"""Two read limits for one answer: until its first byte, and between bytes after that.

httpcore reads the limit once, when the body begins. Its network streams are a public interface, so ours wraps them and
replaces the limit of a request, known by identity, once the first bytes of the body are there.
https://www.encode.io/httpcore/network-backends/ (checked 2026-11)
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

__all__ = ["AsyncPhasedBackend", "AsyncPhasedStream", "PhasedBackend", "PhasedStream"]


class _Phase:
    """The limit that replaces another, for as long as the request that set it reads."""

    __slots__ = ("_first", "_then")

    def __init__(self) -> None:
        self._first: float | None = None
        self._then: float | None = None

    def replace(self, first: float, then: float) -> None:
        self._first, self._then = first, then

    def limit(self, asked: float | None) -> float | None:
        return self._then if asked is not None and asked is self._first else asked


class PhasedStream(httpcore.NetworkStream):
    """A connection whose read limit can be replaced."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.phase = _Phase()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self.phase.limit(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return PhasedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncPhasedStream(httpcore.AsyncNetworkStream):
    """The same for coroutines."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self.phase = _Phase()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, self.phase.limit(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return AsyncPhasedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class PhasedBackend(httpcore.NetworkBackend):
    """Opens connections whose read limit can be replaced."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return PhasedStream(self._backend.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class AsyncPhasedBackend(httpcore.AsyncNetworkBackend):
    """The same for coroutines."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return AsyncPhasedStream(await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
