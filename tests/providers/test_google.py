"""Google Cloud: addresses, projects, and tokens that a loopback server gives in place of Google's endpoint."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from llm_connector import AsyncLlmClient, LlmClient
from llm_connector.errors import AuthenticationError, ConfigurationError, TransportError
from llm_connector.providers import google
from tests.support.answers import sse
from tests.support.wire_server import Answer, Stream, WireServer

pytest.importorskip("google.auth.transport.requests")

GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
CLAUDE = {"type": "message", "id": "msg_vrtx_1", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
PROVIDERS = {"gemini_vertex": GEMINI, "anthropic_vertex": CLAUDE}


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture(scope="session")
def private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def account(private_key: str, wire_server: WireServer) -> dict[str, Any]:
    """The key file of a service account, whose tokens come from the scripted server."""
    return {
        "type": "service_account",
        "project_id": "own-project",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "someone@own-project.iam.gserviceaccount.com",
        "token_uri": f"{wire_server.url}/token",
    }


def token(text: str = "ya29.first-token", lasts: int = 3600, delay: float = 0.0) -> Answer:
    return Answer.json({"access_token": text, "expires_in": lasts, "token_type": "Bearer"}, delay=delay)


def client(server: WireServer, provider: str = "gemini_vertex", **settings: Any) -> LlmClient:
    return LlmClient(provider, model="m", base_url=server.url, max_retries=0, **settings)


class TestTokens:
    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_a_service_account_gets_one_and_uses_it_again(self, provider, wire_server, account):
        wire_server.script(token(), Answer.json(PROVIDERS[provider]), Answer.json(PROVIDERS[provider]))

        with client(wire_server, provider, google_credentials=account, project="p") as ours:
            assert ours.chat("Hi").text == ours.chat("Hi").text == "Hi"

        asked, first, second = wire_server.requests
        form = parse_qs(asked.body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = claims_of(form["assertion"][0])
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert claims["iss"] == account["client_email"]
        for request in (first, second):
            assert request.headers["authorization"] == "Bearer ya29.first-token"
            assert "/projects/p/locations/global/publishers/" in request.path
            assert "x-goog-api-key" not in request.headers

    def test_it_is_renewed_before_it_expires(self, wire_server, account):
        wire_server.script(token("t1", lasts=100), Answer.json(GEMINI), token("t2"), Answer.json(GEMINI))

        with client(wire_server, google_credentials=account) as ours:
            ours.chat("Hi")
            ours.chat("Hi")

        assert [request.headers.get("authorization") for request in wire_server.requests[1::2]] == [
            "Bearer t1",
            "Bearer t2",
        ]

    def test_threads_ask_for_one_together(self, wire_server, account):
        wire_server.script(token(delay=0.2))
        source = google._Source(account)

        with ThreadPoolExecutor(8) as threads:
            tokens = list(threads.map(source.token, ["x"] * 8))

        assert {found.text for found in tokens} == {"ya29.first-token"}
        assert len(wire_server.requests) == 1

    @pytest.mark.anyio
    async def test_the_awaited_client_gets_one_too(self, wire_server, account):
        wire_server.script(token(), Answer.json(GEMINI))

        async with AsyncLlmClient(
            "gemini_vertex", model="m", base_url=wire_server.url, google_credentials=account
        ) as ours:
            assert (await ours.chat("Hi")).text == "Hi"

        assert wire_server.requests[1].headers["authorization"] == "Bearer ya29.first-token"

    def test_one_that_is_refused_is_renewed_once(self, wire_server, account):
        expired = Answer.json({"error": {"code": 401, "message": "expired", "status": "UNAUTHENTICATED"}}, 401)
        wire_server.script(token("t1"), expired, token("t2"), Answer.json(GEMINI), expired, token("t3"), expired)

        with client(wire_server, google_credentials=account) as ours:
            assert ours.chat("Hi").text == "Hi"
            with pytest.raises(AuthenticationError, match="expired"):
                ours.chat("Hi")

        used = [request.headers.get("authorization") for request in wire_server.requests]
        assert used == [None, "Bearer t1", None, "Bearer t2", "Bearer t2", None, "Bearer t3"]

    def test_threads_renew_a_refused_one_together(self, wire_server, account):
        wire_server.script(token("t1"), token("t2", delay=0.2))
        source = google._Source(account)
        refused = source.token("x").text

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(source.renew, [refused] * 8, ["x"] * 8))

        assert source.token("x").text == "t2"
        assert len(wire_server.requests) == 2

    @pytest.mark.anyio
    async def test_a_stream_of_the_awaited_client_renews_it_too(self, wire_server, account):
        wire_server.script(token("t1"), Answer(401), token("t2"), Stream([sse(GEMINI)]))

        async with AsyncLlmClient(
            "gemini_vertex", model="m", base_url=wire_server.url, google_credentials=account
        ) as ours:
            assert [chunk.text async for chunk in ours.stream("Hi") if chunk.text] == ["Hi"]

        assert wire_server.requests[-1].headers["authorization"] == "Bearer t2"

    def test_a_token_of_the_callers_is_not_renewed(self, wire_server):
        wire_server.script(Answer(401))

        with client(wire_server, access_token="ya29.mine", project="p") as ours, pytest.raises(AuthenticationError):
            ours.chat("Hi")

        assert len(wire_server.requests) == 1

    def test_copies_of_a_client_share_it(self, wire_server, account):
        wire_server.script(token(), Answer.json(GEMINI), Answer.json(GEMINI))

        with client(wire_server, google_credentials=account) as ours:
            ours.chat("Hi")
            ours.with_options(timeout=5).chat("Hi")

        assert len(wire_server.requests) == 3

    def test_a_user_who_logged_in_gets_one_and_is_billed(self, wire_server):
        wire_server.script(token(), Answer.json(GEMINI))
        user = {
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "not-so-secret",
            "refresh_token": "1//refresh",
            "token_uri": f"{wire_server.url}/token",
            "quota_project_id": "billed",
        }
        object_of_theirs = pytest.importorskip("google.oauth2.credentials").Credentials.from_authorized_user_info(user)
        object_of_theirs._token_uri = user["token_uri"]  # the file's own is not read

        with client(wire_server, google_credentials=object_of_theirs, project="p") as ours:
            ours.chat("Hi")

        asked, sent = wire_server.requests
        assert parse_qs(asked.body.decode())["refresh_token"] == ["1//refresh"]
        assert sent.headers["x-goog-user-project"] == "billed"

    def test_the_file_of_a_user_is_read(self):
        user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}

        credentials, project = google._loaded(user, "x")

        assert (credentials.refresh_token, project) == ("r", None)

    def test_a_token_of_somebody_else_is_used_as_it_is(self, wire_server):
        wire_server.script(Answer.json(GEMINI))

        with client(wire_server, access_token="ya29.given", project="p") as ours:
            ours.chat("Hi")

        assert wire_server.requests[0].headers["authorization"] == "Bearer ya29.given"

    def test_a_function_is_asked_before_each_request(self, wire_server):
        wire_server.script(Answer.json(GEMINI), Answer.json(GEMINI))
        tokens = iter(["ya29.one", "ya29.two"])

        with client(wire_server, access_token=lambda: next(tokens), project="p") as ours:
            ours.chat("Hi")
            ours.chat("Hi")

        found = [request.headers["authorization"] for request in wire_server.requests]
        assert found == ["Bearer ya29.one", "Bearer ya29.two"]

    @pytest.mark.anyio
    async def test_a_coroutine_is_awaited(self, wire_server):
        wire_server.script(Answer.json(GEMINI))

        async def given() -> str:
            return "ya29.awaited"

        async with AsyncLlmClient(
            "gemini_vertex", model="m", base_url=wire_server.url, access_token=given, project="p"
        ) as ours:
            await ours.chat("Hi")

        assert wire_server.requests[0].headers["authorization"] == "Bearer ya29.awaited"

    def test_a_token_that_cannot_stand_in_a_header_is_refused(self, wire_server):
        with client(wire_server, access_token="a\nb", project="p") as ours, pytest.raises(ConfigurationError) as raised:
            ours.chat("Hi")

        assert "a\nb" not in str(raised.value)

    def test_a_token_is_not_shown(self, wire_server, account):
        refusal = {"error": {"code": 403, "message": "denied for ya29.first-token", "status": "PERMISSION_DENIED"}}
        wire_server.script(token(), Answer.json(refusal, 403))

        with client(wire_server, google_credentials=account) as ours:
            with pytest.raises(Exception, match="denied for \\[secret\\]") as raised:
                ours.chat("Hi")
            assert account["private_key"][40:80] not in f"{ours!r} {raised.value!r} {raised.value.__dict__}"


class TestRefusals:
    def test_credentials_that_google_refuses(self, wire_server, account):
        wire_server.script(Answer.json({"error": "invalid_grant", "error_description": "Account is gone"}, 400))

        with client(wire_server, google_credentials=account) as ours, pytest.raises(AuthenticationError) as raised:
            ours.chat("Hi")

        assert "Account is gone" in str(raised.value)
        assert "gcloud auth application-default login" in str(raised.value)
        assert raised.value.provider == "gemini_vertex"
        assert not raised.value.retryable

    def test_an_endpoint_that_cannot_be_reached(self, wire_server, account):
        account["token_uri"] = "http://127.0.0.1:1/token"

        with client(wire_server, google_credentials=account) as ours, pytest.raises(TransportError) as raised:
            ours.chat("Hi")

        assert raised.value.retryable
        assert wire_server.requests == []


class TestCredentials:
    def test_the_file_that_the_environment_names(self, wire_server, account, monkeypatch, tmp_path):
        path = tmp_path / "key.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        wire_server.script(token(), Answer.json(GEMINI))

        with client(wire_server) as ours:
            ours.chat("Hi")

        assert "/projects/own-project/locations/global/" in wire_server.requests[1].path

    @pytest.mark.parametrize("form", ["dict", "str", "Path", "object"])
    def test_every_form_of_a_key(self, form, wire_server, account, tmp_path):
        path = tmp_path / "key.json"
        path.write_text(json.dumps(account))
        accounts = pytest.importorskip("google.oauth2.service_account").Credentials
        given = {"dict": account, "str": str(path), "Path": path, "object": accounts.from_service_account_info(account)}
        wire_server.script(token(), Answer.json(GEMINI))

        with client(wire_server, google_credentials=given[form]) as ours:
            ours.chat("Hi")

        assert claims_of(parse_qs(wire_server.requests[0].body.decode())["assertion"][0])["scope"].endswith(
            "cloud-platform"
        )
        assert "/projects/own-project/" in wire_server.requests[1].path

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (5, "google_credentials is a int"),
            ("/nowhere/key.json", "'/nowhere/key.json' cannot be read: No such file or directory"),
            ({"type": "external_account"}, "of type 'external_account': it is neither"),
            ({}, "of type None"),
            ({"type": "service_account"}, "no Google credentials: .*gcloud auth application-default login"),
            ({"type": "authorized_user"}, "no Google credentials: "),
        ],
    )
    def test_what_is_none_is_refused_by_name(self, given, message, wire_server):
        with (
            client(wire_server, google_credentials=given, project="p") as ours,
            pytest.raises(ConfigurationError, match=message) as raised,
        ):
            ours.chat("Hi")

        assert raised.value.provider == "gemini_vertex"

    def test_a_file_that_is_no_json_is_refused(self, wire_server, tmp_path):
        path = tmp_path / "key.json"
        path.write_text("-----BEGIN")

        with client(wire_server, google_credentials=path) as ours, pytest.raises(ConfigurationError, match="not JSON"):
            ours.chat("Hi")

    def test_none_at_all_say_what_to_do(self, wire_server):
        with client(wire_server, project="p") as ours, pytest.raises(ConfigurationError) as raised:
            ours.chat("Hi")

        assert "GOOGLE_APPLICATION_CREDENTIALS" in str(raised.value)
        assert wire_server.requests == []

    def test_a_missing_library_says_what_to_install(self, wire_server, monkeypatch):
        monkeypatch.setitem(sys.modules, "google.auth.transport.requests", None)

        with client(wire_server, project="p") as ours, pytest.raises(ConfigurationError, match=r"core\[vertex\]"):
            ours.chat("Hi")

    def test_one_of_them_is_enough(self, wire_server):
        with pytest.raises(ConfigurationError, match="google_credentials and access_token"):
            client(wire_server, google_credentials={}, access_token="t", project="p")
        with (
            client(wire_server, api_key="k", access_token="t", project="p") as ours,
            pytest.raises(ConfigurationError, match="api_key and access_token"),
        ):
            ours.chat("Hi")

    def test_nothing_of_google_is_imported_before_it_is_needed(self):
        program = (
            "import sys, llm_connector; from llm_connector.providers import find; find('gemini_vertex');"
            "llm_connector.LlmClient('gemini_vertex', model='m');"
            "sys.exit(any(name in sys.modules for name in ('google.auth', 'requests', 'urllib3')))"
        )

        subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


class TestProject:
    @pytest.mark.parametrize(
        ("provider", "variables", "project"),
        [
            ("gemini_vertex", {"GOOGLE_CLOUD_PROJECT": "of-the-environment"}, "of-the-environment"),
            ("anthropic_vertex", {"GOOGLE_CLOUD_PROJECT": "of-the-environment"}, "of-the-environment"),
            (
                "anthropic_vertex",
                {"GOOGLE_CLOUD_PROJECT": "general", "ANTHROPIC_VERTEX_PROJECT_ID": "of-claude"},
                "of-claude",
            ),
            ("gemini_vertex", {}, "own-project"),
        ],
    )
    def test_the_environment_goes_before_the_credentials(
        self, provider, variables, project, wire_server, account, monkeypatch
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        wire_server.script(token(), Answer.json(PROVIDERS[provider]))

        with client(wire_server, provider, google_credentials=account) as ours:
            ours.chat("Hi")

        assert f"/projects/{project}/locations/global/" in wire_server.requests[1].path

    def test_without_one_nothing_is_sent(self, wire_server):
        wire_server.script(token())
        user = pytest.importorskip("google.oauth2.credentials").Credentials(
            "t", refresh_token="r", token_uri=f"{wire_server.url}/token", client_id="i", client_secret="s"
        )

        with client(wire_server, google_credentials=user) as ours, pytest.raises(ConfigurationError) as raised:
            ours.chat("Hi")

        assert "no project: pass project=, or set GOOGLE_CLOUD_PROJECT" in str(raised.value)
        assert wire_server.requests == []

    def test_without_one_a_token_is_refused_at_once(self, wire_server):
        with pytest.raises(ConfigurationError, match="ANTHROPIC_VERTEX_PROJECT_ID or GOOGLE_CLOUD_PROJECT"):
            client(wire_server, "anthropic_vertex", access_token="t")

    def test_it_is_one_segment(self, wire_server):
        wire_server.script(Answer.json(GEMINI))

        with client(wire_server, access_token="t", project="example.com:p/../x") as ours:
            ours.chat("Hi")

        assert "/projects/example.com%3Ap%2F..%2Fx/locations/" in wire_server.requests[0].path


HOSTS = {
    None: "https://aiplatform.googleapis.com",
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
    "us-east5": "https://us-east5-aiplatform.googleapis.com",
    "europe-west1": "https://europe-west1-aiplatform.googleapis.com",
}


class TestAddress:
    @pytest.mark.parametrize(("provider", "version"), [("gemini_vertex", "v1beta1"), ("anthropic_vertex", "v1")])
    @pytest.mark.parametrize("region", HOSTS)
    def test_each_location_has_its_host(self, region, provider, version):
        url = prepared(provider, region=region)

        assert url == f"{HOSTS[region]}/{version}/projects/p/locations/{region or 'global'}"

    @pytest.mark.parametrize("region", ["US", "a.b", "x/y", "evil.com#", "1", " "])
    def test_what_is_no_location_is_refused(self, region):
        with pytest.raises(ConfigurationError, match="is not a location"):
            prepared("gemini_vertex", region=region)

    @pytest.mark.parametrize(
        ("provider", "variables", "location"),
        [
            ("gemini_vertex", {"GOOGLE_CLOUD_LOCATION": "asia-east1"}, "asia-east1"),
            ("anthropic_vertex", {"GOOGLE_CLOUD_LOCATION": "asia-east1", "CLOUD_ML_REGION": "us-east5"}, "us-east5"),
        ],
    )
    def test_the_environment_may_name_it(self, provider, variables, location, monkeypatch):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert prepared(provider).startswith(f"https://{location}-aiplatform.googleapis.com/")
        assert prepared(provider, region="eu").startswith("https://aiplatform.eu.rep.googleapis.com/")

    @pytest.mark.parametrize(
        "base_url", ["https://x.test", "https://x.test/v1", "https://x.test/v1/publishers/anthropic/models"]
    )
    def test_an_address_of_the_callers_keeps_its_path(self, base_url):
        url = prepared("anthropic_vertex", base_url=base_url, region="eu")

        assert url == "https://x.test/v1/projects/p/locations/eu"

    @pytest.mark.parametrize(
        ("provider", "call"),
        [
            ("gemini_vertex", "google/models/gemini-2.5-flash:generateContent"),
            ("gemini_vertex", "google/models/gemini-2.5-flash:streamGenerateContent"),
            ("anthropic_vertex", "anthropic/models/claude-opus-4-5@20251101:rawPredict"),
            ("anthropic_vertex", "anthropic/models/claude-opus-4-5@20251101:streamRawPredict"),
        ],
    )
    def test_an_address_may_be_that_of_a_call(self, provider, call):
        base_url = "https://x.test/v1/projects/q/locations/us"

        assert prepared(provider, base_url=f"{base_url}/publishers/{call}") == base_url

    def test_the_address_of_a_call_of_the_gemini_api(self):
        call = "https://x.test/v1beta/models/gemini-2.5-flash:generateContent"

        with LlmClient("gemini", api_key="k", base_url=call) as ours:
            assert ours._settings.endpoint.base_url == "https://x.test/v1beta"

    @pytest.mark.parametrize(
        ("base_url", "location"),
        [
            ("https://us-east5-aiplatform.googleapis.com", "us-east5"),
            ("https://aiplatform.eu.rep.googleapis.com/v1", "eu"),
            ("https://aiplatform.googleapis.com", "asia-east1"),
            ("https://us-east5-aiplatform.googleapis.community", "asia-east1"),
        ],
    )
    def test_the_address_knows_better_than_the_environment(self, base_url, location, monkeypatch):
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "asia-east1")

        assert prepared("anthropic_vertex", base_url=base_url).endswith(f"/v1/projects/p/locations/{location}")

    def test_one_that_names_its_project_is_taken_as_it_is(self):
        base_url = "https://x.test/v1/projects/q/locations/us"

        assert prepared("anthropic_vertex", base_url=f"{base_url}?a=b") == f"{base_url}?a=b"

    @pytest.mark.parametrize("address", ["https://x.test/v1/", "https://x.test"])
    @pytest.mark.parametrize("region", [None, "eu"])
    def test_the_environment_may_hold_an_address(self, region, address, monkeypatch):
        monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", address)

        assert (
            prepared("anthropic_vertex", region=region)
            == f"https://x.test/v1/projects/p/locations/{region or 'global'}"
        )

    @pytest.mark.parametrize(
        ("provider", "settings", "address"),
        [
            ("gemini_vertex", {}, "https://aiplatform.googleapis.com/v1beta1"),
            ("anthropic_vertex", {}, "https://aiplatform.googleapis.com/v1beta1"),
            ("anthropic_vertex", {"region": "us-east5"}, "https://us-east5-aiplatform.googleapis.com/v1beta1"),
            ("gemini_vertex", {"base_url": "https://x.test/v1/projects/q/locations/us"}, "https://x.test/v1beta1"),
            ("gemini_vertex", {"base_url": "https://x.test/v1beta1?a=b"}, "https://x.test/v1beta1?a=b"),
        ],
    )
    def test_models_are_listed_outside_projects(self, provider, settings, address):
        assert prepared(provider, "models", **settings) == address

    def test_a_key_of_express_mode_needs_no_project(self, wire_server):
        wire_server.script(Answer.json(GEMINI))

        with client(wire_server, api_key="express-key") as ours:
            ours.chat("Hi")

        (sent,) = wire_server.requests
        assert sent.path == "/v1beta1/publishers/google/models/m:generateContent"
        assert sent.headers["x-goog-api-key"] == "express-key"
        assert "authorization" not in sent.headers

    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_a_model_may_name_its_project(self, provider, wire_server):
        wire_server.script(Answer.json(PROVIDERS[provider]))
        publisher = "anthropic" if "anthropic" in provider else "google"
        resource = f"projects/other/locations/global/publishers/{publisher}/models/m"

        with client(wire_server, provider, access_token="t", project="p") as ours:
            ours.chat("Hi", model=resource)

        assert f"/{resource}:" in wire_server.requests[0].path

    @pytest.mark.parametrize(
        "settings", [{"base_url": None}, {"base_url": "https://x.test/v1/projects/p/locations/global"}]
    )
    def test_a_model_of_another_place_is_a_mistake(self, settings):
        ours = LlmClient("gemini_vertex", access_token="t", project="p", **settings)

        with pytest.raises(ConfigurationError, match="pass region='us-east1'"):
            ours.chat("Hi", model="projects/p/locations/us-east1/endpoints/7")


def prepared(provider: str, operation: str = "chat", **settings: Any) -> str:
    """The address below which a client's requests go."""
    ours = LlmClient(provider, model="m", access_token="t", project="p", **settings)
    ready = ours._settings.endpoint
    assert ready.spec.prepare is not None
    return ready.spec.prepare(ready, operation, "m").base_url


def claims_of(assertion: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    return claims


def test_the_row_of_the_gemini_api_takes_either_variable(monkeypatch):
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):  # the more particular name wins
        monkeypatch.setenv(name, f"key-of-{name}")
        assert LlmClient("gemini", model="m")._settings.endpoint.api_key == f"key-of-{name}"
