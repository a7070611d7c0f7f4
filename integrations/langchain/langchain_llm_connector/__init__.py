"""LangChain classes for every provider that llm-connector speaks to."""

from __future__ import annotations

from langchain_llm_connector.chat_models import ChatLlmConnector
from langchain_llm_connector.embeddings import LlmConnectorEmbeddings
from langchain_llm_connector.settings import __version__

__all__ = ["ChatLlmConnector", "LlmConnectorEmbeddings", "__version__", "register"]


def register(name: str = "llm_connector") -> None:
    """Let `init_chat_model("MODEL", model_provider=name, provider=…)` make a `ChatLlmConnector`.

    LangChain keeps its list of integrations to itself. Where it is not found, nothing happens: make the class directly.
    """
    try:
        from langchain.chat_models import base
    except ImportError:
        return
    known = getattr(base, "_BUILTIN_PROVIDERS", None)
    if isinstance(known, dict):
        known[name] = (__name__, "ChatLlmConnector", lambda cls, **settings: cls(**settings))
