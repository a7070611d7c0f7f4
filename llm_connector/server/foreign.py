"""What of a request stays behind when its provider speaks another wire format: told, or refused where it matters."""

from __future__ import annotations

import hashlib
from typing import Final

from llm_connector.errors import BadRequestError, UnsupportedError
from llm_connector.formats import Incoming
from llm_connector.server.backends import Target
from llm_connector.types import Adaptation, ChatRequest, Text

__all__ = ["left_behind"]

_ATTRIBUTION: Final = "x-anthropic-billing-header"
_LONGEST_USER: Final = 64
_NESTED: Final = "options"  # where Ollama's requests hold most of their fields
_UNTHREADED: Final = "thread_unsupported_request"
"""The code by which Anthropic's client knows that it must send the whole conversation.

https://github.com/anthropics/anthropic-sdk-python (checked 2026-11)
"""


def left_behind(asked: Incoming, target: Target) -> list[Adaptation]:
    """Take out what only servers of the request's own format know.

    Raises BadRequestError or UnsupportedError where the request would mean something else without it.
    """
    if "thread" in asked.rest:
        message = "thread: conversations are not kept here; send all messages"
        raise BadRequestError(message, status=400, code=_UNTHREADED)
    provider = target.backend.spec.name
    names: list[str] = []
    for name, value in asked.rest.items():
        nested = name == _NESTED and isinstance(value, dict)
        names += [f"{name}.{inner}" for inner in value] if nested else [name]
    reason = f"{provider} has no word for it"
    fields = [Adaptation(action="dropped", subject=name, detail=reason) for name in names]
    request, told = asked.request, list[Adaptation]()
    if asked.format.wire:  # who speaks our own format means the tools of this very provider
        told += _without_native_tools(request, provider)
    if asked.format.needs_max_tokens:
        told += _with_fitting_length(request, target)
    return [*_without_attribution(request), *_with_short_user(request), *told, *fields]


def _without_attribution(request: ChatRequest) -> list[Adaptation]:
    """Take out the system block that Claude Code addresses to Anthropic.

    It comes first and differs in each request, so that no provider would find the prompt in its cache.
    https://code.claude.com/docs/en/llm-gateway-protocol (checked 2026-11)
    """
    first = request.messages[0] if request.messages else None
    parts = first.parts if first is not None and first.role == "system" else []
    if not (parts and isinstance(parts[0], Text) and parts[0].text.startswith(f"{_ATTRIBUTION}:")):
        return []
    del parts[0]
    if not parts:
        del request.messages[0]
    reason = "it is meant for Anthropic, and as it differs in each request no prompt would be found in a cache"
    return [Adaptation(action="dropped", subject=_ATTRIBUTION, detail=reason)]


def _with_short_user(request: ChatRequest) -> list[Adaptation]:
    """Give a long identifier of the user, Claude Code's for one, a length and letters that servers take."""
    if request.user is None or len(request.user) <= _LONGEST_USER:
        return []
    request.user = hashlib.sha256(request.user.encode("utf-8", "replace")).hexdigest()
    reason = f"longer than the {_LONGEST_USER} characters that servers take; its SHA-256 stands for it"
    return [Adaptation(action="converted", subject="user", detail=reason)]


def _with_fitting_length(request: ChatRequest, target: Target) -> list[Adaptation]:
    """Ask for no longer an answer than the model can write: it would refuse."""
    most = target.info().max_output
    if most is None or request.max_tokens is None or request.max_tokens <= most:
        return []
    told = [_clamped("max_tokens", request.max_tokens, most, "the most that this model writes")]
    request.max_tokens, budget = most, request.reasoning
    if type(budget) is int and budget >= most:
        request.reasoning = most // 2
        told.append(_clamped("reasoning", budget, request.reasoning, "half of what this model writes at most"))
    return told


def _clamped(subject: str, asked: int, given: int, reason: str) -> Adaptation:
    return Adaptation(action="clamped", subject=subject, detail=f"{asked} became {given}, {reason}")


def _without_native_tools(request: ChatRequest, provider: str) -> list[Adaptation]:
    """Take out tools that servers of the request's format run themselves, unless nothing else was asked for."""
    native = [tool.name for tool in request.tools if tool.native is not None]
    if not native:
        return []
    if len(native) == len(request.tools) or request.tool_choice in native:
        raise UnsupportedError(f"tools: {provider} does not run {', '.join(native)}; give functions")
    request.tools = [tool for tool in request.tools if tool.native is None]
    reason = f"servers of another kind run it; {provider} does not"
    return [Adaptation(action="dropped", subject=f"tool {name}", detail=reason) for name in native]
