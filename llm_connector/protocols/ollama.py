"""Ollama's own wire format. Its OpenAI-style surface knows neither `num_ctx` nor `think`; this one does.

https://docs.ollama.com/api/chat (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from llm_connector.errors import ParseError, excerpt
from llm_connector.framing import NDJSONDecoder
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.protocols.ollama_chunks import OllamaParser, ollama_usage, unix_time
from llm_connector.protocols.ollama_context import cut_to
from llm_connector.protocols.ollama_messages import NO_MARKS, render_messages
from llm_connector.protocols.reasoning import Efforts, effort_of
from llm_connector.protocols.structured import instruct_json
from llm_connector.protocols.turns import check_tool_turns
from llm_connector.schema import inlined
from llm_connector.types import ChatRequest, ChatResponse, Embeddings, Image, Media, ModelInfo, Notes, Tool
from llm_connector.wire import Json

__all__ = ["OllamaChat"]


@dataclass(frozen=True)
class OllamaChat(Protocol):
    """Ollama's chat. What else it can set (`num_ctx`, `keep_alive`…) goes through `extra_body`.

    `thinking`: False for a model that does not think; the server refuses the field then.
    `efforts`: what `think` may say besides on and off. Servers before 0.17.7 take words for gpt-oss only, those before
    0.22 no `max`, those before 0.11 none.
    """

    framing: ClassVar[type[NDJSONDecoder]] = NDJSONDecoder
    name: ClassVar[str] = "Ollama chat"

    thinking: bool = True
    efforts: Efforts = ("low", "medium", "high", "max")

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/api/chat", "/api/generate", "/api/tags", "/api/embed", "/api", "/v1/chat/completions", "/v1")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "api/chat"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST api/chat`. `stream` is always said: the server streams when it is missing."""
        notes = notes or Notes()
        check_tool_turns(request.messages)
        messages = render_messages(request.messages, notes)
        body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": stream}
        body |= self._tools(request, notes)
        body |= self._format(request, messages, notes)
        think = self._think(request, notes)
        if think is not None:
            body["think"] = think
        if request.logprobs:
            body["logprobs"] = True
            if request.logprobs is not True:
                body["top_logprobs"] = request.logprobs
        options = {wire: getattr(request, field) for field, wire in _OPTIONS.items()}
        options = {name: value for name, value in options.items() if value is not None}
        if options:
            body["options"] = options
        _drop(request, notes)
        return body

    def must_embed(self, part: Media, model: str) -> bool:
        """Pictures: the server reads them as base64."""
        return isinstance(part, Image)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return OllamaParser(request)

    def prompt_cut(self, request: ChatRequest, answer: ChatResponse) -> str | None:
        """The beginning, where the prompt did not fit the context."""
        count = answer.usage.input_tokens
        if count is None or not cut_to(request, count):
            return None
        larger = "extra_body={'options': {'num_ctx': …}}"
        return f"the server read {count} tokens of it, the end, since it does not fit the context; give {larger}"

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says: a sentence under `error`. A model of the cloud may want the server signed in."""
        detail = error_detail(body)
        if isinstance(body, dict) and body.get("signin_url"):
            return replace(detail, message=f"{detail.message}: run `ollama signin` on the machine of the server")
        return detail

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Self, str] | None:
        """Less of `think`, after a 400 that says so."""
        message = failure.message
        if self.thinking and "does not support thinking" in message:
            return replace(self, thinking=False), "this model does not think, so think is left out"
        if "max" in self.efforts and 'invalid think value: "max"' in message:
            efforts = tuple(word for word in self.efforts if word != "max")
            return replace(self, efforts=efforts), "this server does not know the effort 'max'"
        unknown = "is not supported for this model" in message and "think value" in message
        if self.efforts and (unknown or "ChatRequest.think of type bool" in message):
            return replace(self, efforts=()), "this model's thinking has no efforts, only on and off"
        return None

    def models_path(self, cursor: str | None) -> str:
        """The models on this machine; there is one page."""
        return "api/tags"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models under `models`, which is null where there are none."""
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        if "models" not in body:
            raise ParseError("the model list has no 'models'", body=excerpt(str(body)))
        items = body["models"] or ()
        return [_model_info(item) for item in items if isinstance(item, dict) and _model_name(item)], None

    def embed_path(self, model: str) -> str:
        """Path below the base URL."""
        return "api/embed"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of `POST api/embed`."""
        return {"model": model, "input": list(inputs)}

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length."""
        return {**body, "dimensions": dimensions}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors, in the order of the inputs."""
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        vectors = body.get("embeddings")
        if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
            raise ParseError("the answer has no 'embeddings'", body=excerpt(str(body)))
        prompt = ollama_usage(body)
        usage = prompt.model_copy(update={"total_tokens": prompt.input_tokens})
        return Embeddings(vectors=vectors, usage=usage, model=body.get("model"), raw=body)

    def _tools(self, request: ChatRequest, notes: Notes) -> dict[str, Any]:
        """The tools on offer: there is no `tool_choice`, so a choice can only be made by what is offered."""
        tools, choice = request.tools, request.tool_choice
        if not tools or choice == "none":
            return {}
        if choice == "required":
            notes.add("downgraded", "tool_choice", "'required' became 'auto': this wire format cannot force a call")
        elif choice not in (None, "auto"):
            tools = [tool for tool in tools if tool.name == choice]
            notes.add("downgraded", "tool_choice", f"only {choice!r} is offered: this wire format cannot force a call")
        if request.parallel_tool_calls is False:
            notes.add("dropped", "parallel_tool_calls", "this wire format cannot limit the calls of a turn")
        if any(tool.strict if tool.strict is not None else request.strict_schema for tool in tools):
            notes.add("dropped", "strict", "this wire format cannot hold calls to their schema")
        return {"tools": [_tool(tool) for tool in tools]}

    def _format(self, request: ChatRequest, messages: list[dict[str, Any]], notes: Notes) -> dict[str, Any]:
        wanted = request.response_format
        if wanted is None:
            return {}
        if wanted == "json":
            # Unless a message asks for JSON, models fill the answer with white space.
            # https://github.com/ollama/ollama/blob/main/docs/api.md (checked 2026-11)
            return {"messages": instruct_json(messages, None, notes), "format": "json"}
        return {"format": wanted.schema_}

    def _think(self, request: ChatRequest, notes: Notes) -> bool | str | None:
        """On, off or an effort. A model that thinks does so unless told not to."""
        asked = request.reasoning
        off = asked is False or asked == 0
        if asked is None or (off and not self.thinking):
            return None
        if not self.thinking:
            notes.add("dropped", "reasoning", "this model does not think")
            return None
        if off and _LEVELS_ONLY(request.model or ""):
            notes.add("downgraded", "reasoning", "this model cannot stop thinking; sent as 'low'")
            return "low"
        if isinstance(asked, bool) or off:
            return not off
        if not self.efforts:
            notes.add("downgraded", "reasoning", f"{asked!r} became True: this model's thinking is on or off")
            return True
        return effort_of(asked, self.efforts, notes)


_LEVELS_ONLY = re.compile(r"gpt-oss").search
"""Models that ignore `think` as a boolean. https://docs.ollama.com/capabilities/thinking (checked 2026-11)"""
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "stop": "stop",
    "max_tokens": "num_predict",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def _drop(request: ChatRequest, notes: Notes) -> None:
    """Report what this wire format has no field for."""
    for field in ("logit_bias", "user", "metadata"):
        if getattr(request, field):
            notes.add("dropped", field, "this wire format has no such field")
    if request.n not in (None, 1):
        notes.add("dropped", "n", "this wire format gives one answer per request")
    if request.cache or any(tool.cache for tool in request.tools):
        notes.add("dropped", "cache", NO_MARKS)


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.native is not None:
        return tool.native
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    # The server reads schemas into a structure without `$ref`, so references must be gone.
    # https://github.com/ollama/ollama/blob/main/api/types.go (checked 2026-11)
    function["parameters"] = inlined(tool.parameters)
    return {"type": "function", "function": function}


def _model_name(item: Mapping[str, Any]) -> str:
    return str(item.get("model") or item.get("name") or "")


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    details = item.get("details")
    window = details.get("context_length") if isinstance(details, dict) else None
    size, capabilities = item.get("size"), item.get("capabilities")
    return ModelInfo(
        id=_model_name(item),
        name=item.get("name"),
        created=unix_time(item.get("modified_at")),
        context_window=window if isinstance(window, int) and window else None,
        size=size if isinstance(size, int) else None,
        capabilities=[str(word) for word in capabilities] if isinstance(capabilities, list) else None,
        raw=dict(item),
    )
