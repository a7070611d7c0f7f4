"""Any LLM provider, one result: a light core that speaks the providers' own wire formats.

>>> from llm_connector import LlmClient
>>> client = LlmClient("local")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_connector.auth import api_key_header, bearer, no_auth
    from llm_connector.client.clients import AsyncLlmClient, LlmClient
    from llm_connector.client.rate_limits import RateLimit
    from llm_connector.client.streams import AsyncChatStream, ChatStream
    from llm_connector.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        ContentFilterError,
        ContextLengthError,
        InsufficientBalanceError,
        LlmConnectorError,
        ModelNotFoundError,
        NotFoundError,
        ParseError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        StreamError,
        TimeoutError,
        TransportError,
        UnsupportedError,
    )
    from llm_connector.providers import CHAT_AND_TOOLS, ProviderSpec, register_provider, supported_providers
    from llm_connector.telemetry import instrument, uninstrument
    from llm_connector.types import (
        Adaptation,
        Audio,
        ChatChunk,
        ChatOptions,
        ChatRequest,
        ChatResponse,
        Choice,
        Document,
        Embeddings,
        Image,
        Message,
        ModelInfo,
        Opaque,
        Prices,
        RankedDocument,
        Reasoning,
        ReasoningDelta,
        Text,
        TextDelta,
        Tool,
        ToolCall,
        ToolCallDelta,
        ToolResult,
        Usage,
        Video,
        assistant,
        partial_json,
        repair_history,
        system,
        tool_result,
        user,
    )
    from llm_connector.wire import FetchPolicy, Timeout

_HOMES = {
    "auth": ("api_key_header", "bearer", "no_auth"),
    "client.clients": ("AsyncLlmClient", "LlmClient"),
    "client.rate_limits": ("RateLimit",),
    "client.streams": ("AsyncChatStream", "ChatStream"),
    "errors": (
        "APIError",
        "AuthenticationError",
        "BadRequestError",
        "ConfigurationError",
        "ContentFilterError",
        "ContextLengthError",
        "InsufficientBalanceError",
        "LlmConnectorError",
        "ModelNotFoundError",
        "NotFoundError",
        "ParseError",
        "PermissionDeniedError",
        "RateLimitError",
        "ServerError",
        "StreamError",
        "TimeoutError",
        "TransportError",
        "UnsupportedError",
    ),
    "providers": ("CHAT_AND_TOOLS", "ProviderSpec", "register_provider", "supported_providers"),
    "telemetry": ("instrument", "uninstrument"),
    "types": (
        "Adaptation",
        "Audio",
        "ChatChunk",
        "ChatOptions",
        "ChatRequest",
        "ChatResponse",
        "Choice",
        "Document",
        "Embeddings",
        "Image",
        "Message",
        "ModelInfo",
        "Opaque",
        "Prices",
        "RankedDocument",
        "Reasoning",
        "ReasoningDelta",
        "Text",
        "TextDelta",
        "Tool",
        "ToolCall",
        "ToolCallDelta",
        "ToolResult",
        "Usage",
        "Video",
        "assistant",
        "partial_json",
        "repair_history",
        "system",
        "tool_result",
        "user",
    ),
    "wire": ("FetchPolicy", "Timeout"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CHAT_AND_TOOLS",
    "APIError",
    "Adaptation",
    "AsyncChatStream",
    "AsyncLlmClient",
    "Audio",
    "AuthenticationError",
    "BadRequestError",
    "ChatChunk",
    "ChatOptions",
    "ChatRequest",
    "ChatResponse",
    "ChatStream",
    "Choice",
    "ConfigurationError",
    "ContentFilterError",
    "ContextLengthError",
    "Document",
    "Embeddings",
    "FetchPolicy",
    "Image",
    "InsufficientBalanceError",
    "LlmClient",
    "LlmConnectorError",
    "Message",
    "ModelInfo",
    "ModelNotFoundError",
    "NotFoundError",
    "Opaque",
    "ParseError",
    "PermissionDeniedError",
    "Prices",
    "ProviderSpec",
    "RankedDocument",
    "RateLimit",
    "RateLimitError",
    "Reasoning",
    "ReasoningDelta",
    "ServerError",
    "StreamError",
    "Text",
    "TextDelta",
    "Timeout",
    "TimeoutError",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "TransportError",
    "UnsupportedError",
    "Usage",
    "Video",
    "api_key_header",
    "assistant",
    "bearer",
    "instrument",
    "no_auth",
    "partial_json",
    "register_provider",
    "repair_history",
    "supported_providers",
    "system",
    "tool_result",
    "uninstrument",
    "user",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
