"""Version 3 of Tencent Cloud's API, as Hunyuan speaks it: Chat Completions in capitals, with actions for paths.

https://cloud.tencent.com/document/product/1729/105701 (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.chat_completions import ChatCompletions, JsonOutput
from llm_connector.protocols.completion_thinking import NO_THINKING, Models, Thinking, for_models
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.protocols.tencent_chunks import TencentParser, native_usage, unwrapped
from llm_connector.protocols.tencent_messages import fitted, native_body
from llm_connector.types import ChatRequest, Embeddings, ModelInfo, Notes, Usage
from llm_connector.wire import Json

__all__ = ["TencentChat"]

_MOST_INPUTS = 50
_UNKNOWN = frozenset(
    {
        *("frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "n"),
        *("parallel_tool_calls", "presence_penalty", "strict", "top_k", "top_logprobs", "user"),
    }
)
_SWITCH = Thinking(on=(("enable_thinking", True),), off=(("enable_thinking", False),))
_MODELS = (
    for_models(r"^hunyuan(?!-a13b)", thinking=NO_THINKING),
    for_models(r"^hunyuan-t1", thinking=Thinking()),
)


@dataclass(frozen=True)
class TencentChat(ChatCompletions):
    """Tencent Cloud's API for chat.

    `region`: the `X-TC-Region` header; the address is the same for all. `version`: of the API. Search and plug-ins are
    fields of the body: `extra_body={"EnableEnhancement": True}`.
    """

    name: ClassVar[str] = "Tencent Cloud API"
    count_field: ClassVar[str] = "TokenCount"
    default_path: ClassVar[str] = ""

    region: str | None = None
    version: str = "2023-09-01"
    thinking: Thinking = _SWITCH
    json_output: JsonOutput = "prompt"
    stream_usage: bool = False
    unsupported: frozenset[str] = _UNKNOWN
    models: tuple[Models, ...] = _MODELS

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """The action, which stands in the place of a path."""
        headers = {"x-tc-action": _ACTIONS.get(operation, _ACTIONS["chat"]), "x-tc-version": self.version}
        return {**headers, "x-tc-region": self.region} if self.region else headers

    @property
    def endpoints(self) -> tuple[str, ...]:
        """There are no paths to paste."""
        return ()

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Every action is sent to the root."""
        return ""

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of the action `ChatCompletions`."""
        notes = notes or Notes()
        return native_body(super().render_chat(fitted(request, notes), stream=stream, notes=notes), notes)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return TencentParser(request)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """Nothing: the API names no field that it refuses."""
        return None

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says: `Response.Error` of a whole answer, or the `ErrorMsg` of a stream event."""
        answer = body.get("Response", body) if isinstance(body, dict) else None
        failure = answer.get("ErrorMsg") if isinstance(answer, dict) else None
        if isinstance(failure, dict):  # 4000: the service failed; 4001: the model took too long
            code = failure.get("Code")
            message = str(failure.get("Msg") or "the service failed")
            return ErrorDetail(message, None if code is None else str(code), kind=ServerError)
        detail = error_detail(body)
        return replace(detail, kind=_kind(detail.code)) if detail.code else detail

    def models_path(self, cursor: str | None) -> str:
        """There is no list of models."""
        raise self._unsupported("list models")

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """There is no list of models."""
        raise self._unsupported("list models")

    def embed_path(self, model: str) -> str:
        """Every action is sent to the root."""
        return ""

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of the action `GetEmbedding`, which has one model. Raises ConfigurationError for too many texts."""
        if len(inputs) > _MOST_INPUTS:
            raise ConfigurationError(f"inputs: {len(inputs)} texts, but this server takes {_MOST_INPUTS} at a time")
        return {"Input": inputs[0]} if len(inputs) == 1 else {"InputList": list(inputs)}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors by index."""
        answer = unwrapped(body)
        data = answer.get("Data")
        if not isinstance(data, list):
            raise ErrorEvent(body)
        ordered = sorted(data, key=lambda item: item.get("Index") or 0)
        usage = answer.get("Usage")
        return Embeddings(
            vectors=[item["Embedding"] for item in ordered],
            usage=native_usage(usage) if isinstance(usage, dict) else Usage(),
            raw=body,
        )

    def count_path(self, model: str) -> str:
        """Every action is sent to the root."""
        return ""

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of the action `GetTokenCount`, which counts a text: that of the messages and tools.

        Raises UnsupportedError for pictures.
        """
        body = self.render_chat(request, stream=False, notes=notes)
        texts = [message.get("Content", "") for message in body["Messages"]]
        if any("Contents" in message for message in body["Messages"]):
            raise self._unsupported("count the tokens of pictures")
        calls = [call["Function"] for message in body["Messages"] for call in message.get("ToolCalls", ())]
        texts += [call["Arguments"] for call in calls]
        texts += [text for tool in body.get("Tools", ()) for text in tool["Function"].values()]
        return {"Prompt": "\n".join(texts)}

    def parse_count(self, body: Json) -> int:
        """Tokens of the text."""
        return super().parse_count(unwrapped(body))


_ACTIONS = {"chat": "ChatCompletions", "embed": "GetEmbedding", "count": "GetTokenCount"}

# https://cloud.tencent.com/document/api/1729/101838 (checked 2026-11). The longest prefix counts.
_KINDS: dict[str, type[APIError]] = {
    "ActionOffline": NotFoundError,
    "AuthFailure": AuthenticationError,
    "AuthFailure.UnauthorizedOperation": PermissionDeniedError,
    "FailedOperation": ServerError,
    "FailedOperation.EngineServerLimitExceeded": RateLimitError,
    "FailedOperation.FreeResourcePackExhausted": InsufficientBalanceError,
    "FailedOperation.PartnerAccountUnSupport": PermissionDeniedError,
    "FailedOperation.ResourcePackExhausted": InsufficientBalanceError,
    "FailedOperation.ServiceNotActivated": PermissionDeniedError,
    "FailedOperation.ServiceStop": InsufficientBalanceError,
    "FailedOperation.ServiceStopArrears": InsufficientBalanceError,
    "FailedOperation.SetPayModeExceed": InsufficientBalanceError,
    "FailedOperation.UserUnAuthError": PermissionDeniedError,
    "InternalError": ServerError,
    "InvalidParameter": BadRequestError,
    "InvalidParameterValue": BadRequestError,
    "InvalidParameterValue.Model": ModelNotFoundError,
    "LimitExceeded": RateLimitError,
    "MissingParameter": BadRequestError,
    "OperationDenied": PermissionDeniedError,
    "OperationDenied.ImageIllegalDetected": ContentFilterError,
    "OperationDenied.TextIllegalDetected": ContentFilterError,
    "RequestLimitExceeded": RateLimitError,
    "ResourceInsufficient": InsufficientBalanceError,
    "ResourceNotFound": NotFoundError,
    "ResourceUnavailable": InsufficientBalanceError,
    "UnauthorizedOperation": PermissionDeniedError,
    "UnknownParameter": BadRequestError,
    "UnsupportedOperation": BadRequestError,
}


def _kind(code: str) -> type[APIError] | None:
    return _KINDS.get(code) or _KINDS.get(code.partition(".")[0])
