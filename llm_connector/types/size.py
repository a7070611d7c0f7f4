"""How large a prompt is, without asking anybody: its bytes, and a guess at its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llm_connector.types.media import Media
from llm_connector.types.messages import AnyPart, Reasoning, Text, ToolCall, ToolResult
from llm_connector.wire import encode_json

if TYPE_CHECKING:
    from llm_connector.types.request import ChatRequest

__all__ = ["estimated_tokens", "text_bytes", "text_tokens"]

BYTES_OF_A_TOKEN = 4
"""Of English and of most scripts, roughly: a character of Chinese has three bytes, and fewer characters a token."""

TOKENS_OF_MEDIA = 1000


def text_bytes(request: ChatRequest) -> int:
    """The UTF-8 bytes of everything in a request that is text: messages, calls, results, tools."""
    tools = sum(len(tool.description or "") + len(encode_json(tool.parameters)) for tool in request.tools)
    return tools + sum(len(_text(part).encode("utf-8", "replace")) for part in _parts(request))


def text_tokens(texts: Iterable[str]) -> int:
    """Roughly the tokens of some texts."""
    return sum(len(text.encode("utf-8", "replace")) for text in texts) // BYTES_OF_A_TOKEN + 1


def estimated_tokens(request: ChatRequest) -> int:
    """Roughly what a request will cost, the answer included as far as `max_tokens` limits it."""
    media = sum(isinstance(part, Media) for part in _parts(request))
    return text_bytes(request) // BYTES_OF_A_TOKEN + media * TOKENS_OF_MEDIA + (request.max_tokens or 0) + 1


def _parts(request: ChatRequest) -> Iterable[AnyPart]:
    for message in request.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from (item for item in part.parts if isinstance(item, Media))


def _text(part: AnyPart) -> str:
    if isinstance(part, Text | Reasoning | ToolResult):
        return part.text
    return part.arguments_raw if isinstance(part, ToolCall) else ""
