"""Errors that are in both trees: llm-connector's and that of LangChain's models."""

from __future__ import annotations

import functools
import json
from types import SimpleNamespace
from typing import Any

from langchain_core import exceptions

from llm_connector import APIError, LlmConnectorError

__all__ = ["adapted"]

_CLASSES = {
    "ContextLengthError": "ContextOverflowError",
    "AuthenticationError": "ModelAuthenticationError",
    "PermissionDeniedError": "ModelPermissionDeniedError",
    "InsufficientBalanceError": "ModelPermissionDeniedError",
    "BadRequestError": "ModelInvalidRequestError",
    "ConfigurationError": "ModelInvalidRequestError",
    "UnsupportedError": "ModelInvalidRequestError",
    "NotFoundError": "ModelNotFoundError",
    "RateLimitError": "ModelRateLimitError",
    "ServerError": "ModelAPIError",
    "TimeoutError": "ModelTimeoutError",
    "TransportError": "ModelConnectionError",
    "APIError": "ModelAPIError",
    "ParseError": "ModelAPIError",
    "StreamError": "ModelConnectionError",
}


def adapted(error: LlmConnectorError) -> LlmConnectorError:
    """The same error as LangChain's handlers know it; on a langchain-core without that class, the error itself."""
    kind: Any = _both(type(error))  # type: ignore[arg-type]  # classes are hashable; mypy loses it in the cache
    if kind is None:
        return error
    made: Any = kind.__new__(kind, *error.args)
    made.args = error.args
    made.__dict__.update(error.__dict__)
    made.is_retryable = error.retryable
    if isinstance(error, APIError):
        made.response = _response(error)
    return made  # type: ignore[no-any-return]  # an instance of a class that was made of the error's


@functools.cache
def _both(kind: type[LlmConnectorError]) -> type[Any] | None:
    names = (name for parent in kind.__mro__ if (name := _CLASSES.get(parent.__name__)))
    theirs = getattr(exceptions, next(names, ""), None)
    if theirs is None:
        return None
    own = {"__module__": __name__, "__doc__": kind.__doc__, "__reduce__": _reduce, "_kind": kind}
    return type(kind.__name__, (kind, theirs), own)


def _reduce(error: Any) -> tuple[Any, ...]:
    """Classes made at run time cannot be imported: what is pickled is the error behind this one."""
    plain = error._kind.__new__(error._kind, *error.args)
    plain.args = error.args
    own = {"response", "is_retryable"}
    plain.__dict__.update({name: value for name, value in error.__dict__.items() if name not in own})
    return adapted, (plain,)


def _response(error: APIError) -> SimpleNamespace:
    """What LangChain copies to traces, in the shape of the HTTP clients."""
    known = {"x-request-id": error.request_id, "retry-after": error.retry_after}
    headers = {name: str(value) for name, value in known.items() if value is not None}
    text = error.body if isinstance(error.body, str) else json.dumps(error.body, ensure_ascii=False, default=str)
    return SimpleNamespace(status_code=error.status, headers=headers, text=text, json=lambda: error.body)
