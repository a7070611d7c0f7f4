"""Wire formats: one file each, pure, without provider names."""

from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.failures import ErrorDetail, error_class
from llm_connector.protocols.ollama import OllamaChat
from llm_connector.protocols.ollama_host import ollama_host

__all__ = [
    "AnthropicMessages",
    "ChatCompletions",
    "ChunkParser",
    "ErrorDetail",
    "ErrorEvent",
    "OllamaChat",
    "Protocol",
    "error_class",
    "ollama_host",
]
