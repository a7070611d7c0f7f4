"""Zhipu (open.bigmodel.cn, api.z.ai): Chat Completions with words and error codes of its own.

https://docs.bigmodel.cn/api-reference and https://docs.z.ai/api-reference/llm/chat-completion (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from llm_connector.protocols import Protocol
from llm_connector.protocols.assembly import ChoiceAssembly
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_chunks import CompletionParser
from llm_connector.protocols.completion_thinking import NO_THINKING, Models, Thinking, for_models
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.thinking import overlap
from llm_connector.providers.model_rules import SWITCH
from llm_connector.providers.spec import CHAT_AND_TOOLS, ProviderSpec
from llm_connector.signatures import zhipu_jwt
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Notes
from llm_connector.wire import Json

__all__ = ["ROWS"]

_BOX = ("<|begin_of_box|>", "<|end_of_box|>")


class _ZhipuParser(CompletionParser):
    """Answers whose calls may have been run already, and whose pictures' readers put their result into a box."""

    def __init__(self, request: ChatRequest | None = None, *, split: bool = False) -> None:
        super().__init__(request, split=split)
        self._executed: dict[Any, dict[str, Any]] = {}
        self._cut: dict[int, str] = {}

    def feed_call(
        self, piece: dict[str, Any], assembly: ChoiceAssembly, chunks: list[ChatChunk], *, whole: bool
    ) -> None:
        """Calls of MCP servers were made by Zhipu itself: nobody shall make them again."""
        if piece.get("type") != "mcp":
            super().feed_call(piece, assembly, chunks, whole=whole)
            return
        call = piece.get("mcp") or {}
        known = self._executed.setdefault(piece.get("id") or call.get("id"), {})
        known.update({key: value for key, value in call.items() if value is not None})

    def split_text(self, text: str, assembly: ChoiceAssembly, chunks: list[ChatChunk]) -> None:
        """Take text, out of its box."""
        text = self._cut.pop(assembly.index, "") + text
        for mark in _BOX:
            text = text.replace(mark, "")
        kept = max(overlap(text, mark) for mark in _BOX)
        if kept:
            text, self._cut[assembly.index] = text[:-kept], text[-kept:]
        if text:
            super().split_text(text, assembly, chunks)

    def flush(self) -> Iterable[ChatChunk]:
        """Text held back because it may have been the beginning of a tag."""
        chunks: list[ChatChunk] = []
        for index in list(self._cut):
            super().split_text(self._cut.pop(index), self.assembly.choice(index), chunks)
        return [*chunks, *super().flush()]

    def ended(self) -> bool:
        """The same; a failure may look like an end before anything has come."""
        return super().ended() and any(choice.raw_reason or choice.begun() for choice in self.assembly.choices.values())

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far, under the id that the server's support asks for."""
        answer = super().response(interrupted=interrupted)
        given = answer.extra.pop("request_id", None)
        answer.request_id = given if given and isinstance(given, str) else answer.id
        if self._executed:
            answer.extra["mcp_calls"] = list(self._executed.values())
        return answer


@dataclass(frozen=True)
class _ZhipuCompletions(ChatCompletions):
    """Zhipu's dialect. `tool_stream`: calls come in pieces if asked to, and else in one.

    Search is a tool of the server: `tools=[{"type": "web_search", "web_search": {"enable": True, …}}]`.
    """

    default_path: ClassVar[str] = "/api/paas/v4"
    parser: ClassVar[type[CompletionParser]] = _ZhipuParser

    tool_stream: bool = False

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body, with the end user under Zhipu's name for it."""
        notes = notes or Notes()
        changes: dict[str, Any] = {"user": None} if request.user is not None else {}
        if request.tools and request.tool_choice == "none":
            changes |= {"tools": [], "tool_choice": None, "parallel_tool_calls": None}
            notes.add("converted", "tool_choice", "'none' is no choice here: the tools are left out instead")
        if request.top_p is not None and request.top_p < _LEAST_TOP_P:
            changes["top_p"] = _LEAST_TOP_P
            notes.add("clamped", "top_p", f"{request.top_p} became {_LEAST_TOP_P}, the least there is")
        asked = request.model_copy(update=changes) if changes else request
        body = self._replaying(request)._spoken(asked, stream, notes)
        if request.user is not None and 6 <= len(request.user) <= 128:
            body["user_id"] = request.user
        elif request.user is not None:
            notes.add("dropped", "user", "it takes 6 to 128 characters here")
        return body

    def _spoken(self, request: ChatRequest, stream: bool, notes: Notes) -> dict[str, Any]:
        body = super().render_chat(request, stream=stream, notes=notes)
        if stream and "tools" in body and self.of_model(request.model or "").tool_stream:
            body["tool_stream"] = True
        return body

    def _replaying(self, request: ChatRequest) -> _ZhipuCompletions:
        """This protocol with all thoughts of the history, where the caller asks the server to keep them."""
        thinking = (request.extra_body or {}).get("thinking")
        kept = isinstance(thinking, Mapping) and thinking.get("clear_thinking") is False
        return replace(self, replay="always") if kept else self

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says: its code tells more than the status, which is 429 for empty accounts as well."""
        detail = super().parse_error(body)
        return replace(detail, kind=_KINDS.get(detail.code or ""))

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """No forced tool, or thinking that does not stop, after a 400 that says so."""
        message = failure.message
        if "tool_choice" in message and "tool_choice" not in self.unsupported:
            return self.taught(unsupported=self.unsupported | {"tool_choice"}), "tool_choice is refused by this model"
        if "thinking" in message and "disabled" in message and self.thinking != _ALWAYS:
            return self.taught(thinking=_ALWAYS), "thinking cannot be switched off here"
        return super().learn(failure, status)


_LEAST_TOP_P = 0.01
_UNSUPPORTED = frozenset(
    {
        *("frequency_penalty", "logit_bias", "logprobs", "metadata", "n", "parallel_tool_calls", "presence_penalty"),
        *("strict", "top_k", "top_logprobs"),
    }
)

_EFFORTS = replace(SWITCH, effort="reasoning_effort", efforts=("low", "medium", "high", "xhigh", "max"))
_ALWAYS = Thinking(on=SWITCH.on, effort="reasoning_effort", efforts=("low", "high", "max"))

# https://docs.z.ai/guides/capabilities/thinking-mode (checked 2026-11)
_THINKING: tuple[Models, ...] = (
    for_models(r"glm-[34](?!\.[5-9])|charglm|codegeex|emohaa", thinking=NO_THINKING, temperatures=(0.01, 0.99)),
    for_models(r"glm-z1|glm-4\.1v-thinking", thinking=Thinking(), think_tags=True),
    for_models(r"glm-4\.[15]v", think_tags=True),
    for_models(r"glm-5\.2", thinking=_EFFORTS),
    for_models(r"glm-(?:5\.[3-9]|[6-9]|\d\d)", thinking=_ALWAYS),
)
_TOOL_STREAM = for_models(r"glm-(?:4\.[6-9]|[5-9]|\d\d)", tool_stream=True)

# https://docs.bigmodel.cn/cn/api/api-code (checked 2026-11). Codes of quotas that come back some day are not retried.
_KINDS: dict[str, type[APIError]] = {
    "500": ServerError,
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), AuthenticationError),
    **dict.fromkeys(("1100", "1110", "1111", "1112", "1121", "1220", "1311", "1313"), PermissionDeniedError),
    **dict.fromkeys(("1113", "1304", "1308", "1309", "1310"), InsufficientBalanceError),
    **dict.fromkeys(("1120", "1230", "1234"), ServerError),
    **dict.fromkeys(("1200", "1210", "1212", "1213", "1214", "1215", "1231"), BadRequestError),
    "1211": ModelNotFoundError,
    **dict.fromkeys(("1221", "1222"), NotFoundError),
    "1261": ContextLengthError,
    **dict.fromkeys(("1300", "1301"), ContentFilterError),
    **dict.fromkeys(("1302", "1303", "1305", "1312"), RateLimitError),
}
_REMEDIES = {  # codes, with the space that follows them
    "1003 ": "set the clock of this machine: tokens made of the key are valid for minutes",
    "1004 ": "set the clock of this machine, or pass auth='bearer'",
    "1113 ": "add credit; a key of a Coding Plan needs region='coding', or 'coding_global' for api.z.ai",
    "1309 ": "renew the Coding Plan, or use region='cn' or 'global' with credit",
    "1311 ": "choose a model of the plan, or use region='cn' or 'global' with credit",
}
_ADDRESSES = {
    "cn": "https://open.bigmodel.cn/api/paas/v4",
    "global": "https://api.z.ai/api/paas/v4",
    "coding": "https://open.bigmodel.cn/api/coding/paas/v4",
    "coding_global": "https://api.z.ai/api/coding/paas/v4",
}
_KEYS = ("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY", "BIGMODEL_API_KEY")
_SUPPORTS = CHAT_AND_TOOLS | {"images", "audio", "video", "reasoning", "structured_output", "embeddings", "models"}


def _fitted(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row with its way to authorise. Coding plans keep the thoughts of a history, so there they are sent back."""
    scheme = credentials.get("auth", "bearer")
    if scheme not in ("bearer", "jwt"):
        raise ConfigurationError(f"auth is {scheme!r}; it is 'bearer' or 'jwt'", provider=row.name)
    if scheme == "jwt":
        row = replace(row, auth=zhipu_jwt)
    if region in ("coding", "coding_global") and isinstance(row.protocol, ChatCompletions):
        row = replace(row, protocol=replace(row.protocol, replay="always"))
    return row


def _dialect(*models: Models) -> _ZhipuCompletions:
    return _ZhipuCompletions(
        thinking=SWITCH,
        replay="tool_turns",
        json_output="mode",
        empty_content="",
        temperatures=(0.0, 1.0),
        unsupported=_UNSUPPORTED,
        models=(*_THINKING, *models),
    )


ROWS = (
    ProviderSpec(
        name="zhipu",
        protocol=_dialect(_TOOL_STREAM),
        base_url=_ADDRESSES,
        base_url_env=("ZAI_BASE_URL",),
        api_key_env=_KEYS,
        credentials=("auth",),
        configure=_fitted,
        supports=_SUPPORTS | {"rerank"},
        default_embedding_model="embedding-3",
        remedies=_REMEDIES,
        docs="https://docs.bigmodel.cn/api-reference",
    ),
    # The same servers, asked for no more than OpenAI's clients ask: calls come whole in streams, the key is sent as it
    # is, and documents are not ranked. Both names exist because other libraries have both.
    ProviderSpec(
        name="zhipu_openai_compatible",
        protocol=_dialect(),
        base_url=_ADDRESSES,
        base_url_env=("ZAI_BASE_URL",),
        api_key_env=_KEYS,
        configure=_fitted,
        supports=_SUPPORTS,
        default_embedding_model="embedding-3",
        remedies=_REMEDIES,
        docs="https://docs.bigmodel.cn/cn/guide/develop/openai/introduction",
    ),
)  # fmt: skip
