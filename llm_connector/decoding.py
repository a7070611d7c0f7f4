"""Bytes of one answer to chunks and, at its end, to the response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from llm_connector.errors import (
    ContextLengthError,
    LlmConnectorError,
    ParseError,
    StreamError,
    TransportError,
    streamed,
)
from llm_connector.framing import Framing
from llm_connector.protocols import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.assembly import Assembly
from llm_connector.providers.spec import Endpoint
from llm_connector.refusals import api_error, page_error, request_id, seal, shown_headers
from llm_connector.types import (
    Adaptation,
    AnyPart,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Message,
    Notes,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
)
from llm_connector.wire import Event, HttpResponse

if TYPE_CHECKING:
    from llm_connector.media_fetching import FetchPlan

__all__ = ["MISSHAPEN", "ChatDecoder", "OpenStream", "RenderedChat", "completed", "lost_prompt", "misshapen"]

MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading raises, somewhere, when a value has another type than the wire format promises."""

_GATHERED_BYTES = 64 << 10
"""After so many bytes of a stream, the pieces that have come are joined."""
_FAILURES = (ErrorEvent, ParseError, *MISSHAPEN)


@dataclass(slots=True)
class RenderedChat:
    """A chat request as it will be sent. Making one does no I/O and raises every mistake that can be seen before.

    `protocol` rendered it and reads its answer, whatever other calls find out about the model meanwhile. With `fetch`,
    blank media stand in it for those that must be fetched first.
    """

    endpoint: Endpoint
    request: ChatRequest
    protocol: Protocol
    path: str
    body: dict[str, Any]
    stream: bool
    notes: Notes
    fetch: FetchPlan | None = None

    @property
    def adaptations(self) -> list[Adaptation]:
        """What is not sent as it was asked for."""
        return self.notes.adaptations


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that the server has begun: its body, which only the transport can read, and the decoder."""

    source: Any
    decoder: ChatDecoder


class ChatDecoder:
    """Byte blocks to chunks, for one answer.

    `feed` is lazy: chunks that share a block with an error still reach the caller. Every error it raises is a
    `StreamError` with the partial answer.
    """

    __slots__ = (
        "_closed",
        "_framing",
        "_headers",
        "_parser",
        "_rendered",
        "_response",
        "_status",
        "_ungathered",
        "begun",
    )

    def __init__(self, rendered: RenderedChat, response: HttpResponse, max_event_bytes: int) -> None:
        protocol = rendered.protocol
        self._rendered = rendered
        self._framing: Framing = protocol.framing(max_event_bytes)
        self._parser: ChunkParser = protocol.chunk_parser(rendered.request)
        self._parser.assembly.owner = rendered.endpoint.spec.name
        self._headers = response.headers
        self._status = response.status
        self._response: ChatResponse | None = None
        self._closed = False
        self._ungathered = 0
        self.begun: Iterable[ChatChunk] = ()
        """The chunks of what `begin` took."""

    @property
    def done(self) -> bool:
        """Whether the end marker came: nothing more needs to be read."""
        return self._parser.done

    @property
    def assembly(self) -> Assembly:
        """The answer as it grows."""
        return self._parser.assembly

    def message(self) -> Message:
        """The first answer so far, without what surrounds it."""
        message = self._parser.assembly.choices[0].message(interrupted=True)
        _own(message.parts, self._rendered.endpoint.spec.name)
        return message

    def begin(self, block: bytes) -> bool:
        """Take a block before the caller asks, an empty one at the end of the body; whether there is a chunk or none
        will come."""
        chunks = iter(self.feed(block) if block else self.close())
        first = next(chunks, None)
        if first is not None:
            self.begun = chain((first,), chunks)
        return first is not None or not block or self.done

    def feed(self, block: bytes) -> Iterable[ChatChunk]:
        """The chunks that `block` completes."""
        self._ungathered += len(block)
        if self._ungathered > _GATHERED_BYTES:
            self._ungathered = 0
            for choice in self._parser.assembly.choices.values():
                choice.gather()
        events = self._framing.feed(block)
        if type(events) is not tuple:
            return self._feed(events)
        try:
            chunks = self._parser.feed(events[0])
        except _FAILURES as error:
            held, failure = self._held(), self._failure(error)
        else:
            return chunks if type(chunks) is tuple else self._pass(chunks)
        return _broken(held, failure)

    def _feed(self, events: Iterable[Event]) -> Iterator[ChatChunk]:
        parser = self._parser
        try:
            for event in events:
                yield from parser.feed(event)
                if parser.done:
                    return
        except _FAILURES as error:
            held, failure = self._held(), self._failure(error)
        else:
            return
        yield from _broken(held, failure)

    def _pass(self, chunks: Iterable[ChatChunk]) -> Iterator[ChatChunk]:
        try:
            yield from chunks
        except _FAILURES as error:
            held, failure = self._held(), self._failure(error)
        else:
            return
        yield from _broken(held, failure)

    def close(self, cause: TransportError | None = None) -> Iterator[ChatChunk]:
        """Yield the last chunks after the end of the body, once; `cause` is what cut it, if something did.

        Raises StreamError when the answer is not complete.
        """
        if self._closed:
            return
        self._closed = True
        parser = self._parser
        try:
            if cause is None and not parser.done:
                for event in self._framing.close():
                    yield from parser.feed(event)
            if cause is not None and not parser.ended():
                yield from self._held()
                raise self.interruption(cause) from cause
            yield from parser.close()
        except _FAILURES as error:
            held, failure = self._held(), self._failure(error)
        except StreamError as error:
            if error.partial is not None:
                error.partial = self._complete(error.partial)
            seal(error, self._rendered.endpoint)
            raise
        else:
            return
        yield from _broken(held, failure)

    @classmethod
    def empty(cls, rendered: RenderedChat) -> ChatResponse:
        """The answer before anything has arrived."""
        return cls(rendered, HttpResponse(0), 1).partial()

    def response(self) -> ChatResponse:
        """The whole answer, after `close`."""
        if self._response is None:
            answer = self._parser.response()
            lost = lost_prompt(answer, self._rendered)
            if lost is not None:
                error = streamed(ContextLengthError)(lost, provider=self._rendered.endpoint.spec.name, status=200)
                error.partial = self._complete(answer)  # type: ignore[attr-defined]  # of the class made by `streamed`
                raise error
            self._response = self._complete(answer)
        return self._response

    def partial(self) -> ChatResponse:
        """What has arrived so far; the whole answer once it is complete."""
        return self._response or self._complete(self._arrived())

    def interruption(self, cause: TransportError) -> LlmConnectorError:
        """The error of a stream that a network failure cut: a StreamError that is also of the failure's class."""
        seal(cause, self._rendered.endpoint)
        error = streamed(type(cause))(cause.message, provider=self._rendered.endpoint.spec.name)
        return self._with_partial(error)

    def _held(self) -> list[ChatChunk]:
        """What the parser holds back until it knows more: nothing more will come."""
        try:
            return [*self._parser.flush()]
        except _FAILURES:
            return []

    def _failure(self, cause: Exception) -> LlmConnectorError:
        """The error to raise, with its cause where it does not say it all."""
        endpoint, shown = self._rendered.endpoint, None
        if not isinstance(cause, ErrorEvent | ParseError):
            shown, cause = cause, misshapen(cause, self._rendered)
        if isinstance(cause, ErrorEvent):
            response = HttpResponse(self._status, self._headers)
            return self._with_partial(api_error(endpoint, response, cause.body, in_stream=True))
        if cause.body.lstrip()[:1] == "<" and not self._parser.raw:
            return self._with_partial(page_error(endpoint, self._status, self._headers, cause.body, in_stream=True))
        error = streamed(ParseError)(cause.message, provider=endpoint.spec.name, body=cause.body)
        error.__cause__ = shown
        seal(error, endpoint)
        return self._with_partial(error)

    def _with_partial(self, error: LlmConnectorError) -> LlmConnectorError:
        if isinstance(error, StreamError):
            error.partial = self._complete(self._arrived(ended=True))
        return error

    def _arrived(self, *, ended: bool = False) -> ChatResponse:
        """What has arrived; nothing, if it has no shape that can be shown."""
        try:
            return self._parser.abort() if ended else self._parser.response(interrupted=True)
        except MISSHAPEN:
            return self._rendered.protocol.chunk_parser(self._rendered.request).abort()

    def _complete(self, response: ChatResponse) -> ChatResponse:
        return completed(response, self._rendered, self._headers)


def _broken(held: Iterable[ChatChunk], failure: LlmConnectorError) -> Iterator[ChatChunk]:
    """What was held back, then the error; outside of where it came up, which holds the server's words as they came."""
    yield from held
    raise failure


def lost_prompt(answer: ChatResponse, rendered: RenderedChat) -> str | None:
    """What the server cut off the prompt, where the caller refuses that; elsewhere it is noted."""
    lost = rendered.protocol.prompt_cut(rendered.request, answer)
    if lost is None or rendered.notes.strict:
        return lost and f"the prompt was cut: {lost}"
    rendered.notes.add("dropped", "prompt", lost)
    return None


def misshapen(error: Exception, rendered: RenderedChat, body: str = "") -> ParseError:
    """The error of an answer in which something is not of the type that the wire format promises."""
    protocol = rendered.protocol
    return ParseError(f"the answer is not what {protocol.name} promises: {type(error).__name__}: {error}", body=body)


def completed(answer: ChatResponse, rendered: RenderedChat, headers: Mapping[str, str]) -> ChatResponse:
    """The answer with what only the exchange knows: headers, adaptations, and whose thoughts these are."""
    shown = shown_headers(rendered.endpoint, headers)
    known = answer.request_id or request_id(shown)
    # Three assignments would cost a microsecond each.
    vars(answer).update(headers=shown, request_id=known, adaptations=list(rendered.notes.adaptations))
    provider = rendered.endpoint.spec.name
    for choice in answer.choices:
        _own(choice.message.parts, provider)
    return answer


def _own(parts: list[AnyPart], provider: str) -> None:
    """Mark what means something to its provider only."""
    for position, part in enumerate(parts):
        if type(part) is Text:  # as most are
            continue
        owned = isinstance(part, Reasoning | Opaque) or (isinstance(part, ToolCall) and part.extra is not None)
        if owned:
            parts[position] = part.model_copy(update={"provider": provider})
