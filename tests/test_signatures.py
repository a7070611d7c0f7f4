"""Signed requests: published vectors, and the official clients' own signers for the same input."""

from __future__ import annotations

import base64
import hmac
import importlib
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import LlmClient
from llm_connector.auth import Credentials
from llm_connector.errors import ConfigurationError
from llm_connector.signatures import tencent_tc3, zhipu_jwt
from llm_connector.wire import HttpRequest
from tests.support.wire_server import Answer, WireServer

# Taken from no account: the key of the vector in the documentation of the signer, and its body, byte for byte.
SECRET_ID = "AKIDEXAMPLE0000000000000000000000000"
SECRET_KEY = "SecretKeyExample00000000000000000000"
BODY = b'{"Model":"hunyuan-lite","Messages":[{"Role":"user","Content":"hi"}],"Stream":false}'
NOW = 1767225600.75
HUNYUAN = tencent_tc3("hunyuan")
SECRETS = Credentials(None, {"secret_id": SECRET_ID, "secret_key": SECRET_KEY})


def asked(content: bytes = BODY, url: str = "https://hunyuan.tencentcloudapi.com/", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest("POST", url, {"content-type": "application/json", **named}, content)


def signature(request: HttpRequest, secrets: Credentials = SECRETS, now: float = NOW) -> str:
    return HUNYUAN(request, secrets, now).headers["authorization"].rpartition("Signature=")[2]


def test_tc3_gives_the_published_signature():
    signed = HUNYUAN(asked(), SECRETS, NOW)

    assert signed.headers == {
        "content-type": "application/json",
        "x-tc-timestamp": "1767225600",
        "authorization": f"TC3-HMAC-SHA256 Credential={SECRET_ID}/2026-01-01/hunyuan/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=7359357aa4905670ede499fa89f2a82eff21f487402c99ac51730f9bf6c95e82",
    }
    assert signed.content == BODY


@given(
    content=st.binary(max_size=200),
    now=st.floats(0, 4e9),
    secret=st.text("abcXYZ0189", min_size=1, max_size=40),
    content_type=st.sampled_from(["application/json", "application/json; charset=utf-8"]),
    host=st.sampled_from(["hunyuan.tencentcloudapi.com", "hunyuan.ap-guangzhou.tencentcloudapi.com"]),
    unsigned=st.booleans(),
)
def test_tc3_agrees_with_the_official_signer(content, now, secret, content_type, host, unsigned):
    theirs: Any = importlib.import_module("tencentcloud.common.abstract_client").AbstractClient
    given_headers = {"Content-Type": content_type, "Host": host, "X-TC-Timestamp": str(int(now))}
    ours = {"content-type": content_type}
    if unsigned:
        given_headers["X-TC-Content-SHA256"] = ours["x-tc-content-sha256"] = "UNSIGNED-PAYLOAD"
    request = SimpleNamespace(method="POST", uri="/", data=content, header=given_headers)
    date = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%d")
    expected = theirs._get_tc3_signature(None, {}, request, date, "hunyuan", secret)

    secrets = Credentials(None, {"secret_id": SECRET_ID, "secret_key": secret})
    assert signature(HttpRequest("POST", f"https://{host}/", ours, content), secrets, now) == expected


@pytest.mark.parametrize(
    "other",
    [
        asked(BODY + b" "),
        asked(content_type="application/json; charset=utf-8"),
        asked(url="https://hunyuan.ap-guangzhou.tencentcloudapi.com/"),
        asked(url="https://hunyuan.tencentcloudapi.com:8443/"),
        asked(url="https://hunyuan.tencentcloudapi.com/?a=b"),
        asked(x_tc_content_sha256="UNSIGNED-PAYLOAD"),
    ],
    ids=["body", "content type", "host", "port", "query", "unsigned"],
)
def test_tc3_covers_body_content_type_host_and_query(other):
    assert signature(other) != signature(asked())


@pytest.mark.parametrize(
    "same",
    [
        asked(url="https://HUNYUAN.tencentcloudapi.com:443/"),
        asked(url="https://proxy.example/tencent/", host="hunyuan.tencentcloudapi.com"),
        asked(x_tc_region="ap-guangzhou"),
    ],
    ids=["as it is sent", "behind a proxy", "unsigned header"],
)
def test_tc3_signs_the_host_as_the_server_sees_it(same):
    assert signature(same) == signature(asked())


def test_tc3_sends_the_token_of_temporary_secrets():
    secrets = Credentials(None, {**SECRETS.extra, "session_token": " token "})

    signed = HUNYUAN(asked(), secrets, NOW)

    assert signed.headers["x-tc-token"] == "token"
    assert signature(asked(), secrets) == signature(asked()), "it is not signed"


@pytest.mark.parametrize("extra", [{}, {"secret_id": SECRET_ID}, {"secret_key": SECRET_KEY}])
def test_tc3_signs_nothing_without_both_secrets(extra):
    assert HUNYUAN(asked(), Credentials("sk-key", extra), NOW) == asked()


@pytest.mark.parametrize("name", ["secret_id", "secret_key", "session_token"])
@pytest.mark.parametrize("value", ["", "  ", "planted secret", "plantedé", "planted\nsecret", 7, b"planted"])
def test_secrets_that_cannot_be_are_named_and_never_shown(name, value):
    secrets = Credentials(None, {**SECRETS.extra, name: value})

    with pytest.raises(ConfigurationError, match=name) as raised:
        HUNYUAN(asked(), secrets, NOW)

    assert "planted" not in str(raised.value)


def claims(request: HttpRequest) -> tuple[Any, Any, bytes, bytes]:
    """Header and payload of the token in a request, what was signed, and the signature."""
    scheme, token = request.headers["authorization"].split(" ")
    assert scheme == "Bearer"
    text, _, signed = token.rpartition(".")
    header, payload = (json.loads(decoded(part)) for part in text.split("."))
    return header, payload, text.encode(), decoded(signed)


def decoded(part: str) -> bytes:
    assert "=" not in part
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_zhipu_token_counts_in_milliseconds_and_says_so():
    request = zhipu_jwt(asked(), Credentials("key-id.key-secret"), 1767225600.5)

    header, payload, text, signed = claims(request)
    assert header == {"alg": "HS256", "sign_type": "SIGN"}
    assert payload == {"api_key": "key-id", "exp": 1767225810500, "timestamp": 1767225600500}
    assert signed == hmac.digest(b"key-secret", text, "sha256")
    assert "key-secret" not in str(request.headers)
    assert request.content == BODY


def test_a_zhipu_token_says_what_the_official_client_says(monkeypatch):
    tokens: Any = importlib.import_module("zai.core._jwt_token")
    jwt: Any = importlib.import_module("jwt")
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: 1767225600.5))
    secret = "a-secret-of-thirty-two-bytes-0123"
    theirs = tokens.generate_token.__wrapped__(f"key-id.{secret}")
    ours = zhipu_jwt(asked(), Credentials(f"key-id.{secret}"), 1767225600.5).headers["authorization"].split(" ")[1]

    def read(token: str) -> Any:
        return jwt.decode(token, secret, algorithms=["HS256"], options={"verify_exp": False})

    assert read(ours) == read(theirs)
    assert jwt.get_unverified_header(ours).items() <= jwt.get_unverified_header(theirs).items()


def test_every_request_has_a_token_of_its_own_time():
    first, second = (claims(zhipu_jwt(asked(), Credentials("id.secret"), now))[1] for now in (100.0, 100.25))

    assert second["timestamp"] - first["timestamp"] == 250
    assert second["exp"] - second["timestamp"] == 210_000


@pytest.mark.parametrize("key", ["planted", "planted.", ".planted", "plan.ted.key", "."])
def test_a_key_of_another_form_is_refused_and_never_shown(key):
    with pytest.raises(ConfigurationError, match=r"id\.secret") as raised:
        zhipu_jwt(asked(), Credentials(key), NOW)

    assert "plan" not in str(raised.value)


def test_without_a_key_there_is_no_token():
    assert zhipu_jwt(asked(), Credentials(None), NOW) == asked()


def test_the_signed_bytes_are_those_that_arrive(wire_server: WireServer):
    choice = {"Index": 0, "FinishReason": "stop", "Message": {"Role": "assistant", "Content": "Hi"}}
    wire_server.route("/", Answer.json({"Response": {"Choices": [choice]}}))
    with LlmClient(
        "tencent_native", base_url=wire_server.url, secret_id=SECRET_ID, secret_key=SECRET_KEY, model="hunyuan-lite"
    ) as client:
        assert client.chat("Grüße 中文 \u2028").text == "Hi"

    (arrived,) = wire_server.requests
    headers = {name.lower(): value for name, value in arrived.headers.items()}
    sent = HttpRequest("POST", f"http://{headers['host']}/", {"content-type": headers["content-type"]}, arrived.body)
    now = float(headers["x-tc-timestamp"])
    assert HUNYUAN(sent, SECRETS, now).headers["authorization"] == headers["authorization"]
    assert headers["x-tc-action"] == "ChatCompletions"
    assert headers["x-tc-version"] == "2023-09-01"
    assert "x-tc-region" not in headers
