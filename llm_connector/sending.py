"""One request until it is answered or refused for good: credentials, redirects, waits and further attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from llm_connector.decoding import MISSHAPEN
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    LlmConnectorError,
    ParseError,
    TimeoutError,
    TransportError,
    excerpt,
)
from llm_connector.protocols import ErrorEvent
from llm_connector.providers.spec import Endpoint
from llm_connector.refusals import api_error, body_of, decoded, seal
from llm_connector.retry import LONGEST_WAIT, Retry
from llm_connector.wire import Call, HttpRequest, HttpResponse, Json, Send, Sleep, Steps

__all__ = ["attempts", "exchange"]

T = TypeVar("T")

_MAX_REDIRECTS = 5


def exchange(
    endpoint: Endpoint,
    path: str,
    read: Callable[[Json], T],
    retry: Retry,
    *,
    body: Json | None = None,
    method: str = "POST",
    use: tuple[str, str | None] = ("other", None),
) -> Steps[T]:
    """Send a JSON request and read the JSON answer; what every operation but chat needs."""

    def read_response(ready: Endpoint, response: HttpResponse) -> T:
        try:
            return read(decoded(ready, response) if response.content else None)
        except ErrorEvent as event:
            raise api_error(ready, response, event.body) from None
        except MISSHAPEN as error:
            reason = f"the answer to {path} has another shape than expected: {type(error).__name__}: {error}"
            raise ParseError(reason, body=excerpt(response.content)) from error

    def make(ready: Endpoint) -> HttpRequest:
        return ready.request(path, body, method, operation=use[0])

    return (yield from attempts(endpoint, make, read_response, retry, use=use))


def attempts(
    endpoint: Endpoint,
    make: Callable[[Endpoint], HttpRequest],
    read: Callable[[Endpoint, HttpResponse], T],
    retry: Retry,
    *,
    stream: bool = False,
    use: tuple[str, str | None] = ("other", None),
    opening: Callable[[T], Steps[None]] | None = None,
) -> Steps[T]:
    """Send until an answer can be read, the error is final, or the retries are used up.

    `opening` is what must go well with an answer before it counts as one; there is none where nothing is tried again.
    Credentials that expired on the way are renewed once, which is no retry.
    """
    attempt = 0
    renewed = False
    ready = endpoint
    while True:
        try:
            if endpoint.unready:
                ready = yield from _ready(endpoint, use)
            request = make(ready)
            ready = ready.after(request)
            response = yield Send(request, stream)
            if response.status in (307, 308):
                response = yield from _follow(request, response, stream)
            if not 200 <= response.status < 300:
                raise api_error(ready, response, body_of(ready, response))
            answer = read(ready, response)
            if opening is not None and retry.retries:
                yield from opening(answer)
            return answer
        except LlmConnectorError as error:
            seal(error, ready)
            if not renewed and isinstance(error, AuthenticationError):
                renewed = yield from _renewed(endpoint, ready)
                if renewed:
                    continue
            attempt += 1
            wanted = error.retry_after if isinstance(error, APIError) else None
            if not error.retryable or attempt > retry.retries or (wanted or 0.0) > LONGEST_WAIT:
                raise
            try:
                stale = isinstance(error, TransportError) and error.stale
                yield Sleep(retry.delay(attempt, wanted, stale=stale))
            except TimeoutError:  # the call's total limit leaves no time for another attempt
                raise error from None


def _ready(endpoint: Endpoint, use: tuple[str, str | None]) -> Steps[Endpoint]:
    """The endpoint with what only a call can give: a rotating key, a server that must be started first."""
    prepare = endpoint.spec.prepare
    if prepare is not None:
        endpoint = yield Call(lambda: prepare(endpoint, *use), blocking=True)
    if any(map(callable, endpoint.credentials.values())):
        given: dict[str, Any] = {}
        for name, value in endpoint.credentials.items():
            given[name] = (yield Call(value)) if callable(value) else value
        endpoint = endpoint.with_credentials(given)
    if callable(endpoint.api_key):
        key = yield Call(endpoint.api_key)
        if key is None and endpoint.spec.api_key_env:
            raise ConfigurationError("no API key: the function given as api_key= returned None")
        endpoint = endpoint.with_key(key)
    return endpoint


def _renewed(endpoint: Endpoint, refused: Endpoint) -> Steps[bool]:
    """Whether other credentials have taken the place of those that were refused."""
    renew = endpoint.spec.renew
    if renew is None or endpoint.api_key is not None:
        return False
    renewed: bool = yield Call(lambda: renew(endpoint, refused), blocking=True)
    return renewed


def _follow(request: HttpRequest, response: HttpResponse, stream: bool) -> Steps[HttpResponse]:
    """Send again where 307 and 308 lead, on the same origin only: a key must not reach another host."""
    for _ in range(_MAX_REDIRECTS):
        target = _redirected(request.url, response)
        if target is None:
            break
        request = replace(request, url=target)
        response = yield Send(request, stream)
    return response


def _redirected(url: str, response: HttpResponse) -> str | None:
    """Where the same request should go instead; None for anything but another path of the same server."""
    if response.status not in (307, 308) or "location" not in response.headers:
        return None
    try:
        target = urljoin(url, response.headers["location"])
        return target if _origin(target) == _origin(url) else None
    except ValueError:  # what the server sent is not a URL
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
