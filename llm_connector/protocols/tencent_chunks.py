"""Reads chat answers of version 3 of Tencent Cloud's API, whole and streamed.

The shape is that of Chat Completions in capitals, so its parser reads them once the known keys are translated; the
arguments of tools are text and stay as they are.
https://cloud.tencent.com/document/product/1729/105701 (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.assembly import count_in
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.completion_chunks import CompletionParser, completion_usage
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Usage
from llm_connector.wire import Json

__all__ = ["TencentParser", "native_usage", "unwrapped"]

_NOT_EXTRA = frozenset({"Choices", "Created", "Error", "ErrorMsg", "Id", "Model", "RequestId", "Response", "Usage"})


def unwrapped(body: Json) -> dict[str, Any]:
    """What is inside the `Response` of a whole answer; stream events come without. Raises ErrorEvent for an error."""
    answer = body.get("Response", body) if isinstance(body, dict) else None
    if not isinstance(answer, dict) or answer.get("Error") or answer.get("ErrorMsg"):
        raise ErrorEvent(body)
    return answer


def native_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts; `details` keeps the server's own object."""
    details = {_snake(key): value for key, value in usage.items()}
    for key in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(details.get(key), Mapping):
            details[key] = {_snake(name): _number(count) for name, count in details[key].items()}
    return completion_usage(details).model_copy(update={"details": dict(usage)})


class TencentParser(ChunkParser):
    """One chat answer, read by the parser of Chat Completions after translation."""

    end_marker = b"[DONE]"  # sent by some gateways; the API itself just ends

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        if request is not None and request.n is not None:
            request = request.model_copy(update={"n": None})  # dropped: there is one answer
        self._reader = CompletionParser(request, split=bool(request and request.think_tags))
        self.assembly = self._reader.assembly
        self._usage: Any = None
        self._whole = False

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event."""
        answer = unwrapped(body) if "Response" in body or body.get("ErrorMsg") or body.get("Error") else body
        self._usage = answer.get("Usage") or self._usage
        translated = {"choices": [_choice(choice, "Delta") for choice in answer.get("Choices") or ()]}
        return self._reader.read({**translated, "id": answer.get("Id"), "model": answer.get("Model")})

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no choice."""
        answer = unwrapped(body)
        choices = answer.get("Choices")
        if not isinstance(choices, list) or not choices:
            raise ParseError(f"the answer has no Choices; it has the keys {sorted(answer)}", body=excerpt(str(body)))
        self.raw = answer
        self._usage = answer.get("Usage")
        self._whole = self.done = True
        translated = {"choices": [_choice(choice, "Message") for choice in choices]}
        return self._reader.read_whole({**translated, "id": answer.get("Id"), "model": answer.get("Model")})

    def ended(self) -> bool:
        """A finish reason, or the end marker."""
        return self.done or self._reader.ended()

    def flush(self) -> Iterable[ChatChunk]:
        """Text held back because it may have been the beginning of a tag."""
        return self._reader.flush()

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        answer = self._reader.response(interrupted=interrupted)
        raw = self.raw
        search = raw.get("SearchInfo")
        if isinstance(self._usage, Mapping):
            answer.usage = native_usage(self._usage)
        answer.created = count_in(raw, "Created") or None
        answer.request_id = _word(raw.get("RequestId")) or _word(raw.get("Id"))  # the Id is the request's
        found = search.get("SearchResults") if isinstance(search, Mapping) else None
        answer.citations = [_citation(item) for item in found or () if isinstance(item, Mapping)]
        answer.extra = {_snake(key): raw[key] for key in raw if key not in _NOT_EXTRA and raw[key] is not None}
        answer.raw = raw if self._whole else {key: value for key, value in raw.items() if key != "Choices"}
        return answer


def _choice(choice: Mapping[str, Any], key: str) -> dict[str, Any]:
    delta = choice.get(key) or choice.get("Message") or choice.get("Delta") or {}
    translated: dict[str, Any] = {}
    if delta.get("Content"):
        translated["content"] = delta["Content"]
    if delta.get("ReasoningContent"):
        translated["reasoning_content"] = delta["ReasoningContent"]
    if delta.get("ToolCalls"):
        translated["tool_calls"] = [_call(call) for call in delta["ToolCalls"]]
    return {"index": choice.get("Index"), key.lower(): translated, "finish_reason": choice.get("FinishReason")}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("Function") or {}
    return {
        "id": call.get("Id"),
        "index": call.get("Index"),
        "type": "function",
        "function": {"name": function.get("Name"), "arguments": function.get("Arguments")},
    }


def _citation(result: Mapping[str, Any]) -> dict[str, Any]:
    return {_snake(key): value for key, value in result.items() if value is not None}


@lru_cache(maxsize=512)
def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


def _number(value: Any) -> Any:
    """A count; the server's own types call one of them a string."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
