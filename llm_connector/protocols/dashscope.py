"""The DashScope wire format: `input` and `parameters`, two services for chat, streams asked for by a header.

https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    excerpt,
)
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.chat_completions import ChatCompletions, JsonOutput
from llm_connector.protocols.completion_messages import NO_MARKS, Replay
from llm_connector.protocols.completion_thinking import Thinking
from llm_connector.protocols.completion_turns import Turns
from llm_connector.protocols.dashscope_chunks import STATUS, DashScopeEvents, DashScopeParser, native_usage
from llm_connector.protocols.dashscope_messages import native_messages, shows_media
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.types import ChatRequest, Embeddings, InputType, ModelInfo, Notes, Usage
from llm_connector.wire import Json, decode_json

__all__ = ["DashScope", "failure_kind"]

_TEXT = "services/aigc/text-generation/generation"
_MULTIMODAL = "services/aigc/multimodal-generation/generation"
_EMBED = "services/embeddings/text-embedding/text-embedding"
_RERANK = "services/rerank/text-rerank/text-rerank"
_SWITCHED = Thinking(
    on=(("enable_thinking", True),), off=(("enable_thinking", False),), budget="thinking_budget", default=False
)
_PAGE = 100
_MOST_LOGPROBS = 5
_OUTSIDE = frozenset({"messages", "model", "stream", "stream_options"})
_UNKNOWN = frozenset({"frequency_penalty", "logit_bias", "metadata", "strict", "user"})


@dataclass(frozen=True)
class DashScope(ChatCompletions):
    """DashScope's own API; most of its fields are those of Chat Completions.

    `multimodal`: the model answers on the multimodal service, also where only text is sent; each is bound to one.
    `other_service`: learned; the model is on the other service than `multimodal` says.
    `increments`: False where `incremental_output` is left to the model (speech, omni and deep research).

    What has no option here (search, resolution of pictures, repetition) goes through `extra_body={"parameters": {…}}`.
    """

    framing: ClassVar[type[SSEDecoder]] = DashScopeEvents
    name: ClassVar[str] = "DashScope"
    default_path: ClassVar[str] = "/api/v1"

    thinking: Thinking = _SWITCHED
    thinking_forbids: frozenset[str] = frozenset({"tool_choice"})
    replay: Replay = "tool_turns"
    json_output: JsonOutput = "mode"
    required_choice: str | None = None
    turns: Turns = "system_first"
    prefill: str = "partial"
    empty_content: str | None = ""
    audio_urls: str = "data"
    temperatures: tuple[float, float] | None = (0.0, 1.99)
    cache_control: bool = True
    unsupported: frozenset[str] = _UNKNOWN
    multimodal: bool = False
    other_service: bool = False
    increments: bool = True

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return tuple(f"/{path}" for path in (_TEXT, _MULTIMODAL, _EMBED, _RERANK, "models"))

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """A stream is asked for here: the body has no word for it."""
        return {"accept": "text/event-stream", "x-dashscope-sse": "enable"} if stream else {}

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path of the service that the model is bound to."""
        form = self.of_model(model)
        return _MULTIMODAL if form.multimodal is not form.other_service else _TEXT

    def request_path(self, request: ChatRequest, *, stream: bool) -> str:
        """Path of the service for what is sent; pictures and sounds have one service only."""
        return _MULTIMODAL if shows_media(request.messages) else self.chat_path(request.model or "", stream=stream)

    def streams(self, request: ChatRequest, *, stream: bool) -> bool:
        """Whether a stream is asked for: some models answer in no other way, or think in no other."""
        form = self.of_model(request.model or "")
        thinks = form.stream_only == "thinking" and form.thinking.thinks(request.reasoning)
        return stream or thinks or form.stream_only == "always"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a chat on either service."""
        notes = notes or Notes()
        form = self.of_model(request.model or "")
        if _parameters(request).get("preserve_thinking"):
            form = replace(form, replay="always")
        stream = self.streams(request, stream=stream)
        body = super(DashScope, form).render_chat(form._fitted(request, notes), stream=False, notes=notes)
        for tool in body.get("tools", ()):
            tool.pop("cache_control", None)
        multimodal = self.request_path(request, stream=stream) == _MULTIMODAL
        settings: dict[str, Any] = {"result_format": "message"}
        if stream and form.increments:
            settings["incremental_output"] = True
        settings |= {name: value for name, value in body.items() if value is not None and name not in _OUTSIDE}
        messages = native_messages(body["messages"], notes, multimodal=multimodal)
        return {"model": body["model"], "input": {"messages": messages}, "parameters": settings}

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        if request is None:
            return DashScopeParser()
        asked = _parameters(request)
        if isinstance(asked.get("n"), int):
            request = request.model_copy(update={"n": asked["n"]})
        elif request.n and request.tools:
            request = request.model_copy(update={"n": None})
        return DashScopeParser(request, cumulative=True if asked.get("incremental_output") is False else None)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other service, or what thinking forbids, after a refusal that says so."""
        message, known = failure.message, self.of_model("")
        if "url error" in message and not known.other_service:
            return self.taught(other_service=True), "this model is on the other service for chat"
        thinks = replace(known.thinking, default=True)
        if "enable_thinking must be set to false" in message:
            return self.taught(stream_only="thinking", thinking=thinks), "this model thinks in streams only"
        if "tool_choice" in message and "thinking mode" in message:
            return self.taught(thinking=thinks), "this model thinks unless told not to, and lets no tool be forced"
        return super().learn(failure, status)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says; of a refused stream, which is an event, what is in its data."""
        if isinstance(body, str):
            body = _event_data(body)
        detail = error_detail(body)
        status = body.get(STATUS) if isinstance(body, dict) else None
        return replace(detail, kind=failure_kind(detail), status=status if isinstance(status, int) else detail.status)

    def models_path(self, cursor: str | None) -> str:
        """Path of a page of the catalogue."""
        return f"models?page_no={cursor or 1}&page_size={_PAGE}"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of a page, and the number of the next one."""
        output = _output(body)
        items = output.get("models")
        if not isinstance(items, list):
            raise ParseError("the model list has no 'models'", body=excerpt(str(body)))
        found = [
            ModelInfo(id=str(item["model"]), name=item.get("name"), owner=item.get("provider"), raw=item)
            for item in items
            if isinstance(item, dict) and item.get("model")
        ]
        page, size, total = (output.get(name) for name in ("page_no", "page_size", "total"))
        if not (items and isinstance(page, int) and isinstance(total, int)):
            return found, None
        return found, str(page + 1) if page * (size or _PAGE) < total else None

    def embed_path(self, model: str) -> str:
        """Path of the service for vectors of texts."""
        return _EMBED

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of a request for vectors."""
        return {"model": model, "input": {"texts": list(inputs)}, "parameters": {}}

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length."""
        return {**body, "parameters": {**body["parameters"], "dimension": dimensions}}

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for."""
        return {**body, "parameters": {**body["parameters"], "text_type": input_type}}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors by their index, which goes by two names."""
        data = _output(body).get("embeddings")
        if not isinstance(data, list):
            raise ErrorEvent(body)
        ordered = sorted(data, key=lambda item: item.get("text_index", item.get("index")) or 0)
        usage = body.get("usage")
        return Embeddings(
            vectors=[item["embedding"] for item in ordered],
            usage=native_usage(usage) if isinstance(usage, dict) else Usage(),
            model=body.get("model"),
            raw=body,
        )

    def rerank_path(self, model: str) -> str:
        """Path of the service that ranks texts."""
        return _RERANK

    def render_rerank(self, query: str, documents: Sequence[str], model: str, top_n: int | None) -> dict[str, Any]:
        """The body of a ranking request."""
        settings = {} if top_n is None else {"top_n": top_n}
        return {"model": model, "input": {"query": query, "documents": list(documents)}, "parameters": settings}

    def parse_rerank(self, body: Json) -> list[tuple[int, float]]:
        """Index and relevance of each document."""
        ranked = _output(body).get("results")
        if not isinstance(ranked, list):
            raise ErrorEvent(body)
        return [(int(item["index"]), float(item["relevance_score"])) for item in ranked]

    def _fitted(self, request: ChatRequest, notes: Notes) -> ChatRequest:
        """The request without what has no form here; each change is in `notes`."""
        changes: dict[str, Any] = {}
        if request.n is not None and request.n > 1 and request.tools:
            changes["n"] = None
            notes.add("dropped", "n", "with tools there is one answer")
        if request.logprobs is not True and (request.logprobs or 0) > _MOST_LOGPROBS:
            changes["logprobs"] = _MOST_LOGPROBS
            notes.add("clamped", "logprobs", f"{request.logprobs} alternatives became {_MOST_LOGPROBS}, the most")
        if any(tool.cache for tool in request.tools):
            notes.add("dropped", "cache", NO_MARKS)
        thinks = self.thinking.thinks(request.reasoning)
        alone = len(request.tools) == 1 and request.tools[0].native is None
        if request.tool_choice == "required" and alone and not thinks:
            changes["tool_choice"] = request.tools[0].name  # one tool can be forced, but not any of several
        return request.model_copy(update=changes) if changes else request


def _parameters(request: ChatRequest) -> Mapping[str, Any]:
    """The wire's own settings that the caller adds."""
    given = (request.extra_body or {}).get("parameters")
    return given if isinstance(given, Mapping) else {}


def _output(body: Json) -> dict[str, Any]:
    """The `output` of an answer. Raises ErrorEvent for an error, which may come with any status."""
    output = body.get("output") if isinstance(body, dict) else None
    if not isinstance(output, dict) or body.get("code"):
        raise ErrorEvent(body)
    return output


def _event_data(text: str) -> Json:
    """The error inside an event that was sent with a status of its own; the text, if it is none."""
    for data in re.findall(r"data: ?(\{.*\})", text):
        try:
            return decode_json(data.encode())
        except ValueError:
            continue
    found = dict(re.findall(r'"(code|message|request_id)" ?: ?"((?:[^"\\]|\\.)*)', text))  # cut short
    return found or text


# https://help.aliyun.com/en/model-studio/error-code-start (checked 2026-11)
_KINDS: tuple[tuple[str, type[APIError]], ...] = (
    (r"^data_?inspection_?failed", ContentFilterError),
    (r"^arrearage|^allocationquota|free allocated quota exceeded|free tier .* exhausted", InsufficientBalanceError),
    (r"^throttling|^limit_requests", RateLimitError),
    (r"^invalid_?api_?key", AuthenticationError),
    (r"^accessdenied|^access_denied|^model\.accessdenied", PermissionDeniedError),
    (r"^modelnotfound|^model\.notexist|^model_not_found", ModelNotFoundError),
    (r"^notfound", NotFoundError),
    (r"range of input length should be", ContextLengthError),
    (r"^invalidparameter\b.*model not exist", ModelNotFoundError),
    (r"^invalid(?:parameter|url|file)\b|^badrequest", BadRequestError),
    (r"^internalerror|^requesttimeout|^serviceunavailable|^modelunavailable|^gatewaytimeout", ServerError),
)


def failure_kind(detail: ErrorDetail) -> type[APIError] | None:
    """The class of a code; None where the status has to tell."""
    said = f"{detail.code} {detail.message}" if detail.code else detail.message
    return next((kind for words, kind in _KINDS if re.search(words, said, re.IGNORECASE)), None)
