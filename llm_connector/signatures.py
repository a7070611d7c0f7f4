"""Auth functions that sign: Tencent Cloud's TC3 over the whole request, and Zhipu's self-made tokens.

https://www.tencentcloud.com/document/product/845/32203 (checked 2026-11)
https://docs.bigmodel.cn/cn/api/introduction (checked 2026-11)
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from llm_connector.auth import Auth, Credentials, bearer
from llm_connector.errors import ConfigurationError
from llm_connector.wire import HttpRequest, encode_json

__all__ = ["tencent_tc3", "zhipu_jwt"]

_ALGORITHM = "TC3-HMAC-SHA256"
_SIGNED_HEADERS = "content-type;host"
_UNSIGNED = "UNSIGNED-PAYLOAD"

_TOKEN_LIFETIME = 210_000
"""Milliseconds. One is made per request, so this is room for slow networks and clocks that differ."""


def tencent_tc3(service: str) -> Auth:
    """TC3-HMAC-SHA256 for a service of Tencent Cloud, with `secret_id`, `secret_key` and perhaps `session_token`.

    Signs the body as it is, its content type and the host: of the URL, or of a `host` header of the caller's, for
    proxies that the server does not know of. Nothing without both secrets.
    """

    def sign(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
        secret_id = _plain("secret_id", credentials.extra.get("secret_id"))
        secret_key = _plain("secret_key", credentials.extra.get("secret_key"))
        session_token = _plain("session_token", credentials.extra.get("session_token"))
        if not secret_id or not secret_key:
            return request
        timestamp = int(now)
        scope = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}/{service}/tc3_request"
        text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{sha256(_canonical(request).encode()).hexdigest()}"
        key = f"TC3{secret_key}".encode()
        for step in scope.split("/"):
            key = hmac.digest(key, step.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers = {
            **request.headers,
            "x-tc-timestamp": str(timestamp),
            "authorization": (
                f"{_ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={_SIGNED_HEADERS}, Signature={signature}"
            ),
        }
        if session_token:
            headers["x-tc-token"] = session_token
        return replace(request, headers=headers)

    return sign


def _canonical(request: HttpRequest) -> str:
    """What is signed of a request. The path is always `/`: version 3 of the API has no other."""
    headers = request.headers
    parts = urlsplit(request.url)
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    unsigned = headers.get("x-tc-content-sha256") == _UNSIGNED
    lines = (
        request.method,
        "/",
        parts.query,
        f"content-type:{headers.get('content-type', '')}",
        f"host:{headers.get('host') or host}",
        "",
        _SIGNED_HEADERS,
        sha256(_UNSIGNED.encode() if unsigned else request.content).hexdigest(),
    )
    return "\n".join(lines)


def zhipu_jwt(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """`Authorization: Bearer …` with a token made of the key, `id.secret`; its times are in milliseconds.

    Raises ConfigurationError, which never shows the key, for a key of another form.
    """
    if credentials.api_key is None:
        return request
    key_id, dot, secret = credentials.api_key.partition(".")
    if not (key_id and dot and secret) or "." in secret:
        raise ConfigurationError(
            "auth='jwt' needs an API key of the form id.secret; copy it again, or use auth='bearer'"
        )
    issued = int(now * 1000)
    header = {"alg": "HS256", "sign_type": "SIGN"}
    payload = {"api_key": key_id, "exp": issued + _TOKEN_LIFETIME, "timestamp": issued}
    text = f"{_encoded(encode_json(header))}.{_encoded(encode_json(payload))}"
    signature = _encoded(hmac.digest(secret.encode(), text.encode(), "sha256"))
    return bearer(request, Credentials(f"{text}.{signature}"), now)


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _plain(name: str, value: Any) -> str:
    """A secret without surrounding white space. Raises ConfigurationError, which never shows it, for what is none."""
    if value is None:
        return ""
    text = value.strip() if isinstance(value, str) else ""
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigurationError(f"{name} is not a string of printable ASCII without spaces; copy it again")
    return text
