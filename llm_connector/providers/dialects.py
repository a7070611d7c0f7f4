"""The few servers whose differences are behaviour, not data: each a small class that overrides a seam."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llm_connector.errors import ParseError
from llm_connector.protocols import ChatCompletions, ChunkParser
from llm_connector.protocols.completion_chunks import CompletionParser
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
    ToolCall,
    ToolResult,
    system,
)
from llm_connector.wire import Json, decode_json, encode_json

__all__ = ["EmbeddedCompletions", "start_embedded"]

_MOST_JSON_TOKENS = 2048


def start_embedded(endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
    """The endpoint of the embedded model's server, which is started if it does not run.

    The module that starts processes stands above this one, so it is named and not imported.
    """
    local = importlib.import_module("llm_connector.local")
    server = local.embedding_server(model) if operation == "embed" else local.chat_server(model)
    return replace(endpoint, base_url=server.base_url, api_key=server.api_key)


@dataclass(frozen=True)
class EmbeddedCompletions(ChatCompletions):
    """llama.cpp's server with a small model.

    It ignores `tool_choice`, and small models seldom call tools by themselves: tools become a JSON Schema that the
    answer must follow, and the answer becomes the call. JSON can run to the token limit, so it is always capped.
    """

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body, with tools as an envelope schema."""
        notes = notes or Notes()
        if _emulated(request):
            notes.add("converted", "tools", "emulated by a JSON Schema: this engine does not choose tools by itself")
            request = _with_envelopes(request)
        if request.response_format is not None and request.max_tokens is None:
            notes.add("clamped", "max_tokens", f"{_MOST_JSON_TOKENS}, since JSON may go on without end here")
            request = request.model_copy(update={"max_tokens": _MOST_JSON_TOKENS})
        return super().render_chat(request, stream=stream, notes=notes)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser that opens envelopes."""
        if request is not None and _emulated(request):
            return _EnvelopeParser(request, split=self.think_tags)
        return super().chunk_parser(request)

    def count_path(self, model: str) -> str:
        """The server counts for its Anthropic endpoint."""
        return "messages/count_tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        if _emulated(request):
            request = _with_envelopes(request)
        return {"model": request.model, "messages": super().render_chat(request, stream=False)["messages"]}

    def parse_count(self, body: Json) -> int:
        """Tokens of the prompt."""
        count = body.get("input_tokens") if isinstance(body, dict) else None
        if not isinstance(count, int):
            raise ParseError("the token count has no 'input_tokens'", body=str(body)[:200])
        return count


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
                chunks.extend(ChatChunk(piece, choice=choice.index) for piece in block.pieces)
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


def _emulated(request: ChatRequest) -> bool:
    return bool(request.tools) and request.tool_choice != "none"


def _envelope(text: str) -> Mapping[str, Any] | None:
    try:
        value = decode_json(text.encode())
    except ValueError:
        return None
    return value if isinstance(value, dict) and ("answer" in value or "tool" in value) else None


def _with_envelopes(request: ChatRequest) -> ChatRequest:
    """The request as the model sees it: tools in the prompt, an envelope schema for the answer, calls as envelopes."""
    choice = request.tool_choice
    tools = [tool for tool in request.tools if choice in (None, "auto", "required", tool.name)]
    listed = "\n".join(f"- {tool.name}: {tool.description}" for tool in tools)
    instruction = system(f"Use these tools where they help:\n{listed}")
    shapes = [_object({"tool": {"const": tool.name}, "arguments": tool.parameters}) for tool in tools]
    if choice in (None, "auto"):
        shapes.append(_object({"answer": {"type": "string"}}))
    schema: Schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    messages = [_as_text(message) for message in map_parts(request.messages, _spoken, (ToolCall, ToolResult))]
    return request.model_copy(
        update={
            "messages": [instruction, *messages],
            "tools": [],
            "tool_choice": None,
            "parallel_tool_calls": None,
            "response_format": JsonSchema(name="envelope", schema_=schema),
            "strict_schema": False,
        }
    )


def _object(properties: dict[str, Any]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _spoken(part: AnyPart) -> AnyPart:
    if isinstance(part, ToolCall):
        return Text(encode_json({"tool": part.name, "arguments": part.arguments}).decode())
    if isinstance(part, ToolResult):
        return Text(f"{'The tool failed' if part.error else 'Result'} ({part.name or part.call_id}): {part.text}")
    return part


def _as_text(message: Message) -> Message:
    return message.model_copy(update={"role": "user"}) if message.role == "tool" else message
