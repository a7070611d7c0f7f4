"""What to send, when to wait and what to raise, as generators: written once for both clients.

An operation yields `Send`, `Sleep` and `Call`, is sent the outcome of each, and returns its result. It does no I/O, so
tests step it by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from llm_connector.errors import (
    APIError,
    BadRequestError,
    InsufficientBalanceError,
    LlmConnectorError,
    ParseError,
    StreamError,
    TransportError,
    excerpt,
    streamed,
)
from llm_connector.framing import Framing
from llm_connector.protocols import ChunkParser, ErrorDetail, ErrorEvent, error_class
from llm_connector.protocols.turns import own_parts
from llm_connector.providers.spec import Endpoint
from llm_connector.retry import LONGEST_WAIT, Retry, retry_after
from llm_connector.types import (
    Adaptation,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Embeddings,
    ModelInfo,
    Notes,
    Opaque,
    Reasoning,
    ToolCall,
)
from llm_connector.wire import Call, HttpRequest, HttpResponse, Json, Send, Sleep, Steps, decode_json

__all__ = [
    "ChatDecoder",
    "OpenStream",
    "RenderedChat",
    "chat",
    "count_tokens",
    "embed",
    "exchange",
    "list_models",
    "open_stream",
    "render",
]

T = TypeVar("T")

_NO_HEADERS: Mapping[str, str] = {}
_MAX_REDIRECTS = 5
_MAX_PAGES = 100
_REQUEST_IDS = ("x-request-id", "request-id", "x-ds-request-id", "x-tt-logid", "x-amzn-requestid", "cf-ray")


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A chat request as it will be sent. Making one does no I/O and raises every mistake that can be seen before."""

    endpoint: Endpoint
    request: ChatRequest
    path: str
    body: dict[str, Any]
    stream: bool
    notes: Notes

    @property
    def adaptations(self) -> list[Adaptation]:
        """What is not sent as it was asked for."""
        return self.notes.adaptations


def render(endpoint: Endpoint, request: ChatRequest, *, stream: bool, strict: bool = False) -> RenderedChat:
    """Check and render a chat request.

    Raises ConfigurationError for a mistake, UnsupportedError for what cannot be said; with `strict`, also for what
    would have to be adapted.
    """
    spec = endpoint.spec
    notes = Notes(strict=strict)
    try:
        asked = spec.adapt(request, notes)
        turns = own_parts(asked.messages, spec.name, notes)
        if turns is not asked.messages:
            asked = asked.model_copy(update={"messages": turns})
        protocol = endpoint.protocol(request.model)
        body = protocol.render_chat(asked, stream=stream, notes=notes)
        if request.extra_body:
            body = _merged(body, request.extra_body)
        path = protocol.chat_path(request.model or "", stream=stream)
    except LlmConnectorError as error:
        _named(error, spec.name)
        raise
    return RenderedChat(endpoint, asked, path, body, stream, notes)


def chat(rendered: RenderedChat, retry: Retry) -> Steps[ChatResponse]:
    """One whole answer."""

    def read(response: HttpResponse) -> ChatResponse:
        return _read_chat(rendered, response)

    return (yield from _teach(rendered, retry, read))


def open_stream(rendered: RenderedChat, retry: Retry, max_event_bytes: int) -> Steps[OpenStream]:
    """An open stream, with the decoder that turns its bytes into chunks."""

    def read(response: HttpResponse) -> OpenStream:
        return OpenStream(response.source, ChatDecoder(rendered, response, max_event_bytes))

    return (yield from _teach(rendered, retry, read))


def list_models(endpoint: Endpoint, retry: Retry) -> Steps[list[ModelInfo]]:
    """Every model of every page."""
    endpoint.spec.require("models", "see the provider's documentation for its model names")
    protocol = endpoint.spec.protocol
    models: list[ModelInfo] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        path = protocol.models_path(cursor)
        page, following = yield from exchange(endpoint, path, protocol.parse_models, retry, method="GET")
        models.extend(page)
        if following is None or following == cursor:
            break
        cursor = following
    return models


def embed(endpoint: Endpoint, inputs: Sequence[str], model: str, retry: Retry) -> Steps[Embeddings]:
    """One vector per input. Raises ParseError when the server sends another number of them."""
    endpoint.spec.require("embeddings", "use a provider that has them, for example openai, ollama or local")
    protocol = endpoint.spec.protocol
    body = protocol.render_embed(inputs, model)

    def read(answer: Json) -> Embeddings:
        embeddings = protocol.parse_embed(answer)
        if len(embeddings.vectors) != len(inputs):
            raise ParseError(f"{len(inputs)} inputs, but {len(embeddings.vectors)} vectors came back")
        return embeddings

    return (yield from exchange(endpoint, protocol.embed_path(model), read, retry, body=body, use=("embed", model)))


def count_tokens(endpoint: Endpoint, request: ChatRequest, retry: Retry) -> Steps[int]:
    """Tokens of the prompt, as the server counts them."""
    endpoint.spec.require("count_tokens", "no endpoint counts tokens; read response.usage instead")
    protocol = endpoint.spec.protocol
    notes = Notes()
    turns = own_parts(request.messages, endpoint.spec.name, notes)
    body = protocol.render_count(request.model_copy(update={"messages": turns}), notes)
    path = protocol.count_path(request.model or "")
    return (yield from exchange(endpoint, path, protocol.parse_count, retry, body=body, use=("count", request.model)))


def exchange(
    endpoint: Endpoint,
    path: str,
    read: Callable[[Json], T],
    retry: Retry,
    *,
    body: Json | None = None,
    method: str = "POST",
    use: tuple[str, str | None] = ("other", None),
) -> Steps[T]:
    """Send a JSON request and read the JSON answer; what every operation but chat needs."""

    def read_response(response: HttpResponse) -> T:
        try:
            return read(_decoded(endpoint, response) if response.content else None)
        except ErrorEvent as event:
            raise _api_error(endpoint, response, event.body) from None

    def make(ready: Endpoint) -> HttpRequest:
        return ready.request(path, body, method)

    return (yield from _attempts(endpoint, make, read_response, retry, use=use))


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

    __slots__ = ("_framing", "_headers", "_parser", "_rendered", "_response", "_status")

    def __init__(self, rendered: RenderedChat, response: HttpResponse, max_event_bytes: int) -> None:
        protocol = rendered.endpoint.protocol(rendered.request.model)
        self._rendered = rendered
        self._framing: Framing = protocol.framing(max_event_bytes)
        self._parser: ChunkParser = protocol.chunk_parser(rendered.request)
        self._headers = response.headers
        self._status = response.status
        self._response: ChatResponse | None = None

    @property
    def done(self) -> bool:
        """Whether the end marker came: nothing more needs to be read."""
        return self._parser.done

    def feed(self, block: bytes) -> Iterator[ChatChunk]:
        """Yield the chunks that `block` completes."""
        parser = self._parser
        try:
            for event in self._framing.feed(block):
                yield from parser.feed(event)
                if parser.done:
                    return
        except (ErrorEvent, ParseError) as error:
            raise self._failure(error) from None

    def close(self, cause: TransportError | None = None) -> Iterator[ChatChunk]:
        """Yield the last chunks after the end of the body; `cause` is what cut it, if something did.

        Raises StreamError when the answer is not complete.
        """
        parser = self._parser
        try:
            if cause is None and not parser.done:
                for event in self._framing.close():
                    yield from parser.feed(event)
            if cause is not None and not parser.ended():
                raise self.interruption(cause) from cause
            yield from parser.close()
        except (ErrorEvent, ParseError) as error:
            raise self._failure(error) from None
        except StreamError as error:
            if error.partial is not None:
                error.partial = self._complete(error.partial)
            _named(error, self._rendered.endpoint.spec.name)
            raise

    @classmethod
    def empty(cls, rendered: RenderedChat) -> ChatResponse:
        """The answer before anything has arrived."""
        return cls(rendered, HttpResponse(0), 1).partial()

    def response(self) -> ChatResponse:
        """The whole answer, after `close`."""
        if self._response is None:
            self._response = self._complete(self._parser.response())
        return self._response

    def partial(self) -> ChatResponse:
        """What has arrived so far; the whole answer once it is complete."""
        return self._response or self._complete(self._parser.response(interrupted=True))

    def interruption(self, cause: TransportError) -> LlmConnectorError:
        """The error of a stream that a network failure cut: a StreamError that is also of the failure's class."""
        error = streamed(type(cause))(cause.message, provider=self._rendered.endpoint.spec.name)
        return self._with_partial(error)

    def _failure(self, cause: ErrorEvent | ParseError) -> LlmConnectorError:
        endpoint = self._rendered.endpoint
        if isinstance(cause, ErrorEvent):
            response = HttpResponse(self._status, self._headers)
            return self._with_partial(_api_error(endpoint, response, cause.body, in_stream=True))
        if cause.body.lstrip()[:1] == "<" and not self._parser.raw:
            return self._with_partial(_page_error(endpoint, self._status, self._headers, cause.body, in_stream=True))
        error = streamed(ParseError)(cause.message, provider=endpoint.spec.name, body=cause.body)
        return self._with_partial(error)

    def _with_partial(self, error: LlmConnectorError) -> LlmConnectorError:
        if isinstance(error, StreamError):
            error.partial = self._complete(self._parser.abort())
        return error

    def _complete(self, response: ChatResponse) -> ChatResponse:
        return _completed(response, self._rendered, self._headers)


def _teach(rendered: RenderedChat, retry: Retry, read: Callable[[HttpResponse], T]) -> Steps[T]:
    """Send a chat request; a refused field that the protocol knows how to do without is learned, once each."""
    endpoint, request = rendered.endpoint, rendered.request
    protocol = endpoint.protocol(request.model)
    body = rendered.body
    while True:
        try:
            make = partial(_request, rendered, body)
            use = ("chat", request.model)
            return (yield from _attempts(endpoint, make, read, retry, stream=rendered.stream, use=use))
        except BadRequestError as error:
            learned = None if rendered.notes.strict else protocol.learn(protocol.parse_error(error.body))
            if learned is None:
                raise
            protocol, lesson = learned
            endpoint.learned[request.model] = protocol
            rendered.notes.add("learned", "server", lesson)
            body = protocol.render_chat(request, stream=rendered.stream, notes=rendered.notes)
            if request.extra_body:
                body = _merged(body, request.extra_body)


def _request(rendered: RenderedChat, body: Json, ready: Endpoint) -> HttpRequest:
    return ready.request(rendered.path, body, headers=rendered.request.extra_headers or _NO_HEADERS)


def _attempts(
    endpoint: Endpoint,
    make: Callable[[Endpoint], HttpRequest],
    read: Callable[[HttpResponse], T],
    retry: Retry,
    *,
    stream: bool = False,
    use: tuple[str, str | None] = ("other", None),
) -> Steps[T]:
    """Send until an answer can be read, the error is final, or the retries are used up."""
    attempt = 0
    while True:
        attempt += 1
        try:
            ready = yield from _ready(endpoint, use)
            response = yield from _follow(endpoint, make(ready), stream)
            if response.status >= 300:
                raise _api_error(ready, response, _body(response))
            return read(response)
        except LlmConnectorError as error:
            wanted = error.retry_after if isinstance(error, APIError) else None
            if not error.retryable or attempt > retry.retries or (wanted or 0.0) > LONGEST_WAIT:
                _named(error, endpoint.spec.name)
                raise
            yield Sleep(retry.delay(attempt, wanted))


def _ready(endpoint: Endpoint, use: tuple[str, str | None]) -> Steps[Endpoint]:
    """The endpoint with what only a call can give: a rotating key, a server that must be started first."""
    prepare = endpoint.spec.prepare
    if prepare is not None:
        endpoint = yield Call(lambda: prepare(endpoint, *use), blocking=True)
    if callable(endpoint.api_key):
        endpoint = endpoint.with_key((yield Call(endpoint.api_key)))
    return endpoint


def _follow(endpoint: Endpoint, request: HttpRequest, stream: bool) -> Steps[HttpResponse]:
    """Send, following 307 and 308 on the same origin only: a key must not reach another host."""
    response: HttpResponse = yield Send(request, stream)
    for _ in range(_MAX_REDIRECTS):
        if response.status not in (307, 308) or "location" not in response.headers:
            break
        target = urljoin(request.url, response.headers["location"])
        if _origin(target) != _origin(request.url):
            break
        request = replace(request, url=target)
        response = yield Send(request, stream)
    return response


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _read_chat(rendered: RenderedChat, response: HttpResponse) -> ChatResponse:
    protocol = rendered.endpoint.protocol(rendered.request.model)
    if response.content.lstrip()[:6] in (b"data: ", b"event:") or response.content.startswith(b"data:"):
        decoder = ChatDecoder(rendered, response, len(response.content) + 1)  # a stream although none was asked for
        for _ in (*decoder.feed(response.content), *decoder.close()):
            pass
        return decoder.response()
    body = _decoded(rendered.endpoint, response)
    try:
        answer = protocol.parse_chat(body, rendered.request)
    except ErrorEvent as event:
        raise _api_error(rendered.endpoint, response, event.body) from None
    except ParseError as error:
        error.retryable = True  # an answer without content is a hiccup of the server
        raise
    return _completed(answer, rendered, response.headers)


def _completed(answer: ChatResponse, rendered: RenderedChat, headers: Mapping[str, str]) -> ChatResponse:
    """The answer with what only the exchange knows: headers, adaptations, and whose thoughts these are."""
    answer.headers = dict(headers)
    answer.request_id = answer.request_id or _request_id(headers)
    answer.adaptations = list(rendered.notes.adaptations)
    provider = rendered.endpoint.spec.name
    for choice in answer.choices:
        parts = choice.message.parts
        for position, part in enumerate(parts):
            owned = isinstance(part, Reasoning | Opaque) or (isinstance(part, ToolCall) and part.extra is not None)
            if owned:
                parts[position] = part.model_copy(update={"provider": provider})
    return answer


def _decoded(endpoint: Endpoint, response: HttpResponse) -> Json:
    if response.content.lstrip()[:1] == b"<":
        raise _page_error(endpoint, response.status, response.headers, excerpt(response.content))
    return response.json()


def _body(response: HttpResponse) -> Json:
    try:
        return decode_json(response.content) if response.content.strip() else ""
    except ValueError:
        return excerpt(response.content)


def _api_error(endpoint: Endpoint, response: HttpResponse, body: Json, *, in_stream: bool = False) -> APIError:
    """The error that a response is, with every secret of the caller taken out of what the server said."""
    if isinstance(body, str):
        body = endpoint.redact(body)
    detail = endpoint.spec.protocol.parse_error(body)
    kind: type[APIError] = error_class(response.status, detail)
    status = detail.status if response.status < 400 and detail.status else response.status
    return (streamed(kind) if in_stream else kind)(
        endpoint.redact(detail.message or f"HTTP {response.status}") + _hint(endpoint, response, kind),
        provider=endpoint.spec.name,
        status=status,
        code=detail.code or detail.type,
        request_id=detail.request_id or _request_id(response.headers),
        retry_after=retry_after(response.headers, time.time()),
        body=_redacted(endpoint, body),
        retryable=_retryable(status, response.headers, detail, kind),
    )


def _page_error(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], text: str, *, in_stream: bool = False
) -> APIError:
    kind: type[APIError] = streamed(APIError) if in_stream else APIError
    return kind(
        f"a web page answered instead of the API: {text[:200]!r}; check base_url ({endpoint.base_url})",
        provider=endpoint.spec.name,
        status=status,
        request_id=_request_id(headers),
        body=text,
    )


def _hint(endpoint: Endpoint, response: HttpResponse, kind: type[APIError]) -> str:
    """What to do about it, where that is known."""
    if 300 <= response.status < 400:
        target = urlsplit(response.headers.get("location", ""))
        where = f"{target.scheme}://{target.netloc}{target.path}" if target.netloc else target.path or "nowhere"
        return f"; the server redirects to {where}, which is not followed: set base_url to the right address"
    if response.status in (404, 405):
        return f"; check the model's name and base_url ({endpoint.base_url})"
    if response.status == 401:
        names = " or ".join(endpoint.spec.api_key_env)
        return f"; check api_key{f' ({names})' if names else ''} and that it belongs to {endpoint.base_url}"
    return ""


def _retryable(status: int, headers: Mapping[str, str], detail: ErrorDetail, kind: type[APIError]) -> bool:
    if issubclass(kind, InsufficientBalanceError):
        return False
    advice = headers.get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true"
    if status < 400:  # inside a successful answer: by what it says
        return kind.__name__ in ("RateLimitError", "ServerError")
    return status in (408, 409, 429) or (status >= 500 and status not in (501, 505))


def _redacted(endpoint: Endpoint, body: Json) -> Json:
    if isinstance(body, str):
        return endpoint.redact(body)
    if isinstance(body, list):
        return [_redacted(endpoint, item) for item in body]
    if isinstance(body, dict):
        return {key: _redacted(endpoint, value) for key, value in body.items()}
    return body


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def _merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the caller's own fields; objects are merged one level deep, anything else is replaced."""
    merged = dict(body)
    for key, value in extra.items():
        known = merged.get(key)
        merged[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged


def _named(error: LlmConnectorError, provider: str) -> None:
    error.provider = error.provider or provider
