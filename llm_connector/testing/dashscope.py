"""DashScope's own format, as its servers speak it: Chat Completions inside other envelopes.

https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import APIError, ContentFilterError, ContextLengthError, LlmConnectorError
from llm_connector.formats.base import Format, Incoming, Output, made_up, status_of
from llm_connector.formats.openai import FORMAT as COMPLETIONS
from llm_connector.formats.reading import the_object
from llm_connector.testing.translated import TranslatedEncoder, TranslatedFormat
from llm_connector.types import ChatResponse, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "DashScope"]

_NOT_PARAMETERS = frozenset({"incremental_output", "result_format"})
_CODES: Mapping[int, str] = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    402: "Arrearage",
    403: "AccessDenied",
    404: "ModelNotFound",
    429: "Throttling.RateQuota",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class DashScopeEncoder(TranslatedEncoder):
    """Puts each delta into an envelope; the last brings the usage."""

    def translate(self, output: Output) -> Iterable[Output]:
        """One event. That of the usage alone is part of the last here."""
        event = output[1]
        choices = [
            {"message": {"role": "assistant", "content": "", **choice["delta"]},
             "finish_reason": choice["finish_reason"] or "null"}
            for choice in event["choices"]
        ]  # fmt: skip
        return [("", _envelope(event["id"], choices, self.usage))] if choices else []

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """The error, in an event that is named so."""
        return (("error", self.format.render_error(error)[0]),)


@dataclass(frozen=True)
class DashScope(TranslatedFormat):
    """DashScope."""

    inner: ClassVar[Format] = COMPLETIONS
    writer: ClassVar[type[TranslatedEncoder]] = DashScopeEncoder

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST services/aigc/…/generation`."""
        body = the_object(body)
        parameters = {name: value for name, value in body.get("parameters", {}).items() if name not in _NOT_PARAMETERS}
        turns = [_turn(message) for message in body.get("input", {}).get("messages", ())]
        incoming = COMPLETIONS.parse_request({"model": body.get("model"), "messages": turns, **parameters})
        return Incoming(incoming.request, incoming.stream, self, incoming.rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A whole answer."""
        whole = COMPLETIONS.render_response(response, model)
        choices = [
            {
                "message": {**choice["message"], "content": choice["message"]["content"] or ""},
                "finish_reason": choice["finish_reason"],
            }
            for choice in whole["choices"]
        ]
        return _envelope(whole["id"], choices, response.usage)

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"code", "message", "request_id"}`."""
        status = status_of(error)
        known = "DataInspectionFailed" if isinstance(error, ContentFilterError) else _CODES.get(status, "InternalError")
        code = (error.code if isinstance(error, APIError) else None) or known
        return {"code": code, "message": _worded(error), "request_id": made_up("")}, status


FORMAT = DashScope()


def _worded(error: LlmConnectorError) -> str:
    """The message; one of a prompt that is too long has no code of its own, and is known by its words."""
    long = isinstance(error, ContextLengthError)
    return f"Range of input length should be [1, 8192]: {error.message}" if long else error.message


def _envelope(answer_id: str, choices: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
    body: dict[str, Any] = {"output": {"choices": choices}, "request_id": answer_id}
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    told: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    if usage.cached_tokens is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        told["output_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return {**body, "usage": told} if told else body


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of Chat Completions: parts have the names of what they hold for keys."""
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    parts = [
        {"type": "text", "text": part["text"]} if "text" in part
        else {"type": "image_url", "image_url": {"url": part["image"]}}
        for part in content if "text" in part or "image" in part
    ]  # fmt: skip
    return {**message, "content": parts}
