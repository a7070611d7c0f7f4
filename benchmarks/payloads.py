"""The bytes that a provider would send, made once per scenario, and the requests that callers make.

A scenario is asked for by model name: `whole-200` (one response of 200 KB), `burst-5000` (5,000 text chunks in one
write), `drip-500-2` (500 text chunks, a write each, 2 ms apart), `waves-100-200` (100 text chunks, ten a write, 200 ms
apart), `tools-2000` (a tool call in 2,000 pieces).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

Json = dict[str, Any]
Wire = Literal["chat_completions", "anthropic", "ollama"]

PATHS: dict[Wire, str] = {
    "chat_completions": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
}


def encode(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def messages(count: int) -> list[Json]:
    """A conversation of alternating turns; an even count starts with two user turns so that a user speaks last."""
    roles = ["user" if (count - index) % 2 else "assistant" for index in range(count)]
    roles[0] = "user"
    text = "Seven wet bicycles lean against the harbour wall, and nobody remembers whose they are. "
    return [{"role": role, "content": text * 2} for role in roles]


def tools(count: int) -> list[Json]:
    """OpenAI-style function tools with a nested schema of about 700 bytes each."""
    place = {
        "type": "object",
        "properties": {
            "street": {"type": "string", "description": "Street and number"},
            "city": {"type": "string", "description": "Name of the town in its own language"},
            "position": {"type": "array", "items": {"type": "number"}, "description": "Latitude and longitude"},
        },
        "required": ["city"],
    }
    parameters = {
        "type": "object",
        "properties": {
            "origin": place,
            "stops": {"type": "array", "items": place, "description": "Where to halt on the way"},
            "departure": {"type": "string", "format": "date-time"},
            "passengers": {"type": "integer", "minimum": 1},
            "luggage": {"type": "boolean", "description": "Whether there are large bags"},
        },
        "required": ["origin", "passengers"],
    }
    return [
        {
            "type": "function",
            "function": {"name": f"plan_{index}", "description": f"Plans journey {index}.", "parameters": parameters},
        }
        for index in range(count)
    ]


def pieces(count: int) -> list[str]:
    """The JSON text of one object, cut into `count` parts."""
    return ['{"note":"', *(f"part{index % 89:02d} " for index in range(count - 2)), '"}']


def whole(wire: Wire, kilobytes: int) -> bytes:
    """One complete response of about `kilobytes` KB."""
    text = "a quiet afternoon " * max(1, (kilobytes * 1024 - 400) // 18)
    if wire == "anthropic":
        usage = {"input_tokens": 21, "output_tokens": 12, "cache_read_input_tokens": 0, "service_tier": "standard"}
        return encode(
            {
                "id": "msg_bench0001",
                "type": "message",
                "role": "assistant",
                "model": "claude-bench",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": usage,
            }
        )
    if wire == "ollama":
        message = {"role": "assistant", "content": text}
        return encode({**OLLAMA, "message": message, "done": True, "done_reason": "stop", **OLLAMA_STATISTICS})
    choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": "stop"}
    return encode(
        {
            "id": "chatcmpl-bench0001",
            "object": "chat.completion",
            "created": 1790000000,
            "model": "gpt-bench",
            "choices": [{**choice, "logprobs": None}],
            "usage": {
                "prompt_tokens": 21,
                "completion_tokens": 12,
                "total_tokens": 33,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            "system_fingerprint": "fp_bench",
        }
    )


def events(wire: Wire, count: int, *, tool_call: bool) -> Iterator[bytes]:
    """The events of one streamed answer: opening, `count` deltas, closing. Ollama sends no partial tool calls."""
    if wire == "anthropic":
        return anthropic_events(count, tool_call)
    if wire == "ollama":
        return ollama_events(count)
    return chat_completion_events(count, tool_call)


def chat_completion_events(count: int, tool_call: bool) -> Iterator[bytes]:
    def event(delta: Json, finish: str | None = None, usage: Json | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {"id": "chatcmpl-bench0002", "object": "chat.completion.chunk", "created": 1790000001}
        tail = {"system_fingerprint": "fp_bench", "choices": [choice], "usage": usage}
        return b"data: " + encode({**head, "model": "gpt-bench", **tail}) + b"\n\n"

    if tool_call:
        function = {"name": "write_note", "arguments": ""}
        call = {"index": 0, "id": "call_bench", "type": "function", "function": function}
        yield event({"role": "assistant", "content": None, "tool_calls": [call]})
        for piece in pieces(count):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        yield event({"role": "assistant", "content": ""})
        for index in range(count):
            yield event({"content": f" word{index % 89:02d}"})
    usage = {"prompt_tokens": 21, "completion_tokens": count, "total_tokens": 21 + count}
    yield event({}, "tool_calls" if tool_call else "stop", usage)
    yield b"data: [DONE]\n\n"


def anthropic_events(count: int, tool_call: bool) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **fields}) + b"\n\n"

    message = {"id": "msg_bench0002", "type": "message", "role": "assistant", "model": "claude-bench", "content": []}
    usage = {"input_tokens": 21, "output_tokens": 1}
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})
    if tool_call:
        yield event(
            "content_block_start",
            index=0,
            content_block={"type": "tool_use", "id": "toolu_bench", "name": "write_note", "input": {}},
        )
        deltas: Iterator[Json] = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces(count))
    else:
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = ({"type": "text_delta", "text": f" word{index % 89:02d}"} for index in range(count))
    for delta in deltas:
        yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    reason = "tool_use" if tool_call else "end_turn"
    yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": count})
    yield event("message_stop")


OLLAMA: Json = {"model": "llama-bench", "created_at": "2026-09-21T10:00:00.123456Z"}
OLLAMA_STATISTICS: Json = {"total_duration": 910000000, "prompt_eval_count": 21, "eval_count": 12, "eval_duration": 800}


def ollama_events(count: int) -> Iterator[bytes]:
    for index in range(count):
        message = {"role": "assistant", "content": f" word{index % 89:02d}"}
        yield encode({**OLLAMA, "message": message, "done": False}) + b"\n"
    message = {"role": "assistant", "content": ""}
    yield encode({**OLLAMA, "message": message, "done": True, "done_reason": "stop", **OLLAMA_STATISTICS}) + b"\n"


@cache
def writes(wire: Wire, kind: str, size: int) -> list[bytes]:
    """A complete HTTP response as the blocks to write: one; for `drip` one per event, for `waves` one per ten."""
    if kind == "whole":
        body = whole(wire, size)
        return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body]
    media_type = b"application/x-ndjson" if wire == "ollama" else b"text/event-stream"
    blocks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events(wire, size, tool_call=kind == "tools")]
    blocks[0] = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % media_type + blocks[0]
    blocks[-1] += b"0\r\n\r\n"
    size_of_write = {"drip": 1, "waves": 10}.get(kind, len(blocks))
    return [b"".join(blocks[start : start + size_of_write]) for start in range(0, len(blocks), size_of_write)]
