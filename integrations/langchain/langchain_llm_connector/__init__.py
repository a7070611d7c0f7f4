"""LangChain classes for every provider that llm-connector speaks to."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_llm_connector.chat_models import ChatLlmConnector
    from langchain_llm_connector.embeddings import LlmConnectorEmbeddings

__all__ = ["ChatLlmConnector", "LlmConnectorEmbeddings", "register"]

_HOME_OF = {"ChatLlmConnector": "chat_models", "LlmConnectorEmbeddings": "embeddings"}


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


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
