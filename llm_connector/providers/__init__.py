"""Providers as rows of data."""

from llm_connector.providers.spec import CHAT_AND_TOOLS, Endpoint, ProviderSpec
from llm_connector.providers.table import PROVIDERS, find, register_provider, supported_providers

__all__ = [
    "CHAT_AND_TOOLS",
    "PROVIDERS",
    "Endpoint",
    "ProviderSpec",
    "find",
    "register_provider",
    "supported_providers",
]
