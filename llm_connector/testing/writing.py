"""Answers as a server of some wire format writes them: the events or the body, and from those the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Self

from llm_connector.errors import APIError, ConfigurationError, LlmConnectorError, TimeoutError, TransportError
from llm_connector.formats.base import Output, status_of
from llm_connector.protocols.assembly import Assembly
from llm_connector.testing.event_frames import exception_frame
from llm_connector.testing.model import ReceivedRequest
from llm_connector.testing.replies import Reply, chunks
from llm_connector.testing.script import Answer, Raw, Refuse, Scripted, Stream
from llm_connector.testing.wires import Wire
from llm_connector.wire import Json, encode_json

__all__ = ["Written", "played"]


@dataclass(frozen=True)
class Written:
    """An answer in the words of a wire format, before it is bytes. Faults change it, or the bytes made of it.

    A whole answer is `body`; a stream is `events`, which bring what is said, and `ending`, which says that it is over.
    """

    request: ReceivedRequest
    wire: Wire
    body: Json = None
    events: tuple[Output, ...] = ()
    ending: tuple[Output, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    marked: bool = True
    """Whether what ends a stream of this wire format is sent."""
    half: int = 0
    """How many of the events bring the first half of what is said."""

    @property
    def stream(self) -> bool:
        """Whether it is a stream."""
        return self.request.stream

    def blocks(self) -> list[bytes]:
        """The stream, a block per event; the end marker is the last."""
        blocks = [self.wire.frame(event) for event in (*self.events, *self.ending)]
        marker = self.wire.marker if self.marked else b""
        return [*blocks, marker] if marker else blocks

    def scripted(self) -> Answer | Stream:
        """The answer as bytes."""
        if self.stream:
            return Stream(self.blocks(), {"content-type": self.wire.content_type, **self.headers})
        return Answer(200, {"content-type": "application/json", **self.headers}, encode_json(self.body))

    def refused(self, error: LlmConnectorError, headers: Mapping[str, str] | None = None) -> Answer:
        """The same request, refused before anything was said."""
        body, status = self.request.format.render_error(error)
        return Answer.json(body, status, {**self.headers, **_retry_after(error), **(headers or {})})

    def failed(self, error: LlmConnectorError) -> Scripted:
        """The answer with an error instead of its end; nothing but that, if it is no stream or none has begun."""
        if not (self.stream and self.events):
            return _failed(error, self)
        said = replace(self, ending=(), marked=False)
        headers = {"content-type": self.wire.content_type, **self.headers}
        if isinstance(error, TransportError):
            return Stream(said.blocks(), headers, "hold" if isinstance(error, TimeoutError) else "cut")
        failures = self.request.format.encoder(self.request.model).fail(error)
        return Stream([*said.blocks(), *map(self.error_block, failures)], headers)

    def changed(self, change: Callable[[Json], Json]) -> Self:
        """The same answer after each body, that of the whole answer or of each event, went through a function."""
        events = tuple((name, change(body)) for name, body in self.events)
        ending = tuple((name, change(body)) for name, body in self.ending)
        return replace(self, body=change(self.body) if self.body is not None else None, events=events, ending=ending)

    def error_block(self, output: Output) -> bytes:
        """An event that is an error; those of AWS are messages of another kind."""
        name, body = output
        if name.endswith("Exception"):
            return exception_frame(name, encode_json(body))
        return self.wire.frame(output)


def written(reply: Reply, request: ReceivedRequest) -> Written:
    """A reply in the words of the request's wire format. Raises ConfigurationError for a request that is no chat."""
    wire = request.wire
    if wire is None:
        raise ConfigurationError(
            f"{request.http.method} {request.http.path} is no chat; script its answer as a dict, which is the JSON body"
        )
    format, asked = request.format, request.chat.model if request.chat else None
    model = reply.response.model or asked or "scripted"
    response = reply.response.model_copy(update={"model": model})
    if not request.stream:
        return Written(request, wire, format.render_response(response, model), headers=reply.headers or {})
    assembly = Assembly()
    encoder = format.encoder(model, assembly=assembly)
    steps = [tuple(encoder.feed(chunk)) for chunk in chunks(response, assembly)]
    half = sum(map(len, steps[: (len(steps) + 1) // 2]))
    events, ending = tuple(chain.from_iterable(steps)), tuple(encoder.finish(response))
    return Written(request, wire, None, events, ending, reply.headers or {}, half=half)


def played(answer: Reply | Scripted | BaseException, request: ReceivedRequest) -> Scripted:
    """What a server sends for an answer of the script. Raises exceptions that no server can report."""
    if isinstance(answer, APIError | TransportError):
        return _failed(answer, request if request.wire is None else Written(request, request.wire))
    if isinstance(answer, BaseException):
        raise answer
    if not isinstance(answer, Reply):
        return answer
    made = written(answer, request)
    if answer.fault is not None:
        return answer.fault(made)
    return made.scripted() if answer.error is None else made.failed(answer.error)


def _failed(error: LlmConnectorError, answer: Written | ReceivedRequest) -> Scripted:
    """An error as it reaches the client: reported by the server, or as what the network does."""
    if isinstance(error, TransportError):
        return Raw([], end="hold") if isinstance(error, TimeoutError) else Refuse()
    if isinstance(answer, Written):
        return answer.refused(error)
    told = error.code if isinstance(error, APIError) else None
    return Answer.json({"error": {"message": error.message, "code": told}}, status_of(error), _retry_after(error))


def _retry_after(error: LlmConnectorError) -> dict[str, str]:
    wanted = error.retry_after if isinstance(error, APIError) else None
    return {} if wanted is None else {"retry-after": f"{wanted:g}"}
