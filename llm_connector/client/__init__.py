"""The two clients, one line per method over the same operations."""

from llm_connector.client.clients import AsyncLlmClient, LlmClient
from llm_connector.client.streams import AsyncChatStream, ChatStream

__all__ = ["AsyncChatStream", "AsyncLlmClient", "ChatStream", "LlmClient"]
