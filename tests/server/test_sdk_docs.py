"""docs/gateway.md: its programs run against a gateway of its configuration, and its settings are what programs read."""

from __future__ import annotations

import gc
import json
import re
import shlex
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llm_connector.cli import main
from llm_connector.cli import serve as command
from llm_connector.server import GatewayConfig, Upstream, read_config
from llm_connector.server.app import ROUTES
from llm_connector.server.config import single
from llm_connector.server.config_file import _MODEL, _PROVIDER, _SERVER
from tests.support.anybody import anybody
from tests.support.docs import ROOT, blocks, printed
from tests.support.gateway import Running, gateway
from tests.support.hosts import World, everywhere
from tests.support.wire_server import Answer, WireServer

PAGE = ROOT / "docs" / "gateway.md"
TEXT = PAGE.read_text("utf-8")
ADDRESS = "http://127.0.0.1:8642"
PROGRAMS = [block for block in blocks() if block.page == PAGE and "brings one" in (block.reason or "")]
VARIABLES = ("DEEPSEEK_API_KEY", "ZHIPU_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "LAB_KEY")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "sk-test-0123456789")


@pytest.fixture
def world() -> Iterator[World]:
    with WireServer() as server, everywhere(server) as world:
        yield world


@pytest.fixture
def running(_keys: None, world: World, tmp_path: Path) -> Iterator[Running]:
    """A gateway of the long configuration of the page, in a world where all providers answer."""
    file = tmp_path / "gateway.toml"
    file.write_text(next(text for text in fences("toml") if "[models.fast]" in text), "utf-8")
    with gateway(config=read_config(file, port=0)) as running:
        yield running


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_a_program_gets_its_answer(block: Any, running: Running, world: World, tmp_path: Path):
    world.server.script(*[anybody] * 4)
    program = block.write(tmp_path)
    program.write_text(program.read_text("utf-8").replace(ADDRESS, running.url), "utf-8")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a program that ends need not close anything
        output = printed(program)
        gc.collect()
    assert "says hello." in output
    assert world.reached[0] in ("https://api.anthropic.com/v1/messages", "https://api.deepseek.com/chat/completions")


def test_a_fallback_takes_over(running: Running, world: World):
    busy = Answer.json({"error": {"message": "Service busy"}}, 503, {"retry-after-ms": "1"})
    world.server.script(busy, busy, busy, anybody)
    body = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}]}
    answer = httpx.post(f"{running.url}/v1/chat/completions", json=body)

    assert answer.json()["choices"][0]["message"]["content"] == "glm-4.7 says hello."
    assert world.reached[-1] == "https://open.bigmodel.cn/api/paas/v4/chat/completions"


def test_a_pattern_passes_names_on(running: Running, world: World):
    world.server.script(anybody)
    body = {"model": "lab/qwen3", "messages": [{"role": "user", "content": "Hi"}]}
    httpx.post(f"{running.url}/api/chat", json=body).raise_for_status()

    assert world.reached == ["https://gpu.example.com/v1/chat/completions"]
    assert world.server.requests[0].json["model"] == "qwen3"


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize(
    "text", [text for text in fences("toml") if "[models." in text], ids=["claude code", "several providers"]
)
def test_a_configuration_is_one(text: str, tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text(text, "utf-8")
    assert read_config(file).models


def test_the_tables_name_every_key():
    rows = dict(re.findall(r"^\| `\[(\w+).*?\]` \| (.+?) \|$", TEXT, re.MULTILINE))
    named = {table: set(re.findall(r"`(\w+)`", keys)) for table, keys in rows.items()}
    assert named == {"models": set(_MODEL), "providers": set(_PROVIDER), "server": set(_SERVER)}


def test_the_paths_are_those_that_there_are():
    section = TEXT.partition("## What it serves")[2].partition("## Keys")[0]
    named = {path.replace("NAME", "{name:path}") for path in re.findall(r"[ `](/[\w/]*)`", section)}
    assert named == set(ROUTES) - {"/api/embeddings"}  # an old name, which nobody is to begin to use


def test_commands_are_understood(monkeypatch: pytest.MonkeyPatch):
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "run", lambda *names, **more: given.append({"names": names, **more}))
    lines = re.findall(r"^(?:`|)(llm-connector serve[^`&#\n]*)", TEXT, re.MULTILINE)
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0
    assert [call["names"] for call in given] == [
        ("deepseek", "deepseek-v4-flash", None),
        ("local", None, "gateway.toml"),
        ("local", None, "gateway.toml"),
        ("local", None, "gateway.toml"),
    ]


def test_the_greeting_is_that_of_the_page(capsys: pytest.CaptureFixture[str]):
    command._greet(GatewayConfig(single(Upstream("deepseek"), "deepseek-v4-flash")), 8642)
    assert capsys.readouterr().out.strip() == fences("text")[0].strip()


def test_settings_can_be_read():
    zed = [json.loads(text)["language_models"]["ollama"] for text in fences("json")]
    assert {settings["api_url"] for settings in zed} == {ADDRESS}
    [codex] = [tomllib.loads(text) for text in fences("toml") if "[models." not in text]
    assert codex["model_providers"]["gateway"]["base_url"] == f"{ADDRESS}/v1"
    [continued] = [yaml.safe_load(text) for text in fences("yaml")]
    assert continued["models"][0]["apiBase"] == f"{ADDRESS}/v1"
