"""Answers that are refusals, as errors: the class, the facts, the remedy, and none of the caller's secrets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from llm_connector.errors import (
    APIError,
    InsufficientBalanceError,
    LlmConnectorError,
    RateLimitError,
    ServerError,
    excerpt,
    streamed,
)
from llm_connector.protocols import ErrorDetail, error_class
from llm_connector.providers.spec import Endpoint
from llm_connector.retry import retry_after
from llm_connector.wire import HttpResponse, Json, decode_json

__all__ = ["api_error", "body_of", "decoded", "name_provider", "page_error", "request_id"]

_REQUEST_IDS = (
    *("x-request-id", "request-id", "apim-request-id", "mistral-correlation-id", "x-ds-trace-id"),
    *("x-ds-request-id", "x-tt-logid", "x-amzn-requestid", "cf-ray"),
)


def api_error(endpoint: Endpoint, response: HttpResponse, body: Json, *, in_stream: bool = False) -> APIError:
    """The error that a response is, with every secret of the caller taken out of what the server said."""
    if isinstance(body, str):
        body = endpoint.redact(body)
    detail = endpoint.spec.protocol.parse_error(body)
    kind: type[APIError] = error_class(response.status, detail)
    status = detail.status if response.status < 400 and detail.status else response.status
    return (streamed(kind) if in_stream else kind)(
        endpoint.redact(detail.message or f"HTTP {response.status}") + _hint(endpoint, response, kind),
        provider=endpoint.spec.name,
        status=status,
        code=detail.code or detail.type,
        request_id=detail.request_id or request_id(response.headers),
        retry_after=retry_after(response.headers, time.time()),
        body=_redacted(endpoint, body),
        retryable=_retryable(status, response.headers, detail, kind),
    )


def page_error(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], text: str, *, in_stream: bool = False
) -> APIError:
    kind: type[APIError] = streamed(APIError) if in_stream else APIError
    return kind(
        f"a web page answered instead of the API: {text[:200]!r}; check base_url ({endpoint.base_url})",
        provider=endpoint.spec.name,
        status=status,
        request_id=request_id(headers),
        body=text,
    )


def decoded(endpoint: Endpoint, response: HttpResponse) -> Json:
    if response.content.lstrip()[:1] == b"<":
        raise page_error(endpoint, response.status, response.headers, excerpt(response.content))
    return response.json()


def body_of(response: HttpResponse) -> Json:
    try:
        return decode_json(response.content) if response.content.strip() else ""
    except ValueError:
        return excerpt(response.content)


def request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def name_provider(error: LlmConnectorError, provider: str) -> None:
    error.provider = error.provider or provider


def _hint(endpoint: Endpoint, response: HttpResponse, kind: type[APIError]) -> str:
    """What to do about it, where that is known."""
    if 300 <= response.status < 400:
        target = urlsplit(response.headers.get("location", ""))
        where = f"{target.scheme}://{target.netloc}{target.path}" if target.netloc else target.path or "nowhere"
        return f"; the server redirects to {where}, which is not followed: set base_url to the right address"
    if response.status in (404, 405):
        return f"; check the model's name and base_url ({endpoint.base_url})"
    if response.status == 401:
        names = " or ".join(endpoint.spec.api_key_env)
        return f"; check api_key{f' ({names})' if names else ''} and that it belongs to {endpoint.base_url}"
    return ""


def _retryable(status: int, headers: Mapping[str, str], detail: ErrorDetail, kind: type[APIError]) -> bool:
    if issubclass(kind, InsufficientBalanceError):
        return False
    advice = headers.get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true"
    if status < 400:  # inside a successful answer: by what it says
        return issubclass(kind, RateLimitError | ServerError)
    return status in (408, 409, 429) or (status >= 500 and status not in (501, 505))


def _redacted(endpoint: Endpoint, body: Json) -> Json:
    if isinstance(body, str):
        return endpoint.redact(body)
    if isinstance(body, list):
        return [_redacted(endpoint, item) for item in body]
    if isinstance(body, dict):
        return {key: _redacted(endpoint, value) for key, value in body.items()}
    return body
