"""The length of vectors, in the words of each wire format.

https://platform.openai.com/docs/api-reference/embeddings/create, https://docs.ollama.com/api/embed,
https://help.aliyun.com/zh/model-studio/text-embedding-synchronous-api,
https://ai.google.dev/api/embeddings#EmbedContentRequest,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api (checked 2026-11)
"""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmClient, ParseError, UnsupportedError
from llm_connector.protocols import (
    AnthropicMessages,
    ChatCompletions,
    OllamaChat,
    Protocol,
    Responses,
)
from llm_connector.protocols.dashscope import DashScope
from llm_connector.protocols.gemini import Gemini
from llm_connector.protocols.gemini_vertex import VertexGemini
from tests.support.wire_server import Answer, WireServer


@pytest.mark.parametrize(
    ("protocol", "model", "said"),
    [
        (ChatCompletions(), "e", {"dimensions": 256}),
        (Responses(), "e", {"dimensions": 256}),
        (OllamaChat(), "e", {"dimensions": 256}),
        (DashScope(), "e", {"parameters": {"dimension": 256}}),
        (VertexGemini(), "text-embedding-005", {"parameters": {"outputDimensionality": 256}}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Protocol) else "",
)
def test_a_length_is_said_in_the_words_of_the_wire(protocol: Protocol, model: str, said: dict[str, Any]):
    body = protocol.render_embed(["a", "b"], model)
    assert protocol.with_dimensions(body, 256) == {**body, **said}


@pytest.mark.parametrize("protocol", [Gemini(), VertexGemini()], ids=["gemini", "vertex"])
def test_each_request_of_gemini_says_it(protocol: Protocol):
    body = protocol.render_embed(["a", "b"], "gemini-embedding-2")
    asked = protocol.with_dimensions(body, 256)["requests"]
    assert asked == [{**request, "outputDimensionality": 256} for request in body["requests"]]


def test_a_wire_without_a_word_for_it_says_so():
    with pytest.raises(UnsupportedError, match="length of vectors"):
        AnthropicMessages().with_dimensions({}, 256)


VECTORS = Answer.json({"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "e"})


@pytest.mark.anyio
async def test_a_client_asks_and_checks_what_came(wire_server: WireServer):
    wire_server.script(*[VECTORS] * 4)
    settings: dict[str, Any] = {"model": "e", "api_key": "k", "base_url": wire_server.url}
    with LlmClient("openai", **settings) as client:
        assert client.embed("a", dimensions=2).vectors == [[1.0, 2.0]]
        assert client.embed("a").vectors == [[1.0, 2.0]]
        with pytest.raises(ParseError, match="vectors of 3 numbers were asked for, but this model gives 2"):
            client.embed("a", dimensions=3)
    async with AsyncLlmClient("openai", **settings) as aclient:
        assert (await aclient.embed("a", dimensions=2)).vectors == [[1.0, 2.0]]
    assert [request.json.get("dimensions") for request in wire_server.requests] == [2, None, 3, 2]
