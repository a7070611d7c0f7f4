"""Gemini's own format, as its servers speak it.

https://ai.google.dev/api/generate-content (checked 2026-11)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.base import Encoder, Format, Incoming, Output, made_up, status_of
from llm_connector.formats.reading import request_of, the_object
from llm_connector.protocols.assembly import Assembly
from llm_connector.testing.translated import worded
from llm_connector.types import (
    AnyPart,
    ChatChunk,
    ChatResponse,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from llm_connector.wire import Json

__all__ = ["FORMAT", "Gemini"]

_SETTINGS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
}
_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "refusal": "SAFETY", "error": "OTHER"}
_STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SIGNATURE = "thoughtSignature"


@dataclass(frozen=True)
class Gemini(Format):
    """generateContent and streamGenerateContent."""

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST models/…:generateContent`; `model` is that of the path."""
        body = the_object(body)
        system = [Text(part["text"]) for part in body.get("systemInstruction", {}).get("parts", ()) if "text" in part]
        messages = [Message(role="system", parts=list(system))] if system else []
        for content in body.get("contents", ()):
            messages += _turns(content.get("role", "user"), content.get("parts", ()))
        options = {
            _SETTINGS[name]: value for name, value in body.get("generationConfig", {}).items() if name in _SETTINGS
        }
        tools = [
            Tool(
                declared["name"],
                declared.get("description") or "",
                declared.get("parametersJsonSchema") or declared.get("parameters"),
            )
            for tool in body.get("tools", ())
            for declared in tool.get("functionDeclarations", ())
        ]
        return Incoming(
            request_of(messages, {"model": body.get("model"), "tools": tools or None, **options}), False, self
        )

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A whole answer."""
        parts = [part for item in response.message.parts for part in _written(item)]
        return {**_end(response, parts), **_head(response.id, response.model or model)}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"error": {"code", "message", "status"}}`."""
        status = status_of(error)
        told = {"code": status, "message": worded(error), "status": _STATUSES.get(status, "INTERNAL")}
        return {"error": told}, status

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream."""
        return GeminiEncoder(self, model, assembly, clock)


FORMAT = Gemini()


class GeminiEncoder(Encoder):
    """Writes an event per piece of text; calls come whole."""

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """The event of a delta."""
        part: dict[str, Any] = {}
        if chunk.text:
            part = {"text": chunk.text}
        elif chunk.reasoning:
            part = {"text": chunk.reasoning, "thought": True}
        elif chunk.tool_call is not None:
            part = next(_written(chunk.tool_call))
        if not part:
            return ()
        candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
        return (("", {"candidates": [candidate], **_head(self.id, self.model)}),)

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """Why it ended, and the usage."""
        return (("", {**_end(response, [{"text": ""}]), **_head(self.id, self.model)}),)


def _head(answer_id: str | None, model: str | None) -> dict[str, Any]:
    return {"modelVersion": model or "", "responseId": answer_id or made_up("")}


def _end(response: ChatResponse, parts: list[dict[str, Any]]) -> dict[str, Any]:
    reason = _REASONS.get(response.finish_reason or "stop", "STOP")
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
    end: dict[str, Any] = {"candidates": [candidate]}
    return {**end, "usageMetadata": _counts(response.usage)} if response.usage != Usage() else end


def _counts(usage: Usage) -> dict[str, int]:
    thought = usage.reasoning_tokens or 0
    given, spoken = usage.input_tokens or 0, usage.output_tokens or 0
    counts = {
        "promptTokenCount": given,
        "candidatesTokenCount": spoken - thought,
        "totalTokenCount": given + spoken if usage.total_tokens is None else usage.total_tokens,
    }
    if usage.reasoning_tokens is not None:
        counts["thoughtsTokenCount"] = thought
    if usage.cached_tokens is not None:
        counts["cachedContentTokenCount"] = usage.cached_tokens
    return counts


def _written(part: AnyPart) -> Iterator[dict[str, Any]]:
    match part:
        case Text():
            yield {"text": part.text}
        case Reasoning():
            yield {"text": part.text, "thought": True}
        case ToolCall():
            signature = (part.extra or {}).get(_SIGNATURE)
            call = {"id": part.id, "name": part.name, "args": part.arguments}
            yield {"functionCall": call, **({_SIGNATURE: signature} if signature else {})}
        case _:
            return


def _turns(role: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    """The messages of one content: results are messages of their own."""
    said: list[AnyPart] = []
    for part in parts:
        if "functionResponse" in part:
            answered = part["functionResponse"]
            text = "".join(map(str, answered.get("response", {}).values()))
            result = ToolResult(
                call_id=answered.get("id") or answered["name"],
                name=answered["name"],
                parts=[Text(text)],
                error="error" in answered.get("response", {}),
            )
            yield Message(role="tool", parts=[result])
        elif "functionCall" in part:
            call = part["functionCall"]
            said.append(
                ToolCall(id=call.get("id") or call["name"], name=call["name"], arguments=call.get("args") or {})
            )
        elif "inlineData" in part:
            said.append(Image.base64(part["inlineData"]["mimeType"], part["inlineData"]["data"]))
        elif "text" in part:
            said.append(Reasoning(part["text"]) if part.get("thought") else Text(part["text"]))
    if said:
        yield Message(role="assistant" if role == "model" else "user", parts=said)
