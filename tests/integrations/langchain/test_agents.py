"""Agents and graphs: two tools, reasoning on, and a checkpoint between the turns."""

from __future__ import annotations

import json
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel

from langchain_llm_connector import ChatLlmConnector
from tests.integrations.langchain.little_model import SIGNATURE, THOUGHT, settings
from tests.support.answers import completion
from tests.support.wire_server import Answer

THINKERS = ["deepseek", "anthropic", "aliyun"]
QUESTION = "Use weather and time in Oslo"


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def time(city: str) -> str:
    """The time in a city."""
    return f"noon in {city}"


class Report(BaseModel):
    """A report."""

    city: str


def thinker(server: Any, provider: str, **others: Any) -> ChatLlmConnector:
    switch: dict[str, Any] = {"reasoning": 1024, "max_tokens": 4096} if provider == "anthropic" else {}
    return ChatLlmConnector(**settings(server, provider, model="a-model-to-think", **switch, **others))


def check_replay(server: Any, provider: str) -> None:
    """The turn with the calls went back with its thoughts, as that provider wants them."""
    body = server.bodies[-1]
    messages = body.get("input", body)["messages"]
    turn = next(message for message in messages if message["role"] == "assistant")
    if provider == "anthropic":
        assert turn["content"][0] == {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
        assert [block["name"] for block in turn["content"][1:]] == ["weather", "time"]
        return
    assert [call["function"]["name"] for call in turn["tool_calls"]] == ["weather", "time"]
    if provider == "deepseek":
        assert turn["reasoning_content"] == THOUGHT


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("provider", THINKERS)
def test_an_agent_calls_two_tools_and_thinks(little_model, provider, version):
    agent = create_agent(thinker(little_model, provider, output_version=version), [weather, time], name="scout")
    messages = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
    assert [type(message) for message in messages] == [HumanMessage, AIMessage, ToolMessage, ToolMessage, AIMessage]
    assert messages[-1].text == "I looked it up: sunny in Oslo; noon in Oslo"
    thoughts = [message.additional_kwargs["reasoning_content"] for message in messages if message.type == "ai"]
    assert thoughts == [THOUGHT, THOUGHT]
    check_replay(little_model, provider)


@pytest.mark.anyio
@pytest.mark.parametrize("provider", THINKERS)
async def test_an_agent_streams_messages(little_model, provider):
    agent: Any = create_agent(thinker(little_model, provider), [weather, time])
    thoughts, calls = "", []
    async for chunk, _ in agent.astream({"messages": [HumanMessage(QUESTION)]}, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            blocks: list[Any] = chunk.content_blocks
            thoughts += "".join(block["reasoning"] for block in blocks if block["type"] == "reasoning")
            calls += [block["name"] for block in blocks if block["type"] == "tool_call_chunk" and block["name"]]
    assert thoughts == THOUGHT * 2
    assert calls == ["weather", "time"]
    check_replay(little_model, provider)


class State(TypedDict):
    messages: Annotated[list[AnyMessage], operator.add]


@pytest.mark.parametrize("provider", THINKERS)
def test_a_graph_with_a_checkpoint_continues_a_conversation(little_model, provider):
    model: Any = thinker(little_model, provider).bind_tools([weather, time])
    graph: Any = StateGraph(State)
    graph.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("run", ToolNode([weather, time]))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "run" if state["messages"][-1].tool_calls else END, ["run", END])
    graph.add_edge("run", "ask")
    saver = InMemorySaver()
    app: Any = graph.compile(checkpointer=saver, interrupt_before=["run"])
    thread: Any = {"configurable": {"thread_id": "1"}}
    app.invoke({"messages": [HumanMessage(QUESTION)]}, thread)
    state = app.get_state(thread)  # read back from its serialized form
    assert state.values["messages"][-1].tool_calls
    answer = app.invoke(None, thread)["messages"][-1]
    assert answer.text == "I looked it up: sunny in Oslo; noon in Oslo"
    check_replay(little_model, provider)
    little_model.requests.clear()
    app.invoke({"messages": [HumanMessage("Hello again")]}, thread)
    assert "sunny in Oslo" in json.dumps(little_model.bodies[-1])


@pytest.mark.parametrize("provider", ["openai_compatible", *THINKERS])
@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, None], ids=["tool", "provider", "bare"])
def test_an_agent_gives_a_report(little_model, provider, strategy):
    model = thinker(little_model, provider)
    agent: Any = create_agent(model, [], response_format=strategy(Report) if strategy else Report)
    question = "Use the tool Report: the JSON for city in Oslo"
    assert agent.invoke({"messages": [HumanMessage(question)]})["structured_response"] == Report(city="Oslo")


def test_an_agent_answers_calls_that_cannot_be_read(little_model):
    broken = {"id": "call1", "type": "function", "function": {"name": "weather", "arguments": '{"city": Oslo'}}
    little_model.script(Answer.json(completion("tool_calls", content=None, tool_calls=[broken])))
    model = ChatLlmConnector(**settings(little_model, "openai_compatible", model="m"))
    answer = model.bind_tools([weather]).invoke(QUESTION)
    assert answer.tool_calls == []
    (call,) = answer.invalid_tool_calls
    assert (call["id"], call["name"], call["args"]) == ("call1", "weather", '{"city": Oslo')
    assert "not JSON" in str(call["error"])
    model.bind_tools([weather]).invoke([HumanMessage("?"), answer, ToolMessage("what?", tool_call_id="call1")])
    assert little_model.bodies[-1]["messages"][1]["tool_calls"][0]["id"] == "call1"


def test_tools_come_from_a_profile_of_what_is_known():
    profile: Any = ChatLlmConnector(provider="zhipu", model="glm-4.6", api_key="k").profile
    assert profile["max_input_tokens"] > 100_000
    assert (profile["tool_calling"], profile["reasoning_output"], profile["image_inputs"]) == (True, True, False)
    assert ChatLlmConnector(provider="zhipu", model="no-such-model", api_key="k").profile is None
    given: Any = {"max_input_tokens": 5}
    assert ChatLlmConnector(provider="zhipu", model="glm-4.6", api_key="k", profile=given).profile == given
