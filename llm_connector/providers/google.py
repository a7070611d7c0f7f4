"""How Google Cloud authorises: OAuth tokens that google-auth gets and renews, and the address of each location.

https://docs.cloud.google.com/docs/authentication/application-default-credentials (checked 2026-11)
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from llm_connector.auth import Credentials, api_key_header, bearer, clean_key
from llm_connector.errors import AuthenticationError, ConfigurationError, TransportError
from llm_connector.protocols.base import path_segment
from llm_connector.providers.spec import Endpoint, ProviderSpec, joined_base
from llm_connector.wire import HttpRequest

__all__ = ["CREDENTIALS", "configure_vertex", "google_auth"]

CREDENTIALS = ("project", "google_credentials", "access_token")
"""What a caller may give. `google_credentials`: an object of google-auth, the path of a key file, or its content.

`access_token`: a token that somebody else renews, or a function that returns it.
"""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_HOST = "aiplatform.googleapis.com"
_LOCATION = re.compile(r"[a-z][a-z0-9-]*")
_MULTI_REGIONS = ("eu", "us")
_REGIONAL = re.compile(r"https://(?:([a-z0-9-]+)-aiplatform|aiplatform\.([a-z]+)\.rep)\.googleapis\.com\b")

_RESOURCE = re.compile(r"projects/([^/]+)/locations/([^/]+)(?=/)")

_INSTALL = "pip install 'llm-connector-core[vertex]' (from a checkout: pip install -e '.[vertex]')"
_REMEDY = (
    "run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or pass "
    "google_credentials="
)
_KINDS = (
    "it is neither a service account's key nor what `gcloud auth application-default login` writes; "
    "load it with google-auth and pass the object"
)


def configure_vertex(spec: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row for one location (`global` without any), which gets a token before each request.

    Raises ConfigurationError for what is no location, and for a token without a project.
    """
    location = region or "global"
    if not _LOCATION.fullmatch(location):
        raise ConfigurationError(
            f"{location!r} is not a location of Google Cloud; they look like 'global', 'eu' or 'europe-west1'",
            provider=spec.name,
        )
    given = [name for name in ("google_credentials", "access_token") if credentials.get(name) is not None]
    if len(given) > 1:
        raise ConfigurationError(f"{' and '.join(given)} were given; leave out one of them", provider=spec.name)
    if "access_token" in given and not credentials.get("project"):
        raise _no_project(spec)
    address = next((value for name in spec.base_url_env if (value := os.environ.get(name, "").strip())), None)
    source = _Source(credentials.get("google_credentials"))

    def prepare(endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
        ready = _prepared(endpoint, location, source, model or "")
        return ready if operation != "models" else replace(ready, base_url=_model_garden(ready.base_url))

    def renew(endpoint: Endpoint, refused: Endpoint) -> bool:
        token = refused.credentials.get("access_token")
        given = endpoint.credentials.get("access_token") is not None
        return not given and token is not None and source.renew(token, endpoint.spec.name)

    own = str(spec.base_url).replace(_HOST, _host(location))
    base_url = joined_base(address, spec.protocol, spec.name) if address else own
    return replace(spec, base_url=base_url, prepare=prepare, renew=renew)


def google_auth(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """An API key of express mode if there is one, else the token, with the project that is billed for its use."""
    if credentials.api_key is not None:
        return api_key_header("x-goog-api-key")(request, credentials, now)
    token, billed = credentials.extra.get("access_token"), credentials.extra.get("quota_project")
    if token is None:
        return request
    headers = {"x-goog-user-project": str(billed), **request.headers} if billed else request.headers
    return bearer(replace(request, headers=headers), Credentials(clean_key(token, "")), now)


def _host(location: str) -> str:
    """`global` has no prefix, and the groups of regions their own domain."""
    if location == "global":
        return _HOST
    return f"aiplatform.{location}.rep.googleapis.com" if location in _MULTI_REGIONS else f"{location}-{_HOST}"


def _prepared(endpoint: Endpoint, location: str, source: _Source, model: str) -> Endpoint:
    """The endpoint with a token that is fresh, at the address of its project, or of the one that the model names.

    Raises ConfigurationError for a model of another location, which another host serves.
    """
    known = endpoint.credentials
    if endpoint.api_key is not None:
        given = [name for name in ("google_credentials", "access_token") if known.get(name) is not None]
        if given:
            raise ConfigurationError(
                f"api_key and {given[0]} were given: one of them authorises, leave out the other",
                provider=endpoint.spec.name,
            )
        return endpoint
    project = known.get("project")
    if known.get("access_token") is None:
        token = source.token(endpoint.spec.name)
        project = project or token.project
        known = {**known, "access_token": token.text, "quota_project": token.billed}
    named = _RESOURCE.match(model)
    project = named[1] if named else project
    if not project:
        raise _no_project(endpoint.spec)
    base, mark, query = endpoint.base_url.partition("?")
    if "/projects/" not in base:
        host = _REGIONAL.match(base)
        place = (host[1] or host[2]) if host else location
        base = f"{base}/projects/{path_segment(str(project))}/locations/{place}"
    if named and not base.endswith(f"/{named[0]}"):
        raise ConfigurationError(
            f"the model is of {named[0]!r}, which is not below {base}: pass region={named[2]!r}",
            provider=endpoint.spec.name,
        )
    return replace(endpoint, base_url=f"{base}{mark}{query}", credentials=known)


def _model_garden(base_url: str) -> str:
    """The address that lists the models of publishers, which belong to no project."""
    base, mark, query = base_url.partition("?")
    base = re.sub(r"/v1$", "/v1beta1", base.partition("/projects/")[0])
    return f"{base}{mark}{query}"


def _no_project(spec: ProviderSpec) -> ConfigurationError:
    names = " or ".join(spec.credential_env.get("project", ()))
    return ConfigurationError(f"no project: pass project=, or set {names}", provider=spec.name)


class _Token(NamedTuple):
    text: str
    project: str | None
    billed: str | None


class _Source:
    """Credentials of google-auth, loaded at first use. Threads that need a new token wait for one of them to get it.

    google-auth calls a token invalid some minutes before it expires.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project: str | None = None

    def token(self, provider: str) -> _Token:
        """A token that is valid for some minutes. Blocks while Google is asked for one."""
        credentials = self._credentials
        if credentials is None or not credentials.valid:
            with self._lock:
                if self._credentials is None:
                    self._credentials, self._project = _loaded(self._given, provider)
                credentials = self._credentials
                if not credentials.valid:
                    _renew(credentials, provider)
        return _Token(credentials.token, self._project, getattr(credentials, "quota_project_id", None))

    def renew(self, refused: str, provider: str) -> bool:
        """Get another token in place of one that was refused, unless another thread has done it."""
        with self._lock:
            if self._credentials.token == refused:
                _renew(self._credentials, provider)
            return bool(self._credentials.token != refused)


def _loaded(given: Any, provider: str) -> tuple[Any, str | None]:
    """Credentials for the whole of Google Cloud, and the project they belong to where they say."""
    auth, _ = _library(provider)
    from google.auth import credentials
    from google.auth.exceptions import GoogleAuthError

    try:
        if given is None:
            found, project = auth.default(scopes=[_SCOPE])
            return found, project
        if isinstance(given, str | Path):
            given = _read(Path(given), provider)
        if isinstance(given, Mapping):
            return _from_key(given, provider)
        if not callable(getattr(given, "refresh", None)):
            kind = type(given).__name__
            raise ConfigurationError(
                f"google_credentials is a {kind}; give an object of google-auth, a path or a dict", provider=provider
            )
        helpers: Any = credentials  # its functions have no types
        return helpers.with_scopes_if_required(given, [_SCOPE]), getattr(given, "project_id", None)
    except (GoogleAuthError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"no Google credentials: {error}; {_REMEDY}", provider=provider) from None


def _library(provider: str) -> tuple[Any, Any]:
    """google-auth, and the class that sends its requests."""
    try:
        import google.auth
        from google.auth.transport.requests import Request
    except ImportError as error:
        raise ConfigurationError(f"Google credentials need google-auth: {_INSTALL}", provider=provider) from error
    return google.auth, Request


def _read(path: Path, provider: str) -> Any:
    try:
        return json.loads(path.expanduser().read_bytes())
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        message = f"google_credentials: {str(path)!r} cannot be read: {reason}"
        raise ConfigurationError(message, provider=provider) from None


def _from_key(key: Mapping[str, Any], provider: str) -> tuple[Any, str | None]:
    from google.oauth2 import credentials, service_account

    kind = key.get("type")
    if kind == "service_account":
        accounts: Any = service_account.Credentials
        return accounts.from_service_account_info(dict(key), scopes=[_SCOPE]), key.get("project_id")
    if kind == "authorized_user":
        users: Any = credentials.Credentials
        return users.from_authorized_user_info(dict(key), scopes=[_SCOPE]), None
    raise ConfigurationError(f"google_credentials of type {kind!r}: {_KINDS}", provider=provider)


def _renew(credentials: Any, provider: str) -> None:
    """Ask Google for a new token."""
    _, request = _library(provider)
    from google.auth import exceptions

    try:
        credentials.refresh(request())
    except exceptions.TransportError as error:
        raise TransportError(f"Google's token endpoint cannot be reached: {error}", provider=provider) from error
    except exceptions.GoogleAuthError as error:
        if getattr(error, "retryable", False):
            raise TransportError(f"Google's token endpoint fails: {error}", provider=provider) from error
        message = f"Google gives no token for these credentials: {error}; {_REMEDY}"
        raise AuthenticationError(message, provider=provider, status=401) from error
