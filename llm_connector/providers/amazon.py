"""How AWS authorises: Signature Version 4 by botocore, or a bearer key of Bedrock; and where its credentials come from.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html (checked 2026-11)
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from llm_connector.auth import Credentials, bearer
from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.event_stream import require_botocore
from llm_connector.providers.spec import Endpoint, ProviderSpec, joined_base
from llm_connector.wire import HttpRequest

__all__ = ["CREDENTIALS", "AwsAuth", "configure_aws", "forget_credentials", "prepare_aws", "renew_aws"]

CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile")
"""What a caller may give besides a key of Bedrock."""

_SERVICE = "bedrock"
_UNKNOWN = "{region}"
_RUNTIME = "bedrock-runtime"
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d+")
_HOST = re.compile(rf"{_RUNTIME}(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.|api\.aws)")
_SUFFIXES = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
_CHAIN = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE"),
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "HOME"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
_LIFETIME = 300.0
"""Seconds after which credentials that nothing renews are looked up again: other programs rewrite the files."""

_REMEDY = (
    "set AWS_BEARER_TOKEN_BEDROCK or pass api_key=, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or pass them, or "
    "choose a profile with aws_profile= (after `aws sso login` or `aws configure`)"
)


@dataclass(frozen=True, slots=True)
class AwsAuth:
    """A bearer key if there is one, else a signature over what no proxy changes, for one region.

    `region` is for addresses that name none.
    """

    region: str = ""

    def __call__(self, request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
        if credentials.api_key is not None:
            return bearer(request, credentials, now)
        if not credentials.extra.get("aws_access_key_id"):
            return request
        return _signed(request, credentials.extra, self._region(request.url), now)

    def _region(self, url: str) -> str:
        host = _HOST.search(urlsplit(url).hostname or "")
        if host is not None:
            return host["region"]
        if not self.region:
            raise ConfigurationError("no region: pass region=, since the address does not name one")
        return self.region


def configure_aws(spec: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row for one region, whose address and signatures name it. Without one, the profile's is looked up later."""
    require_botocore()
    if region and not _REGION.fullmatch(region):
        raise ConfigurationError(f"{region!r} is not a region of AWS; they look like 'eu-west-1'", provider=spec.name)
    if bool(credentials.get("aws_access_key_id")) != bool(credentials.get("aws_secret_access_key")):
        raise ConfigurationError("aws_access_key_id and aws_secret_access_key go together", provider=spec.name)
    if credentials.get("aws_session_token") and not credentials.get("aws_access_key_id"):
        raise ConfigurationError(
            "aws_session_token belongs to aws_access_key_id and aws_secret_access_key: pass them too, or leave it out",
            provider=spec.name,
        )
    given = any(credentials.get(name) for name in CREDENTIALS)
    address = next((value for name in spec.base_url_env if (value := os.environ.get(name, "").strip())), None)
    return replace(
        spec,
        base_url=joined_base(address, spec.protocol, spec.name) if address else _address(region or _UNKNOWN),
        auth=AwsAuth(region or ""),
        optional_key_env=() if given else spec.optional_key_env,  # what was passed wins over the environment
    )


def prepare_aws(endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
    """The endpoint with credentials that are fresh, at the address that serves the operation."""
    given = [name for name in CREDENTIALS if endpoint.credentials.get(name)]
    profile = endpoint.credentials.get("aws_profile")
    endpoint = _located(endpoint, profile)
    if operation == "models":
        endpoint = replace(endpoint, base_url=_control_plane(endpoint))
    if endpoint.api_key is not None:
        if given:
            raise ConfigurationError(
                f"api_key and {given[0]} were given: one of them authorises, leave out the other",
                provider=endpoint.spec.name,
            )
        return endpoint
    _signing()  # importing takes a while, and is better done in this thread
    if "aws_access_key_id" in given:
        return endpoint
    keys = _keys(profile, endpoint.spec.name)
    found = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
    if keys.token:
        found["aws_session_token"] = keys.token
    return replace(endpoint, credentials={**endpoint.credentials, **found})


def renew_aws(endpoint: Endpoint, refused: Endpoint) -> bool:
    """Whether the profile or the chain has other keys by now than those that were refused."""
    given = any(endpoint.credentials.get(name) for name in CREDENTIALS if name != "aws_profile")
    used = tuple(refused.credentials.get(name) for name in CREDENTIALS[:3])
    if given or used[0] is None:
        return False
    profile = endpoint.credentials.get("aws_profile")
    if _keys(profile, endpoint.spec.name) == used:
        forget_credentials()
    return _keys(profile, endpoint.spec.name) != used


def forget_credentials() -> None:
    """Look credentials and profiles up anew at the next request."""
    with _LOCK:
        _KNOWN.clear()


class _Keys(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None


_LOCK = threading.Lock()
_KNOWN: dict[tuple[Any, ...], tuple[Any, float]] = {}


def _looked_up(profile: str | None, provider: str, look: Callable[[Any], tuple[Any, float]]) -> Any:
    """What `look` finds in botocore's session for a profile and the environment as it is, or found a while ago.

    A lookup that may reach the network happens once, whichever threads ask.
    """
    from botocore.session import Session

    key = (look, profile, *map(os.environ.get, _CHAIN))
    with _told(provider), _LOCK:
        value, until = _KNOWN.get(key, (None, 0.0))
        if value is None or time.monotonic() > until:
            value, lasts = look(Session(profile=profile))
            _KNOWN[key] = (value, time.monotonic() + lasts)
        return value


def _keys(profile: str | None, provider: str) -> _Keys:
    """The keys of a profile, or of the usual chain: environment, files, SSO, container, instance.

    botocore renews those that it can.
    """
    source = _looked_up(profile, provider, _find_keys)
    with _told(provider):
        frozen = source.get_frozen_credentials() if source is not None else None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise ConfigurationError(f"no AWS credentials: {_REMEDY}", provider=provider)
    return _Keys(frozen.access_key, frozen.secret_key, frozen.token)


@contextlib.contextmanager
def _told(provider: str) -> Generator[None]:
    """Failures of botocore as mistakes of the configuration, which they are."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise ConfigurationError(f"the AWS settings cannot be used: {error}; {_REMEDY}", provider=provider) from None


def _find_keys(session: Any) -> tuple[Any, float]:
    from botocore.credentials import RefreshableCredentials

    source = session.get_credentials()
    return source, float("inf") if isinstance(source, RefreshableCredentials) else _LIFETIME


def _find_region(session: Any) -> tuple[str | None, float]:
    return session.get_config_variable("region"), _LIFETIME


def _located(endpoint: Endpoint, profile: str | None) -> Endpoint:
    """The endpoint with a region, if it needs one and neither the caller nor the address says it."""
    nowhere = endpoint.base_url == _address(_UNKNOWN)
    signs = endpoint.api_key is None and endpoint.spec.auth == AwsAuth()
    if not nowhere and not (signs and _HOST.search(endpoint.base_url) is None):
        return endpoint
    region = _looked_up(profile, endpoint.spec.name, _find_region)
    if not region:
        raise ConfigurationError(
            "no region: pass region=, set AWS_REGION, or give the profile one (`aws configure set region eu-west-1`)",
            provider=endpoint.spec.name,
        )
    spec = replace(endpoint.spec, auth=AwsAuth(region))
    return replace(endpoint, spec=spec, base_url=_address(region) if nowhere else endpoint.base_url)


def _address(region: str) -> str:
    suffix = next((suffix for prefix, suffix in _SUFFIXES.items() if region.startswith(prefix)), "amazonaws.com")
    return f"https://{_RUNTIME}.{region}.{suffix}"


def _control_plane(endpoint: Endpoint) -> str:
    """The address that lists models: that of the runtime answers requests to models only."""
    parts = urlsplit(endpoint.base_url)
    if not _HOST.match(parts.netloc):
        raise UnsupportedError(
            "models are listed by another service of AWS, whose address does not follow from base_url: leave out "
            "base_url, or see https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html",
            provider=endpoint.spec.name,
        )
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(_RUNTIME, _SERVICE, 1)))


def _signed(request: HttpRequest, keys: Mapping[str, Any], region: str, now: float) -> HttpRequest:
    """The request with its signature, made by botocore from the URL and the bytes as they are sent."""
    signer_of, request_of, keys_of = _signing()
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": moment}
    if keys.get("aws_session_token"):
        added["x-amz-security-token"] = keys["aws_session_token"]
    covered = {name: value for name, value in request.headers.items() if _is_signed(name)}
    draft = request_of(request.method, request.url, headers={**covered, **added}, data=request.content)
    draft.context["timestamp"] = moment
    signer = signer_of(keys_of(keys["aws_access_key_id"], keys["aws_secret_access_key"]), _SERVICE, region)
    text = signer.string_to_sign(draft, signer.canonical_request(draft))
    names = signer.signed_headers(signer.headers_to_sign(draft))
    signature = signer.signature(text, draft)
    added["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(draft)}, SignedHeaders={names}, Signature={signature}"
    )
    return HttpRequest(request.method, request.url, {**request.headers, **added}, request.content)


def _signing() -> tuple[Any, Any, Any]:
    """What signs, what is signed, and with what."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as AwsKeys

    return SigV4Auth, AWSRequest, AwsKeys


def _is_signed(header: str) -> bool:
    """Whether a header reaches the server as it is sent; proxies and the HTTP client change others."""
    return header in ("accept", "content-type", "host") or header.startswith(("x-amz-", "x-amzn-"))
