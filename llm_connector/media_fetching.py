"""Media given by URL, fetched for a server that takes them embedded only; the caller must have allowed it.

The request to the media's host is bare: no key and no header of the provider's reaches it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urljoin, urlsplit

from llm_connector.errors import ConfigurationError, LlmConnectorError, ParseError, TimeoutError, TransportError
from llm_connector.protocols.turns import map_media
from llm_connector.providers.spec import _MEDIA, Endpoint, _user_agent
from llm_connector.retry import Retry
from llm_connector.types import (
    Adaptation,
    AnyPart,
    Audio,
    ChatRequest,
    Document,
    Image,
    Media,
    Notes,
    PlainTurn,
    ToolResult,
    Video,
)
from llm_connector.types.media import _sniff
from llm_connector.wire import FetchPolicy, HttpRequest, HttpResponse, Send, Sleep, Steps

__all__ = ["FetchPlan", "plan_fetches"]

_Remote: TypeAlias = Image | Document | Audio | Video

_SCHEMES = ("http://", "https://")
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_TWOFOLD = frozenset({"mp4", "ogg", "webm"})
"""Containers of sound and of film: their first bytes do not tell which."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """A request and what must be fetched before it can be rendered, with the position of each message."""

    request: ChatRequest
    parts: tuple[tuple[int, _Remote], ...]
    policy: FetchPolicy
    provider: str

    def tell(self, notes: Notes) -> None:
        """Report each part. The caller allowed it, so it is nothing that a strict client refuses."""
        for _, part in self.parts:
            detail = f"fetched from {_host(part)} and embedded: this server takes no URL for it"
            told = Adaptation(action="converted", subject=part.type, detail=detail)
            if told not in notes.adaptations:
                notes.adaptations.append(told)

    def rehearsal(self) -> ChatRequest:
        """The request with blank media in place of those to come, to see all that is wrong with it before any I/O."""
        return _embedded(self.request, {_key(part): _blank(part) for _, part in self.parts})

    def fetch(self, retry: Retry) -> Steps[ChatRequest]:
        """The request with its media embedded. Raises an error that names the message for what cannot be fetched."""
        answers: dict[str, tuple[HttpResponse, str]] = {}
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for position, part in self.parts:
            url = part.url or ""
            try:
                if url not in answers:
                    answers[url] = yield from _download(url, self.policy, retry)
                found[_key(part)] = _content(part, *answers[url], self.policy)
            except LlmConnectorError as error:
                raise _placed(error, position, part, self.provider) from error
        return _embedded(self.request, found)


def plan_fetches(endpoint: Endpoint, request: ChatRequest, policy: FetchPolicy) -> FetchPlan | None:
    """What must be fetched for a request; None if nothing. Raises ConfigurationError for what cannot be."""
    protocol, spec = endpoint.protocol(request.model), endpoint.spec
    kinds = tuple(kind for kind, capability in _MEDIA.items() if capability in spec.supports)
    parts = tuple(
        (position, part)
        for position, part in _media(request)
        if isinstance(part, kinds)
        and (part.url or "").lower().startswith(_SCHEMES)
        and protocol.must_embed(part, request.model or "")
    )
    for position, part in parts:
        try:
            _check_url(part.url or "")
        except ConfigurationError as error:
            raise _placed(error, position, part, spec.name) from None
    return FetchPlan(request, parts, policy, spec.name) if parts else None


def _placed(error: LlmConnectorError, position: int, part: _Remote, provider: str) -> LlmConnectorError:
    """The error with the message and the host it is about."""
    kind = type(error) if isinstance(error, TransportError) else ConfigurationError
    return kind(f"messages[{position}]: no {part.type} came from {_host(part)}: {error.message}", provider=provider)


def _media(request: ChatRequest) -> Iterator[tuple[int, _Remote]]:
    """The media that a model is shown, those in tool results included."""
    for position, message in enumerate(request.messages):
        if type(message) is PlainTurn or message.role not in ("user", "tool"):
            continue
        for part in message.parts:
            items = part.parts if isinstance(part, ToolResult) else (part,)
            yield from ((position, item) for item in items if isinstance(item, _Remote))


def _embedded(request: ChatRequest, found: Mapping[tuple[str, str], Mapping[str, Any]]) -> ChatRequest:
    def embed(part: AnyPart) -> AnyPart:
        fields = found.get(_key(part)) if isinstance(part, _Remote) else None
        return part if fields is None else part.model_copy(update={"url": None, **fields})

    messages = map_media(request.messages, embed, (Media,))
    return request.model_copy(update={"messages": messages})


def _download(url: str, policy: FetchPolicy, retry: Retry) -> Steps[tuple[HttpResponse, str]]:
    """The answer and the URL it came from in the end."""
    for _ in range(_MAX_REDIRECTS + 1):
        _check_url(url)
        response = yield from _answer(url, policy, retry)
        if response.status in _REDIRECTS and "location" in response.headers:
            url = _joined(url, response.headers["location"])
            continue
        if response.status != 200:
            raise ConfigurationError(f"its server answered {response.status}; give a URL that needs no login, or bytes")
        return response, url
    raise ConfigurationError(f"it was redirected more than {_MAX_REDIRECTS} times; give the URL where it ends")


def _answer(url: str, policy: FetchPolicy, retry: Retry) -> Steps[HttpResponse]:
    request = HttpRequest("GET", url, {"accept": "*/*", "user-agent": _user_agent()})
    attempt = 0
    while True:
        attempt += 1
        try:
            response: HttpResponse = yield Send(request, policy=policy)
            if response.status not in _PASSING:
                return response
            failed = TransportError(f"its server answered {response.status}")
        except ParseError:
            raise ConfigurationError(
                f"it has more than {policy.max_bytes} bytes; FetchPolicy(max_bytes=) sets the limit"
            ) from None
        except TransportError as error:
            failed = error
        if attempt > retry.retries:
            raise failed
        try:
            yield Sleep(retry.delay(attempt, None, stale=failed.stale))
        except TimeoutError:  # the call's total limit leaves no time for another attempt
            raise failed from None


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise ConfigurationError("it was redirected to what is no URL") from None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise ConfigurationError("its address is no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("its URL holds a user name or password; give the bytes instead")


def _content(part: _Remote, response: HttpResponse, url: str, policy: FetchPolicy) -> dict[str, Any]:
    """The fields of the embedded part. The bytes tell what it is; the server is believed where they do not."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    said = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = _sniff(response.content, name)
    unclear = not media_type or (media_type == "text/plain" and said.startswith("text/"))
    twofold = media_type.partition("/")[2] in _TWOFOLD and said.startswith(f"{part.family}/")
    if (unclear and not isinstance(part, Image)) or twofold:
        media_type = said
    if not response.content:
        raise ConfigurationError("the file is empty")
    if not media_type or (part.family and not media_type.startswith(f"{part.family}/")):
        raise ConfigurationError(f"what came is {said or media_type or 'of no known kind'}")
    if not media_type.startswith(policy.media_types):
        allowed = ", ".join(policy.media_types)
        raise ConfigurationError(f"what came is {media_type}; FetchPolicy(media_types=) allows {allowed}")
    return {"media_type": media_type, "data": b64encode(response.content).decode()}


def _blank(part: _Remote) -> dict[str, Any]:
    types = {"image": "image/png", "document": "application/pdf", "audio": "audio/wav", "video": "video/mp4"}
    return {"media_type": types[part.type], "data": "AA=="}


def _key(part: _Remote) -> tuple[str, str]:
    return part.type, part.url or ""


def _host(part: _Remote) -> str:
    """The host, which says enough: the rest of a URL may be a secret."""
    try:
        return urlsplit(part.url or "").netloc.rpartition("@")[2]
    except ValueError:
        return "there"
