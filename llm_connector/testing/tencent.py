"""Hunyuan's chats in version 3 of Tencent Cloud's API, as its servers speak it: Chat Completions in capitals.

https://cloud.tencent.com/document/product/1729/105701 (checked 2026-11)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import APIError, ContentFilterError, LlmConnectorError, ModelNotFoundError
from llm_connector.formats.base import Format, Incoming, Output, made_up, status_of
from llm_connector.formats.openai import FORMAT as COMPLETIONS
from llm_connector.formats.reading import the_object
from llm_connector.testing.translated import TranslatedEncoder, TranslatedFormat
from llm_connector.types import ChatResponse
from llm_connector.wire import Json

__all__ = ["FORMAT", "Tencent"]

_SCHEMA = "parameters"
"""What holds JSON as text; nothing in it is a name of the API."""
_NAMES = frozenset(
    {
        *("Id", "Created", "Choices", "Index", "FinishReason", "Message", "Delta", "Role", "Content", "ToolCalls"),
        *("ReasoningContent", "Type", "Function", "Name", "Arguments", "Usage", "PromptTokens", "CompletionTokens"),
        *("TotalTokens", "PromptTokensDetails", "CachedTokens", "CompletionTokensDetails", "ReasoningTokens"),
    }
)
"""What this API has a name for."""
_CLASSES = (
    (ModelNotFoundError, "InvalidParameterValue.Model"),
    (ContentFilterError, "OperationDenied.TextIllegalDetected"),
)
_CODES: Mapping[int, str] = {
    400: "InvalidParameter",
    401: "AuthFailure.SecretIdNotFound",
    402: "FailedOperation.ResourcePackExhausted",
    403: "UnauthorizedOperation",
    404: "ResourceNotFound",
    429: "LimitExceeded",
    500: "InternalError",
}


class TencentEncoder(TranslatedEncoder):
    """Writes events in capitals."""

    def translate(self, output: Output) -> Iterable[Output]:
        """One event."""
        return [("", _capitals(output[1]))]

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """The error as it stands in an event."""
        told = self.format.render_error(error)[0]["Response"]["Error"]
        return (("", {"ErrorMsg": {"Msg": told["Message"], "Code": 4001}}),)


@dataclass(frozen=True)
class Tencent(TranslatedFormat):
    """The action `ChatCompletions`."""

    inner: ClassVar[Format] = COMPLETIONS
    writer: ClassVar[type[TranslatedEncoder]] = TencentEncoder

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of the action."""
        small = _small_keys(the_object(body))
        for tool in small.get("tools", ()):
            function = tool.get("function", {})
            if isinstance(function.get(_SCHEMA), str):
                function[_SCHEMA] = json.loads(function[_SCHEMA])
        for message in small.get("messages", ()):
            if "contents" in message:
                message["content"] = message.pop("contents")
        if small.get("custom_tool"):
            small["tool_choice"] = small.pop("custom_tool")
        incoming = COMPLETIONS.parse_request(small)
        return Incoming(incoming.request, incoming.stream, self, incoming.rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A whole answer, wrapped as this API wraps all of them."""
        whole = COMPLETIONS.render_response(response, model)
        return {"Response": {**_capitals(whole), "RequestId": whole["id"]}}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"Response": {"Error": {"Code", "Message"}, "RequestId"}}`, under status 200."""
        given = error.code if isinstance(error, APIError) else None
        kind = next((code for known, code in _CLASSES if isinstance(error, known)), None)
        code = given or kind or _CODES.get(status_of(error), "InternalError")
        return {"Response": {"Error": {"Code": code, "Message": error.message}, "RequestId": made_up("")}}, 200


FORMAT = Tencent()


def _capitals(body: Any) -> Any:
    """The body in capitals, without what this API has no name for."""
    if isinstance(body, list):
        return [_capitals(inner) for inner in body]
    if not isinstance(body, dict):
        return "" if body is None else body
    named = {_capital(key): _capitals(inner) for key, inner in body.items()}
    return {name: inner for name, inner in named.items() if name in _NAMES}


def _small_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_small(key): _small_keys(inner) for key, inner in value.items()}
    return [_small_keys(inner) for inner in value] if isinstance(value, list) else value


def _capital(key: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in key.split("_"))


def _small(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
