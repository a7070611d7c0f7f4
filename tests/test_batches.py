"""Any number of texts, in requests of a size that providers take."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector import AsyncLlmClient, BadRequestError, ConfigurationError, LlmClient
from llm_connector.client.batches import aembed_in_batches, embed_in_batches
from tests.support.wire_server import Answer, Request, WireServer

TEXTS = ["a" * length for length in range(1, 24)]


def lengths(request: Request) -> Answer:
    data = [{"index": at, "embedding": [float(len(text))]} for at, text in enumerate(request.json["input"])]
    return Answer.json({"data": data, "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def settings(server: WireServer, **others: Any) -> dict[str, Any]:
    server.route("/v1/embeddings", lengths)
    return {"base_url": f"{server.url}/v1", "model": "e", "api_key": "k", "max_retries": 0, **others}


def sizes(server: WireServer) -> list[int]:
    return [len(request.json["input"]) for request in server.requests]


def test_texts_are_sent_in_batches_of_the_row(wire_server: WireServer):
    with LlmClient("aliyun_openai_compatible", **settings(wire_server)) as client:
        vectors = embed_in_batches(client, TEXTS)
        assert sizes(wire_server) == [10, 10, 3]
        assert vectors == [[float(len(text))] for text in TEXTS]
        assert embed_in_batches(client, []) == []
        embed_in_batches(client, TEXTS, size=12, dimensions=1)
    assert sizes(wire_server)[3:] == [12, 11]
    assert wire_server.requests[-1].json["dimensions"] == 1


@pytest.mark.anyio
async def test_batches_run_side_by_side_within_a_bound(wire_server: WireServer):
    async with AsyncLlmClient("openai_compatible", **settings(wire_server)) as client:
        vectors = await aembed_in_batches(client, TEXTS, size=1, max_concurrency=3)
        assert await aembed_in_batches(client, []) == []
    assert vectors == [[float(len(text))] for text in TEXTS]
    assert max(request.connection for request in wire_server.requests) <= 3


@pytest.mark.anyio
@pytest.mark.parametrize("size", [2, 30])
async def test_an_error_names_its_batch(wire_server: WireServer, size: int):
    given = settings(wire_server)
    wire_server.route("/v1/embeddings", lambda _request: Answer.json({"error": {"message": "no"}}, 400))
    with LlmClient("openai_compatible", **given) as client, pytest.raises(BadRequestError) as blocking:
        embed_in_batches(client, TEXTS, size=size)
    async with AsyncLlmClient("openai_compatible", **given) as async_client:
        with pytest.raises(BadRequestError) as awaited:
            await aembed_in_batches(async_client, TEXTS, size=size, max_concurrency=1)
    for failed in (blocking, awaited):
        assert getattr(failed.value, "__notes__", []) == (["texts[0:2] of 23"] if size == 2 else [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("texts", "wrong", "message"),
    [("one text", {}, "give a list"), (TEXTS, {"size": 0}, "size is 0"), (TEXTS, {"size": -1}, "size is -1")],
)
async def test_what_would_lose_texts_is_a_mistake(wire_server: WireServer, texts: Any, wrong: Any, message: str):
    given = settings(wire_server)
    with LlmClient("openai_compatible", **given) as client, pytest.raises(ConfigurationError, match=message):
        embed_in_batches(client, texts, **wrong)
    async with AsyncLlmClient("openai_compatible", **given) as asynchronous:
        with pytest.raises(ConfigurationError, match=message):
            await aembed_in_batches(asynchronous, texts, **wrong)
        with pytest.raises(ConfigurationError, match="max_concurrency is 0"):
            await aembed_in_batches(asynchronous, TEXTS, max_concurrency=0)
    assert wire_server.requests == []
