"""Converse of Bedrock, as its servers speak it: Anthropic's blocks in other words.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.anthropic import FORMAT as MESSAGES
from llm_connector.formats.base import Format, Incoming, Output, status_of
from llm_connector.formats.reading import the_object
from llm_connector.testing.translated import TranslatedEncoder, TranslatedFormat, worded
from llm_connector.types import ChatResponse, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "Converse"]

_INFERENCE = {
    "maxTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "stopSequences": "stop_sequences",
}
_REASONS = {"refusal": "content_filtered"}
_KINDS: Mapping[int, str] = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    529: "ServiceUnavailableException",
}


class ConverseEncoder(TranslatedEncoder):
    """Writes the events of one stream."""

    def translate(self, output: Output) -> Iterable[Output]:
        """The events for one of Anthropic's."""
        kind, event = output
        at = {"contentBlockIndex": event.get("index", 0)}
        match kind:
            case "message_start":
                return [("messageStart", {"role": "assistant"})]
            case "content_block_start" if event["content_block"]["type"] == "tool_use":
                call = event["content_block"]
                return [("contentBlockStart", {**at, "start": {"toolUse": _named(call)}})]
            case "content_block_delta" if delta := _delta(event["delta"]):
                return [("contentBlockDelta", {**at, "delta": delta})]
            case "content_block_stop":
                return [("contentBlockStop", at)]
            case "message_delta":
                told = {"usage": _counts(self.usage), "metrics": {"latencyMs": 1}}
                return [("messageStop", {"stopReason": _reason(event["delta"])}), ("metadata", told)]
            case _:
                return []

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """An exception, named as streams write it."""
        body, _ = self.format.render_error(error)
        kind = body["__type"]
        return ((kind[:1].lower() + kind[1:], {"message": error.message}),)


@dataclass(frozen=True)
class Converse(TranslatedFormat):
    """Converse and ConverseStream."""

    inner: ClassVar[Format] = MESSAGES
    writer: ClassVar[type[TranslatedEncoder]] = ConverseEncoder

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST model/…/converse`; `model` is that of the path."""
        body = the_object(body)
        turns = [
            {"role": turn["role"], "content": [block for item in turn["content"] for block in _read(item)]}
            for turn in body["messages"]
        ]
        asked: dict[str, Any] = {"model": body.get("model"), "messages": turns, "max_tokens": 1024}
        asked |= {
            _INFERENCE[name]: value for name, value in body.get("inferenceConfig", {}).items() if name in _INFERENCE
        }
        if body.get("system"):
            asked["system"] = [block for item in body["system"] for block in _read(item)]
        tools = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", ()) if "toolSpec" in tool]
        if tools:
            asked["tools"] = [
                {"name": tool["name"], "description": tool.get("description") or "",
                 "input_schema": tool["inputSchema"]["json"]}
                for tool in tools
            ]  # fmt: skip
        incoming = MESSAGES.parse_request(asked)
        if "maxTokens" not in body.get("inferenceConfig", {}):
            incoming.request.max_tokens = None
        return Incoming(incoming.request, incoming.stream, self, incoming.rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A whole answer."""
        whole = MESSAGES.render_response(response, model)
        message = {"role": "assistant", "content": [block for item in whole["content"] for block in _written(item)]}
        body: dict[str, Any] = {"output": {"message": message}, "stopReason": _reason(whole)}
        return {**body, "usage": _counts(response.usage), "metrics": {"latencyMs": 1}}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"__type", "message"}`."""
        status = status_of(error)
        return {"__type": _KINDS.get(status, "InternalServerException"), "message": worded(error)}, status


FORMAT = Converse()


def _reason(said: Mapping[str, Any]) -> str:
    reason = str(said["stop_reason"])
    return _REASONS.get(reason, reason)


def _named(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"toolUseId": call["id"], "name": call["name"]}


def _delta(delta: Mapping[str, Any]) -> dict[str, Any] | None:
    match delta["type"]:
        case "text_delta":
            return {"text": delta["text"]}
        case "thinking_delta":
            return {"reasoningContent": {"text": delta["thinking"]}}
        case "signature_delta":
            return {"reasoningContent": {"signature": delta["signature"]}}
        case "input_json_delta":
            return {"toolUse": {"input": delta["partial_json"]}}
        case _:
            return None


def _written(block: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    match block["type"]:
        case "text":
            yield {"text": block["text"]}
        case "thinking":
            thought = {"text": block["thinking"], "signature": block.get("signature") or ""}
            yield {"reasoningContent": {"reasoningText": thought}}
        case "redacted_thinking":
            yield {"reasoningContent": {"redactedContent": block["data"]}}
        case "tool_use":
            yield {"toolUse": {**_named(block), "input": block["input"]}}
        case _:
            return


def _read(block: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """A block of a request as Anthropic has it; marks, and media other than pictures, are left out."""
    if "text" in block:
        yield {"type": "text", "text": block["text"]}
    elif "bytes" in block.get("image", {}).get("source", {}):
        kind, data = f"image/{block['image']['format']}", block["image"]["source"]["bytes"]
        yield {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    elif "toolUse" in block:
        call = block["toolUse"]
        yield {"type": "tool_use", "id": call["toolUseId"], "name": call["name"], "input": call["input"]}
    elif "toolResult" in block:
        result = block["toolResult"]
        content = [inner for item in result["content"] for inner in _read(item)]
        failed = result.get("status") == "error"
        yield {
            "type": "tool_result", "tool_use_id": result["toolUseId"], "content": content, "is_error": failed,
        }  # fmt: skip
    elif "reasoningText" in block.get("reasoningContent", {}):
        thought = block["reasoningContent"]["reasoningText"]
        yield {"type": "thinking", "thinking": thought["text"], "signature": thought.get("signature") or ""}


def _counts(usage: Usage) -> dict[str, int]:
    cached, made = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    given, spoken = (usage.input_tokens or 0) - cached - made, usage.output_tokens or 0
    counts = {"inputTokens": given, "outputTokens": spoken, "totalTokens": given + spoken + cached + made}
    return {**counts, "cacheReadInputTokens": cached, "cacheWriteInputTokens": made}
