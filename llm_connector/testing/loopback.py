"""An HTTP/1.1 server on loopback that does exactly what its script says: one socket send per block, no buffering.

Each connection has a thread of its own: whatever makes an answer may block without holding up the others.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Self

from llm_connector.testing.script import Answer, End, Pause, Raw, Refuse, Request, Scripted, Stream, head_of

__all__ = ["LoopbackServer"]

RST_ON_CLOSE = struct.pack("ii", 1, 0)


class _Gone(Exception):
    """The client closed the connection."""


class _Connection:
    """One accepted socket, served on a thread of its own until either side closes it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._pending = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self, answer_to: Callable[[Request], Scripted], tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(OSError, _Gone):  # a client that leaves early is what many tests are about
            if tls is not None:
                self.sock = secured = tls.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
                secured.do_handshake()
            while (request := self._read_request()) is not None and self._answer(answer_to(request)):
                pass

    def close(self) -> None:
        """Wake the serving thread, which then closes the socket."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # ends the connection even if a forked child holds a copy

    def _read_request(self) -> Request | None:
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _version = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunked()
        else:
            body = self._read_exactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, body, self.number)

    def _read_chunked(self) -> bytes:
        body = b""
        while size := int((self._read_until(b"\r\n") or b"0").split(b";")[0], 16):
            body += self._read_exactly(size + 2)[:-2]
        self._read_until(b"\r\n")
        return body

    def _read_until(self, mark: bytes) -> bytes | None:
        """Bytes before `mark`, or None when the client closed first."""
        while mark not in self._pending:
            block = self.sock.recv(65536)
            if not block:
                return None
            self._pending += block
        found, _, self._pending = self._pending.partition(mark)
        return found

    def _read_exactly(self, count: int) -> bytes:
        while len(self._pending) < count:
            block = self.sock.recv(65536)
            if not block:
                raise _Gone
            self._pending += block
        found, self._pending = self._pending[:count], self._pending[count:]
        return found

    def _answer(self, answer: Scripted) -> bool:
        """Send it; False when the connection must be closed afterwards."""
        match answer:
            case Refuse():
                self._wait(answer.delay)
                return False
            case Raw():
                self._send(answer.blocks)
                return self._end(answer.end)
            case Answer():
                self._wait(answer.delay)
                headers = {"content-length": str(len(answer.body)), **answer.headers}
                self.sock.sendall(head_of(answer.status, headers) + answer.body)
                return headers["content-length"] == str(len(answer.body)) and headers.get("connection") != "close"
            case Stream():
                self._wait(answer.delay)
                chunked = "content-length" not in answer.headers
                coding = {"transfer-encoding": "chunked"} if chunked else {}
                self.sock.sendall(head_of(answer.status, {**coding, **answer.headers}))
                self._send(answer.blocks, chunked=chunked)
                again = self._end(answer.end, b"0\r\n\r\n" if chunked else b"")
                return again and answer.headers.get("connection") != "close"

    def _send(self, blocks: Iterable[bytes | Pause], *, chunked: bool = False) -> None:
        for block in blocks:
            if isinstance(block, Pause):
                self._wait(block.seconds)
            elif block:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)

    def _end(self, end: End, last: bytes = b"") -> bool:
        if end == "clean":
            self.sock.sendall(last)
            return True
        if end == "hold":
            self._wait(None)
        if end == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            self.sock.close()
        return False

    def _wait(self, seconds: float | None) -> None:
        """Wait, for ever if None. Raises _Gone as soon as the client closes."""
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while (left := None if end is None else end - time.monotonic()) is None or left > 0:
                self.sock.settimeout(left)
                block = self.sock.recv(65536)
                if not block:
                    raise _Gone
                self._pending += block  # the next request, sent early
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(None)


class LoopbackServer:
    """Listens on a free port of 127.0.0.1 between `__enter__` and `__exit__`, which closes every connection.

    `tls` makes it speak HTTPS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._connections: dict[_Connection, threading.Thread] = {}
        self._accepted = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._acceptor = threading.Thread(target=self._accept, name="loopback-server", daemon=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        """Connections accepted and not closed by either side."""
        return len(self._connections)

    @property
    def accepted_connections(self) -> int:
        """Connections accepted since the beginning."""
        return self._accepted

    def wait_closed(self, timeout: float = 5.0, *, but: int = 0) -> bool:
        """Wait until no connection is open, or at most `but`; False if more still are after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._connections) <= but, timeout)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux; on others close() does
        self._listener.close()
        self._acceptor.join(5)
        for connection, thread in list(self._connections.items()):
            connection.close()
            thread.join(5)

    @abstractmethod
    def _answer_to(self, request: Request) -> Scripted:
        """What a request gets; asked for on the thread of its connection."""

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._accepted += 1
            connection = _Connection(sock, self._accepted)
            thread = threading.Thread(target=partial(self._serve, connection), name="loopback-peer", daemon=True)
            with self._changed:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.serve(self._answer_to, self._tls)
        finally:
            connection.close()
            connection.sock.close()
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()
