"""Agents and workflows with two tools and a model that thinks, on four wire formats."""

# pyright takes the keyword-only `run` of agents for its deprecated form.
# pyright: reportDeprecated=false

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import BaseModel

from tests.integrations.llama_index.wires import WIRES, Call, ChatCompletions, Turn, Wire, completion
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.anyio

BOTH = Turn(
    thought="I need both.",
    calls=[Call("weather", {"city": "Oslo"}, "call_1"), Call("population", {"city": "Oslo"}, "call_2")],
)
DONE = Turn(thought="Now I know.", text="Oslo: 7 degrees, 700,000 people.")


def weather(city: str) -> str:
    """The weather of a city."""
    return f"7 degrees in {city}"


def population(city: str) -> str:
    """How many people live in a city."""
    return f"700,000 people in {city}"


def agent_of(llm: Any, **settings: Any) -> FunctionAgent:
    given: dict[str, Any] = {"system_prompt": "You know cities.", "tools": [weather, population], **settings}
    return FunctionAgent(name="cities", description="Knows cities.", llm=llm, **given)


async def test_a_function_agent_runs_two_tools_and_thinks(wire: Wire, wire_server: WireServer):
    wire_server.script(wire.stream(BOTH), wire.stream(DONE))
    handler = agent_of(wire.llm(wire_server)).run(user_msg="Tell me about Oslo.")
    seen = [event async for event in handler.stream_events()]
    assert str(await handler) == "Oslo: 7 degrees, 700,000 people."
    results = {event.tool_name: str(event.tool_output) for event in seen if isinstance(event, ToolCallResult)}
    assert results == {"weather": "7 degrees in Oslo", "population": "700,000 people in Oslo"}
    thoughts = "".join(event.thinking_delta or "" for event in seen if isinstance(event, AgentStream))
    assert thoughts == "I need both.Now I know."
    first, second = wire_server.requests
    assert b"700,000 people in Oslo" in second.body
    assert b"You know cities." in first.body
    assert wire.sent_back(second) == wire.thought_back


async def test_a_workflow_of_agents_runs_two_tools_and_thinks(wire: Wire, wire_server: WireServer):
    wire_server.script(wire.stream(BOTH), wire.stream(DONE))
    workflow = AgentWorkflow.from_tools_or_functions(
        [weather, population], llm=wire.llm(wire_server), system_prompt="You know cities."
    )
    result = await workflow.run(user_msg="Tell me about Oslo.")
    assert str(result) == "Oslo: 7 degrees, 700,000 people."
    assert wire.sent_back(wire_server.requests[1]) == wire.thought_back


async def test_agents_hand_over_to_each_other(wire: Wire, wire_server: WireServer):
    handing = Turn(thought="I need both.", calls=[Call("handoff", {"to_agent": "cities", "reason": "it knows"})])
    wire_server.script(wire.stream(handing), wire.stream(BOTH), wire.stream(DONE))
    llm = wire.llm(wire_server)
    boss = FunctionAgent(name="boss", description="Asks others.", llm=llm, can_handoff_to=["cities"])
    workflow = AgentWorkflow(agents=[boss, agent_of(llm)], root_agent="boss")
    assert str(await workflow.run(user_msg="Tell me about Oslo.")) == "Oslo: 7 degrees, 700,000 people."


# Stored as JSON message by message: the chat store of llama-index-core 0.14.25 cannot be dumped by pydantic 2.14.
async def test_memory_keeps_thoughts_and_calls_for_the_next_question(wire: Wire, wire_server: WireServer):
    wire_server.script(*map(wire.stream, (BOTH, DONE, Turn(text="You are welcome."))))
    agent, memory = agent_of(wire.llm(wire_server)), ChatMemoryBuffer.from_defaults(token_limit=4000)
    await agent.run(user_msg="Tell me about Oslo.", memory=memory)
    kept = [ChatMessage.model_validate_json(message.model_dump_json()) for message in memory.get_all()]
    assert kept == memory.get_all()
    stored = ChatMemoryBuffer.from_defaults(kept, token_limit=4000)
    await agent.run(user_msg="Thanks.", memory=stored)
    assert wire.sent_back(wire_server.requests[2]) == wire.thought_back


async def test_a_memory_that_was_cut_inside_a_tool_round_is_repaired(
    wire: Wire, wire_server: WireServer, caplog: pytest.LogCaptureFixture
):
    wire_server.script(*map(wire.stream, (BOTH, DONE, Turn(text="You are welcome."))))
    agent, memory = agent_of(wire.llm(wire_server)), ChatMemoryBuffer.from_defaults(token_limit=4000)
    await agent.run(user_msg="Tell me about Oslo.", memory=memory)
    for cut in ([0, 1], [3]):  # the question and its calls; one of the results
        kept = [message for number, message in enumerate(memory.get_all()) if number not in cut]
        wire_server.script(wire.stream(Turn(text="You are welcome.")))
        answer = await agent.run(
            user_msg="Thanks.", memory=ChatMemoryBuffer(chat_store_key="x", token_limit=4000), chat_history=kept
        )
        assert str(answer) == "You are welcome."
    assert "left out" in caplog.text
    assert "a note takes its place" in caplog.text


async def test_a_tool_that_returns_directly_ends_the_run(wire_server: WireServer):
    from llama_index.core.tools import FunctionTool

    wire = WIRES["deepseek"]
    wire_server.script(wire.stream(Turn(calls=[Call("weather", {"city": "Oslo"})])), wire.stream(Turn(text="Bye.")))
    tool = FunctionTool.from_defaults(weather, return_direct=True)
    agent, memory = agent_of(wire.llm(wire_server), tools=[tool]), ChatMemoryBuffer.from_defaults(token_limit=4000)
    assert str(await agent.run(user_msg="Oslo?", memory=memory)) == "7 degrees in Oslo"
    await agent.run(user_msg="Thanks.", memory=memory)
    roles = [message["role"] for message in wire_server.requests[1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_the_first_choice_of_a_tool_reaches_the_request(wire_server: WireServer):
    wire = WIRES["deepseek"]
    wire_server.script(wire.stream(BOTH), wire.stream(DONE))
    agent = agent_of(wire.llm(wire_server, reasoning=False), initial_tool_choice="weather")
    await agent.run(user_msg="Oslo?")
    first, second = (request.json for request in wire_server.requests)
    assert first["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert second["tool_choice"] == "auto"


async def test_an_agent_without_streaming_runs_as_well(wire_server: WireServer):
    wire_server.script(completion(None, thought="I need both.", calls=BOTH.calls), completion("Done."))
    agent = agent_of(WIRES["deepseek"].llm(wire_server), streaming=False)
    assert str(await agent.run(user_msg="Oslo?")) == "Done."
    assert ChatCompletions().sent_back(wire_server.requests[1]) == "I need both."


class City(BaseModel):
    name: str
    people: int


async def test_an_agent_gives_an_object_at_its_end(wire_server: WireServer):
    wire = WIRES["deepseek"]
    wire_server.script(wire.stream(BOTH), wire.stream(DONE), completion('{"name": "Oslo", "people": 700000}'))
    result: Any = await agent_of(wire.llm(wire_server), output_cls=City).run(user_msg="Oslo?")
    assert result.structured_response == {"name": "Oslo", "people": 700000}


@pytest.mark.filterwarnings("ignore:is_running called from within a step")
async def test_a_react_agent_sees_thoughts_as_thoughts(wire_server: WireServer):
    wire = WIRES["deepseek"]
    step = 'Thought: I use a tool.\nAction: weather\nAction Input: {"city": "Oslo"}'
    wire_server.script(
        wire.stream(Turn(thought="Hm.", text=step)), wire.stream(Turn(text="Thought: I know.\nAnswer: 7 degrees."))
    )
    handler = ReActAgent(tools=[weather], llm=wire.llm(wire_server)).run(user_msg="Oslo?")
    seen = [event async for event in handler.stream_events() if isinstance(event, AgentStream)]
    assert str(await handler) == "7 degrees."
    assert "".join(event.thinking_delta or "" for event in seen) == "Hm."
