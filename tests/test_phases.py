"""What wraps a connection reads and writes it as httpcore does: bare, through TLS, and through TLS inside TLS."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpcore
import pytest

from llm_connector.transport.phases import PhasedBackend, PhasedStream

ANONYMOUS = "AECDH-AES256-SHA:@SECLEVEL=0"
"""A cipher without certificates, up to TLS 1.2."""


def context(protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(ANONYMOUS)
    return made


class Nested:
    """The server's end of TLS inside TLS."""

    def __init__(self, outer: socket.socket) -> None:
        self.outer = outer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = context(ssl.PROTOCOL_TLS_SERVER).wrap_bio(self.incoming, self.outgoing, server_side=True)
        self._moved(self.inner.do_handshake)

    def recv(self, most: int) -> bytes:
        return bytes(self._moved(lambda: self.inner.read(most)))

    def sendall(self, data: bytes) -> None:
        self._moved(lambda: self.inner.write(data))

    def _moved(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self.outer.sendall(self.outgoing.read())
                self.incoming.write(self.outer.recv(65536))
                continue
            self.outer.sendall(self.outgoing.read())
            return result


@contextmanager
def connected(layers: int, serve: Callable[[Any, socket.socket], None]) -> Generator[PhasedStream]:
    """A connection through so many layers of TLS, to a thread that serves it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        bare, _ = listener.accept()
        connection: Any = bare
        if layers:
            connection = context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(bare, server_side=True)
        with connection:
            serve(Nested(connection) if layers > 1 else connection, connection)

    thread = threading.Thread(target=run)
    thread.start()
    stream = PhasedBackend(httpcore.SyncBackend()).connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=10)
    try:
        for _ in range(layers):
            stream = stream.start_tls(context(ssl.PROTOCOL_TLS_CLIENT), timeout=10)
        assert isinstance(stream, PhasedStream)
        yield stream
    finally:
        stream.close()
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_what_is_written_arrives_and_what_is_silent_times_out(layers: int) -> None:
    asked = threading.Event()

    def echo(connection: Any, _: socket.socket) -> None:
        connection.sendall(connection.recv(100).upper())
        assert asked.wait(10)
        connection.sendall(b"late")

    with connected(layers, echo) as stream:
        stream.write(b"head ", timeout=10)
        stream.write(b"body", timeout=10)
        assert stream.silent
        assert stream.read(100, timeout=10) == b"HEAD BODY"
        assert not stream.silent
        with pytest.raises(httpcore.ReadTimeout, match="timed out"):
            stream.read(100, timeout=0.01)
        asked.set()
        assert stream.read(100, timeout=10) == b"late"


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_it_says_whether_there_is_something_to_read(layers: int) -> None:
    asked, end = threading.Event(), threading.Event()

    def answer_unasked(connection: Any, _: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"first")
        assert asked.wait(10)
        connection.sendall(b"unasked")
        assert end.wait(10)

    def readable(wanted: bool) -> bool:
        until = time.monotonic() + 10
        while stream.get_extra_info("is_readable") != wanted and time.monotonic() < until:
            time.sleep(0.001)
        return stream.get_extra_info("is_readable") is wanted

    with connected(layers, answer_unasked) as stream:
        stream.write(b"asked", timeout=10)
        assert stream.read(100, timeout=10) == b"first"
        assert readable(False)
        asked.set()
        assert readable(True)
        assert stream.read(100, timeout=10) == b"unasked"
        assert readable(False)
        end.set()
        assert readable(True), "the end is something, too"
        stream.close()
        others = [other for _ in range(9) for other in socket.socketpair()]  # one of them has its number now
        assert readable(True)
        for other in others:
            other.close()


@pytest.mark.parametrize("layers", [0, 1])
def test_a_large_body_is_written_whole(layers: int) -> None:
    body = bytes(range(256)) * (16 << 10)

    def count(connection: Any, _: socket.socket) -> None:
        received = bytearray()
        while len(received) < len(body):
            received += connection.recv(65536)
        connection.sendall(b"same" if received == body else b"other")

    with connected(layers, count) as stream:
        stream.write(body, timeout=10)
        assert stream.read(100, timeout=10) == b"same"


def test_a_connection_that_takes_nothing_times_out() -> None:
    over = threading.Event()

    def wait(_: Any, __: socket.socket) -> None:
        over.wait(10)

    with connected(0, wait) as stream:
        with pytest.raises(httpcore.WriteTimeout, match="timed out"):
            stream.write(b"x" * (64 << 20), timeout=0.01)
        over.set()


def test_a_reset_connection_fails_as_one() -> None:
    def reset(_: Any, bare: socket.socket) -> None:
        bare.recv(100)  # before that, the client may still be setting its socket up
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with connected(0, reset) as stream:
        stream.write(b"asked", timeout=10)
        with pytest.raises(httpcore.ReadError, match="reset"):
            stream.read(100, timeout=10)


def test_without_a_limit_nothing_times_out() -> None:
    with connected(0, lambda connection, _: connection.sendall(b"here")) as stream:
        assert stream.read(100) == b"here"
        assert stream.get_extra_info("socket").gettimeout() is None
