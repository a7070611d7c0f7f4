"""Servers of Ollama's own wire format."""

from __future__ import annotations

from llm_connector.protocols.ollama import OllamaChat
from llm_connector.protocols.ollama_host import ollama_host
from llm_connector.providers.spec import EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

ROWS = (
    ProviderSpec(
        name="ollama",
        protocol=OllamaChat(),
        base_url="http://localhost:11434",
        base_url_env=("OLLAMA_HOST",),
        read_base_url=ollama_host,
        optional_key_env=("OLLAMA_API_KEY",),
        supports=EVERYTHING - {"documents", "audio", "video"} | {"model_management"},
        docs="https://docs.ollama.com/api",
    ),
)  # fmt: skip
