"""What a server sends, as values: whole answers, streams with pauses between their blocks, bytes, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import responses as reasons
from typing import Any, Literal, Self, TypeAlias

__all__ = [
    "Answer",
    "Answering",
    "End",
    "Pause",
    "Raw",
    "Refuse",
    "Request",
    "Scripted",
    "Stream",
    "head_of",
    "ndjson",
    "sse",
]

End: TypeAlias = Literal["clean", "cut", "reset", "hold"]
"""How a body ends: "clean" finishes it, "cut" closes without finishing it, "reset" sends RST, "hold" sends nothing
more and waits until the client goes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived. Header names are lower-case; `connection` counts from 1 in order of acceptance."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int = 0

    def __repr__(self) -> str:  # keys stand in headers and queries
        return f"Request({self.method} {self.path.partition('?')[0]}, {len(self.body)} bytes)"

    @property
    def json(self) -> Any:
        """The decoded body. Raises ValueError if it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. A `content-length` that differs from the body's closes the connection after it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    """Seconds before the head."""

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None, delay: float = 0.0) -> Self:
        """An answer whose body is this value."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, {"content-type": "application/json", **(headers or {})}, body, delay)


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds in which nothing is sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in blocks, each of which is one socket send, with the pauses between them.

    Each is a chunk of HTTP as well, unless the headers give a `content-length`.
    """

    blocks: Iterable[bytes | Pause]
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    end: End = "clean"
    status: int = 200
    delay: float = 0.0
    """Seconds before the head."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, the head of the answer among them."""

    blocks: Iterable[bytes | Pause]
    end: End = "cut"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Read the request, then close without an answer."""

    delay: float = 0.0


Scripted: TypeAlias = Answer | Stream | Raw | Refuse
Answering: TypeAlias = Scripted | Callable[[Request], Scripted]


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    """The head of an HTTP/1.1 answer."""
    first = f"HTTP/1.1 {status} {reasons.get(status, 'Scripted')}"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{first}\r\n{fields}\r\n".encode("latin-1")


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
