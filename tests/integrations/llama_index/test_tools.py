"""Tools: what is sent, and what comes back as selections."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import TextBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.tools import FunctionTool
from llama_index.llms.llm_connector import LlmConnector

from tests.integrations.llama_index.wires import WIRES, Call, Turn, chunk, completion
from tests.support.wire_server import Stream, WireServer, sse


def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{7 * days} degrees in {city}"


def population(city: str) -> str:
    """How many people live in a city."""
    return f"700,000 people in {city}"


TOOLS = [FunctionTool.from_defaults(weather), FunctionTool.from_defaults(population)]
HISTORY = [ChatMessage("Hi"), ChatMessage(role="assistant", content="Hello.")]


def test_tools_are_prepared_with_the_question_behind_a_copy_of_the_history(llm: LlmConnector):
    history = list(HISTORY)
    made = llm._prepare_chat_with_tools(TOOLS, user_msg="Oslo?", chat_history=history)
    assert [message.content for message in made["messages"]] == ["Hi", "Hello.", "Oslo?"]
    assert history == HISTORY
    assert [tool["function"]["name"] for tool in made["tools"]] == ["weather", "population"]
    assert made["tools"][0]["function"]["parameters"]["properties"]["city"]["type"] == "string"
    assert (made["tool_choice"], made["parallel_tool_calls"]) == ("auto", False)


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ({"tool_required": True}, "required"),
        ({"tool_choice": "none"}, "none"),
        ({"tool_choice": "weather"}, "weather"),
        ({"tool_choice": "auto", "tool_required": True}, "auto"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
)
def test_a_choice_is_what_was_chosen(llm: LlmConnector, given: dict[str, Any], choice: Any):
    assert llm._prepare_chat_with_tools(TOOLS, **given)["tool_choice"] == choice


def test_without_tools_there_is_no_choice(llm: LlmConnector, wire_server: WireServer):
    made = llm._prepare_chat_with_tools(
        [], user_msg=ChatMessage("Hi"), tool_required=True, allow_parallel_tool_calls=True
    )
    assert made == {"messages": [ChatMessage("Hi")], "tools": None}
    wire_server.script(completion("a"))
    llm.chat(**made, tool_choice="required")
    assert {"tools", "tool_choice", "parallel_tool_calls"}.isdisjoint(wire_server.requests[0].json)


def test_strict_tools_say_so(wire_server: WireServer):
    llm = LlmConnector("openai", model="gpt-4.1", api_key="k", base_url=wire_server.url, strict=True)
    wire_server.script(*[completion(None, calls=[Call("population", {"city": "Oslo"})])] * 2)
    llm.chat_with_tools(TOOLS[1:], user_msg="Oslo?")
    assert wire_server.requests[0].json["tools"][0]["function"]["strict"] is True
    llm.chat_with_tools(TOOLS[1:], user_msg="Oslo?", strict=False)
    assert not wire_server.requests[1].json["tools"][0]["function"].get("strict")


def test_a_choice_and_parallel_calls_reach_the_request(wire_server: WireServer):
    llm = LlmConnector("openai", model="gpt-4.1", api_key="k", base_url=wire_server.url)
    wire_server.script(completion(None, calls=[Call("weather", {"city": "Oslo"})]))
    llm.chat_with_tools(TOOLS, user_msg="Oslo?", tool_required=True, allow_parallel_tool_calls=True)
    sent = wire_server.requests[0].json
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", True)


def test_selections_have_ids_names_and_objects(llm: LlmConnector, wire_server: WireServer):
    calls = [Call("weather", {"city": "Oslo"}, "a"), Call("population", {"city": "Rome"}, "b")]
    wire_server.script(completion(None, calls=calls))
    response = llm.chat_with_tools(TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    selected = llm.get_tool_calls_from_response(response)
    assert [(it.tool_id, it.tool_name, it.tool_kwargs) for it in selected] == [
        ("a", "weather", {"city": "Oslo"}),
        ("b", "population", {"city": "Rome"}),
    ]


@pytest.mark.parametrize("given", ["", "null", "{", '"text"', "[1]", "oops"])
def test_arguments_that_are_no_object_are_none(llm: LlmConnector, given: str):
    message = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="weather", tool_kwargs=given)])
    [selected] = llm.get_tool_calls_from_response(ChatResponse(message=message))
    assert selected.tool_kwargs == {}
    assert selected.tool_id


def test_arguments_that_are_cut_are_read_as_far_as_they_go(llm: LlmConnector):
    message = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="w", tool_kwargs='{"city": "Os')])
    [selected] = llm.get_tool_calls_from_response(ChatResponse(message=message))
    assert selected.tool_kwargs == {"city": "Os"}


def test_calls_of_other_packages_are_found(llm: LlmConnector):
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    message = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [call]})
    [selected] = llm.get_tool_calls_from_response(ChatResponse(message=message))
    assert (selected.tool_id, selected.tool_name, selected.tool_kwargs) == ("a", "weather", {"city": "Oslo"})


def test_an_answer_without_calls_is_a_mistake_or_none(llm: LlmConnector):
    response = ChatResponse(message=ChatMessage(role="assistant", content="I will not."))
    with pytest.raises(ValueError, match="I will not"):
        llm.get_tool_calls_from_response(response)
    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []


def test_where_one_call_was_asked_for_others_are_cut(llm: LlmConnector, wire_server: WireServer):
    calls = [Call("weather", {"city": "Oslo"}, "a"), Call("population", {"city": "Rome"}, "b")]
    wire_server.script(completion("Wait.", calls=calls))
    response = llm.chat_with_tools(TOOLS, user_msg="?", tool_choice="auto", verbose=True)
    assert [block.block_type for block in response.message.blocks] == ["text", "tool_call"]
    assert [call["id"] for call in response.message.additional_kwargs["tool_calls"]] == ["a"]


def test_predict_and_call_runs_the_tool(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion(None, calls=[Call("weather", {"city": "Oslo", "days": 2})]))
    assert str(llm.predict_and_call(TOOLS, user_msg="Oslo?")) == "14 degrees in Oslo"


@pytest.mark.anyio
async def test_tools_work_in_every_colour(llm: LlmConnector, wire_server: WireServer):
    call, wire = Call("population", {"city": "Oslo"}), WIRES["deepseek"]
    wire_server.script(*[completion(None, calls=[call])] * 2, *[wire.stream(Turn(calls=[call]))] * 2)
    assert str(await llm.apredict_and_call(TOOLS, user_msg="?")) == "700,000 people in Oslo"
    response = await llm.achat_with_tools(TOOLS, user_msg="?")
    [*_, streamed] = llm.stream_chat_with_tools(TOOLS, user_msg="?")
    last = [item async for item in await llm.astream_chat_with_tools(TOOLS, user_msg="?")][-1]
    for item in (response, streamed, last):
        assert [it.tool_kwargs for it in llm.get_tool_calls_from_response(item)] == [{"city": "Oslo"}]
    await llm.aclose()


def test_an_answer_of_text_only_stays_as_it_is(llm: LlmConnector):
    response = ChatResponse(message=ChatMessage(role="assistant", blocks=[TextBlock(text="a")]))
    assert llm._validate_chat_with_tools_response(response, TOOLS, tool_choice="auto") == response


def test_arguments_that_are_cut_at_the_end_of_an_answer_are_none(llm: LlmConnector, wire_server: WireServer):
    begun = {"index": 0, "id": "a", "type": "function", "function": {"name": "delete", "arguments": '{"path": "/ho'}}
    wire_server.script(Stream(sse(chunk({"tool_calls": [begun]}), chunk({}, "length"))))
    growing, *_, last = llm.stream_chat([ChatMessage("?")])
    assert llm.get_tool_calls_from_response(growing)[0].tool_kwargs == {"path": "/ho"}
    assert llm.get_tool_calls_from_response(last)[0].tool_kwargs == {}


def test_equal_calls_are_one_where_one_was_asked_for(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("", calls=[Call("weather", {}, "a"), Call("weather", {}, "a")]))
    response = llm._validate_chat_with_tools_response(llm.chat([ChatMessage("?")]), [])
    assert [block.block_type for block in response.message.blocks] == ["tool_call"]
