"""Whole calls through httpx, replayed: every row has an answer and a stream.

Cassettes of the embedded engine are recorded. To record them again:
`RECORDED_FROM="llama.cpp (xllamacpp VERSION, SmolLM2-135M-Instruct Q4_1)" pytest tests/test_cassettes.py -k engine
--record-mode=rewrite`. Those of providers are written from their documentation, and their `source` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from llm_connector import AsyncLlmClient, LlmClient, supported_providers, system, user

CASSETTES = Path(__file__).resolve().parent.parent / "cassettes"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def engine(record_mode: str) -> Iterator[tuple[str, str]]:
    """Address and key of the engine: the real one when recording, the cassette's otherwise."""
    if record_mode == "none":
        yield "http://127.0.0.1:8080/v1", "no-key-needed"
        return
    from llm_connector import local

    server = local.chat_server(None)
    yield server.base_url, server.api_key
    local.shutdown()


@pytest.mark.vcr
@pytest.mark.default_cassette("local/chat_completions.yaml")
def test_the_engine_speaks_chat_completions(engine: tuple[str, str]) -> None:
    url, key = engine
    with LlmClient("openai_compatible", base_url=url, api_key=key, model="smollm2-135m-instruct") as client:
        reply = client.chat("Name a colour.", max_tokens=8, seed=1, temperature=0)
        stream = client.stream([system("Be brief."), user("Count to three.")], max_tokens=12, seed=1, temperature=0)
        text = "".join(chunk.text for chunk in stream)
        models = [model.id for model in client.models()]

    assert reply.text
    assert reply.usage.output_tokens == 8
    assert reply.finish_reason == "length"
    assert text == stream.response.text != ""
    assert stream.response.usage.input_tokens
    assert models == ["smollm2-135m-instruct"]


@pytest.mark.vcr
@pytest.mark.default_cassette("local/anthropic_messages.yaml")
def test_the_engine_speaks_anthropic_messages(engine: tuple[str, str]) -> None:
    url, key = engine
    with LlmClient("anthropic", base_url=url, api_key=key, model="smollm2-135m-instruct") as client:
        reply = client.chat("Name a colour.", max_tokens=8, temperature=0)
        stream = client.stream([system("Be brief."), user("Count to three.")], max_tokens=12, temperature=0)
        text = "".join(chunk.text for chunk in stream)
        count = client.count_tokens("Name a colour.")

    assert reply.text
    assert reply.usage.output_tokens == 8
    assert reply.finish_reason == "length"
    assert text == stream.response.text != ""
    assert stream.response.usage.input_tokens
    assert count > 0


@pytest.mark.vcr
@pytest.mark.default_cassette("openai/weather.yaml")
def test_openai_calls_a_tool_and_streams() -> None:
    with LlmClient("openai", api_key="test-key", model="gpt-5.5") as client:
        reply = client.chat("Weather in Oslo?", tools=[WEATHER], max_tokens=2000, reasoning=False)
        stream = client.stream("Say hi.", max_tokens=50)
        text = "".join(chunk.text for chunk in stream)

    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("call_SkEQ", "get_weather", {"city": "Oslo"})
    ]
    assert reply.finish_reason == "tool_calls"
    assert text == "Hi there"
    assert stream.response.usage.total_tokens == 11


@pytest.mark.vcr
@pytest.mark.default_cassette("anthropic/weather.yaml")
def test_anthropic_thinks_calls_a_tool_and_streams() -> None:
    with LlmClient("anthropic", api_key="test-key", model="claude-sonnet-4-5") as client:
        reply = client.chat([system("Be terse."), user("Weather in Oslo?")], tools=[WEATHER], max_tokens=1024)
        stream = client.stream("Weather in Oslo?", max_tokens=4096, reasoning=2048)
        chunks = list(stream)

    assert reply.text == "Checking."
    assert [(call.id, call.arguments) for call in reply.tool_calls] == [("toolu_01X", {"city": "Oslo"})]
    assert reply.usage.input_tokens == 386
    assert "".join(chunk.reasoning for chunk in chunks) == "The user asks."
    assert "".join(chunk.text for chunk in chunks) == "It is 7 degrees."


@pytest.mark.vcr
@pytest.mark.default_cassette("ollama/weather.yaml")
def test_ollama_calls_a_tool_and_streams() -> None:
    with LlmClient("ollama", model="qwen3") as client:
        reply = client.chat("Weather in Tokyo?", tools=[WEATHER])
        stream = client.stream("Hi", reasoning=True)
        chunks = list(stream)

    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("get_weather", {"city": "Tokyo"})]
    assert reply.finish_reason == "tool_calls"
    assert "".join(chunk.reasoning for chunk in chunks) == "Okay, the user"
    assert stream.response.usage.total_tokens == 184


@pytest.mark.vcr
@pytest.mark.default_cassette("deepseek/reasoning.yaml")
@pytest.mark.anyio
async def test_deepseek_reasons_and_streams() -> None:
    async with AsyncLlmClient("deepseek", api_key="test-key", model="deepseek-v4-flash") as client:
        reply = await client.chat("What is 2 + 2?", reasoning="high")
        stream = client.stream("Hi")
        chunks = [chunk async for chunk in stream]

    assert (reply.text, reply.reasoning) == ("4", "2+2=4. Just the number.")
    assert reply.usage.reasoning_tokens == 15
    assert "".join(chunk.reasoning for chunk in chunks) == "Hmm"
    assert "".join(chunk.text for chunk in chunks) == "Hello"
    assert stream.response.usage.cached_tokens == 0


def test_every_cassette_says_where_it_comes_from() -> None:
    for path in CASSETTES.rglob("*.yaml"):
        source = yaml.safe_load(path.read_text())["source"]
        assert source.startswith(("recorded ", "reference ")), path


def test_every_row_that_has_an_address_of_its_own_has_a_cassette() -> None:
    folders = {path.parent.name for path in CASSETTES.rglob("*.yaml")}

    assert set(supported_providers()) - folders == {"openai_compatible"}  # it has no server of its own
