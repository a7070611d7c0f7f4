"""A provider as data: where it is, how it is authorised, which wire format it speaks, what it can do."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from llm_connector.auth import Auth, Credentials, bearer, clean_key
from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.protocols import Protocol
from llm_connector.protocols.turns import map_parts, stand_in
from llm_connector.types import AnyPart, Audio, ChatRequest, Document, Image, Notes, Text, ToolResult, Video
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
_SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
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
        missing = tuple(kind for kind, capability in _MEDIA.items() if capability not in self.supports)
        if not missing:
            return request

        reason = f"{self.name} cannot read it"

        def replace(part: AnyPart) -> AnyPart:
            if isinstance(part, ToolResult):
                if not any(isinstance(item, missing) for item in part.parts):
                    return part
                shown = [Text(stand_in(item, reason, notes)) if unread(item) else item for item in part.parts]
                return part.model_copy(update={"parts": shown})
            return Text(stand_in(part, reason, notes)) if unread(part) else part

        def unread(part: AnyPart) -> bool:
            # A document that is text goes as text on every wire.
            textual = (
                isinstance(part, Document) and part.data is not None and (part.media_type or "").startswith("text/")
            )
            return isinstance(part, missing) and not textual

        messages = map_parts(request.messages, replace, (*missing, ToolResult))
        return request.model_copy(update={"messages": messages}) if notes.adaptations else request


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row plus the caller's configuration: turns a path and a body into an authorised request.

    `learned` remembers, by model, the protocol that a server's refusals have taught.
    """

    spec: ProviderSpec
    base_url: str = field(repr=False)
    api_key: ApiKey = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    learned: dict[str | None, Protocol] = field(default_factory=dict, compare=False, repr=False)

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
        """The text without the caller's secrets, should a server have echoed them."""
        named = (value for name, value in self.headers.items() if _SECRET_NAME.search(name))
        kept = (value for name, value in self.credentials.items() if _SECRET_NAME.search(name))
        for secret in (self.api_key, *kept, *named):
            if isinstance(secret, str) and len(secret) >= 8:
                text = text.replace(secret, "[secret]")
        return text

    def with_key(self, key: object) -> Endpoint:
        """The same endpoint with a key that a callable gave."""
        api_key = None if key is None else clean_key(key, self.spec.name)
        return Endpoint(self.spec, self.base_url, api_key, self.headers, self.credentials, self.learned)

    def with_credentials(self, credentials: Mapping[str, Any]) -> Endpoint:
        """The same endpoint with credentials that callables gave."""
        return Endpoint(self.spec, self.base_url, self.api_key, self.headers, credentials, self.learned)


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
