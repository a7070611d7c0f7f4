"""The seams between a wire format and the rest: `Protocol` and `ChunkParser`.

A protocol is a frozen dataclass of pure methods; its fields are the ways in which real servers differ. It knows no
provider, does no I/O and keeps no state. One `ChunkParser` is made per answer.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic_core import from_json

from llm_connector.errors import ConfigurationError, ParseError, StreamError, UnsupportedError, excerpt
from llm_connector.framing import Framing
from llm_connector.protocols.assembly import Assembly
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Embeddings, InputType, Media, ModelInfo, Notes
from llm_connector.wire import Event, Json, decode_json

__all__ = ["ChunkParser", "ErrorEvent", "Protocol", "path_segment"]

_NO_HEADERS: Mapping[str, str] = {}


class ErrorEvent(Exception):
    """An error object where an answer was due; the operation turns it into the class it maps to."""

    def __init__(self, body: Json) -> None:
        super().__init__("the server reported an error inside its answer")
        self.body = body


def path_segment(name: str) -> str:
    """The name of a model as one segment of a path: it cannot lead anywhere else.

    Raises ConfigurationError for a name that no segment can hold.
    """
    if name in ("", ".", ".."):
        raise ConfigurationError(f"the model {name!r} cannot stand in an address; give its name")
    return quote(name, safe="")


@dataclass(frozen=True)
class Protocol:
    """A wire format. Methods named `render_*` make JSON bodies, `*_path` name endpoints, `parse_*` read answers.

    Operations that a wire format lacks raise UnsupportedError.
    """

    framing: ClassVar[type[Framing]]
    name: ClassVar[str]
    default_path: ClassVar[str] = ""
    """Path of a base URL that was given without any."""
    count_field: ClassVar[str] = "input_tokens"
    """Where a token count stands in its answer."""
    alternatives: ClassVar[tuple[str, ...]] = ()
    """Fields that hold another wire format of the same server, to which a refusal of this one may lead."""

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """Headers of a request of this wire format, lower-case.

        `operation` is "chat", "embed", "models", "count", "rerank" or "other".
        """
        return _NO_HEADERS

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL, and that are cut off it; `{model}` stands for any segment."""
        return ()

    @abstractmethod
    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL, without a leading slash."""

    def request_path(self, request: ChatRequest, *, stream: bool) -> str:
        """Path of a chat request, where more than its model decides."""
        return self.chat_path(request.model or "", stream=stream)

    def streams(self, request: ChatRequest, *, stream: bool) -> bool:
        """Whether the answer is asked for as a stream: some models give no other, to plain calls either."""
        return stream

    @abstractmethod
    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a chat request. What cannot be said as asked goes into `notes`."""

    @abstractmethod
    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer to `request`."""

    def parse_chat(self, body: Json, request: ChatRequest | None = None) -> ChatResponse:
        """Read one whole answer. Raises ErrorEvent for an error object, ParseError for what cannot be read."""
        parser = self.chunk_parser(request)
        parser.read_whole(body)
        return parser.response()

    def prompt_cut(self, request: ChatRequest, answer: ChatResponse) -> str | None:
        """What an answer shows the server to have left out of the prompt, unasked; None if it shows nothing."""
        return None

    def parse_error(self, body: Json) -> ErrorDetail:
        """What a decoded error body (or its text) says."""
        return error_detail(body)

    def must_embed(self, part: Media, model: str) -> bool:
        """Whether a part with an http(s) URL can be sent as base64 only; a client that may fetch media embeds it.

        False for what can be sent in neither way.
        """
        return False

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """A protocol that does without what the server just refused, and what was learned; None if nothing was."""
        return None

    def learn_from(self, request: ChatRequest, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The same, where it matters which request was refused."""
        return self.learn(failure, status)

    def alternative(self, field: str) -> Protocol | None:
        """The wire format that one of the `alternatives` holds, or stands for until it is set; None without any."""
        held: Protocol | None = getattr(self, field)
        return held

    def models_path(self, cursor: str | None) -> str:
        """Path of a page of the model list; `cursor` is what `parse_models` returned for the page before."""
        raise self._unsupported("list models")

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page, and the cursor of the next."""
        raise self._unsupported("list models")

    def embed_path(self, model: str) -> str:
        """Path of the embeddings endpoint."""
        raise self._unsupported("embed")

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of an embeddings request."""
        raise self._unsupported("embed")

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body of an embeddings request that asks for vectors of that length."""
        raise self._unsupported("choose the length of vectors")

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for. Where the wire has no word for it, models embed both alike."""
        return body

    def parse_embed(self, body: Json) -> Embeddings:
        """Read the vectors, in the order of the inputs."""
        raise self._unsupported("embed")

    def count_path(self, model: str) -> str:
        """Path of the endpoint that counts the tokens of a prompt."""
        raise self._unsupported("count tokens")

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        raise self._unsupported("count tokens")

    def parse_count(self, body: Json) -> int:
        """Tokens of the prompt."""
        count = body.get(self.count_field) if isinstance(body, dict) else None
        if not isinstance(count, int):
            raise ParseError(f"the token count has no {self.count_field!r}", body=excerpt(str(body)))
        return count

    def rerank_path(self, model: str) -> str:
        """Path of the endpoint that ranks documents."""
        raise self._unsupported("rank documents")

    def render_rerank(self, query: str, documents: Sequence[str], model: str, top_n: int | None) -> dict[str, Any]:
        """The body of a ranking request; `top_n` asks for the best ones only."""
        raise self._unsupported("rank documents")

    def parse_rerank(self, body: Json) -> list[tuple[int, float]]:
        """Index and score of each document that was ranked, in any order."""
        raise self._unsupported("rank documents")

    def _unsupported(self, action: str) -> UnsupportedError:
        return UnsupportedError(f"the {self.name} wire format cannot {action}; use a provider that can")


class ChunkParser:
    """Reads one answer, whole or in events, into an `Assembly`.

    `done` says that the end marker came and nothing more needs to be read.
    """

    end_marker: ClassVar[bytes] = b""
    """The data that ends a stream, where the wire format has such a marker; it is not JSON."""

    def __init__(self, request: ChatRequest | None = None) -> None:
        self.done = False
        self.raw: dict[str, Any] = {}
        self.assembly = Assembly({tool.name for tool in request.tools} if request is not None else ())

    def feed(self, event: Event) -> Iterable[ChatChunk]:
        """The chunks of one event: none, one or several.

        Raises ErrorEvent for an error inside the stream, ParseError if the event is not what the protocol promises.
        """
        name, data = event
        if name == "body" and data.strip() != self.end_marker:
            return self.read_whole(self.decode(data))
        try:
            body = from_json(data, cache_strings="keys")
        except ValueError:
            if self.end_marker and data.strip() == self.end_marker:
                self.done = True
                return ()
            if name == "error":  # some report them as plain text
                raise ErrorEvent(data.decode("utf-8", "replace")) from None
            body = self.decode(data)
        if type(body) is not dict:
            raise ErrorEvent(body)
        if body.get("error") or name == "error":
            return self._fail(body)
        self.raw.update(body)
        return self.read(body)

    def _fail(self, body: dict[str, Any]) -> Iterator[ChatChunk]:
        """What the event brings besides its error, then the error."""
        with contextlib.suppress(ErrorEvent):
            yield from self.read({key: value for key, value in body.items() if key != "error"})
        raise ErrorEvent(body)

    @abstractmethod
    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event."""

    @abstractmethod
    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer."""

    @abstractmethod
    def ended(self) -> bool:
        """Whether the answer has come to its end, by a finish reason or an end marker."""

    @abstractmethod
    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far; `interrupted` marks calls whose end never came."""

    def close(self) -> Iterator[ChatChunk]:
        """The finished calls, the finish reasons and the usage. Raises StreamError if the end never came."""
        yield from self.flush()
        if not self.ended():
            seen = "no event arrived" if not self.raw else "it ended before its finish marker"
            error = StreamError(f"the stream was cut: {seen}")
            error.partial = self.response(interrupted=True)
            raise error
        yield from self.assembly.tail(self.response())

    def abort(self) -> ChatResponse:
        """What had arrived of an answer that will not end."""
        self.flush()
        return self.response(interrupted=True)

    def flush(self) -> Iterable[ChatChunk]:
        """Chunks held back until the end of the stream."""
        return ()

    @staticmethod
    def decode(data: bytes) -> Json:
        """Decode an event. After a broken write the error sits on the last line of its data."""
        try:
            return decode_json(data)
        except ValueError:
            try:
                return decode_json(data.rpartition(b"\n")[2])
            except ValueError:
                page = " (a web page: check base_url)" if data.lstrip()[:1] == b"<" else ""
                message = f"an event of the stream is not JSON{page}: {excerpt(data, 200)!r}"
                raise ParseError(message, body=excerpt(data)) from None
