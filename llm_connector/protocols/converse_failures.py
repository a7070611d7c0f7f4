"""Errors in the words of AWS, as HTTP has them and as they come inside a stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
(checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from llm_connector.protocols.failures import ErrorDetail, error_detail
from llm_connector.wire import Json

__all__ = ["aws_error"]

_KINDS: Mapping[str, tuple[int, type[APIError]]] = {
    "ValidationException": (400, BadRequestError),
    "ServiceQuotaExceededException": (400, InsufficientBalanceError),
    "AccessDeniedException": (403, PermissionDeniedError),
    "ExpiredTokenException": (403, AuthenticationError),
    "IncompleteSignatureException": (403, AuthenticationError),
    "InvalidSignatureException": (403, AuthenticationError),
    "MissingAuthenticationTokenException": (403, AuthenticationError),
    "UnrecognizedClientException": (403, AuthenticationError),
    "ResourceNotFoundException": (404, ModelNotFoundError),
    "ModelTimeoutException": (408, ServerError),
    "ModelErrorException": (424, ServerError),
    "ModelStreamErrorException": (424, ServerError),
    "ModelNotReadyException": (429, RateLimitError),
    "ThrottlingException": (429, RateLimitError),
    "InternalServerException": (500, ServerError),
    "ServiceUnavailableException": (503, ServerError),
}
# What the message says wins: one class means several things, and proxies lose the header that names it.
_SAID: tuple[tuple[type[APIError], re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (ContextLengthError, r"input tokens? exceed|input is too long|prompt is too long|too many input tokens"),
        (ModelNotFoundError, r"model identifier is invalid|end of its life"),
        (
            AuthenticationError,
            r"security token included|authentication failed|missing authentication|signature (?:we calculated|expired)",
        ),
    )
)


def aws_error(body: Json) -> ErrorDetail:
    """What an error says. Its class stands in `__type`, or is its code where it came inside a stream."""
    detail = error_detail(body)
    named = body.get("__type") if isinstance(body, Mapping) else None
    code = named.partition(":")[0].rpartition("#")[2] if isinstance(named, str) else detail.code
    if code:
        code = code[:1].upper() + code[1:]  # streams write throttlingException
    status, kind = _KINDS.get(code or "", (detail.status, None))
    if kind in (None, BadRequestError, PermissionDeniedError):
        kind = next((said for said, pattern in _SAID if pattern.search(detail.message)), kind)
    return replace(detail, code=code, status=status, kind=kind)
