"""What embedded texts are for, in the words of each wire format.

https://ai.google.dev/api/embeddings#v1beta.TaskType,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api,
https://help.aliyun.com/zh/model-studio/text-embedding-synchronous-api,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html,
https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/use-the-api-openai.html,
https://openrouter.ai/docs/api-reference/embeddings/create-embeddings (checked 2026-11)
"""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector import AsyncLlmClient, BadRequestError, ConfigurationError, LlmClient
from llm_connector.protocols import OllamaChat, Protocol, Responses
from llm_connector.providers import find
from llm_connector.types import InputType
from tests.support.wire_server import Answer, WireServer


@pytest.mark.parametrize(
    ("provider", "model", "field", "query", "document"),
    [
        ("nvidia", "nvidia/nv-embedqa-e5-v5", "input_type", "query", "passage"),
        ("openrouter", "qwen/qwen3-embedding-8b", "input_type", "search_query", "search_document"),
        ("bedrock", "cohere.embed-v4:0", "input_type", "search_query", "search_document"),
        ("aliyun", "text-embedding-v4", "parameters.text_type", "query", "document"),
        ("gemini", "gemini-embedding-001", "requests.taskType", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
        ("gemini_vertex", "gemini-embedding-001", "requests.taskType", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
        ("gemini_vertex", "text-embedding-005", "instances.task_type", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
    ],
)
def test_each_wire_has_words_of_its_own(provider: str, model: str, field: str, query: str, document: str):
    protocol = find(provider).protocol
    plain = protocol.render_embed(["a", "b"], model)
    words: dict[InputType, str] = {"query": query, "document": document}
    for input_type, word in words.items():
        body = protocol.with_input_type(plain, input_type)
        holder, _, name = field.rpartition(".")
        said = body[holder] if holder else body
        assert [item[name] for item in said] == [word] * 2 if isinstance(said, list) else said[name] == word
    assert protocol.render_embed(["a", "b"], model) == plain, "the body that was given is left as it was"


@pytest.mark.parametrize(
    ("protocol", "model"),
    [
        (Responses(), "e"),
        (OllamaChat(), "e"),
        (find("openai").protocol, "e"),
        (find("bedrock").protocol, "titan-embed"),
    ],
    ids=["responses", "ollama", "openai", "titan"],
)
@pytest.mark.parametrize("input_type", ["query", "document"])
def test_where_models_embed_both_alike_nothing_is_said(protocol: Protocol, model: str, input_type: InputType):
    body = protocol.render_embed(["a"], model)
    assert protocol.with_input_type(body, input_type) == body


VECTORS = Answer.json({"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "e"})


@pytest.mark.anyio
async def test_both_clients_say_it(wire_server: WireServer):
    wire_server.script(*[VECTORS] * 3)
    settings: dict[str, Any] = {"model": "e", "api_key": "k", "base_url": wire_server.url}
    with LlmClient("nvidia", **settings) as client:
        client.embed("a", input_type="query")
        client.embed("a")
    async with AsyncLlmClient("nvidia", **settings) as aclient:
        await aclient.embed("a", input_type="document")
    assert [request.json.get("input_type") for request in wire_server.requests] == ["query", None, "passage"]


def test_another_word_is_refused_before_anything_is_sent(wire_server: WireServer):
    wrong: Any = "passage"
    with (
        LlmClient("nvidia", model="e", api_key="k", base_url=wire_server.url) as client,
        pytest.raises(ConfigurationError, match="input_type is 'passage'; it is 'query' or 'document'"),
    ):
        client.embed("a", input_type=wrong)
    assert not wire_server.requests


def test_a_model_that_must_be_told_says_how(wire_server: WireServer):
    wire_server.script(Answer.json({"error": "'input_type' parameter is required for asymmetric models"}, status=400))
    with (
        LlmClient("nvidia", model="e", api_key="k", base_url=wire_server.url) as client,
        pytest.raises(BadRequestError, match="asymmetric models; pass input_type='query' or input_type='document'"),
    ):
        client.embed("a")
