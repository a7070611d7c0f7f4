"""The configuration of a gateway: files, names, addresses, and what is said when they are wrong."""

from __future__ import annotations

import pickle

import pytest

from llm_connector.errors import ConfigurationError, ModelNotFoundError
from llm_connector.server import Gateway, GatewayConfig, Model, Upstream, read_config
from llm_connector.server.config import is_loopback, keys_of_environment, single
from llm_connector.server.routing import Routes, matched

LOCAL = Upstream("local")


def written(tmp_path, text):
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def test_a_file_says_it_all(tmp_path):
    path = written(
        tmp_path,
        """
        [server]
        port = 9000
        workers = 2
        cors_origins = ["https://chat.example"]
        keep_alive = 5

        [providers.deepseek]
        api_key_env = "TEAM_DEEPSEEK_KEY"
        timeout = 60
        max_retries = 1

        [providers.bedrock-eu]
        provider = "bedrock"
        region = "eu-central-1"
        credentials = { aws_profile = "team" }

        [models.fast]
        provider = "deepseek"
        model = "deepseek-chat"
        context_window = 128_000
        fallbacks = ["small"]
        options = { temperature = 0.2, reasoning = "low" }

        [models.small]
        provider = "local"

        [models."claude-*"]
        provider = "bedrock-eu"
        model = "anthropic.claude-*"
        """,
    )

    config = read_config(path, port=0)

    assert (config.port, config.workers, config.cors_origins, config.keep_alive) == (
        0,
        2,
        ("https://chat.example",),
        5,
    )
    fast, small, claude = config.models
    assert fast.upstream == Upstream("deepseek", "TEAM_DEEPSEEK_KEY", {"timeout": 60, "max_retries": 1})
    assert (fast.model, fast.context_window, fast.fallbacks) == ("deepseek-chat", 128_000, ("small",))
    assert fast.options == {"temperature": 0.2, "reasoning": "low"}
    assert small == Model("small", LOCAL)
    assert claude.upstream.settings == {"region": "eu-central-1", "aws_profile": "team"}
    assert pickle.loads(pickle.dumps(config)) == config, "each worker gets it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'there are no models: write [models."NAME"] with provider = "…"'),
        ("[models.a", "is not TOML"),
        ("[model.a]\n", "unknown key 'model'; did you mean 'models'?"),
        ("[server]\nprot = 1\n", "[server]: unknown key 'prot'; did you mean 'port'"),
        ("[server]\nport = 'x'\n", "[server] port: give a whole number, not str"),
        ("[server]\ncors_origins = [1]\n", "[server] cors_origins: give a list of strings, not list"),
        ("[models.a]\n", '[models."a"] provider: name one of [providers] or of `llm-connector providers`'),
        (
            "[models.a]\nprovider = 'deepsek'\n",
            "[models.\"a\"] provider: unknown provider 'deepsek'; did you mean 'deepseek'",
        ),
        ("[providers.x]\nprovider = 'opnai'\n", "[providers.x] provider: unknown provider 'opnai'"),
        ("[providers.x]\napi_key = 'sk-1'\n", "[providers.x] api_key: keys do not stand in this file"),
        ("[models.'a*b*']\nprovider = 'local'\n", '[models."a*b*"]: a pattern holds one * at most'),
        (
            "[models.a]\nprovider = 'local'\n[models.a.options]\ntemprature = 1\n",
            "[models.\"a\".options]: unknown option 'temprature'; did you mean 'temperature'",
        ),
        (
            "[models.a]\nprovider = 'local'\noptions = { max_tokens = 'x' }\n",
            '[models."a".options]: options: max_tokens',
        ),
        ("[models.a]\nprovider = 'local'\nfallbacks = ['b']\n", "fallbacks: unknown model of this file 'b'"),
        ("[models.a]\nprovider = 'local'\nfallbacks = ['a']\n", "fallbacks: 'a' is no other model"),
        (
            "[server]\napi_keys = ['sk-1']\n",
            "[server] api_keys: keys do not stand in this file; set LLM_CONNECTOR_SERVE",
        ),
        ("[providers.x]\nprovider = 'openai'\nheaders = 'sk-1'\n", "[providers.x] headers: give an object, not str"),
        ("[server]\nworkers = 0\n[models.a]\nprovider = 'local'\n", "workers is 0; give 1 or more"),
        ("models = 3\n", "models: give an object, not int"),
    ],
)
def test_mistakes_name_the_file_the_table_the_key_and_the_remedy(tmp_path, text, message):
    path = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as caught:
        read_config(path)

    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file"):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_without_keys_nobody_listens_for_other_machines(host):
    with pytest.raises(ConfigurationError, match="set LLM_CONNECTOR_SERVE_API_KEY"):
        GatewayConfig(single(LOCAL), host=host)
    assert GatewayConfig(single(LOCAL), host=host, api_keys=("k1",)).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "box.localhost"])
def test_loopback_needs_no_key(host):
    assert is_loopback(host)
    assert GatewayConfig(single(LOCAL), host=host).api_keys == ()


@pytest.mark.parametrize("key", ["", "ключ", "a b", "a\n"])
def test_keys_are_what_a_header_can_hold(key):
    with pytest.raises(ConfigurationError, match="a key for clients") as caught:
        GatewayConfig(single(LOCAL), api_keys=(key,))
    assert not key or key not in str(caught.value)


def test_keys_of_the_environment_may_be_several(monkeypatch, tmp_path):
    assert keys_of_environment() == ()
    monkeypatch.setenv("LLM_CONNECTOR_SERVE_API_KEY", " one, two ,")
    assert keys_of_environment() == ("one", "two")
    path = written(tmp_path, "[models.a]\nprovider = 'local'\n")
    assert read_config(path).api_keys == ("one", "two")
    assert read_config(path, api_keys=("three",)).api_keys == ("three",)


def test_keys_are_not_shown():
    config = GatewayConfig(single(Upstream("openai", None, {"api_key": "sk-secret"})), api_keys=("sk-secret",))
    assert "sk-secret" not in repr(config)


def test_a_missing_key_of_a_provider_stops_the_start():
    with pytest.raises(ConfigurationError, match="openai: no API key: set OPENAI_API_KEY"):
        Gateway(GatewayConfig(single(Upstream("openai"))))
    with pytest.raises(ConfigurationError, match="openai: no API key: set TEAM_KEY, which api_key_env names"):
        Gateway(GatewayConfig(single(Upstream("openai", "TEAM_KEY"))))


def test_names_win_over_patterns_and_the_first_pattern_wins():
    routes = Routes(
        [
            Model("claude-*", LOCAL, "c-*"),
            Model("claude-fixed", LOCAL, "f"),
            Model("*", LOCAL),
            Model("never-*", LOCAL),
        ]
    )

    assert routes.find("claude-fixed") == (routes.named["claude-fixed"], "f")
    assert routes.find("claude-x").name == "c-x"
    assert routes.find("never-x") == (routes.patterns[1], "never-x")


def test_a_prefix_can_name_the_provider():
    routes = Routes([Model("deepseek/*", LOCAL, "*"), Model("llama3.2", LOCAL)])

    assert routes.find("deepseek/deepseek-chat").name == "deepseek-chat"
    assert routes.find("llama3.2:latest").name == "llama3.2"
    with pytest.raises(ModelNotFoundError, match=r"model 'gpt' not found; there are: llama3\.2, deepseek/\*"):
        routes.find("gpt")


@pytest.mark.parametrize(
    ("pattern", "name", "middle"),
    [("*", "", ""), ("*", "a", "a"), ("a*", "ab", "b"), ("*b", "ab", "a"), ("a*a", "a", None), ("a*a", "aa", "")],
)
def test_a_star_stands_for_any_text(pattern, name, middle):
    assert matched(pattern, name) == middle
