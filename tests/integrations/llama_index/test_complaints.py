"""Complaints about other integrations, each with its thread, as tests of this one."""

# pyright takes the keyword-only `run` of agents for its deprecated form.
# pyright: reportDeprecated=false

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.llm_connector import LlmConnectorEmbedding
from llama_index.llms.llm_connector import LlmConnector
from pydantic import BaseModel

from tests.integrations.llama_index.wires import HEAD, WIRES, Call, Turn, Wire, chunk, completion
from tests.support.wire_server import Answer, Stream, WireServer, sse

CHATS = WIRES["deepseek"]
HI = [ChatMessage("Hi")]


def weather(city: str) -> str:
    """The weather of a city."""
    return f"7 degrees in {city}"


class Note(BaseModel):
    text: str


@pytest.mark.anyio
async def test_01_thinking_is_in_agent_streams(wire: Wire, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/19857
    wire_server.script(wire.stream(Turn(thought="I think.", text="Hello.")))
    handler = FunctionAgent(tools=[weather], llm=wire.llm(wire_server)).run(user_msg="Hi")
    seen = [event async for event in handler.stream_events() if isinstance(event, AgentStream)]
    assert "".join(event.thinking_delta or "" for event in seen) == "I think."
    assert "".join(event.delta for event in seen) == "Hello."


def test_02_reasoning_is_read_and_sent_back(wire: Wire, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/19124
    llm, call = wire.llm(wire_server), Call("weather", {"city": "Oslo"})
    wire_server.script(wire.stream(Turn(thought="I need both.", calls=[call])), wire.stream(Turn(text="7.")))
    *_, asked = llm.stream_chat_with_tools([FunctionTool.from_defaults(weather)], user_msg="Oslo?")
    [selected] = llm.get_tool_calls_from_response(asked)
    result = ChatMessage(role="tool", content="7", additional_kwargs={"tool_call_id": selected.tool_id})
    list(llm.stream_chat([ChatMessage("Oslo?"), asked.message, result]))
    assert wire.sent_back(wire_server.requests[1]) == wire.thought_back


def test_03_any_server_is_a_chat_model_that_calls_functions(wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/18463
    llm = LlmConnector("openai_compatible", model="any", base_url=wire_server.url)
    wire_server.script(completion("a"))
    assert llm.complete("Hi").text == "a"
    assert wire_server.requests[0].path == "/v1/chat/completions"
    assert llm.metadata.is_chat_model
    assert llm.metadata.is_function_calling_model
    assert llm.metadata.context_window >= 32_000


def test_04_unknown_models_work(llm: LlmConnector, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/18691
    llm.model = "never-heard-of"
    wire_server.script(completion("a"))
    assert llm.complete("Hi").text == "a"
    assert llm.metadata.model_name == "never-heard-of"


@pytest.mark.parametrize("max_tokens", [None, 1000])
@pytest.mark.parametrize(("provider", "model"), [("aliyun", "qwen-plus"), ("openai", "unknown"), ("local", None)])
def test_05_there_is_room_for_context(provider: str, model: str | None, max_tokens: int | None):
    # https://github.com/run-llama/llama_index/issues/10470
    llm = LlmConnector(provider, model=model, api_key="k", max_tokens=max_tokens)
    helper = PromptHelper.from_llm_metadata(llm.metadata)
    assert helper.repack(PromptTemplate("{context_str}"), ["word " * 500])
    assert llm.metadata.num_output < llm.metadata.context_window


def test_06_the_event_loop_is_never_closed_under_a_client(llm: LlmConnector, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/20433
    wire_server.script(*[completion("a")] * 6)
    for _ in range(3):
        assert asyncio.run(llm.acomplete("Hi")).text == "a"
        assert llm.complete("Hi").text == "a"


@pytest.mark.anyio
async def test_07_models_with_a_single_field_are_filled(llm: LlmConnector, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/21024
    wire_server.script(*[completion('{"text": "a"}')] * 2, CHATS.stream(Turn(text='{"text": "a"}')))
    prompt = PromptTemplate("Say a.")
    assert llm.structured_predict(Note, prompt) == Note(text="a")
    assert await llm.astructured_predict(Note, prompt) == Note(text="a")
    assert [*llm.stream_structured_predict(Note, prompt)][-1] == Note(text="a")
    await llm.aclose()


@pytest.mark.parametrize("text", ['Sure! {"text": "a"}', '```json\n{"text": "a"}\n```', '<br>\n{"text": "a"} done'])
def test_08_a_model_that_thinks_or_talks_still_gives_objects(llm: LlmConnector, wire_server: WireServer, text: str):
    # https://github.com/run-llama/llama_index/issues/19044
    wire_server.script(completion(text, thought="{I think.}"))
    assert llm.structured_predict(Note, PromptTemplate("Say a.")) == Note(text="a")
    assert "tool_choice" not in wire_server.requests[0].json


@pytest.mark.anyio
async def test_09_the_system_prompt_is_in_structured_predictions(wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/18450
    llm = CHATS.llm(wire_server, system_prompt="Be brief.")
    wire_server.script(*[completion('{"text": "a"}')] * 2, *[CHATS.stream(Turn(text='{"text": "a"}'))] * 2)
    prompt = PromptTemplate("Say a.")
    llm.structured_predict(Note, prompt)
    await llm.astructured_predict(Note, prompt)
    list(llm.stream_structured_predict(Note, prompt))
    [_ async for _ in await llm.astream_structured_predict(Note, prompt)]
    for request in wire_server.requests:
        systems = [message["content"] for message in request.json["messages"] if message["role"] == "system"]
        assert len(systems) == 1
        assert systems[0].count("Be brief.") == 1
    await llm.aclose()


def test_10_keys_are_in_no_payload_and_no_dict():
    # https://github.com/run-llama/llama_index/pull/21676
    secret = "sk-0123456789-secret"
    for made in (LlmConnector("openai", api_key=secret), LlmConnectorEmbedding("openai", api_key=secret)):
        assert secret not in f"{made!r}{made.to_dict()}{made.to_json()}{made.to_payload()}"


@pytest.mark.parametrize("provider", ["aliyun_openai_compatible", "deepseek", "openai_compatible"])
def test_11_calls_are_called_however_few_pieces_they_come_in(provider: str, wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/18598 and 17713
    llm = LlmConnector(provider, model="m", api_key="k", base_url=f"{wire_server.url}/v1")
    tools = [FunctionTool.from_defaults(weather)]
    wire_server.script(completion("", calls=[Call("weather", {"city": "Oslo"})]))
    assert str(llm.predict_and_call(tools, user_msg="Oslo?")) == "7 degrees in Oslo"
    function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    whole = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}
    for deltas in ([chunk(whole, "tool_calls")], [chunk(whole), chunk({}, "tool_calls")]):
        wire_server.script(Stream(sse(*deltas)))
        *_, last = llm.stream_chat_with_tools(tools, user_msg="Oslo?")
        assert [it.tool_kwargs for it in llm.get_tool_calls_from_response(last)] == [{"city": "Oslo"}]


def test_12_repeated_calls_without_ids_are_told_apart(wire_server: WireServer):
    # https://github.com/run-llama/llama_index/issues/17616 and 19036
    wire, calls = WIRES["ollama"], [Call("weather", {"city": city}) for city in ("Oslo", "Rome")]
    llm = wire.llm(wire_server)
    wire_server.script(wire.stream(Turn(calls=calls)), wire.stream(Turn(text="7.")))
    *_, asked = llm.stream_chat(HI)
    ids = [it.tool_id for it in llm.get_tool_calls_from_response(asked)]
    assert len(set(ids)) == 2
    results = [ChatMessage(role="tool", content="7", additional_kwargs={"tool_call_id": it}) for it in ids]
    *_, last = llm.stream_chat([*HI, asked.message, *results, ChatMessage(role="assistant", content="Well.")])
    assert last.message.content == "7."


def test_13_streamed_thinking_and_calls_are_accumulated_block_by_block(wire_server: WireServer):
    # https://github.com/run-llama/llama_index/pull/20077
    wire = WIRES["anthropic"]
    wire_server.script(wire.stream(Turn(thought="Hm.", text="Wait.", calls=[Call("weather", {"city": "Oslo"})])))
    *_, last = wire.llm(wire_server).stream_chat(HI)
    assert [type(block) for block in last.message.blocks] == [ThinkingBlock, TextBlock, ToolCallBlock]
    signed = [block for block in last.message.blocks if isinstance(block, ThinkingBlock)]
    assert signed[0].additional_information["signature"]


def test_14_tracers_find_the_model_in_the_payload(llm: LlmConnector):
    # https://github.com/Arize-ai/openinference/pull/3306
    assert llm.to_payload()["model"] == llm.to_payload()["model_name"] == "thinker-1"


def test_15_batches_fit_the_provider(wire_server: WireServer):
    # https://github.com/memodb-io/memobase/issues/142
    model = LlmConnectorEmbedding(
        "aliyun_openai_compatible", model="e", api_key="k", base_url=f"{wire_server.url}/v1", embed_batch_size=100
    )

    def vectors(request: Any) -> Answer:
        texts = request.json["input"]
        if len(texts) > 10:
            return Answer.json({"error": {"message": "batch size is invalid"}}, status=400)
        return Answer.json({"data": [{"index": at, "embedding": [1.0]} for at in range(len(texts))], "model": "e"})

    wire_server.route("/v1/embeddings", vectors)
    assert len(model.get_text_embedding_batch(["a"] * 35)) == 35


def test_16_usage_comes_with_streams(llm: LlmConnector, wire_server: WireServer):
    # OpenAILike has none
    usage = {**HEAD, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
    wire_server.script(Stream(sse(chunk({"content": "a"}), chunk({}, "stop"), usage)))
    *_, last = llm.stream_chat(HI)
    assert wire_server.requests[0].json["stream_options"] == {"include_usage": True}
    assert json.loads(json.dumps(last.raw))["usage"]["total_tokens"] == 7
