"""Refusals that come inside a success, in place of the first event: they are tried again like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from llm_connector import RateLimitError, ServerError, StreamError, TransportError
from tests.support.drivers import DRIVERS, Driver
from tests.support.event_streams import converse_stream, exception, invoke_stream
from tests.support.wire_server import Answer, Pause, Stream, WireServer, sse
from tests.test_transport import cancelled_at_each_wait, in_pieces


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()
    assert wire_server.wait_closed(), "a connection is still open although every client is closed"


THROTTLED = exception("throttlingException", {"message": "Too many requests"})
CONVERSED = converse_stream(
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello"}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}},
)
MESSAGE: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m1", "model": "m", "role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
BUSY = {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "Too fast"}, "RequestId": "r"}}
TENCENT = sse({"Id": "1", "Choices": [{"Delta": {"Content": "Hello"}, "FinishReason": "stop"}]}, done=False)

LIMITED = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
COMPLETION = (
    {"id": "1", "model": "m", "choices": [{"delta": {"content": "Hello"}, "finish_reason": None}]},
    {"id": "1", "model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]},
)
FAILED = {"type": "response.failed", "response": {"status": "failed", "error": LIMITED["error"]}}
RESPONSE = (
    {"type": "response.created", "response": {"id": "1", "model": "m", "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hello"},
    {"type": "response.completed", "response": {"id": "1", "model": "m", "status": "completed", "output": []}},
)

REFUSED_THEN_ANSWERED = pytest.mark.parametrize(
    ("provider", "refusal", "answer", "kind"),
    [
        ("bedrock", Stream([THROTTLED]), Stream([CONVERSED]), RateLimitError),
        ("bedrock", Stream([THROTTLED[:9], THROTTLED[9:]]), Stream([CONVERSED]), RateLimitError),
        ("anthropic_bedrock", Stream([THROTTLED]), Stream([invoke_stream(*MESSAGE)]), RateLimitError),
        ("anthropic", Stream(sse(OVERLOADED, done=False, named=True)), Stream(sse(*MESSAGE, named=True)), ServerError),
        ("tencent_native", Answer.json(BUSY), Stream(TENCENT), RateLimitError),
        ("openai_compatible", Stream(sse(LIMITED, done=False)), Stream(sse(*COMPLETION)), RateLimitError),
        ("openai_responses", Stream(sse(FAILED, done=False, named=True)), Stream(sse(*RESPONSE)), RateLimitError),
    ],
    ids=["bedrock", "bedrock-cut", "anthropic_bedrock", "anthropic", "tencent", "openai_compatible", "responses"],
)


def settings(provider: str) -> dict[str, Any]:
    if provider == "tencent_native":
        return {"provider": provider, "api_key": None, "secret_id": "id-0123456789", "secret_key": "key-0123456789"}
    return {"provider": provider, **({"region": "us-east-1"} if "bedrock" in provider else {})}


@REFUSED_THEN_ANSWERED
def test_a_refusal_in_place_of_the_first_event_is_tried_again(provider, refusal, answer, kind, driver, wire_server):
    wire_server.script(refusal, refusal, answer)

    stream = driver.client(**settings(provider), retries=2).stream("Hi")

    assert driver.text(stream) == "Hello"
    assert stream.status == "complete"
    assert stream.response.text == "Hello"
    assert len(wire_server.requests) == 3


@REFUSED_THEN_ANSWERED
def test_its_error_is_that_of_a_stream_when_the_retries_are_used_up(
    provider, refusal, answer, kind, driver, wire_server
):
    wire_server.script(refusal, refusal)

    stream = driver.client(**settings(provider), retries=1).stream("Hi")
    with pytest.raises(kind) as failed:
        driver.text(stream)

    assert isinstance(failed.value, StreamError)
    assert stream.status == "error"
    assert len(wire_server.requests) == 2


def test_nothing_is_tried_again_once_a_chunk_is_out(driver, wire_server):
    begun = converse_stream(
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hel"}}},
    )
    wire_server.script(Stream([begun + THROTTLED]))

    stream = driver.client(**settings("bedrock"), retries=2).stream("Hi")
    chunks = driver.chunks(stream)
    assert next(chunks).text == "Hel", "what shares a block with the error is seen"
    with pytest.raises(RateLimitError) as failed:
        list(chunks)

    assert isinstance(failed.value, StreamError)
    assert failed.value.partial is not None
    assert failed.value.partial.text == "Hel"
    assert len(wire_server.requests) == 1


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_connection_that_breaks_before_the_first_chunk_is_tried_again(end, driver, wire_server):
    broken = Stream([CONVERSED[:20]], end=end)
    wire_server.script(broken, Stream([CONVERSED]), broken)

    client = driver.client(**settings("bedrock"), retries=1)
    assert driver.text(client.stream("Hi")) == "Hello"

    impatient = driver.client(**settings("bedrock"), retries=0)
    with pytest.raises(TransportError) as failed:
        driver.text(impatient.stream("Hi"))
    assert isinstance(failed.value, StreamError)
    assert len(wire_server.requests) == 3


def test_an_answer_that_says_nothing_is_over_once(driver, wire_server):
    events = converse_stream({"messageStart": {"role": "assistant"}}, {"messageStop": {"stopReason": "end_turn"}})
    wire_server.script(Stream([events]))

    chunks = list(driver.chunks(driver.client(**settings("bedrock"), retries=1).stream("Hi")))

    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]


def test_a_task_may_be_cancelled_while_it_reads_ahead(wire_server):
    blocks = [part for block in sse(*MESSAGE, done=False, named=True) for part in (block, Pause(0.005))]
    wire_server.route("/v1/messages", lambda request: Stream(blocks, delay=0.005))

    assert cancelled_at_each_wait(wire_server, in_pieces, provider="anthropic", api_key="k", max_retries=1) > 3


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in blocks, empty ones among them."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._blocks:
            yield block


@pytest.mark.parametrize("consumed", [False, True])
def test_the_callers_client_may_read_first_and_give_empty_blocks(consumed, driver):
    def answer(request: httpx.Request) -> httpx.Response:
        body = sse(*MESSAGE, done=False, named=True)
        return (
            httpx.Response(200, content=b"".join(body)) if consumed else httpx.Response(200, stream=Pieces(b"", *body))
        )

    own = driver.http_client(transport=httpx.MockTransport(answer))
    stream = driver.client("anthropic", base_url="http://api.test", http_client=own, retries=1).stream("Hi")

    assert driver.text(stream) == "Hello"
    driver.run(own.close() if driver.name == "sync" else own.aclose())
