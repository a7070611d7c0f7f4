"""Answers of four wire formats, streamed and whole, as scripted servers send them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_index.llms.llm_connector import LlmConnector

from tests.support.wire_server import Answer, Request, Stream, WireServer, ndjson, sse

SIGNATURE = "c2lnbmVkLXRob3VnaHQ="


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str = "call_1"

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)


@dataclass(frozen=True)
class Turn:
    """What a model does in one answer."""

    text: str = ""
    thought: str = ""
    calls: Sequence[Call] = ()


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class Wire:
    """One wire format: its row, and how it streams a turn."""

    provider = ""
    model = "thinker-1"

    def stream(self, turn: Turn) -> Stream:
        raise NotImplementedError

    def sent_back(self, request: Request) -> Any:
        """The thought of the first answer, as a later request sends it back."""
        raise NotImplementedError

    thought_back: Any = None
    """What that is, for the thought "I need both."."""

    def llm(self, server: WireServer, **settings: Any) -> LlmConnector:
        given: dict[str, Any] = {
            "model": self.model,
            "api_key": "test-key",
            "max_retries": 0,
            **settings,
        }
        return LlmConnector(provider=self.provider, base_url=server.url, **given)


USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 30,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


class ChatCompletions(Wire):
    provider = "deepseek"
    thought_back = "I need both."

    def stream(self, turn: Turn) -> Stream:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": piece} for piece in pieces(turn.thought)]
        deltas += [{"content": piece} for piece in pieces(turn.text)]
        for index, call in enumerate(turn.calls):
            function = {"name": call.name, "arguments": ""}
            deltas.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces(call.json)
            ]
        events = [chunk(delta) for delta in deltas]
        reason = "tool_calls" if turn.calls else "stop"
        return Stream(sse(*events, chunk({}, reason), {**HEAD, "choices": [], "usage": USAGE}))

    def sent_back(self, request: Request) -> Any:
        return next(message for message in request.json["messages"] if message["role"] == "assistant").get(
            "reasoning_content"
        )


HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "chat.completion.chunk", "created": 1790000000, "model": "thinker-1"}


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def completion(
    text: str | None = "", *, thought: str = "", calls: Sequence[Call] = (), reason: str = "", usage: Any = USAGE
) -> Answer:
    """A whole answer of Chat Completions."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}}
            for call in calls
        ]
    reason = reason or ("tool_calls" if calls else "stop")
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return Answer.json({**HEAD, "object": "chat.completion", "choices": [choice], "usage": usage})


class Anthropic(Wire):
    provider = "anthropic"
    thought_back = {"type": "thinking", "thinking": "I need both.", "signature": SIGNATURE}

    def stream(self, turn: Turn) -> Stream:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": []}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**message, "usage": {"input_tokens": 12, "output_tokens": 1}}}
        ]
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if turn.thought:
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(turn.thought)]
            blocks.append(
                (
                    {"type": "thinking", "thinking": "", "signature": ""},
                    [*deltas, {"type": "signature_delta", "signature": SIGNATURE}],
                )
            )
        if turn.text:
            blocks.append(
                ({"type": "text", "text": ""}, [{"type": "text_delta", "text": it} for it in pieces(turn.text)])
            )
        for call in turn.calls:
            called = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            blocks.append((called, [{"type": "input_json_delta", "partial_json": it} for it in pieces(call.json)]))
        for index, (opened, deltas) in enumerate(blocks):
            events.append({"type": "content_block_start", "index": index, "content_block": opened})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": "tool_use" if turn.calls else "end_turn", "stop_sequence": None}
        events += [
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 30}},
            {"type": "message_stop"},
        ]
        return Stream(sse(*events, done=False, named=True))

    def sent_back(self, request: Request) -> Any:
        turn = next(message for message in request.json["messages"] if message["role"] == "assistant")
        return turn["content"][0]


class Gemini(Wire):
    provider = "gemini"
    model = "gemini-3-pro"
    thought_back = SIGNATURE

    def stream(self, turn: Turn) -> Stream:
        parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in pieces(turn.thought)]
        parts += [{"text": piece} for piece in pieces(turn.text)]
        for number, call in enumerate(turn.calls):
            signed = {} if number else {"thoughtSignature": SIGNATURE}
            parts.append({"functionCall": {"name": call.name, "args": call.arguments, "id": call.id}, **signed})
        events = [{"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]} for part in parts]
        usage = {"promptTokenCount": 12, "candidatesTokenCount": 10, "thoughtsTokenCount": 20, "totalTokenCount": 42}
        end = {"candidates": [{"index": 0, "finishReason": "STOP"}], "usageMetadata": usage, "modelVersion": self.model}
        return Stream(sse(*events, end, done=False))

    def sent_back(self, request: Request) -> Any:
        turn = next(content for content in request.json["contents"] if content["role"] == "model")
        return next(part["thoughtSignature"] for part in turn["parts"] if "functionCall" in part)


class Ollama(Wire):
    provider = "ollama"
    thought_back = "I need both."

    def stream(self, turn: Turn) -> Stream:
        head = {"model": self.model, "created_at": "2026-11-01T10:00:00Z"}
        messages: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in pieces(turn.thought)]
        messages += [{"content": piece} for piece in pieces(turn.text)]
        messages += [
            {"content": "", "tool_calls": [{"function": {"name": call.name, "arguments": call.arguments}}]}
            for call in turn.calls
        ]
        lines = [{**head, "message": {"role": "assistant", **message}, "done": False} for message in messages]
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 30}
        last = {**head, "message": {"role": "assistant", "content": ""}, **end}
        return Stream(ndjson(*lines, last), headers={"content-type": "application/x-ndjson"})

    def sent_back(self, request: Request) -> Any:
        return next(message for message in request.json["messages"] if message["role"] == "assistant").get("thinking")


WIRES: dict[str, Wire] = {wire.provider: wire for wire in (ChatCompletions(), Anthropic(), Gemini(), Ollama())}
