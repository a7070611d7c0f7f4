"""Two read limits for one answer, until its first byte and between bytes after that; and one write for one request.

httpcore knows one limit, and counts it anew for each read: a head that drips in never meets it. Its network streams are
a public interface, so ours wraps them, counts the limit of a request, known by identity, down over all reads, and
replaces it once the first bytes of the body are there.
https://www.encode.io/httpcore/network-backends/ (checked 2026-11)

It also writes the head and the body of a request one by one. What is written is held until the answer is read, so that
both leave in one system call and one packet.

Its blocking stream asks the system to set the limit anew for each read, and maps failures with a context manager. Ours
uses the socket itself, since both show where every chunk of a stream is a read.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from typing import Any

import anyio
import httpcore

__all__ = ["AsyncPhasedBackend", "AsyncPhasedStream", "PhasedBackend", "PhasedStream"]

_MOST_UNSENT = 64 << 10


class _Phase:
    """The read limit of one request: what is left until the first byte, then what `replace` set."""

    __slots__ = ("_asked", "_since", "_then")

    def __init__(self) -> None:
        self._asked: float | None = None
        self._since = 0.0
        self._then: float | None = None

    def replace(self, asked: float, then: float) -> None:
        self._asked, self._then = asked, then

    def limit(self, asked: float | None) -> float | None:
        if asked is None:
            return None
        if asked is not self._asked:
            self._asked, self._then, self._since = asked, None, time.monotonic()
            return asked
        return max(asked - (time.monotonic() - self._since), 0.001) if self._then is None else self._then


class _Unsent:
    """What was written and is held until it is worth a system call."""

    __slots__ = ("_pieces", "size", "timeout")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0
        self.timeout: float | None = None

    def add(self, piece: bytes, timeout: float | None) -> int:
        self._pieces.append(piece)
        self.size += len(piece)
        self.timeout = timeout
        return self.size

    def take(self) -> bytes:
        pieces, self._pieces, self.size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Socket:
    """Reads and writes of a connected socket, with TLS or without; they fail as those of httpcore do."""

    __slots__ = ("_poll", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._poll: Any = None

    def readable(self) -> bool:
        """Whether there is something to read, or the end; httpcore makes a poll object anew for each question."""
        if self._socket.fileno() < 0:
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
        return bool(self._poll.poll(0))

    def read(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            self._limit(timeout)
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(error) from error
        except OSError as error:
            raise httpcore.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None) -> None:
        try:
            self._limit(timeout)
            sent = self._socket.send(buffer)
            while sent < len(buffer):
                sent += self._socket.send(memoryview(buffer)[sent:])
        except TimeoutError as error:
            raise httpcore.WriteTimeout(error) from error
        except OSError as error:
            raise httpcore.WriteError(error) from error

    def _limit(self, timeout: float | None) -> None:
        if self._socket.gettimeout() != timeout:  # setting it is a system call
            self._socket.settimeout(timeout)


def _bytes_of(stream: httpcore.NetworkStream) -> _Socket | httpcore.NetworkStream:
    """What to read and write: the socket of a connection, or where TLS goes through TLS the connection itself."""
    connected = stream.get_extra_info("socket")
    nested = isinstance(stream.get_extra_info("ssl_object"), ssl.SSLObject)
    return stream if connected is None or nested else _Socket(connected)


class PhasedStream(httpcore.NetworkStream):
    """A connection whose read limit can be replaced, and that any thread may close."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._bytes = _bytes_of(stream)
        self._unsent = _Unsent()
        self._process = os.getpid()
        self._busy = 0
        self._closed = False
        self.phase = _Phase()
        self.silent = False
        """Whether nothing has been read since the last write."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.silent = False
        self._busy = threading.get_ident()
        try:
            if self._unsent.size:
                with contextlib.suppress(httpcore.WriteError):  # a server may answer and close before it has read all
                    self._bytes.write(self._unsent.take(), self._unsent.timeout)
            return self._bytes.read(max_bytes, self.phase.limit(timeout))
        finally:
            self._done()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.silent = True
        if self._unsent.add(buffer, timeout) > _MOST_UNSENT:
            self._send(self._unsent.take(), timeout)

    def close(self) -> None:
        if self._process == os.getpid():  # a forked child must not end what its parent uses
            self.abort()
        self._closed = True
        # A thread that waits on a closed descriptor would wait on whatever connection gets its number next.
        if self._busy in (0, threading.get_ident()):
            self._stream.close()

    def _send(self, buffer: bytes, timeout: float | None) -> None:
        self._busy = threading.get_ident()
        try:
            self._bytes.write(buffer, timeout)
        finally:
            self._done()

    def _done(self) -> None:
        self._busy = 0
        if self._closed:
            self._stream.close()

    def abort(self) -> None:
        """End the connection, so that a thread that waits for it wakes; closing the socket alone leaves it waiting."""
        with contextlib.suppress(OSError):
            self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return PhasedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and isinstance(self._bytes, _Socket) and hasattr(select, "poll"):
            return self._bytes.readable()
        return self._stream.get_extra_info(info)


class AsyncPhasedStream(httpcore.AsyncNetworkStream):
    """The same for coroutines."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._unsent = _Unsent()
        self.phase = _Phase()
        self.silent = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.silent = False
        if self._unsent.size:
            with contextlib.suppress(httpcore.WriteError):  # a server may answer and close before it has read all
                await self._stream.write(self._unsent.take(), self._unsent.timeout)
        return await self._stream.read(max_bytes, self.phase.limit(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.silent = True
        if self._unsent.add(buffer, timeout) > _MOST_UNSENT:
            await self._stream.write(self._unsent.take(), timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return AsyncPhasedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException as error:  # httpcore forgets the socket when the handshake is cancelled
            if not isinstance(error, GeneratorExit):
                with anyio.CancelScope(shield=True):
                    await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class PhasedBackend(httpcore.NetworkBackend):
    """Opens connections whose read limit can be replaced."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return PhasedStream(self._backend.connect_tcp(*args, **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class AsyncPhasedBackend(httpcore.AsyncNetworkBackend):
    """The same for coroutines."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return AsyncPhasedStream(await self._backend.connect_tcp(*args, **options))

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
