"""Embeddings: batches, errors, keys."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from langchain_core import exceptions

import llm_connector
from langchain_llm_connector import LlmConnectorEmbeddings
from tests.integrations.langchain.little_model import settings
from tests.support.wire_server import Answer


def made(server: Any, provider: str = "openai_compatible", **others: Any) -> Any:
    return LlmConnectorEmbeddings(**settings(server, provider, **{"model": "e", "max_retries": 0, **others}))


def test_no_texts_need_no_request(little_model):
    assert made(little_model).embed_documents([]) == []
    assert asyncio.run(made(little_model).aembed_documents([])) == []
    assert little_model.requests == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_error_names_its_batch(little_model, asynchronous):
    bad = Answer.json({"error": {"message": "no"}}, 400)
    little_model.route("/v1/embeddings", lambda request: bad)
    embeddings = made(little_model, chunk_size=2, max_concurrency=1)
    texts = ["a", "b", "c"]
    with pytest.raises(exceptions.ModelInvalidRequestError) as failed:
        asyncio.run(embeddings.aembed_documents(texts)) if asynchronous else embeddings.embed_documents(texts)
    error: Any = failed.value
    assert isinstance(error, llm_connector.BadRequestError)
    assert error.__notes__ == ["texts[0:2] of 3"]


def test_batches_run_side_by_side_within_a_bound(little_model):
    embeddings = made(little_model, chunk_size=1, max_concurrency=3)
    texts = [str(number) * number for number in range(1, 9)]
    vectors = asyncio.run(embeddings.aembed_documents(texts))
    assert [vector[0] for vector in vectors] == [float(len(text)) for text in texts]
    assert len(little_model.requests) == 8
    assert max(request.connection for request in little_model.requests) <= 3


def test_they_are_pickled_and_hide_their_key(little_model):
    embeddings = made(little_model)
    vector = embeddings.embed_query("abc")
    assert pickle.loads(pickle.dumps(embeddings)).embed_query("abc") == vector
    assert "test-key" not in repr(embeddings) + str(vars(embeddings))
    assert [type(number) for number in vector] == [float] * 3


def test_queries_and_documents_are_told_apart(little_model):
    embeddings = LlmConnectorEmbeddings(provider="nvidia", model="e", api_key="k", base_url=f"{little_model.url}/v1")
    embeddings.embed_query("a")
    embeddings.embed_documents(["a"])
    asyncio.run(embeddings.aembed_query("a"))
    asyncio.run(embeddings.aembed_documents(["a"]))
    asked = [request.json["input_type"] for request in little_model.requests]
    assert asked == ["query", "passage", "query", "passage"]
