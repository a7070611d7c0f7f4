"""The wire formats, and the seams they fill. Each is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol, path_segment
from llm_connector.protocols.failures import ErrorDetail, error_class

if TYPE_CHECKING:
    from llm_connector.protocols.anthropic import AnthropicMessages
    from llm_connector.protocols.anthropic_bedrock import AnthropicBedrock
    from llm_connector.protocols.chat_completions import ChatCompletions
    from llm_connector.protocols.converse import Converse
    from llm_connector.protocols.ollama import OllamaChat
    from llm_connector.protocols.responses import Responses

__all__ = [
    "AnthropicBedrock",
    "AnthropicMessages",
    "ChatCompletions",
    "ChunkParser",
    "Converse",
    "ErrorDetail",
    "ErrorEvent",
    "OllamaChat",
    "Protocol",
    "Responses",
    "error_class",
    "path_segment",
]

_HOMES = {
    "AnthropicBedrock": ".anthropic_bedrock",
    "AnthropicMessages": ".anthropic",
    "ChatCompletions": ".chat_completions",
    "Converse": ".converse",
    "OllamaChat": ".ollama",
    "Responses": ".responses",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home, __name__), name)
    return value
