"""Providers that keep silent: what keeps the connection alive disturbs no official client, and errors still arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.server.sdks import SDKS, Sdk
from tests.support.answers import delta
from tests.support.behind import BEHIND, serving
from tests.support.wire_server import Pause, Stream, WireServer, sse

OFTEN = 0.02
SILENCE = 0.2

every_sdk = pytest.mark.parametrize("name", SDKS)


@pytest.fixture(scope="module")
def slow_gateway() -> Iterator[tuple[dict[str, Sdk], WireServer]]:
    with serving(["deepseek"], keep_alive=OFTEN) as (url, server):
        made = {name: kind(url) for name, kind in SDKS.items()}
        yield made, server
        for sdk in made.values():
            sdk.close()


@every_sdk
def test_silence_before_and_inside_an_answer(slow_gateway: tuple[dict[str, Sdk], WireServer], name: str):
    sdks, server = slow_gateway
    thought, one, two, end = sse(
        delta(reasoning_content="Hm."),
        delta(content="One, "),
        delta(content="two."),
        {**delta("stop"), "usage": {"prompt_tokens": 12, "completion_tokens": 7}},
        done=False,
    )
    still = Pause(SILENCE)
    server.script(Stream([still, thought, still, one, still, two, still, end]))
    answer = sdks[name].stream("deepseek")

    assert (answer.thought, answer.pieces, answer.finish) == ("Hm.", ["One, ", "two."], sdks[name].stop)
    assert answer.usage == (12, 7)


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
def test_an_error_after_the_head_was_sent(slow_gateway: tuple[dict[str, Sdk], WireServer], name: str):
    sdks, server = slow_gateway
    server.script(replace(BEHIND["deepseek"].refusals["rate"], delay=SILENCE))
    with pytest.raises(sdks[name].errors[None], match="Too many requests"):
        sdks[name].stream("deepseek")


@pytest.mark.parametrize("name", ["openai_responses"])
def test_a_response_that_fails_after_the_head_was_sent(slow_gateway: tuple[dict[str, Sdk], WireServer], name: str):
    sdks, server = slow_gateway
    server.script(replace(BEHIND["deepseek"].refusals["rate"], delay=SILENCE))
    *_, last = sdks[name].client.responses.create(model="deepseek", input="Hi", stream=True)
    assert (last.type, last.response.error.message) == ("response.failed", "Too many requests")


@every_sdk
def test_silence_before_a_whole_answer(slow_gateway: tuple[dict[str, Sdk], WireServer], name: str):
    """Nothing can be sent ahead of it: it is one body."""
    sdks, server = slow_gateway
    server.script(replace(BEHIND["deepseek"].refusals["rate"], delay=SILENCE))
    with pytest.raises(sdks[name].errors[429]):
        sdks[name].ask("deepseek")
