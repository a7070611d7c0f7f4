"""The embedded engine as a dialect of Chat Completions: tools and schemas become a grammar."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_connector.protocols import ChatCompletions, ChunkParser, ErrorDetail
from llm_connector.protocols.completion_chunks import CompletionParser
from llm_connector.protocols.structured import json_instruction
from llm_connector.protocols.turns import map_parts
from llm_connector.providers.spec import Endpoint
from llm_connector.schema import Schema
from llm_connector.types import (
    AnyPart,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    JsonSchema,
    Message,
    Notes,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    system,
)
from llm_connector.wire import Json, decode_json, encode_json

__all__ = ["EmbeddedCompletions", "start_embedded"]

# A model this small may repeat itself until it is stopped; inside a JSON string only a bound stops it.
_MOST_JSON_TOKENS = 1024
_LONGEST_STRING = 400
_LONGEST_LIST = 16


def start_embedded(endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
    """The endpoint of the embedded model's server, which is started if it does not run.

    The module that starts processes stands above this one, so it is named and not imported.
    """
    local = importlib.import_module("llm_connector.local")
    server = local.embedding_server(model) if operation == "embed" else local.chat_server(model)
    return replace(endpoint, base_url=server.base_url, api_key=server.api_key)


class EmbeddedCompletions(ChatCompletions):
    """llama.cpp's server with a small model.

    It ignores `tool_choice`, and small models seldom call tools by themselves: tools become a JSON Schema that the
    answer must follow, and the answer becomes the call. Strings, lists and tokens of JSON answers are capped.
    """

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body, with tools as an envelope schema."""
        notes = notes or Notes()
        if request.tools:
            notes.add("converted", "tools", "emulated by a JSON Schema: this engine does not choose tools by itself")
        return super().render_chat(_plain(request, notes), stream=stream, notes=notes)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser that opens envelopes."""
        if request is not None and _enveloped(request):
            return _EnvelopeParser(request, split=self.think_tags)
        return super().chunk_parser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says. The engine answers 500 to prompts that do not fit."""
        detail = super().parse_error(body)
        too_long = (
            "context size has been exceeded" in detail.message.lower() or "too large to process" in detail.message
        )
        return replace(detail, code="context_length_exceeded") if too_long else detail

    def count_path(self, model: str) -> str:
        """The server counts for its Anthropic endpoint."""
        return "messages/count_tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        return {"model": request.model, "messages": self.render_chat(request, stream=False)["messages"]}


class _EnvelopeParser(CompletionParser):
    """Reads `{"tool": …, "arguments": …}` as a call and `{"answer": …}` as text, once the JSON is whole."""

    def __init__(self, request: ChatRequest, *, split: bool) -> None:
        super().__init__(request, split=split)
        self._opened = False

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """Chunks of everything but the envelope, which is JSON until it is whole."""
        return [chunk for chunk in super().read(body) if not chunk.text]

    def flush(self) -> Iterable[ChatChunk]:
        """The call or the text that the envelope holds."""
        chunks = [chunk for chunk in super().flush() if not chunk.text]
        if self._opened:
            return chunks
        self._opened = True
        for choice in self.assembly.choices.values():
            block = choice.text(1)
            envelope = _envelope("".join(block.pieces))
            if envelope is None:
                chunks.append(ChatChunk("".join(block.pieces), choice=choice.index))
            elif "answer" in envelope:
                block.pieces = [str(envelope["answer"])]
                chunks.append(ChatChunk(block.pieces[0], choice=choice.index))
            else:
                block.pieces = []
                function = {
                    "name": envelope["tool"],
                    "arguments": encode_json(envelope.get("arguments") or {}).decode(),
                }
                delta = choice.feed_call({"function": function}, self._names)
                chunks.append(ChatChunk(tool_call_delta=delta, choice=choice.index))
        return chunks

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer, with its envelope opened if it is whole."""
        if self.done:
            self.flush()
        return super().response(interrupted=interrupted)


def _plain(request: ChatRequest, notes: Notes) -> ChatRequest:
    """The request as the model sees it: calls and results as text, tools and schemas as instruction and grammar."""
    messages = [_as_text(message) for message in map_parts(request.messages, _spoken, (ToolCall, ToolResult))]
    changes: dict[str, Any] = {"messages": messages, "tools": [], "tool_choice": None, "parallel_tool_calls": None}
    wanted = request.response_format
    if _enveloped(request):
        wanted, instruction = _envelopes(request)
        changes["messages"] = [system(instruction), *messages]
    elif isinstance(wanted, JsonSchema):
        changes["messages"] = [system(json_instruction(wanted.schema_)), *messages]
    if isinstance(wanted, JsonSchema):
        wanted = JsonSchema(name=wanted.name, schema_=_bounded(wanted.schema_))
    if wanted is not None:
        most = min(request.max_tokens or _MOST_JSON_TOKENS, _MOST_JSON_TOKENS)
        temperature = 0.0 if request.temperature is None else request.temperature
        changes |= {"max_tokens": most, "temperature": temperature, "strict_schema": False}
        notes.add(
            "clamped",
            "response_format",
            f"at most {most} tokens, {_LONGEST_STRING} characters a string and {_LONGEST_LIST} items a list, "
            f"at temperature {temperature:g}: a model this small may not stop by itself",
        )
    return request.model_copy(update={**changes, "response_format": wanted})


def _bounded(node: Any) -> Any:
    """A copy of a schema in which strings and lists without a bound have one."""
    if isinstance(node, list):
        return [_bounded(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    copy = {key: value if key in ("enum", "const", "default") else _bounded(value) for key, value in node.items()}
    if copy.get("type") == "string" and not {"enum", "const", "format", "pattern"} & copy.keys():
        copy.setdefault("maxLength", _LONGEST_STRING)
    if copy.get("type") == "array":
        copy.setdefault("maxItems", _LONGEST_LIST)
    return copy


def _enveloped(request: ChatRequest) -> bool:
    """Whether the answer must be a call or say that it is none. After a result, a free choice means to answer."""
    if not request.tools or request.tool_choice == "none":
        return False
    answered = any(isinstance(part, ToolResult) for part in request.messages[-1].parts)
    return request.tool_choice not in (None, "auto") or not answered


def _envelope(text: str) -> Mapping[str, Any] | None:
    try:
        value = decode_json(text.encode())
    except ValueError:
        return None
    return value if isinstance(value, dict) and ("answer" in value or "tool" in value) else None


def _envelopes(request: ChatRequest) -> tuple[JsonSchema, str]:
    """The schema of the envelopes that the answer may be, and what tells the model about them."""
    choice = request.tool_choice
    tools = [tool for tool in request.tools if choice in (None, "auto", "required", tool.name)]
    shapes = [_object({"tool": {"const": tool.name}, "arguments": tool.parameters}) for tool in tools]
    if choice in (None, "auto"):
        shapes.append(_object({"answer": {"type": "string"}}))
    schema: Schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    return JsonSchema(name="envelope", schema_=schema), _instruction(tools, answers=choice in (None, "auto"))


def _instruction(tools: Sequence[Tool], *, answers: bool) -> str:
    """What the model must know. Of several wordings tried, this one let SmolLM2 choose the right tool and values."""
    lines = [_shape(tool) for tool in tools]
    if answers:
        lines.append('{"answer": string}  An answer in words, when no tool fits.')
    return (
        'You answer by calling a tool, as JSON: {"tool": name, "arguments": {...}}.\nThe tools are:\n'
        + "\n".join(lines)
        + "\nTake the values of the arguments from the question."
    )


def _shape(tool: Tool) -> str:
    properties = tool.parameters.get("properties", {})
    arguments = ", ".join(f'"{name}": {_kind(schema)}' for name, schema in properties.items())
    description = tool.description.partition("\n")[0]
    return f'{{"tool": "{tool.name}", "arguments": {{{arguments}}}}}  {description}'.rstrip()


def _kind(schema: Any) -> str:
    return str(schema.get("type", "value")) if isinstance(schema, Mapping) else "value"


def _object(properties: dict[str, Any]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _spoken(part: AnyPart) -> AnyPart:
    """A call and its result in words: shown as JSON, SmolLM2 repeats the call instead of answering."""
    if isinstance(part, ToolCall):
        values = part.arguments.values()
        asked = ", ".join(value if isinstance(value, str) else encode_json(value).decode() for value in values)
        return Text(f"Let me look up {part.name}: {asked}.")
    if isinstance(part, ToolResult):
        name, text = part.name or "result", part.text.rstrip(".")
        return Text(f"The {name} {'failed' if part.error else 'is'}: {text}.\nSay this in a sentence.")
    return part


def _as_text(message: Message) -> Message:
    return message.model_copy(update={"role": "user"}) if message.role == "tool" else message
