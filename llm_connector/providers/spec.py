"""A provider as data: where it is, how it is authorised, which wire format it speaks, what it can do."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from os.path import commonprefix
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from llm_connector.auth import Auth, Credentials, bearer, clean_key
from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.protocols import Protocol
from llm_connector.protocols.turns import map_media, stand_in
from llm_connector.types import AnyPart, Audio, ChatRequest, Document, Image, Media, Notes, Text, Video
from llm_connector.wire import HttpRequest, Json, encode_json

__all__ = [
    "CHAT_AND_TOOLS",
    "EVERYTHING",
    "ApiKey",
    "Configure",
    "Endpoint",
    "Preparation",
    "ProviderSpec",
    "Renewal",
    "joined_base",
]

CHAT_AND_TOOLS = frozenset({"chat", "tools"})
EVERYTHING = CHAT_AND_TOOLS | {
    "images", "documents", "audio", "video", "reasoning", "structured_output", "embeddings", "models",
}  # fmt: skip

ApiKey: TypeAlias = str | Callable[[], Any] | None
Preparation: TypeAlias = "Callable[[Endpoint, str, str | None], Endpoint]"
"""Called (in a thread by the async client) before a request: endpoint, operation and model in, endpoint out."""
Renewal: TypeAlias = "Callable[[Endpoint, Endpoint], bool]"
"""Called (like a preparation) when credentials other than a key were refused: the endpoint, the same as it was
prepared; out comes whether another preparation gives others.
"""
Configure: TypeAlias = "Callable[[ProviderSpec, str | None, Mapping[str, Any]], ProviderSpec]"
"""Called when a client is made: row, region and credentials in, the row as this client uses it out."""

_MEDIA = {Image: "images", Document: "documents", Audio: "audio", Video: "video"}
_SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|signature|\bsig\b", re.IGNORECASE)
_SECRET_PARTS = re.compile(r"^\w+ (\S+)$|Credential=([^/,\s]+)|Signature=(\w+)")
"""What is secret in the value of a header that names its scheme first."""
_TELLING, _SHORTEST = 12, 8
"""Characters at the beginning of a secret that give it away; secrets that are too short to be searched for."""
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A row of the table: one endpoint with one wire format.

    `base_url` is one URL, one per region with the default first, or None where the caller must give it. `api_key_env`
    names the variables that may hold the key, first one wins; empty means that no key is needed. `credentials` names
    further keyword arguments of the client, `credential_env` the variables that may hold them (and `region`).
    `configure` fits the row to the region and the credentials of one client. `supports` lists capabilities. `remedies`
    says what to do about an error, by its code or by words of its message. `embedding_batch` is how many texts every
    model of the provider takes at a time, `context_window` the room of each model where it is the server that limits
    it. `docs` is the provider's own page.
    """

    name: str
    protocol: Protocol
    base_url: str | Mapping[str, str] | None
    api_key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    auth: Auth = bearer
    supports: frozenset[str] = CHAT_AND_TOOLS
    credentials: tuple[str, ...] = ()
    docs: str = ""
    optional_key_env: tuple[str, ...] = ()
    read_base_url: Callable[[str], str] | None = None
    prepare: Preparation | None = field(default=None, repr=False)
    renew: Renewal | None = field(default=None, repr=False)
    default_model: str | None = None
    default_embedding_model: str | None = None
    credential_env: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configure: Configure | None = field(default=None, repr=False)
    remedies: Mapping[str, str] = field(default_factory=dict, repr=False)
    embedding_batch: int = 32
    context_window: int | None = None

    def region_url(self, region: str | None) -> str | None:
        """The URL of a region; None without a region gives the default. Raises ConfigurationError with near matches."""
        if isinstance(self.base_url, str) or self.base_url is None:
            if region is not None and self.configure is None:
                raise ConfigurationError(f"there are no regions here; leave out region={region!r}", provider=self.name)
            return self.base_url
        if region is None:
            return next(iter(self.base_url.values()))
        if region not in self.base_url:
            known = ", ".join(map(repr, self.base_url))
            raise ConfigurationError(f"unknown region {region!r}; it is one of {known}", provider=self.name)
        return self.base_url[region]

    def require(self, capability: str, alternatives: str) -> None:
        """Raises UnsupportedError, with what to do instead, for a capability the row lacks."""
        if capability not in self.supports:
            raise UnsupportedError(f"{capability!r} is not offered here; {alternatives}", provider=self.name)

    def adapt(self, request: ChatRequest, notes: Notes) -> ChatRequest:
        """The request without what the row says cannot be done; each change is in `notes`.

        Raises UnsupportedError for what has no substitute.
        """
        if request.tools:
            self.require("tools", "leave out tools=, or use a provider that has them")
        if request.reasoning is not None and "reasoning" not in self.supports:
            notes.add("dropped", "reasoning", f"{self.name} has no switch for it")
            request = request.model_copy(update={"reasoning": None})
        missing = _unreadable(self.supports)
        if not missing:
            return request

        def shown(part: AnyPart) -> AnyPart:
            # A document that is text goes as text on every wire.
            textual = isinstance(part, Document) and part.data and (part.media_type or "").startswith("text/")
            return part if textual else Text(stand_in(part, f"{self.name} cannot read it", notes))

        messages = map_media(request.messages, shown, missing)
        return request.model_copy(update={"messages": messages}) if notes.adaptations else request


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row plus the caller's configuration: turns a path and a body into an authorised request.

    `learned` remembers, by model, the protocol that a server's refusals have taught, `sent` what a request was
    authorised with that is not among the settings.
    """

    spec: ProviderSpec
    base_url: str = field(repr=False)
    api_key: ApiKey = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    learned: dict[str | None, Protocol] = field(default_factory=dict, compare=False, repr=False)
    sent: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def unready(self) -> bool:
        """Whether something must be called before a request can be made."""
        return (
            self.spec.prepare is not None
            or callable(self.api_key)
            or (bool(self.credentials) and any(map(callable, self.credentials.values())))
        )

    def protocol(self, model: str | None) -> Protocol:
        """The wire format as this server speaks it for this model."""
        return self.learned.get(model) or self.spec.protocol

    def request(
        self,
        path: str,
        body: Json | None = None,
        method: str = "POST",
        headers: Mapping[str, str] = _NO_HEADERS,
        operation: str = "other",
        stream: bool = False,
    ) -> HttpRequest:
        """The authorised request. Header names are lower-case; the caller's win over those of the wire format."""
        content = b"" if body is None else encode_json(body)
        own = self.spec.protocol.headers(operation, stream=stream)
        all_headers = {"accept": "application/json", "user-agent": _user_agent(), **own}
        if body is not None:
            all_headers["content-type"] = "application/json"
        if self.headers:
            all_headers.update(self.headers)
        if headers:
            all_headers.update(headers)
        request = HttpRequest(method, self.url(path), all_headers, content)
        key = self.api_key if isinstance(self.api_key, str) else None
        return self.spec.auth(request, Credentials(key, self.credentials), time.time())

    def url(self, path: str) -> str:
        """The full URL of a path; a query in the base URL is kept."""
        base, mark, query = self.base_url.partition("?")
        url = f"{base}/{path}"
        return url if not mark else f"{url}{'&' if '?' in path else '?'}{query}"

    def redact(self, text: str) -> str:
        """The text without the caller's secrets and what begins like one, should a server have echoed them."""
        for secret in self._secrets():
            if isinstance(secret, str) and len(secret) >= _SHORTEST:
                text = _without(text, secret)
                if "%" in text:
                    text = _without(text, quote(secret, safe=""))
        return text

    def after(self, request: HttpRequest) -> Endpoint:
        """The endpoint that knows this request's tokens and signatures, too, and the secrets of its own headers."""
        key = self.api_key if isinstance(self.api_key, str) else request.url  # which no header ends with
        sent: list[str] = []
        for name, value in request.headers.items():
            if _is_secret(name) and not value.endswith(key) and value != self.headers.get(name):
                sent += _secret_parts(value)
        return replace(self, sent=tuple(sent)) if sent else self

    def _secrets(self) -> Iterator[Any]:
        yield self.api_key
        for name, value in self.credentials.items():
            if _is_secret(name):
                yield value
        for name, value in self.headers.items():
            if _is_secret(name):
                yield from _secret_parts(value)
        yield from self.sent
        if "?" in self.base_url:
            query = parse_qsl(self.base_url.partition("?")[2])
            yield from (value for name, value in query if _is_secret(name))

    def with_key(self, key: object) -> Endpoint:
        """The same endpoint with a key that a callable gave."""
        api_key = None if key is None else clean_key(key, self.spec.name)
        return Endpoint(self.spec, self.base_url, api_key, self.headers, self.credentials, self.learned)

    def with_credentials(self, credentials: Mapping[str, Any]) -> Endpoint:
        """The same endpoint with credentials that callables gave."""
        return Endpoint(self.spec, self.base_url, self.api_key, self.headers, credentials, self.learned)


@functools.lru_cache(maxsize=256)
def _unreadable(supports: frozenset[str]) -> tuple[type[Media], ...]:
    """The media that a row with these capabilities cannot read."""
    return tuple(kind for kind, capability in _MEDIA.items() if capability not in supports)


@functools.lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    """Whether what has this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def _secret_parts(value: str) -> list[str]:
    """What is secret in the value of a header: all of it, unless it names its scheme."""
    return [part for match in _SECRET_PARTS.finditer(value) for part in match.groups() if part] or [value]


def _without(text: str, secret: str) -> str:
    """The text without the secret, or as much of its beginning as there is."""
    if secret[:_TELLING] not in text:
        return text
    first, *rest = text.split(secret[:_TELLING])
    ending = secret[_TELLING:]
    left = (piece[len(commonprefix([piece, ending])) :] for piece in rest)  # noqa: RUF071  # of characters, that is
    return first + "".join(f"[secret]{piece}" for piece in left)


@functools.lru_cache(maxsize=256)
def joined_base(base_url: str, protocol: Protocol, provider: str) -> str:
    """The base URL as requests are joined to it: no trailing slash, no endpoint path, `/v1` if it had no path at all.

    Raises ConfigurationError for what is not an http(s) URL.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = base_url.rpartition("@")[2][:80]
        raise ConfigurationError(
            f"base_url {shown!r} is not a URL; it begins with http:// or https:// and a host", provider=provider
        )
    if parts.username or parts.password:
        raise ConfigurationError("base_url holds a user name or password; use api_key= or headers=", provider=provider)
    path = parts.path.rstrip("/")
    for suffix in protocol.endpoints:
        if found := re.search(re.escape(suffix).replace(r"\{model\}", "[^/]+") + "$", path):
            path = path[: found.start()]
            break
    path = path.rstrip("/") or protocol.default_path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{path}{query}"


@functools.cache
def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"llm-connector-core/{version('llm-connector-core')}"
    except PackageNotFoundError:
        return "llm-connector-core"
