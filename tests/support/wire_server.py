"""A scripted HTTP/1.1 server on loopback, for tests that need real sockets.

    with WireServer() as server:
        server.script(Answer(status=503), Stream(sse({"n": 1}, {"n": 2})))
        ...                                     # two requests to server.url
        assert [request.path for request in server.requests] == ["/chat", "/chat"]

Answers are given in the order of the requests, whichever connection those come on. It does exactly what the script
says: one socket send per block, no buffering, no delay of small packets.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.client import responses as reasons
from typing import Any, Literal, Self

RST_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived. Header names are lower-case; `connection` counts from 1 in order of acceptance."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. A `content-length` of your own that differs from the body's closes the connection after it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0  # seconds before the head

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None, delay: float = 0.0) -> Self:
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, {"content-type": "application/json", **(headers or {})}, body, delay)


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """A chunked answer: each block is one chunk and one socket send, with the pauses between them.

    `end`: "clean" finishes the body, "cut" closes without finishing it, "reset" sends RST, "hold" sends nothing more
    and waits until the client goes. Put a pause before a reset: a client may lose what it has not read yet.
    """

    blocks: Iterable[bytes | Pause]
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    end: Literal["clean", "cut", "reset", "hold"] = "clean"
    status: int = 200
    delay: float = 0.0  # seconds before the head


@dataclass(frozen=True, slots=True)
class Refuse:
    """Read the request, then close without an answer."""

    delay: float = 0.0


Scripted = Answer | Stream | Refuse
Answering = Scripted | Callable[[Request], Scripted]


def sse(*events: Mapping[str, Any] | str, done: bool = True, named: bool = False) -> list[bytes]:
    """One block per server-sent event. `named` adds an `event:` line from each object's "type", as Anthropic does."""
    blocks = [_sse_event(event, named) for event in events]
    return [*blocks, b"data: [DONE]\n\n"] if done else blocks


def ndjson(*objects: Mapping[str, Any]) -> list[bytes]:
    """One block per line of JSON."""
    return [json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in objects]


def _sse_event(event: Mapping[str, Any] | str, named: bool) -> bytes:
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    name = f"event: {event['type']}\n" if named and not isinstance(event, str) else ""
    return f"{name}data: {text}\n\n".encode()


class _Gone(Exception):
    """The client closed the connection."""


class _Connection:
    """One accepted socket, served on a thread of its own until either side closes it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._pending = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self, answer_to: Callable[[Request], Scripted]) -> None:
        with contextlib.suppress(OSError, _Gone):  # a client that leaves early is what many tests are about
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
        self._wait(answer.delay)
        match answer:
            case Refuse():
                return False
            case Answer():
                headers = {"content-length": str(len(answer.body)), **answer.headers}
                self.sock.sendall(_head(answer.status, headers) + answer.body)
                return headers["content-length"] == str(len(answer.body)) and headers.get("connection") != "close"
            case Stream():
                return self._stream(answer)

    def _stream(self, stream: Stream) -> bool:
        self.sock.sendall(_head(stream.status, {"transfer-encoding": "chunked", **stream.headers}))
        for block in stream.blocks:
            if isinstance(block, Pause):
                self._wait(block.seconds)
            elif block:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(block), block))
        if stream.end == "clean":
            self.sock.sendall(b"0\r\n\r\n")
            return stream.headers.get("connection") != "close"
        if stream.end == "hold":
            self._wait(None)
        if stream.end == "reset":
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


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    first = f"HTTP/1.1 {status} {reasons.get(status, 'Scripted')}"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{first}\r\n{fields}\r\n".encode("latin-1")


class WireServer:
    """Listens on a free port of 127.0.0.1 between `__enter__` and `__exit__`, which closes every connection."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._queue: deque[Answering] = deque()
        self._routes: dict[str, Answering] = {}
        self._connections: dict[_Connection, threading.Thread] = {}
        self._accepted = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._acceptor = threading.Thread(target=self._accept, name="wire-server", daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *answers: Answering) -> None:
        """Queue answers. A callable makes its answer from the request."""
        self._queue.extend(answers)

    def route(self, path: str, answer: Answering) -> None:
        """Answer every request to `path` (without its query) like this; other paths take from the script."""
        self._routes[path] = answer

    @property
    def open_connections(self) -> int:
        """Connections accepted and not closed by either side."""
        return len(self._connections)

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

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._accepted += 1
            connection = _Connection(sock, self._accepted)
            thread = threading.Thread(target=partial(self._serve, connection), name="wire-connection", daemon=True)
            with self._changed:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.serve(self._answer_to)
        finally:
            connection.close()
            connection.sock.close()
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()

    def _answer_to(self, request: Request) -> Scripted:
        with self._changed:
            self.requests.append(request)
            answer = self._routes.get(request.path.partition("?")[0])
            if answer is None and self._queue:
                answer = self._queue.popleft()
        if answer is None:
            missing = f"nothing scripted for {request.method} {request.path}"
            return Answer.json({"error": {"message": missing}}, status=418)  # because nothing retries it
        return answer(request) if callable(answer) else answer
