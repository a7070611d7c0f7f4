"""What Google's errors say: `google.rpc.Status`, with its details.

https://ai.google.dev/gemini-api/docs/troubleshooting and https://cloud.google.com/apis/design/errors (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    RateLimitError,
)
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.wire import Json

__all__ = ["google_detail"]

_TOO_LONG = re.compile(r"input token count\b.{0,40}\bexceeds|exceeds the maximum number of tokens", re.IGNORECASE)
_NO_MODEL = re.compile(r"\bmodels/\S+ (?:is|was) not found|\bPublisher Model\b.{0,200}\bnot found", re.IGNORECASE)
_NO_KEY = re.compile(r"API key not valid|API key expired|API_KEY_INVALID", re.IGNORECASE)
_EMPTY = re.compile(r"credits are depleted|prepay.{0,40}depleted|insufficient balance", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def google_detail(body: Json, detail: ErrorDetail) -> ErrorDetail:
    """`detail`, completed from the details of a `google.rpc.Status`, should the body hold one."""
    error = _status(body)
    if error is None:
        return detail
    notes = list(_details(error))
    field = next((str(item["field"]) for item in _violations(notes, "fieldViolations") if item.get("field")), None)
    return replace(
        detail,
        kind=_kind(error, notes, detail.message),
        param=detail.param or field,
        retry_after=_retry_delay(notes),
    )


def _status(body: Json) -> Mapping[str, Any] | None:
    """The error object; streaming endpoints wrap it in a list."""
    if isinstance(body, list):
        body = body[0] if body else None
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) and isinstance(error.get("status"), str) else None


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    return (item for item in (details if isinstance(details, list) else ()) if isinstance(item, Mapping))


def _violations(notes: list[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    for note in notes:
        found = note.get(name)
        yield from (item for item in (found if isinstance(found, list) else ()) if isinstance(item, Mapping))


def _kind(error: Mapping[str, Any], notes: list[Mapping[str, Any]], message: str) -> type[APIError] | None:
    """The class, where neither the HTTP status nor the message as other servers word it tells."""
    status = error["status"]
    if status == "RESOURCE_EXHAUSTED":
        quotas = [str(item.get("quotaId")) for item in _violations(notes, "violations") if item.get("quotaId")]
        spent = bool(quotas) and all("PerDay" in quota for quota in quotas)
        return InsufficientBalanceError if spent or _EMPTY.search(message) else RateLimitError
    if status == "INVALID_ARGUMENT":
        if any(note.get("reason") == "API_KEY_INVALID" for note in notes) or _NO_KEY.search(message):
            return AuthenticationError
        return ContextLengthError if _TOO_LONG.search(message) else None
    return ModelNotFoundError if status == "NOT_FOUND" and _NO_MODEL.search(message) else None


def _retry_delay(notes: list[Mapping[str, Any]]) -> float | None:
    """Seconds to wait: there is no `retry-after` header."""
    for note in notes:
        match = _DURATION.fullmatch(str(note.get("retryDelay")))
        if match:
            return float(match[1])
    return None
