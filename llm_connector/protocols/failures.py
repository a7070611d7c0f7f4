"""What an error body says, whatever its shape, and which class of error that is."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    excerpt,
)
from llm_connector.wire import Json, decode_json

__all__ = ["ErrorDetail", "error_class", "error_detail"]


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """An error body, read: every field may be missing.

    `status` is an HTTP status that the body itself gives, `kind` the class where the wire format's own codes name it,
    `retry_after` the wait in seconds that the body asks for.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    request_id: str | None = None
    status: int | None = None
    kind: builtins.type[APIError] | None = None
    retry_after: float | None = None


_MOST_READ = 16_000
"""Characters of a message: what it means is looked for with patterns, and some servers send whole logs."""
_MESSAGE_KEYS = ("message", "Message", "msg", "error_msg", "detail", "error_description")
_CODE_KEYS = ("code", "Code", "error_code", "status_code")
_TYPE_KEYS = ("type", "Type", "status")
_REQUEST_ID_KEYS = ("request_id", "RequestId", "requestId")
_WRAPPERS = ("error", "Error", "Response", "upstream_error", "errors")


def error_detail(body: Json) -> ErrorDetail:
    """Read an error body of any of the shapes seen in the wild; text it cannot take apart becomes the message."""
    if isinstance(body, bytes | str):
        return ErrorDetail(message=excerpt(body))
    layers = list(_layers(body))
    message = _first_text(layers, _MESSAGE_KEYS)
    if not message:
        leaf = layers[-1] if layers else body
        message = leaf if isinstance(leaf, str) else excerpt(str(leaf))
    code = _first_word(layers, _CODE_KEYS)
    kind = _first_word(layers, _TYPE_KEYS)
    return ErrorDetail(
        message=message[:_MOST_READ],
        code=code,
        type=None if kind == "error" else kind,
        param=_first_word(layers, ("param",)),
        request_id=_first_word(list(reversed(layers)), _REQUEST_ID_KEYS),
        status=int(code) if code and code.isdecimal() and len(code) == 3 and 400 <= int(code) <= 599 else None,
    )


def _layers(body: Json, depth: int = 0) -> list[Json]:
    """The nested error objects, innermost first; one level of JSON escaped into a string is decoded."""
    if isinstance(body, list):
        return _layers(body[0], depth) if body else []
    if isinstance(body, str):
        text = body.strip()
        if depth < 6 and text[:1] in "{[" and text[:1]:
            try:
                return _layers(decode_json(text.encode()), depth + 1)
            except (ValueError, UnicodeEncodeError):
                return [body]
        return [body] if body else []
    if not isinstance(body, Mapping) or depth > 6:
        return []
    layers: list[Json] = []
    for key in _WRAPPERS:
        if body.get(key):
            layers.extend(_layers(body[key], depth + 1))
    return [*layers, body]


def _first_text(layers: list[Json], keys: tuple[str, ...]) -> str:
    for layer in layers:
        if not isinstance(layer, Mapping):
            continue
        for key in keys:
            value = layer.get(key)
            if isinstance(value, str) and value:
                inner = _layers(value)
                nested = _first_text([item for item in inner if isinstance(item, Mapping)], keys)
                return nested or value
            if isinstance(value, list) and value:  # {"detail": [{"loc": …, "msg": …}]} of FastAPI servers
                return "; ".join(_problem(item) for item in value[:3])
    return next((layer for layer in layers if isinstance(layer, str)), "")


def _problem(item: Json) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    place = ".".join(map(str, item.get("loc") or ()))
    text = str(item.get("msg") or item.get("message") or dict(item))
    return f"{place}: {text}" if place else text


def _first_word(layers: list[Json], keys: tuple[str, ...]) -> str | None:
    for layer in layers:
        if isinstance(layer, Mapping):
            for key in keys:
                value = layer.get(key)
                if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                    return str(value)
    return None


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientBalanceError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: NotFoundError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
}
_BY_CODE: dict[str, type[APIError]] = {
    # https://platform.openai.com/docs/guides/error-codes
    "context_length_exceeded": ContextLengthError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "model_not_found": ModelNotFoundError,
    "insufficient_quota": InsufficientBalanceError,
    "credit_balance_exhausted": InsufficientBalanceError,
    "organization_spend_limit_exceeded": InsufficientBalanceError,
    "project_spend_limit_exceeded": InsufficientBalanceError,
    "organization_usage_limit_exceeded": InsufficientBalanceError,
    "rate_limit_exceeded": RateLimitError,
    "rate_limit_error": RateLimitError,
    "invalid_api_key": AuthenticationError,
    "server_error": ServerError,
    "server_is_overloaded": ServerError,
    # https://docs.anthropic.com/en/api/errors
    "invalid_request_error": BadRequestError,
    "authentication_error": AuthenticationError,
    "billing_error": InsufficientBalanceError,
    "enforced_spend_limit_reached": InsufficientBalanceError,
    "contract_spend_limit_reached": InsufficientBalanceError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "request_too_large": BadRequestError,
    "api_error": ServerError,
    "timeout_error": ServerError,
    "overloaded_error": ServerError,
    # Azure, Mistral, Perplexity
    "DeploymentNotFound": ModelNotFoundError,
    "invalid_model": ModelNotFoundError,
    "too_many_prompt_tokens": ContextLengthError,
    # Moonshot, Qianfan, llama.cpp
    "exceeded_current_quota_error": InsufficientBalanceError,
    "tokens_too_long": ContextLengthError,
    "characters_too_long": ContextLengthError,
    "exceed_context_size_error": ContextLengthError,
    # Aliyun: https://help.aliyun.com/en/model-studio/error-code-start
    "Arrearage": InsufficientBalanceError,
    "DataInspectionFailed": ContentFilterError,
    "data_inspection_failed": ContentFilterError,
    # Volcengine: https://www.volcengine.com/docs/82379/1299023
    "AccountOverdueError": InsufficientBalanceError,
    "QuotaExceeded": InsufficientBalanceError,
    "SetLimitExceeded": InsufficientBalanceError,
    "SensitiveContentDetected": ContentFilterError,
    "InputTextSensitiveContentDetected": ContentFilterError,
    "OutputTextSensitiveContentDetected": ContentFilterError,
    "InvalidEndpointOrModel.NotFound": ModelNotFoundError,
    "InvalidEndpointOrModel.ModelIDAccessDisabled": ModelNotFoundError,
    "InvalidEndpoint.NotFound": ModelNotFoundError,
    "ModelNotOpen": ModelNotFoundError,
    "UnsupportedModel": ModelNotFoundError,
}
_CONTEXT = re.compile(
    r"maximum context length|context[ _]length|context window|prompt is too long|input is too long"
    r"|exceed context limit|maximum allowed input length|exceeds the (?:available )?context"
    r"|input length .{0,40}exceeds|exceeded model token limit|input token length too long",
    re.IGNORECASE,
)
_NOT_CONTEXT = re.compile(r"max_tokens must be|quota|rate limit|per minute", re.IGNORECASE)
_MODEL = re.compile(
    r"\bmodel\b.{0,120}(?:not found|does not exist|not exist|unknown)|no such model|^model: \S+$", re.IGNORECASE
)
_BALANCE = re.compile(r"insufficient balance|insufficient_quota|exceeded your current quota|no credit", re.IGNORECASE)


def error_class(status: int, detail: ErrorDetail) -> type[APIError]:
    """The class of an error: by its specific code first, then by what the message says, then by its status."""
    if detail.kind is not None:
        return detail.kind
    by_code = next((_BY_CODE[word] for word in (detail.code, detail.type) if word in _BY_CODE), None)
    if by_code in _SPECIFIC:
        return by_code
    status = detail.status if status < 400 and detail.status else status
    refused = status in (400, 404, 413, 422) or (status < 400 and by_code in (None, BadRequestError, NotFoundError))
    if refused and _CONTEXT.search(detail.message) and not _NOT_CONTEXT.search(detail.message):
        return ContextLengthError
    if refused and _MODEL.search(detail.message):
        return ModelNotFoundError
    if status in (400, 403, 429) and _BALANCE.search(detail.message):
        return InsufficientBalanceError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status) or (by_code if status < 400 and by_code else APIError)


_SPECIFIC = (ContextLengthError, ContentFilterError, ModelNotFoundError, InsufficientBalanceError)
