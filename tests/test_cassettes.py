"""Whole calls through httpx, replayed: every row has an answer and a stream.

Cassettes of the embedded engine are recorded. To record them again:
`RECORDED_FROM="llama.cpp (xllamacpp VERSION, SmolLM2-135M-Instruct Q4_1)" pytest tests/test_cassettes.py -k engine
--record-mode=rewrite`. Those of providers are written from their documentation, and their `source` says so; they say
their calls themselves (see `support.cassettes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector import LlmClient, supported_providers, system, user
from tests.support.cassettes import CASSETTES, load, play, play_awaited, scripted


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


@pytest.mark.parametrize(("provider", "calls"), scripted())
def test_a_cassette_gives_what_it_says(provider: str, calls: list[Any], vcr: Any) -> None:
    for call in calls:
        play(provider, call)
    assert vcr.all_played


@pytest.mark.parametrize(("provider", "calls"), scripted())
@pytest.mark.anyio
async def test_a_cassette_gives_what_it_says_when_awaited(provider: str, calls: list[Any], vcr: Any) -> None:
    for call in calls:
        await play_awaited(provider, call)
    assert vcr.all_played


def test_every_cassette_says_where_it_comes_from() -> None:
    for path in CASSETTES.rglob("*.yaml"):
        source = load(path)["source"]
        assert source.startswith(("recorded ", "reference ")), path


def test_every_row_that_has_an_address_of_its_own_has_a_cassette() -> None:
    folders = {path.parent.name for path in CASSETTES.rglob("*.yaml")}

    assert set(supported_providers()) - folders == {"openai_compatible"}  # it has no server of its own
