"""Answers that are refusals, as errors: the class, the facts, the remedy, and none of the caller's secrets."""

from __future__ import annotations

import time
from collections.abc import Mapping

from llm_connector.errors import (
    APIError,
    BadRequestError,
    InsufficientBalanceError,
    LlmConnectorError,
    ParseError,
    RateLimitError,
    ServerError,
    excerpt,
    streamed,
)
from llm_connector.protocols import ErrorDetail, error_class
from llm_connector.providers.spec import Endpoint
from llm_connector.retry import retry_after
from llm_connector.wire import HttpResponse, Json, decode_json

__all__ = ["api_error", "body_of", "decoded", "name_provider", "page_error", "request_id", "seal", "shown_headers"]

LONGEST_MESSAGE = 4000
"""Characters. Servers answer with whole logs; `error.body` has them."""

_REQUEST_IDS = (
    *("x-request-id", "request-id", "apim-request-id", "mistral-correlation-id", "x-ds-trace-id"),
    *("x-ds-request-id", "x-tt-logid", "x-tc-requestid", "x-log-id", "x-amzn-requestid", "cf-ray"),
)


def api_error(endpoint: Endpoint, response: HttpResponse, body: Json, *, in_stream: bool = False) -> APIError:
    """The error that a response is, with every secret of the caller taken out of what the server said."""
    body = _redacted(endpoint, body)
    detail = endpoint.spec.protocol.parse_error(body)
    kind: type[APIError] = error_class(response.status, detail)
    status = detail.status if response.status < 400 and detail.status else response.status
    message = detail.message or f"HTTP {response.status}"
    wanted = retry_after(response.headers, time.time())
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "…"
    return (streamed(kind) if in_stream else kind)(
        endpoint.redact(_advised(message, _remedy(endpoint, detail) or _hint(endpoint, response))),
        provider=endpoint.spec.name,
        status=status,
        code=_short(detail.code or detail.type),
        request_id=_short(endpoint.redact(detail.request_id or request_id(response.headers) or "")),
        retry_after=detail.retry_after if wanted is None else wanted,
        body=body,
        retryable=_retryable(status, response.headers, detail, kind),
    )


def page_error(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], text: str, *, in_stream: bool = False
) -> APIError:
    """The error that a web page is."""
    kind: type[APIError] = streamed(APIError) if in_stream else APIError
    text = endpoint.redact(text)
    return kind(
        f"a web page answered instead of the API: {text[:200]!r}; check base_url ({_address(endpoint)})",
        provider=endpoint.spec.name,
        status=status,
        request_id=_short(endpoint.redact(request_id(headers) or "")),
        body=text,
    )


def decoded(endpoint: Endpoint, response: HttpResponse) -> Json:
    """The body of a success. Raises APIError for a web page, ParseError for what is not JSON."""
    if response.content.lstrip()[:1] == b"<":
        raise page_error(endpoint, response.status, response.headers, _excerpt(endpoint, response))
    try:
        return response.json()
    except ParseError as error:
        error.body = _excerpt(endpoint, response)
        raise


def body_of(endpoint: Endpoint, response: HttpResponse) -> Json:
    """The body of a refusal: JSON, or the beginning of the text.

    AWS names the class of an error in a header, or in the body as `__type`; it is put there, also where there is none.
    """
    try:
        body = decode_json(response.content) if response.content.strip() else ""
    except ValueError:
        body = _excerpt(endpoint, response)
    kind = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    if not kind or not isinstance(body, dict | str):
        return body
    return {"__type": kind, **(body if isinstance(body, dict) else {"message": body or kind})}


def seal(error: LlmConnectorError, endpoint: Endpoint) -> None:
    """Give the error the provider's name, and take the caller's secrets out of what it quotes.

    What stands behind it is forgotten, if it is not shown or quotes one: such errors hold the server's words.
    """
    name_provider(error, endpoint.spec.name)
    error.args = (endpoint.redact(error.message), *error.args[1:])
    if isinstance(error, ParseError):
        error.body = endpoint.redact(error.body)
    cause = error.__cause__
    quoted = "" if cause is None else f"{cause} {cause.args} {vars(cause)}"
    if endpoint.redact(quoted) != quoted:
        error.__cause__ = cause = None
    if cause is None and error.__suppress_context__:
        error.__context__ = None


def _excerpt(endpoint: Endpoint, response: HttpResponse) -> str:
    """The beginning of the body: secrets are taken out before it is cut, or the cut might leave half of one."""
    return excerpt(endpoint.redact(response.content[:8192].decode("utf-8", "replace")))


def _short(word: str | None) -> str | None:
    return word[:200] if word else None


def _address(endpoint: Endpoint) -> str:
    """The base URL, for messages: without its query, which may hold a key."""
    return endpoint.base_url.partition("?")[0]


def request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def shown_headers(endpoint: Endpoint, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer, without secrets that the server sends back."""
    values = "\n".join(headers.values())
    if endpoint.redact(values) == values:
        return dict(headers)
    return {name: endpoint.redact(value) for name, value in headers.items()}


def name_provider(error: LlmConnectorError, provider: str) -> None:
    """Name the provider, where the error does not."""
    error.provider = error.provider or provider


def _advised(message: str, advice: str) -> str:
    """The server's words as they are, and what to do about it, as a sentence of its own where theirs is finished."""
    message = message.rstrip()
    if not (advice and message.endswith(".")):
        return message + advice
    first, _, rest = advice.removeprefix("; ").partition(" ")
    return f"{message} {first.capitalize() if first.isalpha() else first} {rest}"


def _remedy(endpoint: Endpoint, detail: ErrorDetail) -> str:
    """What the row says to do about this error."""
    said = f"{detail.code or ''} {detail.type or ''} {detail.message}"
    return next((f"; {remedy}" for words, remedy in endpoint.spec.remedies.items() if words in said), "")


def _hint(endpoint: Endpoint, response: HttpResponse) -> str:
    """What to do about it, where that is known."""
    if 300 <= response.status < 400 and response.headers.get("location"):
        where = excerpt(response.headers["location"].partition("?")[0], 200)
        return f"; the server redirects to {where}, which is not followed: set base_url to the right address"
    if response.status < 200 or 300 <= response.status < 400:
        return f"; no API answers so: check base_url ({_address(endpoint)})"
    if response.status in (404, 405):
        return f"; check the model's name and base_url ({_address(endpoint)})"
    if response.status == 401:
        names = " or ".join(endpoint.spec.api_key_env)
        return f"; check api_key{f' ({names})' if names else ''} and that it belongs to {_address(endpoint)}"
    return ""


def _retryable(status: int, headers: Mapping[str, str], detail: ErrorDetail, kind: type[APIError]) -> bool:
    if issubclass(kind, InsufficientBalanceError | BadRequestError):
        return False  # even where the status says that the server is at fault
    advice = headers.get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true"
    if status < 400 or detail.kind is not None:  # by what it says
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
