"""Every row of the table, what a row does to a request, and how rows are found and added."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import llm_connector
from llm_connector import (
    CHAT_AND_TOOLS,
    Audio,
    ChatRequest,
    ConfigurationError,
    Document,
    Image,
    LlmClient,
    ProviderSpec,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
    assistant,
    register_provider,
    supported_providers,
    tool_result,
    user,
)
from llm_connector.auth import api_key_header
from llm_connector.protocols import ChatCompletions
from llm_connector.providers import PROVIDERS, Endpoint, find
from llm_connector.providers.spec import EVERYTHING, joined_base
from llm_connector.providers.table import _HOMES
from llm_connector.types import Notes

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "llm_connector" / "providers" / "rows"
KEY = "sk-test-0123456789"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
CAPABILITIES = EVERYTHING | {"count_tokens", "model_management", "rerank"}
PNG = Image.base64("image/png", "iVBORw0KGgo=")

NEEDED: dict[str, dict[str, Any]] = {
    "anthropic_bedrock": {"region": "us-east-1"},
    "anthropic_vertex": {"project": "p"},
    "bedrock": {"region": "us-east-1"},
    "gemini_vertex": {"project": "p"},
    "tencent_native": {"secret_id": "AKID-test", "secret_key": "test-secret"},
}
"""What a client of a row needs besides a key and an address."""
SIGNING = {"anthropic_bedrock", "bedrock", "tencent_native"}
"""Rows whose requests are signed where no key is given."""

GOLDEN = {
    case.get("provider")
    for path in (ROOT / "tests" / "protocols" / "golden").glob("*/*.json")
    for whole in [json.loads(path.read_bytes())]
    for case in (whole, *whole.get("variants", {}).values())
}

each_row = pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)


def made(row: ProviderSpec, **settings: Any) -> LlmClient:
    """A client of the row, with what it needs besides a key and an address."""
    return LlmClient(row.name, model="m", **NEEDED.get(row.name, {}), **settings)


def addresses(row: ProviderSpec) -> list[str]:
    if row.base_url is None:
        return []
    return [row.base_url] if isinstance(row.base_url, str) else list(row.base_url.values())


@pytest.fixture
def table(monkeypatch):
    """The table, which the test may change."""
    own = dict(PROVIDERS._own)
    yield PROVIDERS
    PROVIDERS._own = own


class TestRows:
    def test_their_names_are_unique(self):
        trees = [ast.parse(path.read_text("utf-8")) for path in sorted(ROWS.glob("*.py"))]
        calls = [
            node
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ProviderSpec", "replace")
        ]
        written = [ast.literal_eval(word.value) for call in calls for word in call.keywords if word.arg == "name"]
        assert sorted(written) == sorted(set(written)) == sorted(PROVIDERS)
        assert [row.name for row in PROVIDERS.values()] == list(PROVIDERS)

    @each_row
    def test_they_are_found_where_the_table_says(self, row):
        module = import_module(f"llm_connector.providers.rows.{_HOMES.get(row.name, 'compatible')}")
        assert row in module.ROWS

    def test_every_module_of_rows_is_known(self):
        modules = {path.stem for path in ROWS.glob("*.py")} - {"__init__"}
        assert modules == {"compatible", *_HOMES.values()}

    @each_row
    def test_every_row_has_a_golden_request(self, row):
        assert row.name in GOLDEN

    @each_row
    def test_names_are_words(self, row):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)

    @each_row
    def test_addresses_are_safe(self, row):
        for url in addresses(row):
            parts = urlsplit(url)
            assert parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
            assert parts.hostname
            assert (parts.query, parts.fragment, parts.username, url[-1] == "/") == ("", "", None, False)
        assert addresses(row) or row.base_url_env, "the caller gives the address, so a variable may hold it"

    @each_row
    def test_requests_go_to_the_address_that_is_written(self, row):
        for url in addresses(row):
            endpoint = Endpoint(row, joined_base(url, row.protocol, row.name))
            path = row.protocol.chat_path("m", stream=False)
            assert endpoint.request(path, {}).url.startswith(f"{url}/")

    @each_row
    def test_the_documentation_is_linked(self, row):
        assert urlsplit(row.docs).scheme == "https"
        assert "." in str(urlsplit(row.docs).hostname)

    @each_row
    def test_capabilities_are_known_words(self, row):
        assert {"chat"} <= row.supports <= CAPABILITIES

    @each_row
    def test_variables_are_named_like_variables(self, row):
        names = [*row.api_key_env, *row.optional_key_env, *row.base_url_env]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names)
        assert not (row.api_key_env and row.optional_key_env)

    @each_row
    def test_a_key_is_asked_for_unless_none_is_needed(self, row):
        away = [url for url in addresses(row) if urlsplit(url).hostname not in LOOPBACK]
        assert bool(row.api_key_env) == bool(away) or row.configure is not None
        if row.api_key_env:
            with pytest.raises(ConfigurationError) as failure:
                made(row)
            assert str(failure.value).startswith(f"{row.name}: no API key: set {row.api_key_env[0]}")
            assert str(failure.value).endswith("or pass api_key=")
        else:
            assert made(row, base_url="http://127.0.0.1:1").provider == row.name

    @each_row
    def test_the_first_variable_with_a_key_wins(self, row, monkeypatch):
        names = row.api_key_env or row.optional_key_env
        for number, name in reversed(list(enumerate(names))):
            monkeypatch.setenv(name, f" {KEY}{number} \n")
            client = made(row, base_url="http://127.0.0.1:1")
            assert client._settings.endpoint.api_key == f"{KEY}{number}"
        for name in names:
            monkeypatch.setenv(name, "  ")
        if row.optional_key_env:
            assert made(row, base_url="http://127.0.0.1:1")._settings.endpoint.api_key is None

    @each_row
    def test_the_first_variable_with_an_address_wins(self, row, monkeypatch):
        for number, name in reversed(list(enumerate(row.base_url_env))):
            monkeypatch.setenv(name, f"http://127.0.0.1:{8000 + number}/v9/")
            client = made(row, api_key=KEY)
            assert client._settings.endpoint.base_url == f"http://127.0.0.1:{8000 + number}/v9"
        given = made(row, api_key=KEY, base_url="http://127.0.0.1:1/v9")
        assert given._settings.endpoint.base_url == "http://127.0.0.1:1/v9"

    @each_row
    def test_the_key_goes_into_one_header(self, row):
        if not (row.api_key_env or row.optional_key_env):
            return
        request = Endpoint(row, "http://127.0.0.1:1", KEY).request("chat", {"model": "m"})
        assert [value.removeprefix("Bearer ") for value in request.headers.values() if KEY in value] == [KEY]
        assert KEY not in request.url
        assert KEY.encode() not in request.content
        if row.name in SIGNING:
            return
        keyless = Endpoint(row, "http://127.0.0.1:1").request("chat", {"model": "m"})
        assert not keyless.headers.keys() & {"authorization", "x-api-key", "api-key"}

    @each_row
    def test_regions_have_addresses(self, row):
        if isinstance(row.base_url, str) or row.base_url is None:
            if row.configure is None:
                with pytest.raises(ConfigurationError, match="there are no regions here; leave out region='cn'"):
                    row.region_url("cn")
            return
        assert row.region_url(None) == next(iter(row.base_url.values()))
        assert all(row.region_url(region) == url for region, url in row.base_url.items())

    def test_the_readme_lists_them(self):
        section = (ROOT / "README.md").read_text("utf-8").partition("## Supported")[2].partition("\n## ")[0]
        named = [word for word in re.findall(r"`(\w+)`", section) if word.islower()]
        assert sorted(named) == sorted(PROVIDERS)

    def test_the_readme_has_their_formats_and_keys(self):
        section = (ROOT / "README.md").read_text("utf-8").partition("## Supported")[2].partition("\n## ")[0]
        lines = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
        assert lines
        shown = {name for names, _, _ in lines for name in re.findall(r"`(\w+)`", names)}
        others = {name for name, row in PROVIDERS.items() if row.protocol.name != "Chat Completions"}
        assert others <= shown
        for names, formats, key in lines:
            rows = [PROVIDERS[name] for name in re.findall(r"`(\w+)`", names)]
            known = {name for row in rows for name in (*row.api_key_env, *row.optional_key_env)}
            known |= {name for row in rows for names in row.credential_env.values() for name in names}
            variables = set(re.findall(r"`([A-Z_]+)`", key))
            assert variables <= known
            for row in rows:
                assert any(word in formats for word in row.protocol.name.split())
                assert set(row.api_key_env[:1]) <= variables
                assert variables or not row.api_key_env + row.optional_key_env


class TestRegions:
    ROW = ProviderSpec(
        "regional", ChatCompletions(), {"cn": "https://cn.example.com/v1", "global": "https://example.com/v1"}
    )

    def test_the_first_is_the_default(self):
        assert LlmClient(self.ROW)._settings.endpoint.base_url == "https://cn.example.com/v1"
        assert LlmClient(self.ROW, region="global")._settings.endpoint.base_url == "https://example.com/v1"

    def test_unknown_ones_name_the_known(self):
        with pytest.raises(ConfigurationError) as failure:
            LlmClient(self.ROW, region="eu")
        assert str(failure.value) == "regional: unknown region 'eu'; it is one of 'cn', 'global'"

    def test_an_address_wins_over_a_region(self):
        assert LlmClient(self.ROW, region="global", base_url="http://127.0.0.1:1")._settings.endpoint.base_url == (
            "http://127.0.0.1:1/v1"
        )


class TestFinding:
    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("opneai", "unknown provider 'opneai'; did you mean 'openai'"),
            ("OpenAI", "unknown provider 'OpenAI'; did you mean 'openai'"),
            ("openai-compatible", "did you mean 'openai_compatible'"),
            ("deep-seek", "did you mean 'deepseek'"),
            ("qqqq", "it is one of openai, "),
            ("qqqq", "For any OpenAI-compatible server use 'openai_compatible' with base_url="),
            ("", "unknown provider ''; it is one of openai, "),
        ],
    )
    def test_unknown_names_suggest_near_ones(self, name, problem):
        for look in (find, LlmClient):
            with pytest.raises(ConfigurationError) as failure:
                look(name)
            assert problem in str(failure.value)

    def test_all_names_are_listed(self):
        assert supported_providers() == list(PROVIDERS)
        assert LlmClient.supported_providers() == llm_connector.AsyncLlmClient.supported_providers() == list(PROVIDERS)


class TestRegistering:
    ROW = ProviderSpec(
        name="mine",
        protocol=ChatCompletions(),
        base_url="https://llm.example.com/v1",
        api_key_env=("MINE_API_KEY",),
        auth=api_key_header("x-mine"),
        supports=CHAT_AND_TOOLS | {"images"},
        docs="https://example.com",
    )

    def test_a_row_works_at_once(self, table, monkeypatch):
        monkeypatch.setenv("MINE_API_KEY", KEY)
        register_provider(self.ROW)
        assert supported_providers()[-1] == "mine"
        client = LlmClient("mine", model="m")
        assert (client.provider, client._settings.endpoint.base_url) == ("mine", "https://llm.example.com/v1")
        assert client._settings.endpoint.request("chat", {}).headers["x-mine"] == KEY

    def test_a_taken_name_is_refused(self, table):
        register_provider(self.ROW)
        with pytest.raises(ConfigurationError, match="provider 'mine' exists; pass replace=True to take its place"):
            register_provider(self.ROW)
        with pytest.raises(ConfigurationError, match="provider 'openai' exists"):
            register_provider(ProviderSpec("openai", ChatCompletions(), None))
        assert find("openai").base_url == "https://api.openai.com/v1"

    def test_a_taken_name_can_be_replaced(self, table):
        own = ProviderSpec("openai", ChatCompletions(), "https://proxy.example.com/v1")
        register_provider(own, replace=True)
        assert find("openai") is own
        assert supported_providers().count("openai") == 1

    def test_the_table_is_as_it_was(self):
        assert "mine" not in supported_providers()
        assert find("openai").api_key_env == ("OPENAI_API_KEY",)

    def test_a_row_need_not_be_registered(self):
        assert LlmClient(self.ROW, api_key=KEY).provider == "mine"
        assert "mine" not in supported_providers()


class TestAdapting:
    ROW = ProviderSpec("plain", ChatCompletions(), "https://example.com/v1", supports=frozenset({"chat"}))

    def adapted(self, *messages, strict=False, row=ROW, **options):
        notes = Notes(strict=strict)
        return row.adapt(ChatRequest.of(list(messages), options), notes), notes.adaptations

    def test_what_a_row_can_do_stays_as_it_is(self):
        request = ChatRequest.of([user("Hi", PNG)], {"reasoning": "high", "tools": [Tool("f")]})
        row = ProviderSpec("all", ChatCompletions(), None, supports=EVERYTHING)
        assert row.adapt(request, Notes(strict=True)) is request

    def test_tools_have_no_substitute(self):
        with pytest.raises(UnsupportedError) as failure:
            self.adapted(user("Hi"), tools=[Tool("f")])
        assert str(failure.value).startswith("plain: 'tools' is not offered here; leave out tools=, or use a provider")

    def test_reasoning_is_left_out(self):
        request, notes = self.adapted(user("Hi"), reasoning=False)
        assert request.reasoning is None
        assert [(note.action, note.subject) for note in notes] == [("dropped", "reasoning")]
        with pytest.raises(UnsupportedError):
            self.adapted(user("Hi"), reasoning=False, strict=True)

    @pytest.mark.parametrize(
        ("part", "text"),
        [
            (PNG, "[image image/png: not shown, plain cannot read it]"),
            (Image("https://example.com/a.png"), "[image https://example.com/a.png: not shown, plain cannot read it]"),
            (Document.base64("application/pdf", "JVBERi0=", name="a.pdf"), "[document a.pdf: not shown, plain cannot"),
            (Audio.base64("audio/wav", "UklGRg=="), "[audio audio/wav: not shown, plain cannot read it]"),
            (Video("https://example.com/a.mp4"), "[video https://example.com/a.mp4: not shown, plain cannot read it]"),
        ],
        ids=lambda value: getattr(value, "type", ""),
    )
    def test_media_are_named_in_a_text(self, part, text):
        history = user("Look: ", part, name="ann")
        request, notes = self.adapted(history, assistant("Yes."))
        first, stand_in = request.messages[0].parts
        assert first == Text("Look: ")
        assert isinstance(stand_in, Text)
        assert stand_in.text.startswith(text)
        assert request.messages[0].name == "ann"
        assert request.messages[1] == assistant("Yes.")
        assert [(note.action, note.subject) for note in notes] == [("converted", part.type)]
        assert history == user("Look: ", part, name="ann")

    def test_media_in_tool_results(self):
        call = ToolCall(id="c1", name="f")
        history = [assistant(Reasoning("hm"), call), tool_result(call, "a map: ", PNG, error=True)]
        request, notes = self.adapted(*history)
        assert request.messages[0] == history[0]
        assert request.messages[1].parts == [
            ToolResult(
                call_id="c1",
                name="f",
                parts=[Text("a map: "), Text("[image image/png: not shown, plain cannot read it]")],
                error=True,
            )
        ]
        assert [(note.action, note.subject) for note in notes] == [("converted", "image")]
        plain = tool_result(call, "7°C")
        assert self.adapted(assistant(call), plain)[0].messages[1] is plain

    def test_what_is_readable_is_not_replaced(self):
        row = ProviderSpec("sees", ChatCompletions(), None, supports=CHAT_AND_TOOLS | {"images"})
        request, notes = self.adapted(user(PNG, Audio("https://example.com/a.mp3")), row=row)
        assert request.messages[0].parts[0] == PNG
        assert [note.subject for note in notes] == ["audio"]

    def test_a_missing_capability_says_what_to_do(self):
        with pytest.raises(UnsupportedError) as failure:
            self.ROW.require("count_tokens", "read response.usage")
        assert str(failure.value) == "plain: 'count_tokens' is not offered here; read response.usage"
