"""The seams of a format: `Format` reads a request and writes an answer, one `Encoder` per stream writes its events."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InsufficientBalanceError,
    LlmConnectorError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TimeoutError,
    UnsupportedError,
)
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse
from llm_connector.types.calls import arguments_of
from llm_connector.wire import Json

__all__ = [
    "CallLog",
    "Encoder",
    "Format",
    "Incoming",
    "Output",
    "WrittenCall",
    "arguments_of",
    "made_up",
    "status_of",
]

Output: TypeAlias = tuple[str, Json]
"""One event: its name, `""` where the format has none, and its body."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody's request, read.

    `format` is the format as this request wants its answer: with usage in the stream or without, for instance. `rest`
    holds the fields that mean nothing to a `ChatRequest`, as they came: whoever passes the request on to a provider of
    the same wire may give them as `extra_body`; to any other they are refused words. `loads` marks a request without a
    prompt, by which Ollama is told to load a model; it is not to be sent.
    """

    request: ChatRequest
    stream: bool
    format: Format
    rest: dict[str, Any] = field(default_factory=dict)
    loads: bool = False


@dataclass(frozen=True)
class Format:
    """A wire format, as its servers speak it. It knows no provider, does no I/O and keeps no state."""

    framing: ClassVar[str] = "sse"
    """How its streams are framed unless asked otherwise."""
    end_marker: ClassVar[str] = ""
    """The data that ends a stream of server-sent events."""
    wire: ClassVar[str] = ""
    """The name of the protocol that speaks it, whose servers understand what else a request holds."""
    needs_max_tokens: ClassVar[bool] = False
    """Whether no request may lack `max_tokens`, which then says what the client's own models write at most."""

    @abstractmethod
    def parse_request(self, body: Json) -> Incoming:
        """Read a decoded request. Raises ConfigurationError that names the field and what it wants."""

    @abstractmethod
    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """The body of a whole answer. `model` is the name to give where the answer has none."""

    @abstractmethod
    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """The body of a refusal, and its HTTP status."""

    @abstractmethod
    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream. `assembly` is where the answer grows: what no chunk carries is read from there."""


class Encoder:
    """Writes the events of one stream. `finish` or `fail` comes last, if anything does."""

    def __init__(
        self,
        format: Format,
        model: str | None = None,
        assembly: Assembly | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.format = format
        self.model = model
        self.assembly = assembly
        self.clock = clock
        self.id: str | None = None
        self.begun = clock()

    def feed(self, chunk: ChatChunk) -> Iterable[Output]:
        """The events of one chunk: none, one or several."""
        if chunk.id is None and chunk.model is None:
            return self.write(chunk)
        self.id, self.model = chunk.id or self.id, chunk.model or self.model
        return self.start() if self.id and self.model else ()

    def start(self) -> Iterable[Output]:
        """The events ahead of all others, once."""
        return ()

    @abstractmethod
    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """The events of a chunk that has a delta, or ends something."""

    @abstractmethod
    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """The last events of a complete answer."""

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """The last event of an answer that failed: the error as the format reports it inside a stream."""
        return (("", self.format.render_error(error)[0]),)

    def idle(self) -> Iterable[Output]:
        """What says nothing, to be sent while there is nothing to say; none where the format has no word for it."""
        return ()

    def whole(self, response: ChatResponse) -> dict[str, Any]:
        """The answer as one body, with what this writer measured."""
        return self.format.render_response(response, self.model)


class CallLog:
    """What has been written of each call, so that a finished one can be told from one that is not known yet."""

    __slots__ = ("_by_id", "_counts")

    def __init__(self) -> None:
        self._by_id: dict[tuple[int, str], list[WrittenCall]] = {}
        self._counts: dict[int, int] = {}

    def begin(self, choice: int, index: int, call_id: str) -> WrittenCall:
        """A call whose first piece came."""
        call = WrittenCall(index)
        self._counts[choice] = max(self._counts.get(choice, 0), index + 1)
        self._by_id.setdefault((choice, call_id), []).append(call)
        return call

    def finish(self, choice: int, call_id: str) -> WrittenCall | None:
        """The call that is announced as finished; None if no piece of it came."""
        known = self._by_id.get((choice, call_id))
        return known.pop(0) if known else None

    def next_index(self, choice: int) -> int:
        """The index of one more call."""
        return self._counts.get(choice, 0)


@dataclass(slots=True)
class WrittenCall:
    """One call: its index, and how many characters of its arguments have been written."""

    index: int
    length: int = 0


def made_up(prefix: str) -> str:
    """An id for an answer or an item that came without one."""
    return f"{prefix}{os.urandom(12).hex()}"


def status_of(error: LlmConnectorError) -> int:
    """The HTTP status that says what went wrong, to somebody who asks us instead of the provider."""
    if isinstance(error, APIError):
        if 400 <= error.status <= 599:
            return error.status
        return next((status for kind, status in _STATUSES if isinstance(error, kind)), 502)
    if isinstance(error, ConfigurationError | UnsupportedError):
        return 400
    return 504 if isinstance(error, TimeoutError) else 502


_STATUSES: tuple[tuple[type[APIError], int], ...] = (
    (BadRequestError, 400),
    (AuthenticationError, 401),
    (InsufficientBalanceError, 402),
    (PermissionDeniedError, 403),
    (NotFoundError, 404),
    (RateLimitError, 429),
    (ServerError, 500),
)
