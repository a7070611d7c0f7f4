"""Embeddings and the reranker."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType
from llama_index.core.callbacks.llama_debug import LlamaDebugHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import Document, NodeWithScore, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.llm_connector import LlmConnectorEmbedding
from llama_index.postprocessor.llm_connector import LlmConnectorRerank

from llm_connector import AuthenticationError, ConfigurationError
from tests.support.wire_server import Answer, Request, WireServer


def vectors(request: Request) -> Answer:
    """One vector per text, backwards: its length, and whether it is a space."""
    texts = request.json["input"]
    data = [{"index": at, "embedding": [len(text), text == " "]} for at, text in enumerate(texts)]
    return Answer.json({"model": "e", "data": data[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}})


@pytest.fixture
def embed_model(wire_server: WireServer) -> LlmConnectorEmbedding:
    wire_server.route("/v1/embeddings", vectors)
    return LlmConnectorEmbedding("openai", model_name="e", api_key="k", base_url=wire_server.url)


def sizes(server: WireServer) -> list[int]:
    return [len(request.json["input"]) for request in server.requests]


@pytest.mark.anyio
async def test_every_way_to_a_vector(embed_model: LlmConnectorEmbedding):
    assert embed_model.get_text_embedding("abc") == [3.0, 0.0]
    assert embed_model.get_query_embedding("abcd") == [4.0, 0.0]
    assert await embed_model.aget_text_embedding("abc") == [3.0, 0.0]
    assert await embed_model.aget_query_embedding("abcd") == [4.0, 0.0]
    texts = ["a", "ab", "abc"]
    assert embed_model.get_text_embedding_batch(texts) == [[1, 0], [2, 0], [3, 0]]
    assert await embed_model.aget_text_embedding_batch(texts) == [[1, 0], [2, 0], [3, 0]]
    assert embed_model([TextNode(text="ab")])[0].embedding == [2, 0]
    assert (await embed_model.acall([TextNode(text="ab")]))[0].embedding == [2, 0]
    await embed_model.aclose()


@pytest.mark.anyio
async def test_queries_and_documents_are_told_apart(wire_server: WireServer):
    wire_server.route("/v1/embeddings", vectors)
    model = LlmConnectorEmbedding("nvidia", model_name="e", api_key="k", base_url=wire_server.url)
    model.get_query_embedding("a")
    model.get_text_embedding("a")
    await model.aget_query_embedding("a")
    await model.aget_text_embedding_batch(["a"])
    await model.aclose()
    asked = [request.json["input_type"] for request in wire_server.requests]
    assert asked == ["query", "passage", "query", "passage"]


def test_an_empty_text_does_not_spoil_a_batch(embed_model: LlmConnectorEmbedding):
    assert embed_model.get_text_embedding_batch(["a", "", "b"]) == [[1, 0], [1, 1], [1, 0]]


def test_batches_are_as_long_as_the_provider_takes():
    assert LlmConnectorEmbedding("openai", api_key="k").embed_batch_size == 2048
    assert LlmConnectorEmbedding("aliyun", api_key="k").embed_batch_size == 10
    assert LlmConnectorEmbedding("aliyun", api_key="k", embed_batch_size=3).embed_batch_size == 3
    row = dataclasses.replace(LlmConnectorEmbedding("openai", api_key="k").row, embedding_batch=5000)
    assert LlmConnectorEmbedding.read_arguments(row, {})["embed_batch_size"] == 2048  # LlamaIndex allows no more


@pytest.mark.anyio
async def test_longer_batches_are_split(wire_server: WireServer):
    wire_server.route("/v1/embeddings", vectors)
    url = f"{wire_server.url}/v1"
    model = LlmConnectorEmbedding("aliyun_openai_compatible", model="e", api_key="k", base_url=url, embed_batch_size=25)
    texts = ["x" * size for size in range(1, 26)]
    expected = [[size, 0] for size in range(1, 26)]
    assert model.get_text_embedding_batch(texts) == expected
    assert await model.aget_text_embedding_batch(texts) == expected
    assert sorted(sizes(wire_server)) == [5, 5, 10, 10, 10, 10]  # those of coroutines are under way together
    await model.aclose()


def test_the_length_of_vectors_may_be_chosen(embed_model: LlmConnectorEmbedding, wire_server: WireServer):
    embed_model.dimensions = 2
    assert embed_model.get_text_embedding("abc") == [3, 0]
    assert wire_server.requests[0].json["dimensions"] == 2


def test_the_model_of_a_row_is_the_default():
    model = LlmConnectorEmbedding("local")
    assert model.model_name == "all-minilm-l6-v2"
    assert model.to_payload() == {
        "class_name": "LlmConnectorEmbedding",
        "provider": "local",
        "model_name": "all-minilm-l6-v2",
        "model": "all-minilm-l6-v2",
        "embed_batch_size": 32,
    }
    with pytest.raises(ConfigurationError, match="no model"):
        LlmConnectorEmbedding("openai", api_key="k").get_text_embedding("a")


def test_embeddings_are_told_and_cached_once(
    embed_model: LlmConnectorEmbedding, wire_server: WireServer, events: list[Any]
):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    embed_model.callback_manager = CallbackManager([debug])
    embed_model.embeddings_cache = SimpleKVStore()
    embed_model.get_text_embedding_batch(["a", "b"])
    embed_model.get_text_embedding_batch(["a", "b"])
    assert len(wire_server.requests) == 1
    assert len(debug.get_event_pairs(CBEventType.EMBEDDING)) == 2
    assert [sum(type(event) is kind for event in events) for kind in (EmbeddingStartEvent, EmbeddingEndEvent)] == [2, 2]


def test_the_hash_of_ingestion_caches_does_not_depend_on_the_key():
    node = TextNode(text="a")
    one, other = (LlmConnectorEmbedding("openai", model="e", api_key=key) for key in ("one", "two"))
    assert get_transformation_hash([node], one) == get_transformation_hash([node], other)


def test_an_ingestion_pipeline_uses_it(embed_model: LlmConnectorEmbedding):
    nodes = IngestionPipeline(transformations=[embed_model]).run(documents=[Document(text="abc")])
    assert nodes[0].embedding == [3, 0]


def test_a_pickle_embeds(embed_model: LlmConnectorEmbedding):
    assert pickle.loads(pickle.dumps(embed_model)).get_text_embedding("abc") == [3, 0]
    assert LlmConnectorEmbedding.from_dict(json.loads(embed_model.to_json()), api_key="k").to_dict() == (
        embed_model.to_dict()
    )


def test_errors_are_those_of_the_core(embed_model: LlmConnectorEmbedding, wire_server: WireServer):
    wire_server.route("/v1/embeddings", Answer.json({"error": {"message": "bad key"}}, status=401))
    with pytest.raises(AuthenticationError, match="bad key"):
        embed_model.get_text_embedding("a")


NODES = [NodeWithScore(node=TextNode(text=text), score=0.1) for text in ("tides", "bread", "")]
RANKED = Answer.json(
    {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.4}], "usage": {}}
)


@pytest.mark.anyio
async def test_nodes_are_ranked(wire_server: WireServer, events: list[Any]):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    reranker = LlmConnectorRerank("siliconflow", model="r", api_key="k", base_url=f"{wire_server.url}/v1", top_n=2)
    reranker.callback_manager = CallbackManager([debug])
    wire_server.script(RANKED, RANKED)
    best = reranker.postprocess_nodes(NODES, query_str="baking")
    assert [(item.node.get_content(), item.score) for item in best] == [("bread", 0.9), ("tides", 0.4)]
    assert await reranker.apostprocess_nodes(NODES, query_str="baking") == best
    assert wire_server.requests[0].json["documents"] == ["tides", "bread", " "]
    assert wire_server.requests[0].json["top_n"] == 2
    assert [sum(type(event) is kind for event in events) for kind in (ReRankStartEvent, ReRankEndEvent)] == [2, 2]
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 2
    assert [item.score for item in NODES] == [0.1] * 3
    await reranker.aclose()


def test_a_server_that_ranks_more_than_was_asked_is_cut(wire_server: WireServer):
    reranker = LlmConnectorRerank("siliconflow", model="r", api_key="k", base_url=f"{wire_server.url}/v1", top_n=9)
    wire_server.script(RANKED, RANKED)
    assert len(reranker.postprocess_nodes(NODES, query_str="baking")) == 2
    assert wire_server.requests[0].json["top_n"] == 3  # more than there are is refused by some
    reranker.top_n = 1
    assert [item.score for item in reranker.postprocess_nodes(NODES, query_str="baking")] == [0.9]


@pytest.mark.anyio
async def test_a_ranking_needs_a_query_and_no_nodes_need_no_request():
    reranker = LlmConnectorRerank("siliconflow", model="r", api_key="k")
    assert reranker.postprocess_nodes([], query_str="a") == []
    assert await reranker.apostprocess_nodes([], query_str="a") == []
    with pytest.raises(ConfigurationError, match="query_str"):
        reranker.postprocess_nodes(NODES)
