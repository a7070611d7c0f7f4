"""Chat Completions of OpenAI, and the way round to Responses for what only that endpoint does.

https://platform.openai.com/docs/guides/migrate-to-responses (checked 2026-11)
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.protocols import Protocol
from llm_connector.protocols.base import ChunkParser
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_messages import MessageForm
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.functions import lacks_responses
from llm_connector.providers.model_rules import OPENAI_MODELS
from llm_connector.types import ChatRequest, Notes, ToolCall
from llm_connector.wire import Json

__all__ = ["OpenAICompletions", "needs_responses"]

_NEEDS = re.compile(r"v1/responses|not a chat model|chatCompletion operation does not work")
"""How OpenAI and Azure refuse what only the other endpoint does, or models that only it has."""
_OF_BOTH = frozenset(
    {
        *("metadata", "moderation", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "safety_identifier", "service_tier", "store", "temperature", "top_p", "user"),
    }
)
"""Fields of the body that both wire formats spell alike."""
_OF_RESPONSES = frozenset({"async", "caller", "namespace", "type"})
"""Fields of a call that Chat Completions does not take back."""


class _Form(MessageForm):
    """Conversations some of whose turns were answered on Responses."""

    def _call(self, call: ToolCall) -> dict[str, Any]:
        kept = {key: value for key, value in (call.extra or {}).items() if key not in _OF_RESPONSES}
        return super()._call(call.model_copy(update={"extra": kept or None}))


@dataclass(frozen=True)
class OpenAICompletions(ChatCompletions):
    """Chat Completions of OpenAI. A request with functions whose model would have to stop thinking for them here
    (`tools_thinking`) is sent on Responses, which is loaded for the first of them.

    `responses`: that wire format as refusals have taught it; None until one has.
    `detours`: False where the server turned out to lack that endpoint (gateways).
    """

    form: ClassVar[type[MessageForm]] = _Form
    alternatives: ClassVar[tuple[str, ...]] = ("responses",)

    responses: Protocol | None = None
    detours: bool = True

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST chat/completions`, or of `POST responses`."""
        other = self._elsewhere(request)
        if other is None:
            return super().render_chat(request, stream=stream, notes=notes)
        notes = notes or Notes()
        notes.add("converted", "endpoint", f"{_TOGETHER}, so it is sent there, as the row openai_responses does")
        return other.render_chat(request, stream=stream, notes=notes)

    def request_path(self, request: ChatRequest, *, stream: bool) -> str:
        """Path of the endpoint that this request is for."""
        other = self._elsewhere(request)
        path = super().request_path if other is None else other.request_path
        return path(request, stream=stream)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer, of the endpoint that was asked."""
        other = None if request is None else self._elsewhere(request)
        return super().chunk_parser(request) if other is None else other.chunk_parser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says; those of Responses have more codes."""
        return self._detour().parse_error(body)

    def learn_from(self, request: ChatRequest, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """What the endpoint that was asked teaches, or that it was the wrong one."""
        named = needs_responses(failure)
        if self._elsewhere(request) is not None:
            if named or lacks_responses(failure, status):
                return replace(self, detours=False), f"there is no {self._detour().name} endpoint; {self.name} is used"
            taught = self._detour().learn_from(request, failure, status)
            return None if taught is None else (replace(self, responses=taught[0]), taught[1])
        if not named:
            return self.learn(failure, status)
        together = request.tools and self.of_model(request.model or "").tools_thinking
        if together and "reasoning_effort" in failure.message:
            return self.taught(tools_thinking=False), _TOGETHER
        if _bound(request) or not self.detours:
            return None
        return self._detour(), f"this model is to be had on {self._detour().name} only, which is used"

    def _elsewhere(self, request: ChatRequest) -> Protocol | None:
        """The wire format that this request is sent in, if it is not this one."""
        if not (request.tools and self.detours):
            return None
        own = self.of_model(request.model or "")
        together = own.tools_thinking or not own.thinking.thinks(request.reasoning)
        return None if together or _bound(request) else self._detour()

    def alternative(self, field: str) -> Protocol | None:
        """The wire format of the other endpoint, as it is until a refusal has taught something."""
        return self._detour() if field == "responses" else super().alternative(field)

    def _detour(self) -> Protocol:
        return self.responses or _responses()


def needs_responses(failure: ErrorDetail) -> bool:
    """Whether a refusal of Chat Completions means that Responses does what was asked."""
    return _NEEDS.search(failure.message) is not None


_TOGETHER = "functions together with thinking are to be had on Responses only"


def _bound(request: ChatRequest) -> bool:
    """Whether a request asks for what Responses does not have, or spells it in words of Chat Completions."""
    spelled = request.extra_body is not None and not request.extra_body.keys() <= _OF_BOTH
    return spelled or (request.n or 1) > 1 or any(tool.native and "custom" in tool.native for tool in request.tools)


@functools.cache
def _responses() -> Protocol:
    from llm_connector.protocols.responses import Responses

    return Responses(least_tokens=16, models=OPENAI_MODELS)
