"""Servers of Anthropic Messages."""

from __future__ import annotations

from llm_connector.auth import api_key_header
from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.providers.spec import EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

ROWS = (
    ProviderSpec(
        name="anthropic",
        protocol=AnthropicMessages(),
        base_url="https://api.anthropic.com",
        base_url_env=("ANTHROPIC_BASE_URL",),
        api_key_env=("ANTHROPIC_API_KEY",),
        auth=api_key_header("x-api-key"),
        supports=EVERYTHING - {"audio", "video", "embeddings"} | {"count_tokens"},
        docs="https://docs.anthropic.com/en/api/messages",
    ),
)  # fmt: skip
