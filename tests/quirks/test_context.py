"""ND-04: a prompt that Ollama cut to its context is answered as if it were whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector import ContextLengthError, StreamError
from llm_connector.protocols.ollama_context import cut_to
from llm_connector.types import ChatRequest
from tests.support.drivers import DRIVERS, Driver
from tests.support.wire_server import Answer, Stream, WireServer, ndjson

LONG = "word " * 10_000  # some ten thousand tokens
SHORT = "word " * 1_000


def request(text: str, num_ctx: int | None = None) -> ChatRequest:
    options = {} if num_ctx is None else {"extra_body": {"options": {"num_ctx": num_ctx}}}
    return ChatRequest.of(text, {"model": "m", **options})


@pytest.mark.parametrize(
    ("text", "num_ctx", "count", "cut"),
    [
        (LONG, None, 2050, True),  # a context of 4096, halved
        (LONG, None, 2048, True),  # the old default
        (LONG, None, 4096, True),
        (LONG, None, 9_990, False),  # it fits
        (LONG, None, 8_000, False),
        (SHORT, None, 1_026, False),  # by chance
        (LONG, 8192, 4098, True),
        (LONG, 8192, 8192, True),
        (LONG, 8192, 8191, True),
        (LONG, 8192, 2050, False),
        (SHORT, 2048, 1026, False),
        (SHORT, 4096, 4096, True),
        (LONG, 16384, 10_010, False),
        ("word " * 20_000, 16384, 8194, True),
        ("Hi", None, 12, False),
    ],
)
def test_ND_04_the_count_tells_whether_a_prompt_was_cut(text, num_ctx, count, cut):
    assert cut_to(request(text, num_ctx), count) is cut


@pytest.mark.parametrize("options", [{"options": {"num_ctx": "8192"}}, {"options": 5}, {"options": {"num_ctx": 0}}])
def test_ND_04_a_context_that_is_no_number_is_none(options):
    assert cut_to(ChatRequest.of(LONG, {"model": "m", "extra_body": options}), 2050)


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


def answered(count: int, *, stream: bool) -> Answer | Stream:
    message = {"role": "assistant", "content": "Hello"}
    last = {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": count, "eval_count": 1}
    if stream:
        return Stream(ndjson({"model": "m", "message": message, "done": False}, {**last, "message": {"content": ""}}))
    return Answer.json({**last, "message": message})


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_ND_04_a_prompt_that_was_cut_is_reported(stream, driver, wire_server):
    wire_server.script(answered(2050, stream=stream))
    client = driver.client("ollama")
    reply: Any
    if stream:
        streamed = client.stream(LONG)
        driver.text(streamed)
        reply = streamed.response
        assert streamed.adaptations == reply.adaptations
    else:
        reply = driver.run(client.chat(LONG))
    (adaptation,) = reply.adaptations
    assert (reply.text, adaptation.action, adaptation.subject) == ("Hello", "dropped", "prompt")
    assert adaptation.detail == (
        "the server read 2050 tokens of it, the end, since it does not fit the context; "
        "give extra_body={'options': {'num_ctx': …}}"
    )


def test_ND_04_a_strict_client_raises(driver, wire_server):
    wire_server.script(answered(2050, stream=False), answered(2050, stream=True))
    client = driver.client("ollama", strict=True)
    with pytest.raises(ContextLengthError, match="ollama: the prompt was cut: the server read 2050 tokens of it"):
        driver.run(client.chat(LONG))
    stream = client.stream(LONG)
    with pytest.raises(ContextLengthError) as raised:
        driver.text(stream)
    assert isinstance(raised.value, StreamError)
    assert raised.value.partial is not None
    assert raised.value.partial.text == stream.partial.text == "Hello"
    assert stream.status == "error"


def test_ND_04_a_prompt_that_fits_is_not_reported(driver, wire_server):
    wire_server.script(answered(9_990, stream=False))
    assert driver.run(driver.client("ollama", strict=True).chat(LONG)).adaptations == []
