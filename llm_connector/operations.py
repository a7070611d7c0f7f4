"""What to send, when to wait and what to raise, as generators: written once for both clients.

An operation yields `Send`, `Read`, `Sleep` and `Call`, is sent the outcome of each, and returns its result. It does no
I/O, so tests step it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from llm_connector.decoding import MISSHAPEN, ChatDecoder, OpenStream, RenderedChat, completed, lost_prompt, misshapen
from llm_connector.errors import (
    BadRequestError,
    ConfigurationError,
    ContextLengthError,
    LlmConnectorError,
    NotFoundError,
    ParseError,
    TransportError,
    excerpt,
)
from llm_connector.protocols import ErrorEvent, Protocol
from llm_connector.protocols.turns import own_parts
from llm_connector.providers.spec import Endpoint
from llm_connector.refusals import api_error, decoded, name_provider
from llm_connector.retry import Retry
from llm_connector.sending import attempts, exchange
from llm_connector.types import ChatRequest, ChatResponse, Embeddings, InputType, ModelInfo, Notes, RankedDocument
from llm_connector.wire import Call, FetchPolicy, HttpRequest, HttpResponse, Json, Read, Steps

if TYPE_CHECKING:
    from llm_connector.media_fetching import FetchPlan

__all__ = [
    "ChatDecoder",
    "OpenStream",
    "RenderedChat",
    "chat",
    "count_tokens",
    "embed",
    "list_models",
    "open_stream",
    "render",
    "rerank",
]

T = TypeVar("T")

_NO_HEADERS: Mapping[str, str] = {}
_MAX_PAGES = 100


def render(
    endpoint: Endpoint, request: ChatRequest, *, stream: bool, strict: bool = False, policy: FetchPolicy | None = None
) -> RenderedChat:
    """Check and render a chat request.

    Raises ConfigurationError for a mistake, UnsupportedError for what cannot be said; with `strict`, also for what
    would have to be adapted. `policy` allows to fetch media that this server takes no URLs of.
    """
    spec, protocol = endpoint.spec, endpoint.protocol(request.model)
    notes = Notes(strict=strict)
    plan = None if policy is None else _plan(endpoint, request, policy)
    if plan is not None:
        request = plan.rehearsal()
    try:
        asked = spec.adapt(request, notes)
        turns = own_parts(asked.messages, spec.name, notes)
        if turns is not asked.messages:
            asked = asked.model_copy(update={"messages": turns})
        body, path = _rendered(protocol, asked, notes, stream=stream)
    except LlmConnectorError as error:
        name_provider(error, spec.name)
        raise
    if plan is not None:
        plan.tell(notes)
    return RenderedChat(endpoint, asked, protocol, path, body, stream, notes, plan)


def chat(rendered: RenderedChat, retry: Retry) -> Steps[ChatResponse]:
    """One whole answer."""
    return (yield from _teach(rendered, retry, _read_chat))


def open_stream(rendered: RenderedChat, retry: Retry, max_event_bytes: int) -> Steps[OpenStream]:
    """An open stream, with the decoder that turns its bytes into chunks."""

    def read(sent: RenderedChat, response: HttpResponse) -> OpenStream:
        return OpenStream(response.source, ChatDecoder(sent, response, max_event_bytes))

    return (yield from _teach(rendered, retry, read, _begin))


def list_models(endpoint: Endpoint, retry: Retry) -> Steps[list[ModelInfo]]:
    """Every model of every page."""
    endpoint.spec.require("models", "see the provider's documentation for its model names")
    protocol = endpoint.spec.protocol
    models: list[ModelInfo] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        path = protocol.models_path(cursor)
        use = ("models", None)
        page, following = yield from exchange(endpoint, path, protocol.parse_models, retry, method="GET", use=use)
        models.extend(page)
        if following is None or following == cursor:
            break
        cursor = following
    return models


def embed(
    endpoint: Endpoint,
    inputs: Sequence[str],
    model: str,
    retry: Retry,
    dimensions: int | None = None,
    input_type: InputType | None = None,
) -> Steps[Embeddings]:
    """One vector per input. Raises ParseError when the server sends another number of them, or of other length."""
    if input_type not in (None, "query", "document"):
        raise ConfigurationError(f"input_type is {input_type!r}; it is 'query' or 'document'")
    endpoint.spec.require("embeddings", "use a provider that has them, for example openai, ollama or local")
    protocol = endpoint.spec.protocol
    body = protocol.render_embed(inputs, model)
    if dimensions is not None:
        body = protocol.with_dimensions(body, dimensions)
    if input_type is not None:
        body = protocol.with_input_type(body, input_type)

    def read(answer: Json) -> Embeddings:
        embeddings = protocol.parse_embed(answer)
        if len(embeddings.vectors) != len(inputs):
            raise ParseError(f"{len(inputs)} inputs, but {len(embeddings.vectors)} vectors came back")
        if dimensions is not None and any(len(vector) != dimensions for vector in embeddings.vectors):
            length = len(embeddings.vectors[0])
            raise ParseError(f"vectors of {dimensions} numbers were asked for, but this model gives {length}")
        return embeddings

    return (yield from exchange(endpoint, protocol.embed_path(model), read, retry, body=body, use=("embed", model)))


def rerank(
    endpoint: Endpoint, query: str, documents: Sequence[str], model: str, retry: Retry, top_n: int | None = None
) -> Steps[list[RankedDocument]]:
    """The documents by relevance, best first. Raises ParseError for ranks of documents that were not sent."""
    endpoint.spec.require("rerank", "use a provider that ranks documents, for example aliyun, siliconflow or zhipu")
    protocol = endpoint.spec.protocol
    body = protocol.render_rerank(query, documents, model, top_n)

    def read(answer: Json) -> list[RankedDocument]:
        ranked = protocol.parse_rerank(answer)
        beyond = next((index for index, _ in ranked if not 0 <= index < len(documents)), None)
        if beyond is not None:
            raise ParseError(f"document {beyond} was ranked, but {len(documents)} were sent")
        best = sorted(ranked, key=lambda item: -item[1])[:top_n]  # some servers rank all the same
        return [RankedDocument(index=index, score=score, document=documents[index]) for index, score in best]

    path = protocol.rerank_path(model)
    return (yield from exchange(endpoint, path, read, retry, body=body, use=("rerank", model)))


def count_tokens(
    endpoint: Endpoint, request: ChatRequest, retry: Retry, policy: FetchPolicy | None = None
) -> Steps[int]:
    """Tokens of the prompt, as the server counts them."""
    endpoint.spec.require("count_tokens", "no endpoint counts tokens; read response.usage instead")
    plan = None if policy is None else _plan(endpoint, request, policy)
    if plan is not None:
        request = yield from plan.fetch(retry)
    protocol = endpoint.spec.protocol
    notes = Notes()
    turns = own_parts(request.messages, endpoint.spec.name, notes)
    body = protocol.render_count(request.model_copy(update={"messages": turns}), notes)
    path = protocol.count_path(request.model or "")
    return (yield from exchange(endpoint, path, protocol.parse_count, retry, body=body, use=("count", request.model)))


def _begin(opened: OpenStream) -> Steps[None]:
    """Wait for the first chunk: what fails before it may be tried again, since nothing has reached the caller."""
    while True:
        try:
            block = yield Read(opened.source)
        except TransportError as error:
            raise opened.decoder.interruption(error) from error
        try:
            if opened.decoder.begin(block):
                return
        except LlmConnectorError:
            yield Call(opened.source.close)
            raise


def _teach(
    rendered: RenderedChat,
    retry: Retry,
    read: Callable[[RenderedChat, HttpResponse], T],
    opening: Callable[[T], Steps[None]] | None = None,
) -> Steps[T]:
    """Send a chat request; a refused field that the protocol knows how to do without is learned, once each."""
    if rendered.fetch is not None:
        yield from _complete(rendered, rendered.fetch, retry)
    endpoint, request, protocol = rendered.endpoint, rendered.request, rendered.protocol
    known = [protocol]
    sent = rendered
    while True:
        try:
            make, taken = partial(_request, sent), partial(_read_sent, read, sent)
            place, use = _place(sent), ("chat", request.model)
            return (yield from attempts(place, make, taken, retry, stream=rendered.stream, use=use, opening=opening))
        except (BadRequestError, NotFoundError) as error:
            failure = protocol.parse_error(error.body)
            learned = None if rendered.notes.strict else protocol.learn_from(request, failure, error.status or 400)
            if learned is None or learned[0] in known:  # a server may refuse both ways, for ever
                raise
            protocol, lesson = learned
            known.append(protocol)
            endpoint.learned[request.model] = protocol
            rendered.notes.add("learned", "server", lesson)
            body, path = _rendered(protocol, request, rendered.notes, stream=rendered.stream)
            sent = replace(rendered, protocol=protocol, body=body, path=path)


def _plan(endpoint: Endpoint, request: ChatRequest, policy: FetchPolicy) -> FetchPlan | None:
    from llm_connector.media_fetching import plan_fetches

    return plan_fetches(endpoint, request, policy)


def _complete(rendered: RenderedChat, plan: FetchPlan, retry: Retry) -> Steps[None]:
    """Fetch the media and render the request with them; whoever holds it sees what was adapted."""
    request = yield from plan.fetch(retry)
    whole = render(rendered.endpoint, request, stream=rendered.stream, strict=rendered.notes.strict)
    plan.tell(whole.notes)
    rendered.request, rendered.protocol, rendered.notes = whole.request, whole.protocol, whole.notes
    rendered.path, rendered.body, rendered.fetch = whole.path, whole.body, None


def _rendered(protocol: Protocol, request: ChatRequest, notes: Notes, *, stream: bool) -> tuple[dict[str, Any], str]:
    """Body and path, with the caller's own fields."""
    body = protocol.render_chat(request, stream=stream, notes=notes)
    if request.extra_body:
        body = _merged(body, request.extra_body)
    return body, protocol.request_path(request, stream=stream)


def _read_sent(
    read: Callable[[RenderedChat, HttpResponse], T], sent: RenderedChat, ready: Endpoint, response: HttpResponse
) -> T:
    """Read an answer at the endpoint it came from, which knows the secrets that were sent."""
    return read(sent if ready is sent.endpoint else replace(sent, endpoint=ready), response)


def _place(sent: RenderedChat) -> Endpoint:
    """Where a request goes: where its own protocol says, whatever other calls find out about the model meanwhile."""
    endpoint = sent.endpoint
    return endpoint if endpoint.spec.prepare is None else replace(endpoint, learned={sent.request.model: sent.protocol})


def _request(rendered: RenderedChat, ready: Endpoint) -> HttpRequest:
    request = rendered.request
    stream = rendered.protocol.streams(request, stream=rendered.stream)
    headers = request.extra_headers or _NO_HEADERS
    return ready.request(rendered.path, rendered.body, headers=headers, operation="chat", stream=stream)


def _read_chat(rendered: RenderedChat, response: HttpResponse) -> ChatResponse:
    if response.content.lstrip().startswith((b"data:", b"event:", b"id:", b":")):
        decoder = ChatDecoder(rendered, response, len(response.content) + 1)  # a stream although none was asked for
        for _ in (*decoder.feed(response.content), *decoder.close()):
            pass
        return decoder.response()
    body = decoded(rendered.endpoint, response)
    try:
        answer = rendered.protocol.parse_chat(body, rendered.request)
    except ErrorEvent as event:
        raise api_error(rendered.endpoint, response, event.body) from None
    except ParseError as error:
        error.retryable = True  # an answer without content is a hiccup of the server
        raise
    except MISSHAPEN as error:
        raise misshapen(error, rendered, excerpt(response.content)) from error
    lost = lost_prompt(answer, rendered)
    if lost is not None:
        raise ContextLengthError(lost, status=response.status)
    return completed(answer, rendered, response.headers)


def _merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the caller's own fields: objects are merged one level deep, None removes a field."""
    merged = dict(body)
    for key, value in extra.items():
        known = merged.get(key)
        merged[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
    return {key: value for key, value in merged.items() if value is not None or key not in extra}
