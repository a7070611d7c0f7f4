"""The Chat Completions wire format, with the ways in which its many servers differ as fields.

https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
"""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.errors import ParseError, excerpt
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.completion_chunks import CompletionParser, completion_usage
from llm_connector.protocols.completion_messages import NO_MARKS, MessageForm, Replay, cache_control, mark_prompt
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.reasoning import Efforts, effort_of, switched_off
from llm_connector.protocols.structured import instruct_json, strict_if_possible
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import check_tool_turns
from llm_connector.types import ChatRequest, Embeddings, ModelInfo, Notes, Tool, Usage
from llm_connector.wire import Json

__all__ = ["ChatCompletions"]


@dataclass(frozen=True)
class ChatCompletions(Protocol):
    """Chat Completions. Each field says which servers need it.

    `max_tokens_field`: `max_completion_tokens` on OpenAI and Azure, whose reasoning models refuse the old name.
    `reasoning_field`: the name under which thoughts go back when they do not know their own.
    `replay`: DeepSeek and Moonshot refuse tool turns without their reasoning; others waste tokens on it.
    `thinking_field`: an object with `type: enabled | disabled` switches thinking (DeepSeek, Moonshot, Zhipu).
    `efforts`: what `reasoning_effort` may say; empty where the field does not exist.
    `forced_choice_thinking`: False where thinking forbids `tool_choice` other than auto (DeepSeek, Qwen, Moonshot).
    `json_schema`: False where only JSON mode exists (DeepSeek).
    `empty_content`: beside tool calls; Ollama's `/v1` refuses null, Bedrock's gateways refuse `""`.
    `stream_usage`: asks for usage in streams; a few relays refuse the option.
    `think_tags`: the server leaves `<think>` in the text (vLLM, llama.cpp and others).
    `cache_control`: the server takes Anthropic's cache marks (OpenRouter).
    `unsupported`: request fields that the server refuses.
    """

    framing: ClassVar[type[SSEDecoder]] = SSEDecoder
    name: ClassVar[str] = "Chat Completions"
    default_path: ClassVar[str] = "/v1"

    max_tokens_field: str = "max_tokens"
    reasoning_field: str = "reasoning_content"
    replay: Replay = "never"
    thinking_field: str | None = None
    efforts: Efforts = ("none", "minimal", "low", "medium", "high", "max")
    forced_choice_thinking: bool = True
    json_schema: bool = True
    empty_content: str | None = None
    stream_usage: bool = True
    think_tags: bool = False
    cache_control: bool = False
    unsupported: frozenset[str] = frozenset()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "chat/completions"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST chat/completions`."""
        notes = notes or Notes()
        names = ToolNames(request, notes)
        check_tool_turns(request.messages)
        form = MessageForm(
            replay=self.replay,
            reasoning_field=self.reasoning_field,
            lost_reasoning=self.thinking_field is not None and self._thinks(request),
            empty_content=self.empty_content,
            cache_control=self.cache_control,
            names=names,
            notes=notes,
        )
        body: dict[str, Any] = {"model": request.model, "messages": form.render(request.messages)}
        body |= self._sampling(request, notes)
        body |= self._reasoning(request, notes)
        body |= self._tools(request, body, names, notes)
        body |= self._response_format(request, body, notes)
        if request.cache and self.cache_control:
            mark_prompt(body, request.cache)
        elif request.cache:
            notes.add("dropped", "cache", NO_MARKS)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        for field in self.unsupported & body.keys():
            del body[field]
            notes.add("dropped", field, "this server or model refuses it")
        return body

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        asked = request.think_tags if request is not None else None
        return CompletionParser(request, split=self.think_tags if asked is None else asked)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other name of `max_tokens`, or no field at all, after a 400 that says so."""
        refused, message = failure.param or "", failure.message
        other = "max_completion_tokens" if self.max_tokens_field == "max_tokens" else "max_tokens"
        wanted = self.max_tokens_field in (refused, *_quoted(message)) and other in message
        if wanted or (refused == self.max_tokens_field and failure.code == "unsupported_parameter"):
            return replace(self, max_tokens_field=other), f"{self.max_tokens_field} is called {other} here"
        if self.stream_usage and ("stream_options" in message or "include_usage" in message):
            return replace(self, stream_usage=False), "stream_options is refused, so streams may lack usage"
        field = (
            refused if refused in _DROPPABLE else next((name for name in _quoted(message) if name in _DROPPABLE), "")
        )
        unknown = failure.code in ("unsupported_parameter", "unsupported_value") or "nrecognized request arg" in message
        if field and unknown and field not in self.unsupported:
            return replace(self, unsupported=self.unsupported | {field}), f"{field} is refused by this model"
        return None

    def models_path(self, cursor: str | None) -> str:
        """The list has one page on most servers; some give `has_more` and `last_id`."""
        return f"models?after={cursor}" if cursor else "models"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models, from an object with `data` or a bare list."""
        items = body if isinstance(body, list) else None
        if isinstance(body, dict):
            items = body.get("data") if isinstance(body.get("data"), list) else body.get("models")
        if not isinstance(items, list):
            raise ParseError("the model list has no 'data'", body=excerpt(str(body)))
        last = body.get("last_id") if isinstance(body, dict) and body.get("has_more") is True else None
        models = [
            _model_info(item) for item in items if isinstance(item, dict) and (item.get("id") or item.get("name"))
        ]
        return models, str(last) if last else None

    def embed_path(self, model: str) -> str:
        """Path below the base URL."""
        return "embeddings"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of `POST embeddings`."""
        return {"model": model, "input": list(inputs), "encoding_format": "float"}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors by index, from lists of numbers or base64 of little-endian float32."""
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, list) or (isinstance(body, dict) and body.get("error")):
            raise ErrorEvent(body)
        ordered = sorted(data, key=lambda item: item.get("index") or 0)
        usage = body.get("usage")
        return Embeddings(
            vectors=[_vector(item.get("embedding")) for item in ordered],
            usage=completion_usage(usage) if isinstance(usage, dict) else Usage(),
            model=body.get("model"),
            raw=body,
        )

    def _sampling(self, request: ChatRequest, notes: Notes) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for field in _SAMPLING:
            value = getattr(request, field)
            if value is not None:
                settings[field] = value
        if request.max_tokens is not None:
            settings[self.max_tokens_field] = request.max_tokens
        if request.logprobs:
            settings["logprobs"] = True
            if request.logprobs is not True:
                settings["top_logprobs"] = request.logprobs
        return settings

    def _reasoning(self, request: ChatRequest, notes: Notes) -> dict[str, Any]:
        asked = request.reasoning
        if asked is None:
            return {}
        settings: dict[str, Any] = {}
        off = switched_off(asked)
        if self.thinking_field:
            settings[self.thinking_field] = {"type": "disabled" if off else "enabled"}
            if off or asked is True:
                return settings
        if not self.efforts:
            reason = f"{asked!r} cannot be said: this server knows no efforts"
            notes.add("downgraded" if settings else "dropped", "reasoning", reason)
        effort = effort_of(asked, self.efforts, notes)
        if effort is not None:
            settings["reasoning_effort"] = effort
        return settings

    def _tools(self, request: ChatRequest, body: Mapping[str, Any], names: ToolNames, notes: Notes) -> dict[str, Any]:
        if not request.tools:
            return {}
        settings: dict[str, Any] = {"tools": [self._tool(tool, request, names, notes) for tool in request.tools]}
        choice = request.tool_choice
        if choice not in (None, "auto", "none") and not self.forced_choice_thinking and self._thinks(request):
            notes.add("downgraded", "tool_choice", f"{choice!r} became 'auto': thinking forbids a forced choice here")
            choice = "auto"
        if choice in ("auto", "none", "required"):
            settings["tool_choice"] = choice
        elif choice is not None:
            settings["tool_choice"] = {"type": "function", "function": {"name": names.wire(choice)}}
        if request.parallel_tool_calls is not None:
            settings["parallel_tool_calls"] = request.parallel_tool_calls
        return settings

    def _thinks(self, request: ChatRequest) -> bool:
        """Whether thinking is on: the servers that forbid a forced choice think unless told not to."""
        return not switched_off(request.reasoning)

    def _tool(self, tool: Tool, request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any]:
        if tool.native is not None:
            return dict(tool.native)
        function: dict[str, Any] = {"name": names.wire(tool.name)}
        if tool.description:
            function["description"] = tool.description
        strict = tool.strict if tool.strict is not None else request.strict_schema
        parameters = tool.parameters
        if strict:
            parameters, strict = strict_if_possible(parameters)
            if not strict:
                notes.add("dropped", f"strict of tool {tool.name!r}", _NOT_STRICT)
        function["parameters"] = parameters
        if strict:
            function["strict"] = True
        wire: dict[str, Any] = {"type": "function", "function": function}
        if tool.cache and self.cache_control:
            wire["cache_control"] = cache_control(tool.cache)
        elif tool.cache:
            notes.add("dropped", "cache", NO_MARKS)
        return wire

    def _response_format(self, request: ChatRequest, body: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
        wanted = request.response_format
        if wanted is None:
            return {}
        if wanted == "json" or not self.json_schema:
            schema = None
            if wanted != "json":
                schema = wanted.schema_
                notes.add(
                    "downgraded", "response_format", "the schema is in the prompt: this server has JSON mode only"
                )
            messages = instruct_json(body["messages"], schema, notes)
            return {"messages": messages, "response_format": {"type": "json_object"}}
        asked = request.strict_schema if request.strict_schema is not None else wanted.strict
        schema, strict = (wanted.schema_, False) if asked is False else strict_if_possible(wanted.schema_)
        if asked and not strict:
            notes.add("dropped", "strict_schema", _NOT_STRICT)
        form: dict[str, Any] = {"name": wanted.name, "schema": schema}
        if strict:
            form["strict"] = True
        return {"response_format": {"type": "json_schema", "json_schema": form}}


_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "user",
    "metadata",
)
_NOT_STRICT = "the schema has free keys, or keywords that strict mode refuses"
_DROPPABLE = frozenset({*_SAMPLING, "logprobs", "top_logprobs", "parallel_tool_calls", "reasoning_effort"}) - {"n"}


def _quoted(message: str) -> list[str]:
    """The words in quotation marks or backticks in an error message, and what follows its last colon."""
    return [*(word for mark in ("'", '"', "`") for word in message.split(mark)[1::2]), message.rpartition(": ")[2]]


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    created = item.get("created")
    window = item.get("context_length") or item.get("context_window") or item.get("max_model_len")
    return ModelInfo(
        id=str(item.get("id") or item.get("name")),
        name=item.get("name") or item.get("display_name"),
        created=int(created) if isinstance(created, int | float) else None,
        owner=item.get("owned_by"),
        context_window=window if isinstance(window, int) else None,
        raw=dict(item),
    )


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):
        with contextlib.suppress(ValueError, struct.error):
            content = base64.b64decode(value, validate=True)
            return list(struct.unpack(f"<{len(content) // 4}f", content))
    if not isinstance(value, list):
        raise ParseError("an embedding is neither a list of numbers nor base64", body=excerpt(str(value)))
    return value
