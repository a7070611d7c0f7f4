"""The official clients' first examples, with the base URL changed: a real model answers, whatever name they ask for."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.sdks import SDKS, Sdk
from tests.support.gateway import gateway

COLD: dict[str, Any] = {
    "openai": {"temperature": 0},
    "openai_responses": {"temperature": 0},
    "anthropic": {"extra_body": {"temperature": 0}},
    "ollama": {"options": {"temperature": 0}},
}
MODELS = {
    "openai": "gpt-4o",
    "openai_responses": "gpt-4o",
    "anthropic": "claude-opus-5-5",
    "ollama": "llama3.2",
}
"""What the examples ask for."""

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp"),
]


@pytest.fixture(scope="module")
def local() -> Iterator[dict[str, Sdk]]:
    with gateway(provider="local") as running:
        made = {name: kind(running.url) for name, kind in SDKS.items()}
        yield made
        for sdk in made.values():
            sdk.close()


@pytest.mark.parametrize("name", SDKS)
def test_it_answers_the_same_whole_and_in_pieces(local: dict[str, Sdk], name: str):
    whole = local[name].ask(MODELS[name], **COLD[name])
    streamed = local[name].stream(MODELS[name], **COLD[name])

    assert whole.text.strip()
    assert streamed.text == whole.text
    assert len(streamed.pieces) > 3
    assert streamed.usage == whole.usage
    assert (streamed.finish, streamed.usage[1] > 0) == (local[name].stop, True)


@pytest.mark.parametrize("name", ["anthropic", "ollama"])
def test_it_calls_a_tool(local: dict[str, Sdk], name: str):
    sdk = local[name]
    [call] = sdk.ask(MODELS[name], **sdk.tools()).calls
    assert (call.name, type(call.arguments["city"])) == ("get_weather", str)


def test_it_embeds(local: dict[str, Sdk]):
    found = local["openai"].client.embeddings.create(model="text-embedding-3-small", input=["cat", "kitten", "tax law"])
    cat, kitten, law = (item.embedding for item in found.data)
    like, unlike = (sum(a * b for a, b in zip(cat, other, strict=True)) for other in (kitten, law))
    assert like > unlike


def test_its_models_have_names(local: dict[str, Sdk]):
    for name in SDKS:
        assert len(local[name].models()) == 1
