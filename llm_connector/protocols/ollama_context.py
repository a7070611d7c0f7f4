"""Whether Ollama cut a prompt to its context: it says nothing, but the count of what it read gives it away.

A prompt that does not fit is cut to the context, or by newer servers to half of it and a few tokens, and answered as if
it were whole. https://github.com/ollama/ollama/issues/17427, https://github.com/ollama/ollama/issues/3839
(checked 2026-11)
"""

from __future__ import annotations

from llm_connector.types import ChatRequest
from llm_connector.types.size import text_bytes

__all__ = ["cut_to"]

FIRST_TOKENS = 8
"""Those at the beginning that are kept besides the half."""

WINDOWS = frozenset(1024 << power for power in range(11))
"""Contexts that servers have unless they are told another."""


def cut_to(request: ChatRequest, count: int) -> bool:
    """Whether `count` tokens are what was left of the prompt.

    A count at the context that was asked for is enough. Other telling counts may come by chance, so there the text has
    to be longer than that many tokens are, too: five bytes are few for two tokens, and many for one.
    """
    asked = _context(request)
    if asked is not None and asked - 1 <= count <= asked + FIRST_TOKENS:
        return True
    windows = WINDOWS if asked is None else {asked // 2}
    beyond = any(window <= count <= window + FIRST_TOKENS for window in windows)
    return beyond and text_bytes(request) >= 5 * count


def _context(request: ChatRequest) -> int | None:
    """The context that the caller asked for."""
    options = (request.extra_body or {}).get("options")
    size = options.get("num_ctx") if isinstance(options, dict) else None
    return size if isinstance(size, int) and size > 0 else None
