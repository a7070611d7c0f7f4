"""Pipelines from documents to answers, on the embedded model and on a scripted one."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core import Document, Settings, SummaryIndex, VectorStoreIndex, get_response_synthesizer
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index.core.extractors import TitleExtractor
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.objects import ObjectIndex
from llama_index.core.query_engine import CitationQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.selectors import LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.embeddings.llm_connector import LlmConnectorEmbedding
from llama_index.llms.llm_connector import LlmConnector
from pydantic import BaseModel

from tests.integrations.llama_index.wires import WIRES, Call, Turn, completion
from tests.support.wire_server import Answer, Request, WireServer

TEXTS = [
    "The harbour of Oldhaven opens at six in the morning.",
    "Ms. Berg repairs bicycles in the red house by the bridge.",
    "The bakery sells rye bread on Fridays only.",
]
QUESTION = "When does the harbour open?"
WIRE = WIRES["deepseek"]
THINKING = Turn(thought="It says six.", text="At six in the morning.")


@pytest.fixture
def local() -> None:
    Settings.llm = LlmConnector(provider="local", temperature=0, max_tokens=60)
    Settings.embed_model = LlmConnectorEmbedding(provider="local")


@pytest.fixture
def index(local: None) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS])


@pytest.mark.local
def test_a_pipeline_on_the_embedded_model_answers_from_its_source(index: VectorStoreIndex):
    response = index.as_query_engine(similarity_top_k=1).query(QUESTION)
    assert "six" in str(response)
    assert [node.get_content() for node in response.source_nodes] == TEXTS[:1]


@pytest.mark.local
def test_it_streams(index: VectorStoreIndex):
    response: Any = index.as_query_engine(similarity_top_k=1, streaming=True).query(QUESTION)
    tokens = list(response.response_gen)
    assert len(tokens) > 3
    assert "six" in "".join(tokens)
    assert [node.get_content() for node in response.source_nodes] == TEXTS[:1]


@pytest.mark.local
@pytest.mark.anyio
async def test_it_does_all_that_in_a_coroutine(local: None):
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS])
    response = await index.as_query_engine(similarity_top_k=1).aquery(QUESTION)
    assert "six" in str(response)
    streamed: Any = await index.as_query_engine(similarity_top_k=1, streaming=True).aquery(QUESTION)
    assert "six" in "".join([token async for token in streamed.async_response_gen()])
    for model in (Settings.llm, Settings.embed_model):
        await model.aclose()  # type: ignore[union-attr]  # ours


@pytest.mark.local
def test_a_citation_engine_numbers_its_sources(index: VectorStoreIndex):
    engine = CitationQueryEngine.from_args(index, similarity_top_k=2, citation_chunk_size=256)
    response = engine.query(QUESTION)
    assert str(response)
    assert response.source_nodes[0].get_content().startswith("Source 1:\n")
    assert TEXTS[0] in response.source_nodes[0].get_content()


@pytest.mark.local
@pytest.mark.usefixtures("_collected")
@pytest.mark.parametrize("mode", ["context", "condense_plus_context", "condense_question"])
def test_chat_engines_answer_and_stream(index: VectorStoreIndex, mode: Any):
    engine = index.as_chat_engine(chat_mode=mode, similarity_top_k=1)
    assert str(engine.chat(QUESTION))
    assert "".join(engine.stream_chat("And who repairs bicycles?").response_gen)


@pytest.fixture
def _collected() -> Iterator[None]:
    """The memory of LlamaIndex's chat engines leaves its database open, which must not fail other tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# A scripted server, for what asks more of a model


def answering(answer: Turn) -> Callable[[Request], Any]:
    def answer_to(request: Request) -> Any:
        if request.json.get("stream"):
            return WIRE.stream(answer)
        return completion(answer.text, thought=answer.thought, calls=answer.calls)

    return answer_to


def embedded(request: Request) -> Answer:
    texts = request.json["input"]
    data = [{"index": at, "embedding": [float(len(text) % 7), 1.0]} for at, text in enumerate(texts)]
    return Answer.json({"data": data, "model": "e"})


@pytest.fixture
def scripted(wire_server: WireServer) -> VectorStoreIndex:
    """An index whose model thinks and then says one thing."""
    Settings.llm = WIRE.llm(wire_server)
    Settings.embed_model = LlmConnectorEmbedding("openai", model="e", api_key="k", base_url=wire_server.url)
    wire_server.route("/v1/embeddings", embedded)
    answer_with(wire_server, THINKING)
    return VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS])


def answer_with(server: WireServer, turn: Turn) -> None:
    for path in ("/chat/completions", "/v1/chat/completions"):
        server.route(path, answering(turn))


MODES = ["compact", "refine", "tree_summarize", "simple_summarize", "accumulate", "compact_accumulate", "generation"]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_every_response_mode_works(scripted: VectorStoreIndex, mode: Any):
    engine = scripted.as_query_engine(similarity_top_k=2, response_mode=mode)
    assert THINKING.text in str(engine.query(QUESTION))
    assert THINKING.text in str(await engine.aquery(QUESTION))
    await Settings.llm.aclose()  # type: ignore[attr-defined]  # ours
    await Settings.embed_model.aclose()  # type: ignore[attr-defined]  # ours


def test_thoughts_are_no_part_of_a_streamed_answer(scripted: VectorStoreIndex):
    response: Any = scripted.as_query_engine(streaming=True).query(QUESTION)
    assert "".join(response.response_gen) == THINKING.text


def test_an_answer_may_be_an_object(scripted: VectorStoreIndex, wire_server: WireServer):
    class Hours(BaseModel):
        opens: int

    answer_with(wire_server, Turn(text='{"opens": 6}'))
    response: Any = scripted.as_query_engine(output_cls=Hours).query(QUESTION)
    assert response.response == Hours(opens=6)


def test_refining_may_filter_by_structured_answers(scripted: VectorStoreIndex, wire_server: WireServer):
    filtered = {"answer": "At six.", "query_satisfied": True}
    answer_with(wire_server, Turn(calls=[Call("StructuredRefineResponse", filtered)]))
    synthesizer = get_response_synthesizer(response_mode=ResponseMode.REFINE, structured_answer_filtering=True)
    engine = scripted.as_query_engine(response_synthesizer=synthesizer)
    assert str(engine.query(QUESTION)) == "At six."


def test_long_documents_are_packed_by_the_models_window(scripted: VectorStoreIndex, wire_server: WireServer):
    Settings.llm = WIRE.llm(wire_server, context_window=4096, max_tokens=256)
    days = (f"Day {day}: {' '.join(TEXTS)}" for day in range(150))  # nodes of equal text would count once
    long = SummaryIndex.from_documents([Document(text=" ".join(days))])
    before = len(wire_server.requests)
    assert str(long.as_query_engine(response_mode="tree_summarize").query(QUESTION)) == THINKING.text
    sent = wire_server.requests[before:]
    assert len(sent) > 1
    assert max(len(request.body) for request in sent) < 4096 * 6


@pytest.mark.usefixtures("_collected")
def test_chat_engines_of_a_thinking_model_answer_and_stream(scripted: VectorStoreIndex, wire_server: WireServer):
    engine = scripted.as_chat_engine(chat_mode=ChatMode.CONTEXT)
    assert str(engine.chat(QUESTION)) == THINKING.text
    assert "".join(engine.stream_chat(QUESTION).response_gen) == THINKING.text
    assert wire_server.requests[-1].json["messages"][-1]["content"] == QUESTION


def tools_of(index: VectorStoreIndex) -> list[QueryEngineTool]:
    engine = index.as_query_engine()
    return [
        QueryEngineTool.from_defaults(engine, name=name, description=f"Knows {name}.") for name in ("ports", "bread")
    ]


def test_routers_choose_by_text_and_by_object(scripted: VectorStoreIndex, wire_server: WireServer):
    from llama_index.core.tools import ToolMetadata

    choices = [ToolMetadata(name="ports", description="Ports."), ToolMetadata(name="bread", description="Bread.")]
    answer_with(wire_server, Turn(text=json.dumps([{"choice": 2, "reason": "bread"}])))
    assert LLMSingleSelector.from_defaults().select(choices, "Rye?").ind == 1
    answer_with(wire_server, Turn(calls=[Call("SingleSelection", {"index": 2, "reason": "bread"})]))
    assert PydanticSingleSelector.from_defaults().select(choices, "Rye?").ind == 1


def test_a_router_engine_works(scripted: VectorStoreIndex, wire_server: WireServer):
    answer_with(wire_server, Turn(text=json.dumps([{"choice": 1, "reason": "ports"}])))
    engine = RouterQueryEngine(selector=LLMSingleSelector.from_defaults(), query_engine_tools=tools_of(scripted))
    assert str(engine.query(QUESTION))


def test_questions_are_split(scripted: VectorStoreIndex, wire_server: WireServer):
    text = json.dumps({"items": [{"sub_question": "When?", "tool_name": "ports"}]})
    answer_with(wire_server, Turn(text=f"```json\n{text}\n```"))
    engine = SubQuestionQueryEngine.from_defaults(
        tools_of(scripted), question_gen=LLMQuestionGenerator.from_defaults(), verbose=False, use_async=False
    )
    assert str(engine.query(QUESTION))


def test_extractors_and_evaluators_work(scripted: VectorStoreIndex, wire_server: WireServer):
    answer_with(wire_server, Turn(thought="Hm.", text="YES"))
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text=TEXTS[0])])
    assert TitleExtractor(nodes=1).process_nodes(nodes)[0].metadata["document_title"] == "YES"
    assert FaithfulnessEvaluator().evaluate(query="a", response="b", contexts=TEXTS).passing


def test_tools_are_found_by_their_embeddings(scripted: VectorStoreIndex):
    def weather(city: str) -> str:
        """The weather."""
        return city

    index = ObjectIndex.from_objects([FunctionTool.from_defaults(weather)])
    assert index.as_retriever(similarity_top_k=1).retrieve("Oslo?")[0].metadata.name == "weather"
