"""Errors that are in both trees: llm-connector's and that of LangChain's models."""

from __future__ import annotations

import functools
import json
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from langchain_core import exceptions

from llm_connector.errors import APIError, LlmConnectorError

__all__ = ["adapted", "both_trees"]

_NAMES = {
    **dict.fromkeys(("BadRequestError", "ConfigurationError", "UnsupportedError"), "ModelInvalidRequestError"),
    **dict.fromkeys(("StreamError", "TransportError"), "ModelConnectionError"),
    "ContextLengthError": "ContextOverflowError",
    "InsufficientBalanceError": "ModelPermissionDeniedError",
    "LlmConnectorError": "LangChainException",
    "ParseError": "ModelAPIError",
}
"""LangChain's classes for ours and those below them, where theirs are not named as ours after `Model`."""


@contextmanager
def both_trees() -> Generator[None]:
    """Raise our errors as LangChain's handlers know them."""
    try:
        yield
    except LlmConnectorError as error:
        raise adapted(error) from error


def adapted(error: LlmConnectorError) -> LlmConnectorError:
    """The same error in both trees; an early langchain-core has but one class for all of them."""
    kind: Any = _both(type(error))  # type: ignore[arg-type]  # classes are hashable; mypy loses it in the cache
    made: Any = kind.__new__(kind, *error.args)
    made.__dict__.update(error.__dict__, is_retryable=error.retryable, _error=error)
    if isinstance(error, APIError):
        made.response = _response(error)
    return made  # type: ignore[no-any-return]  # an instance of a class that was made of the error's


@functools.cache
def _both(kind: Any) -> Any:
    names = (_NAMES.get(parent.__name__, f"Model{parent.__name__}") for parent in kind.__mro__)
    theirs = next(found for name in names if (found := getattr(exceptions, name, None)))
    # Classes made at run time cannot be imported: what is pickled is the error behind this one.
    own = {"__module__": __name__, "__doc__": kind.__doc__, "__reduce__": lambda made: (adapted, (made._error,))}
    return type(kind.__name__, (kind, theirs), own)


def _response(error: APIError) -> SimpleNamespace:
    """What LangChain copies to traces, in the shape of the HTTP clients."""
    known = {"x-request-id": error.request_id, "retry-after": error.retry_after}
    headers = {name: str(value) for name, value in known.items() if value is not None}
    text = error.body if isinstance(error.body, str) else json.dumps(error.body, ensure_ascii=False, default=str)
    return SimpleNamespace(status_code=error.status, headers=headers, text=text, json=lambda: error.body)
