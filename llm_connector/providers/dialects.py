"""The few servers whose differences are behaviour, not data: each a small class that overrides a seam.

They add no fields, so they stay the frozen dataclasses that they inherit from, and are not made anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    RateLimitError,
    ServerError,
)
from llm_connector.protocols.assembly import ChoiceAssembly, ReasoningBlock
from llm_connector.protocols.base import ErrorEvent
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_chunks import CompletionParser
from llm_connector.protocols.completion_messages import MessageForm
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.types import Audio, ChatChunk, ChatRequest, Document, Image, Media, Notes, Video
from llm_connector.types.messages import AnyPart
from llm_connector.wire import Json

__all__ = [
    "LongCatCompletions",
    "MiniMaxCompletions",
    "MistralCompletions",
    "MoonshotCompletions",
    "OpenRouterCompletions",
    "PerplexityCompletions",
    "VolcengineCompletions",
]


class _MistralForm(MessageForm):
    """Documents by URL, and sounds as a bare string. https://docs.mistral.ai/capabilities/audio (checked 2026-11)."""

    __slots__ = ()

    def bare_part(self, part: AnyPart) -> dict[str, Any]:
        """A part of a turn."""
        match part:
            case Audio():
                return {"type": "input_audio", "input_audio": part.url or part.data}
            case Document(file_id=str(file_id)):
                return {"type": "file", "file_id": file_id}
            case Document() if not (part.data is not None and (part.media_type or "").startswith("text/")):
                named = {"document_name": part.name} if part.name else {}
                return {"type": "document_url", "document_url": part.data_url, **named}
            case _:
                return super().bare_part(part)


class MistralCompletions(ChatCompletions):
    """Mistral takes ids of calls of nine letters and digits only, and calls a seed `random_seed`.

    https://docs.mistral.ai/api (checked 2026-11)
    """

    form: ClassVar[type[MessageForm]] = _MistralForm

    def must_embed(self, part: Media, model: str) -> bool:
        """Nothing: documents and sounds have URLs here."""
        return False

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body, with ids that the server takes."""
        notes = notes or Notes()
        body = super().render_chat(request, stream=stream, notes=notes)
        if "seed" in body:
            body["random_seed"] = body.pop("seed")
        for message in body["messages"]:
            for holder, key in [*((call, "id") for call in message.get("tool_calls", ())), (message, "tool_call_id")]:
                if key in holder and not _NINE(holder[key]):
                    holder[key] = hashlib.sha256(holder[key].encode("utf-8", "surrogatepass")).hexdigest()[:9]
                    notes.add("renamed", "ids of tool calls", "this server takes nine letters and digits only")
        return body


_NINE = re.compile(r"[a-zA-Z0-9]{9}").fullmatch


class OpenRouterCompletions(ChatCompletions):
    """OpenRouter hides what the model's host said in `error.metadata.raw`.

    https://openrouter.ai/docs/api-reference/errors (checked 2026-11)
    """

    def parse_error(self, body: Json) -> ErrorDetail:
        """What the error says, the host's own words included."""
        detail = super().parse_error(body)
        error = body.get("error") if isinstance(body, dict) else None
        metadata = error.get("metadata") if isinstance(error, dict) else None
        raw = metadata.get("raw") if isinstance(metadata, dict) else None
        if not raw:
            return detail
        host = error_detail([raw] if isinstance(raw, str) else raw)
        message = f"{detail.message}: {host.message}" if host.message not in detail.message else detail.message
        return replace(detail, message=message, param=detail.param or host.param)


class _MiniMaxParser(CompletionParser):
    """Thoughts may come whole with every event, and the answer once more at the end; failures come as `base_resp`."""

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one event."""
        if _failed(body):
            raise ErrorEvent(body)
        return super().read(body)

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer."""
        if _failed(body):
            raise ErrorEvent(body)
        return super().read_whole(body)

    def read_choice(self, choice: dict[str, Any], number: int, chunks: list[ChatChunk], *, whole: bool = False) -> None:
        """Take one choice, unless it repeats what has arrived."""
        assembly = self.assembly.choice(number)
        arrived = assembly.calls.slots or self.splitters or any(getattr(it, "pieces", ()) for it in assembly.blocks())
        if arrived and not whole and choice.get("delta") is None:
            choice = {**choice, "message": None}
        super().read_choice(choice, number, chunks, whole=whole)

    def reasoning_of(self, delta: dict[str, Any], assembly: ChoiceAssembly) -> str:
        """The new thinking of a delta."""
        known = next((block for block in assembly.blocks() if isinstance(block, ReasoningBlock)), None)
        if known is not None and known.pieces:
            delta = {key: _fresh(value, known.pieces) for key, value in delta.items()}
        return super().reasoning_of(delta, assembly)


def _fresh(value: Any, pieces: list[str]) -> Any:
    """What is new in a text, or in the texts of a list of details, that may begin with all the pieces so far."""
    if isinstance(value, list):
        entries = [entry for entry in value if isinstance(entry, dict)]
        return [{**entry, "text": _fresh(entry["text"], pieces)} if "text" in entry else entry for entry in entries]
    if not isinstance(value, str) or not value.startswith(pieces[0]):
        return value
    known = "".join(pieces)
    whole = value.startswith(known) and (len(value) > len(known) or len(known) > 15)
    return value[len(known) :] if whole else value


class MiniMaxCompletions(ChatCompletions):
    """MiniMax repeats itself in streams, and has numbers for its errors.

    https://platform.minimaxi.com/docs/api-reference/text-openai-api (checked 2026-11)
    """

    parser: ClassVar[type[CompletionParser]] = _MiniMaxParser

    def parse_error(self, body: Json) -> ErrorDetail:
        """What the error says."""
        state = _failed(body)
        if not state:
            return super().parse_error(body)
        code = str(state["status_code"])
        return ErrorDetail(str(state.get("status_msg") or ""), code=code, kind=_MINIMAX_CODES.get(code))


def _failed(body: Json) -> Mapping[str, Any]:
    """The `base_resp` of a body that is an error; nothing otherwise."""
    state = body.get("base_resp") if isinstance(body, dict) else None
    return state if isinstance(state, Mapping) and state.get("status_code") else {}


_MINIMAX_CODES: dict[str, type[APIError]] = {
    **dict.fromkeys(("1000", "1001", "1013", "1033"), ServerError),
    **dict.fromkeys(("1004", "2049"), AuthenticationError),
    **dict.fromkeys(("1026", "1027"), ContentFilterError),
    "1002": RateLimitError,
    "1008": InsufficientBalanceError,
    "1039": ContextLengthError,
    "2013": BadRequestError,
}


class VolcengineCompletions(ChatCompletions):
    """Ark has endpoints of their own for bots and for contexts that it keeps, and many codes for what it censors.

    A `context_id` in `extra_body`, and a model named `bot-…`, choose them.
    https://www.volcengine.com/docs/82379 (checked 2026-11)
    """

    default_path: ClassVar[str] = "/api/v3"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/context/chat/completions", "/bots/chat/completions", *super().endpoints)

    def request_path(self, request: ChatRequest, *, stream: bool) -> str:
        """Path below the base URL."""
        path = self.chat_path(request.model or "", stream=stream)
        if "context_id" in (request.extra_body or {}):
            return f"context/{path}"
        return f"bots/{path}" if (request.model or "").startswith("bot-") else path

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says."""
        detail = super().parse_error(body)
        return replace(detail, kind=ContentFilterError) if _CENSORED(detail.code or "") else detail


_CENSORED = re.compile(r"(SensitiveContentDetected|RiskDetection)(\.|$)").search


class LongCatCompletions(ChatCompletions):
    """LongCat's chat stands below `/openai`, its list of models does not.

    https://longcat.chat/platform/docs (checked 2026-11)
    """

    default_path: ClassVar[str] = ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/openai/v1/chat/completions", "/openai/v1", "/openai", "/v1/models", "/v1")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "openai/v1/chat/completions"

    def models_path(self, cursor: str | None) -> str:
        """Path below the base URL."""
        return "v1/models"


class PerplexityCompletions(ChatCompletions):
    """Perplexity's chat stands at the root, the rest below `/v1`: https://docs.perplexity.ai (checked 2026-11)."""

    default_path: ClassVar[str] = ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/chat/completions", "/v1/embeddings", "/v1/models", "/v1")

    def models_path(self, cursor: str | None) -> str:
        """Path below the base URL."""
        return "v1/models"

    def embed_path(self, model: str) -> str:
        """Path below the base URL."""
        return "v1/embeddings"


class _MoonshotForm(MessageForm):
    """Uploaded pictures and films have a scheme of their own."""

    __slots__ = ()

    def bare_part(self, part: AnyPart) -> dict[str, Any]:
        """A part of a turn."""
        if isinstance(part, Image | Video) and part.file_id is not None:
            kind = f"{part.type}_url"
            return {"type": kind, kind: {"url": f"ms://{part.file_id}"}}
        return super().bare_part(part)


class MoonshotCompletions(ChatCompletions):
    """Moonshot counts tokens: https://platform.kimi.ai/docs/api/chat.md (checked 2026-11)."""

    form: ClassVar[type[MessageForm]] = _MoonshotForm
    count_field: ClassVar[str] = "total_tokens"

    def count_path(self, model: str) -> str:
        """Path below the base URL."""
        return "tokenizers/estimate-token-count"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        body = self.render_chat(request, stream=False, notes=notes)
        return {key: body[key] for key in ("model", "messages", "tools") if key in body}

    def parse_count(self, body: Json) -> int:
        """Tokens of the prompt, one level down."""
        return super().parse_count(body.get("data") if isinstance(body, Mapping) else None)
