"""The tables of docs/coming_from_rust.md: where each client goes, and that each example runs as the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import llm_connector
from llm_connector import ChatChunk, ChatResponse, ChatStream, LlmClient, Message, ToolCall, supported_providers
from tests.support.anybody import THOUGHT, anybody
from tests.support.docs import ROOT, printed
from tests.support.hosts import everywhere
from tests.support.wire_server import WireServer

PAGE = (ROOT / "docs" / "coming_from_rust.md").read_text("utf-8")
CLIENTS = re.findall(r"^\| `(\w+)\(.*\)` \| `(LlmClient\(.+\))` \| `(\S+)` \|$", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"^\| `(\w+\.rs)` \| `((?:\w+=\S+ )*)python (examples/\S+\.py)` \|$", PAGE, re.MULTILINE)

TABLE = PAGE.partition("## Calls and fields")[2].partition("## Text and images")[0]
CALLS = re.findall(r"`([a-zA-Z]\w*[.(=][^`]*)`", " ".join(re.findall(r"^\| .* \| (.*) \|$", TABLE, re.MULTILINE)))

CONSTRUCTORS = """
    openai openai_with_base_url openai_with_config azure_openai openai_compatible anthropic anthropic_vertex
    anthropic_bedrock zhipu zhipu_openai_compatible aliyun aliyun_international aliyun_private ollama
    ollama_with_base_url ollama_with_config tencent tencent_with_config volcengine volcengine_with_config
    longcat_openai longcat_anthropic moonshot moonshot_with_config deepseek deepseek_with_config
"""
RUST_EXAMPLES = """
    openai_basic anthropic_streaming aliyun_basic zhipu_basic ollama_basic tencent_basic multimodal_basic
    ollama_model_management zhipu_tools zhipu_multiround_tools volcengine_streaming list_providers ollama_streaming
    test_aliyun_streaming_tools
"""
NAMED = "openai aliyun anthropic zhipu ollama tencent volcengine longcat_anthropic azure_openai openai_compatible"
PRINTS = {
    "01_chat.py": r"\S+ says hello\.\n\S+ says hello\.\n\w+ .*: stop, 19 tokens\n",
    "02_streaming.py": r"\S+ says hello\.\ncomplete: stop, 7 tokens\n.*",
    "03_providers.py": r"openai\n.*",
    "04_tools.py": r"weather\(\{'city': 'Oslo'\}\) -> .*\n\S+ says hello\.\n",
    "05_tool_rounds.py": r"round 1: .*weather.*\nround 2: \S+ says hello\.\n",
    "06_streamed_tool_calls.py": r"(piece: .*\n)+call: weather \{'city': 'Oslo'\}\n.*finish reason: tool_calls\n",
    "07_images.py": r"\S+ says hello\.\n3 ways.*",
    "09_reasoning.py": rf".*\nthought: {re.escape(THOUGHT)}\nanswer: \S+ says hello\.\n.*",
    "11_ollama_models.py": r"Ollama .*exists: True False\n.*",
    "15_remote_ollama.py": r"\S+ says hello\.\nglm-4.6, 7 tokens\n.*",
}


def test_every_constructor_and_example_of_the_crate_is_there():
    assert {name for name, _, _ in CLIENTS} == set(CONSTRUCTORS.split())
    assert {name for name, _, _ in EXAMPLES} == {f"{name}.rs" for name in RUST_EXAMPLES.split()}
    assert set(NAMED.split()) <= set(supported_providers())


@pytest.mark.parametrize("code", CALLS)
def test_the_names_of_the_page_exist(code: str):
    kinds: dict[str, Any] = {
        "call": ToolCall, "chunk": ChatChunk, "client": LlmClient, "message": Message, "response": ChatResponse,
        "stream": ChatStream,
    }  # fmt: skip
    owner, _, rest = re.match(r"(\w+)(\.?)(\w*)", code).groups()  # type: ignore[union-attr]  # all of them match
    if owner in kinds:
        assert rest in dir(kinds[owner]) + list(getattr(kinds[owner], "model_fields", ()))
    else:
        assert owner in llm_connector.__all__ or owner == "tool_choice"


@pytest.mark.parametrize(("name", "expression", "address"), CLIENTS, ids=[name for name, _, _ in CLIENTS])
def test_a_client_goes_where_the_page_says(name: str, expression: str, address: str, wire_server: WireServer):
    client: LlmClient = eval(expression, vars(llm_connector) | {"LlmClient": LlmClient})
    wire_server.script(anybody)
    with everywhere(wire_server) as world:
        reply = client.chat("Hello!", model="m")

    assert reply.text.endswith(" says hello.")
    assert world.reached == [address]


@pytest.mark.parametrize(("name", "settings", "program"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_an_example_runs_as_the_page_says(
    name: str, settings: str, program: str, wire_server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    for setting in settings.split():
        variable, _, value = setting.partition("=")
        monkeypatch.setenv(variable, value)
    for variable in ("OPENAI", "ANTHROPIC", "ARK", "DASHSCOPE", "HUNYUAN", "ZHIPUAI"):
        monkeypatch.setenv(f"{variable}_API_KEY", "sk-test-0123456789")
    monkeypatch.setattr(sys, "argv", ["example"])
    if "PROVIDER" not in settings and "providers" in name:
        monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", "ollama")
    wire_server.script(*[anybody] * 20)
    with everywhere(wire_server):
        output = printed(ROOT / program)

    assert re.fullmatch(PRINTS[Path(program).name], output, re.DOTALL), output
