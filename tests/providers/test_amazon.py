"""AWS: published signatures, what arrives on a socket, and where credentials and addresses come from."""

from __future__ import annotations

import os
import pickle
import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmClient
from llm_connector.auth import Credentials
from llm_connector.errors import AuthenticationError, ConfigurationError, UnsupportedError
from llm_connector.providers import Endpoint, amazon, find
from llm_connector.providers.amazon import AwsAuth, prepare_aws
from llm_connector.wire import HttpRequest
from tests.support.event_streams import converse_stream
from tests.support.wire_server import Answer, Stream, WireServer

ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()
KEYS: dict[str, Any] = {"aws_access_key_id": ID, "aws_secret_access_key": SECRET}
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f"
ARN_SEGMENT = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fmi1dadi0g15f"
INVOKED = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}'
CONVERSED = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
JSON = {"accept": "application/json", "content-type": "application/json"}
REPLY = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those of a test: none of the environment, of files, or of a machine in the cloud."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    amazon.forget_credentials()


def write_profile(tmp_path: Path, name: str, *, key: str = ID, region: str | None = None) -> None:
    with (tmp_path / "credentials").open("a") as file:
        file.write(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n")
    if region:
        with (tmp_path / "config").open("a") as file:
            file.write(f"[{'default' if name == 'default' else f'profile {name}'}]\nregion = {region}\n")


def client(server: WireServer, **given: Any) -> LlmClient:
    return LlmClient("bedrock", model="m", region="eu-west-1", base_url=server.url, max_retries=0, **given)


def signed(url: str, content: bytes, keys: Any = None, **headers: Any) -> dict[str, str]:
    """The headers of a signed request."""
    request = HttpRequest("POST", url, {**JSON, **headers}, content)
    return dict(AwsAuth()(request, Credentials(None, keys or KEYS), NOON).headers)


class TestSignatures:
    @pytest.mark.parametrize(
        ("path", "content", "signature"),
        [
            (f"{HAIKU}:0/invoke", INVOKED, "7e4ce76aa8e3f92aa09603c36b54734645ee47daf6070a1a50b7d7e566dd81d5"),
            (f"{HAIKU}%3A0/invoke", INVOKED, "43fff9cb84898ecbd2017c80e9bd8feb22d9e7af3661253d10d23230416dcaea"),
            (
                "us.amazon.nova-lite-v1%3A0/converse",
                CONVERSED,
                "30a65024bcc8a995f09f00d03b7e699d933c196f503eeca1c4745d7cab9b5158",
            ),
            (
                f"{ARN_SEGMENT}/converse-stream",
                CONVERSED,
                "c2daf4c717254f6425be8dd5ebb0d13bc525dd80b6559f116148388b1b48f73b",
            ),
        ],
    )
    def test_signatures_are_those_of_the_reference(self, path, content, signature):
        headers = signed(f"{HOST}/model/{path}", content)

        assert headers["x-amz-date"] == "20261101T120000Z"
        assert headers["authorization"] == (
            f"AWS4-HMAC-SHA256 Credential={ID}/20261101/us-east-1/bedrock/aws4_request, "
            f"SignedHeaders=accept;content-type;host;x-amz-date, Signature={signature}"
        )

    def test_what_proxies_change_is_not_signed(self):
        url = f"{HOST}/model/a/converse"
        others = {"user-agent": "x", "connection": "close", "accept-encoding": "gzip", "x-mine": "y"}

        headers = signed(url, CONVERSED, **others)

        assert headers["authorization"] == signed(url, CONVERSED)["authorization"]
        assert others.items() <= headers.items()

    def test_headers_of_bedrock_are_signed(self):
        headers = signed(f"{HOST}/model/a/invoke", INVOKED, **{"x-amzn-bedrock-trace": "ENABLED"})

        assert "SignedHeaders=accept;content-type;host;x-amz-date;x-amzn-bedrock-trace" in headers["authorization"]

    def test_a_session_token_goes_along_and_is_signed(self):
        headers = signed(f"{HOST}/model/a/converse", CONVERSED, {**KEYS, "aws_session_token": "temporary"})

        assert headers["x-amz-security-token"] == "temporary"
        assert "x-amz-date;x-amz-security-token" in headers["authorization"]

    def test_botocore_signs_the_same(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as BotocoreKeys

        url = f"{HOST}/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/converse?b=2&a=%201"
        theirs = AWSRequest("POST", url, headers=dict(JSON), data=CONVERSED)
        SigV4Auth(BotocoreKeys(ID, SECRET, "t"), "bedrock", "us-east-1").add_auth(theirs)
        now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()

        request = HttpRequest("POST", url, JSON, CONVERSED)
        ours = AwsAuth("us-east-1")(request, Credentials(None, {**KEYS, "aws_session_token": "t"}), now)

        assert ours.headers["authorization"] == theirs.headers["Authorization"]

    def test_a_bearer_key_takes_the_place_of_a_signature(self):
        request = HttpRequest("POST", "http://127.0.0.1:1/x", JSON, CONVERSED)

        headers = AwsAuth()(request, Credentials("bedrock-api-key-x", {}), NOON).headers

        assert headers == {**JSON, "authorization": "Bearer bedrock-api-key-x"}

    @pytest.mark.parametrize(
        ("host", "region"),
        [
            ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("bedrock-runtime.us-east-1.api.aws", "us-east-1"),
            ("vpce-1-2.bedrock-runtime.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ],
    )
    def test_the_address_may_say_the_region(self, host, region):
        assert f"/{region}/bedrock/" in signed(f"https://{host}/model/a/converse", b"{}")["authorization"]

    def test_the_address_knows_better_than_the_environment(self, monkeypatch):
        monkeypatch.setenv("AWS_REGION", "eu-west-1")

        for address, region in ((HOST, "us-east-1"), ("https://proxy.test", "eu-west-1")):
            with LlmClient("bedrock", base_url=address, **KEYS) as ours:
                request = prepare_aws(ours._settings.endpoint, "chat", "m").request("model/m/converse", {})
            assert f"/{region}/bedrock/aws4_request" in request.headers["authorization"]

    def test_an_address_without_a_region_needs_one(self):
        with pytest.raises(ConfigurationError, match="pass region="):
            signed("https://proxy.example/model/a/converse", b"{}")

    def test_nothing_to_authorise_with_is_nothing(self):
        assert "authorization" not in signed(f"{HOST}/model/a/converse", b"{}", {"aws_profile": "x"})


class TestOnTheWire:
    @pytest.mark.parametrize(
        ("model", "segment"),
        [
            (ARN, ARN_SEGMENT),
            ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
            ("a b/../c~d", "a%20b%2F..%2Fc~d"),
        ],
    )
    def test_the_model_arrives_as_one_segment_and_the_signature_fits(self, model, segment):
        with WireServer() as server, LlmClient("bedrock", base_url=server.url, region="us-east-1", **KEYS) as client:
            server.script(Answer.json(REPLY), Stream([converse_stream({"messageStop": {"stopReason": "end_turn"}})]))
            client.chat("hi", model=model)
            list(client.stream("hi", model=model))

        for request, action in zip(server.requests, ("converse", "converse-stream"), strict=True):
            assert request.path == f"/model/{segment}/{action}"
            self.check(request)

    def test_a_path_ahead_of_it_and_other_headers_do_no_harm(self):
        headers = {"X-Amzn-Bedrock-Trace": "ENABLED", "X-Mine": "a  b"}
        with WireServer() as server:
            address = f"{server.url}/proxy"
            with LlmClient(
                "anthropic_bedrock", base_url=address, region="us-east-1", headers=headers, **KEYS
            ) as client:
                server.script(Answer.json({"type": "message", "content": [], "stop_reason": "end_turn", "usage": {}}))
                client.chat("hi", model="m:0")

        (request,) = server.requests
        assert request.path == "/proxy/model/m%3A0/invoke"
        self.check(request)

    @pytest.mark.anyio
    async def test_the_async_client_signs_as_well(self):
        with WireServer() as server:
            async with AsyncLlmClient("bedrock", base_url=server.url, region="us-east-1", **KEYS) as client:
                server.script(Answer.json(REPLY))
                assert (await client.chat("hi", model=ARN)).text == "Hi"

        self.check(server.requests[0])

    @staticmethod
    def check(request: Any) -> None:
        """Verify the signature as a server does: from what arrived."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as BotocoreKeys

        scheme, _, text = request.headers["authorization"].partition(" ")
        parts = dict(part.split("=", 1) for part in text.split(", "))
        names = parts["SignedHeaders"].split(";")
        assert scheme == "AWS4-HMAC-SHA256"
        assert {"host", "x-amz-date", "content-type"} <= set(names)
        arrived = {name: request.headers[name] for name in names}
        draft = AWSRequest("POST", f"http://{arrived['host']}{request.path}", headers=arrived, data=request.body)
        draft.context["timestamp"] = arrived["x-amz-date"]
        signer = SigV4Auth(BotocoreKeys(ID, SECRET), "bedrock", "us-east-1")
        told = signer.string_to_sign(draft, signer.canonical_request(draft))
        assert signer.signature(told, draft) == parts["Signature"]
        assert f"/model/{request.path.split('/model/')[1]}".count("/") == 3


class TestAddresses:
    @pytest.mark.parametrize(
        ("region", "address"),
        [
            ("eu-west-1", "https://bedrock-runtime.eu-west-1.amazonaws.com"),
            ("us-gov-east-1", "https://bedrock-runtime.us-gov-east-1.amazonaws.com"),
            ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ],
    )
    def test_a_region_is_an_address(self, region, address):
        assert base_url("bedrock", region=region) == address

    @pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_the_environment_may_say_the_region(self, name, monkeypatch):
        monkeypatch.setenv(name, "ap-south-1")

        assert "ap-south-1" in base_url("anthropic_bedrock")
        assert "eu-north-1" in base_url("anthropic_bedrock", region="eu-north-1")

    def test_the_profile_may_say_the_region(self, monkeypatch, tmp_path):
        write_profile(tmp_path, "default", region="sa-east-1")
        write_profile(tmp_path, "work", region="ca-central-1")

        assert "sa-east-1" in located().base_url
        assert "ca-central-1" in located(aws_profile="work").base_url
        assert located(aws_profile="work").spec.auth == AwsAuth("ca-central-1")
        monkeypatch.setenv("AWS_PROFILE", "work")
        assert "ca-central-1" in located().base_url

    def test_the_profile_says_the_region_of_an_address_that_does_not(self, tmp_path):
        write_profile(tmp_path, "default", region="sa-east-1")

        endpoint = located(base_url="https://proxy.example/aws")
        assert (endpoint.base_url, endpoint.spec.auth) == ("https://proxy.example/aws", AwsAuth("sa-east-1"))
        assert located(base_url=HOST).spec.auth == AwsAuth()

    def test_no_region_is_a_mistake_before_anything_is_sent(self):
        with LlmClient("bedrock", api_key="k") as client, pytest.raises(ConfigurationError) as raised:
            client.chat("hi", model="m")

        assert str(raised.value).startswith("bedrock: no region: pass region=, set AWS_REGION")

    def test_a_key_at_an_address_of_the_callers_needs_none(self):
        with WireServer() as server, LlmClient("bedrock", api_key="k", base_url=server.url) as client:
            server.script(Answer.json(REPLY))
            assert client.chat("hi", model="m").text == "Hi"

        assert server.requests[0].headers["authorization"] == "Bearer k"

    def test_an_unknown_profile_is_a_mistake(self):
        with pytest.raises(ConfigurationError, match="missing"):
            located(aws_profile="missing")

    @pytest.mark.parametrize("region", ["Frankfurt", "eu-west-1.evil.example/", "eu west 1", "eu"])
    def test_what_is_no_region_never_becomes_a_host(self, region):
        with pytest.raises(ConfigurationError, match="not a region of AWS"):
            LlmClient("bedrock", region=region)

    def test_the_caller_or_the_environment_may_give_the_address(self, monkeypatch):
        mine = "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"
        assert base_url("bedrock", region="eu-west-1", base_url=f"{mine}/") == mine

        call = f"{mine}/model/us.amazon.nova-lite-v1%3A0/converse-stream"
        assert base_url("bedrock", region="eu-west-1", base_url=call) == mine
        assert base_url("anthropic_bedrock", region="eu-west-1", base_url=f"{mine}/model/x/invoke") == mine

        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://proxy.example/")
        assert base_url("bedrock", region="eu-west-1") == "https://proxy.example"
        monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", "https://claude.example")
        assert base_url("anthropic_bedrock", region="eu-west-1") == "https://claude.example"

    @pytest.mark.parametrize(
        ("runtime", "control"),
        [
            ("bedrock-runtime.eu-west-1.amazonaws.com", "bedrock.eu-west-1.amazonaws.com"),
            ("bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock-fips.us-east-1.amazonaws.com"),
        ],
    )
    def test_models_are_listed_by_the_control_plane(self, runtime, control):
        endpoint = Endpoint(find("bedrock"), f"https://{runtime}", "key")

        assert prepare_aws(endpoint, "models", None).base_url == f"https://{control}"
        assert prepare_aws(endpoint, "chat", "m").base_url == f"https://{runtime}"

    def test_a_proxy_does_not_say_where_models_are_listed(self):
        with pytest.raises(UnsupportedError, match="leave out base_url"):
            prepare_aws(Endpoint(find("bedrock"), "https://proxy.example", "key"), "models", None)


def base_url(provider: str, **settings: Any) -> str:
    with LlmClient(provider, **settings) as client:
        return client._settings.endpoint.base_url


def located(**settings: Any) -> Endpoint:
    """The endpoint of a client once it is known where its requests go."""
    with LlmClient("bedrock", **settings) as client:
        endpoint = client._settings.endpoint
    return amazon._located(endpoint, settings.get("aws_profile"))


def ready(*, api_key: str | None = None, **credentials: Any) -> Endpoint:
    """An endpoint with what a request needs."""
    return prepare_aws(Endpoint(find("bedrock"), HOST, api_key, credentials=credentials), "chat", "m")


class TestCredentials:
    def test_those_of_the_caller_are_taken(self):
        assert ready(**KEYS).credentials == KEYS

    def test_those_of_the_environment_are_found(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary")

        assert ready().credentials == {
            "aws_access_key_id": "AKIDOTHER",
            "aws_secret_access_key": SECRET,
            "aws_session_token": "temporary",
        }

    def test_a_change_of_the_environment_is_seen(self, monkeypatch):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        for key in ("AKIDFIRST", "AKIDSECOND"):
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
            assert ready().credentials["aws_access_key_id"] == key

    def test_those_of_a_profile_win_over_the_environment_if_it_is_named(self, monkeypatch, tmp_path):
        write_profile(tmp_path, "work", key="AKIDWORK")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

        assert ready(aws_profile="work").credentials["aws_access_key_id"] == "AKIDWORK"

    def test_none_are_a_mistake_that_names_the_remedies(self):
        with pytest.raises(ConfigurationError, match=r"bedrock: no AWS credentials: .*api_key=.*AWS_ACCESS_KEY_ID"):
            ready()

    def test_a_lookup_that_fails_is_a_mistake_that_tells_why(self, tmp_path):
        (tmp_path / "config").write_text(
            "[profile sso]\nsso_start_url = https://x.example/start\nsso_region = us-east-1\n"
            "sso_account_id = 1\nsso_role_name = r\n"
        )

        with pytest.raises(ConfigurationError, match=r"cannot be used: Error loading SSO Token.*aws sso login"):
            ready(aws_profile="sso")

    def test_nothing_is_looked_up_twice(self, monkeypatch, tmp_path):
        write_profile(tmp_path, "default")
        looked_up = counted(monkeypatch)

        for _ in range(3):
            ready()

        assert looked_up == [None]

    def test_a_file_is_read_again_after_some_minutes(self, monkeypatch, tmp_path):
        write_profile(tmp_path, "default")
        looked_up = counted(monkeypatch)
        ready()
        monkeypatch.setattr(amazon, "time", SimpleNamespace(monotonic=lambda: 1e9))
        ready()

        assert len(looked_up) == 2

    def test_a_file_is_read_again_when_its_keys_have_expired(self, wire_server, tmp_path):
        write_profile(tmp_path, "default", key="AKIDOLD")
        expired = Answer(403, {"x-amzn-errortype": "ExpiredTokenException"}, b'{"message": "expired"}')
        wire_server.script(Answer.json(REPLY), expired, Answer.json(REPLY), expired)

        with client(wire_server) as ours:
            ours.chat("Hi")
            (tmp_path / "credentials").unlink()
            write_profile(tmp_path, "default", key="AKIDNEW")
            assert ours.chat("Hi").text == "Hi"
            with pytest.raises(AuthenticationError, match="expired"):  # the file says nothing new
                ours.chat("Hi")

        used = [re.search(r"Credential=(\w+)/", request.headers["authorization"]) for request in wire_server.requests]
        assert [found and found[1] for found in used] == ["AKIDOLD", "AKIDOLD", "AKIDNEW", "AKIDNEW"]

    @pytest.mark.parametrize("given", [KEYS, {"api_key": "bedrock-key"}])
    def test_what_the_caller_gave_is_not_looked_up(self, given, wire_server):
        wire_server.script(Answer(403, {"x-amzn-errortype": "UnrecognizedClientException"}, b"{}"))

        with client(wire_server, **given) as ours, pytest.raises(AuthenticationError):
            ours.chat("Hi")

        assert len(wire_server.requests) == 1

    def test_a_session_token_alone_is_a_mistake(self):
        with pytest.raises(ConfigurationError, match="aws_session_token belongs to"):
            LlmClient("bedrock", region="eu-west-1", aws_session_token="t")

    def test_threads_wait_for_one_lookup(self, monkeypatch, tmp_path):
        write_profile(tmp_path, "default")
        looked_up = counted(monkeypatch)
        threads = [threading.Thread(target=ready) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert looked_up == [None]

    def test_temporary_credentials_are_renewed(self, monkeypatch):
        from botocore.credentials import RefreshableCredentials

        renewed: list[str] = []

        def renew() -> dict[str, str]:
            renewed.append("again")
            expiry = datetime.now(UTC) + timedelta(hours=1)
            return {"access_key": "AKIDNEW", "secret_key": SECRET, "token": "t", "expiry_time": expiry.isoformat()}

        old = RefreshableCredentials(
            "AKIDOLD", SECRET, "t", datetime.now(UTC) - timedelta(minutes=1), refresh_using=renew, method="test"
        )
        monkeypatch.setattr("botocore.session.Session.get_credentials", lambda session: old)

        assert ready().credentials["aws_access_key_id"] == "AKIDNEW"
        assert ready().credentials["aws_access_key_id"] == "AKIDNEW"
        assert renewed == ["again"]

    def test_a_key_of_bedrock_needs_no_credentials(self):
        assert ready(api_key="key").credentials == {}

    def test_a_key_and_credentials_exclude_each_other(self):
        with pytest.raises(ConfigurationError, match=r"api_key and aws_profile were given"):
            ready(api_key="key", aws_profile="work")

    def test_what_is_passed_wins_over_a_key_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-x")
        with LlmClient("bedrock", region="eu-west-1") as client:
            assert client._settings.endpoint.api_key == "bedrock-api-key-x"
        with LlmClient("bedrock", region="eu-west-1", **KEYS) as client:
            assert client._settings.endpoint.api_key is None

    @pytest.mark.parametrize("blank", ["", "  "])
    def test_a_blank_key_of_the_environment_is_none(self, blank, monkeypatch):
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", blank)
        with LlmClient("bedrock", region="eu-west-1") as client:
            assert client._settings.endpoint.api_key is None

    @pytest.mark.parametrize("name", ["aws_access_key_id", "aws_secret_access_key"])
    def test_half_a_pair_is_a_mistake(self, name):
        half: dict[str, Any] = {name: "x"}
        with pytest.raises(ConfigurationError, match="go together"):
            LlmClient("bedrock", region="eu-west-1", **half)

    def test_no_secret_is_shown(self):
        endpoint = ready(**KEYS, aws_session_token="temporary-token")

        assert SECRET not in repr(endpoint)
        assert endpoint.redact(f"{SECRET} temporary-token") == "[secret] [secret]"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Profiles whose keys were looked up."""
    found: list[str | None] = []
    original = amazon._find_keys

    def find(session: Any) -> Any:
        found.append(session.profile)
        return original(session)

    monkeypatch.setattr(amazon, "_find_keys", find)
    return found


class TestWithoutBotocore:
    def test_a_client_cannot_be_made(self, monkeypatch):
        from llm_connector import event_stream

        monkeypatch.setattr(event_stream, "find_spec", lambda name: None)

        with pytest.raises(ConfigurationError, match=r"pip install 'llm-connector-core\[bedrock\]'"):
            LlmClient("bedrock", api_key="k", region="us-east-1")

    def test_the_row_imports_none_of_it(self):
        import subprocess

        code = (
            "import sys; from llm_connector import LlmClient; "
            "LlmClient('bedrock', api_key='k', region='us-east-1'); "
            "print([name for name in sys.modules if name.partition('.')[0] == 'botocore'])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

        assert done.stdout.strip() == "[]"


def test_what_signs_survives_a_pickle():
    with LlmClient("bedrock", region="eu-west-1", **KEYS) as client:
        auth = client._settings.endpoint.spec.auth

    assert pickle.loads(pickle.dumps(auth)) == auth == AwsAuth("eu-west-1")
