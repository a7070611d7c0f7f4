"""Structured prediction in four colours and in every mode."""

from __future__ import annotations

import json
from enum import Enum
from itertools import pairwise
from typing import Any

import pytest
from llama_index.core.instrumentation.events.llm import (
    LLMChatStartEvent,
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index.llms.llm_connector import LlmConnector
from pydantic import BaseModel, Field, RootModel

from tests.integrations.llama_index.wires import WIRES, Call, Turn, completion
from tests.support.wire_server import Answer, WireServer


class Kind(Enum):
    PORT = "port"
    INLAND = "inland"


class River(BaseModel):
    name: str
    length: float | None = None


class Town(BaseModel):
    """A town."""

    name: str
    kind: Kind
    rivers: list[River] = Field(default_factory=list)


class Note(BaseModel):
    text: str


OSLO = {"name": "Oslo", "kind": "port", "rivers": [{"name": "Akerselva", "length": 9.8}]}
TOWN = Town.model_validate(OSLO)
PROMPT = PromptTemplate("Tell me about {town}.")
WIRE = WIRES["deepseek"]


def openai(server: WireServer, **settings: Any) -> LlmConnector:
    """A server that takes schemas."""
    return LlmConnector("openai", model="gpt-4.1", api_key="k", base_url=server.url, max_retries=0, **settings)


def test_the_schema_itself_is_asked_for(wire_server: WireServer):
    wire_server.script(completion(json.dumps(OSLO)))
    assert openai(wire_server).structured_predict(Town, PROMPT, town="Oslo") == TOWN
    sent = wire_server.requests[0].json
    assert sent["messages"] == [{"role": "user", "content": "Tell me about Oslo."}]
    asked = sent["response_format"]
    assert (asked["type"], asked["json_schema"]["name"]) == ("json_schema", "Town")
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "kind", "rivers"}
    assert "tools" not in sent


def test_strict_closes_objects_and_asks_for_all_fields(wire_server: WireServer):
    wire_server.script(completion(json.dumps(OSLO)))
    openai(wire_server, strict=True).structured_predict(Town, PROMPT, town="Oslo")
    asked = wire_server.requests[0].json["response_format"]["json_schema"]
    river = asked["schema"]["properties"]["rivers"]["items"]
    assert asked["strict"] is True
    assert (river["additionalProperties"], river["required"]) == (False, ["name", "length"])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OSLO),
        f"```json\n{json.dumps(OSLO, indent=2)}\n```",
        f"Here you are:\n```\n{json.dumps(OSLO)}\n```\nAnything else?",
        f"\n\n{json.dumps(OSLO)}",
    ],
)
def test_answers_come_in_all_wrappings(llm: LlmConnector, wire_server: WireServer, text: str):
    wire_server.script(completion(text, thought="I shall answer {in JSON}."))
    assert llm.structured_predict(Town, PROMPT, town="Oslo") == TOWN


@pytest.mark.anyio
async def test_the_four_ways_give_the_same(wire_server: WireServer):
    llm = openai(wire_server)
    whole, stream = completion(json.dumps(OSLO)), WIRE.stream(Turn(text=json.dumps(OSLO)))
    wire_server.script(whole, whole, stream, stream)
    assert llm.structured_predict(Town, PROMPT, town="Oslo") == TOWN
    assert await llm.astructured_predict(Town, PROMPT, town="Oslo") == TOWN
    seen = list(llm.stream_structured_predict(Town, PROMPT, town="Oslo"))
    aseen = [it async for it in await llm.astream_structured_predict(Town, PROMPT, town="Oslo")]
    assert seen[-1] == aseen[-1] == TOWN
    assert [item.model_dump() for item in seen] == [item.model_dump() for item in aseen]
    sent = [request.json for request in wire_server.requests]
    assert all(body["response_format"] == sent[0]["response_format"] for body in sent)
    await llm.aclose()


@pytest.mark.parametrize("mode", ["default", "function"])
def test_objects_grow_while_they_are_streamed(wire_server: WireServer, mode: str):
    llm = openai(wire_server, pydantic_program_mode=PydanticProgramMode(mode))
    text = json.dumps(OSLO)
    turn = Turn(text=text) if mode == "default" else Turn(calls=[Call("Town", OSLO)])
    wire_server.script(WIRE.stream(turn))
    found = list(llm.stream_structured_predict(Town, PROMPT, town="Oslo"))
    assert all(one != other for one, other in pairwise(found))
    assert any(isinstance(item, Town) for item in found[:-1])
    seen = [item.model_dump() for item in found]
    assert len(seen) > 4
    names = [item["name"] for item in seen if item["name"]]
    assert all("Oslo".startswith(name) for name in names)
    assert seen[-1] == TOWN.model_dump()
    if mode == "function":
        sent = wire_server.requests[0].json
        assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)


@pytest.mark.anyio
async def test_mode_function_asks_for_a_call_in_every_colour(wire_server: WireServer):
    llm = openai(wire_server, pydantic_program_mode=PydanticProgramMode.FUNCTION, system_prompt="Be exact.")
    call = Call("Town", OSLO)
    wire_server.script(*[completion(None, calls=[call])] * 2, *[WIRE.stream(Turn(calls=[call]))] * 2)
    kwargs = {"tool_choice": "none", "tool_required": False, "allow_parallel_tool_calls": True, "seed": 3}
    given = dict(kwargs)
    found: list[Any] = [llm.structured_predict(Town, PROMPT, llm_kwargs=kwargs, town="Oslo")]
    found.append(await llm.astructured_predict(Town, PROMPT, llm_kwargs=kwargs, town="Oslo"))
    found.append([*llm.stream_structured_predict(Town, PROMPT, llm_kwargs=kwargs, town="Oslo")][-1])
    streamed = await llm.astream_structured_predict(Town, PROMPT, llm_kwargs=kwargs, town="Oslo")
    found.append([item async for item in streamed][-1])
    assert found == [TOWN] * 4
    assert kwargs == given
    for request in wire_server.requests:
        assert (request.json["tool_choice"], request.json["seed"]) == ("required", 3)
        assert request.json["messages"][0] == {"role": "system", "content": "Be exact."}


@pytest.mark.anyio
async def test_mode_llm_asks_in_words_and_for_no_tool(wire_server: WireServer):
    llm = openai(wire_server, pydantic_program_mode=PydanticProgramMode.LLM)
    wire_server.script(*[completion(json.dumps({"text": "a"}))] * 2)
    kwargs = {"tool_choice": "required", "seed": 3}
    assert llm.structured_predict(Note, PROMPT, llm_kwargs=kwargs, town="Oslo") == Note(text="a")
    assert await llm.astructured_predict(Note, PROMPT, llm_kwargs=kwargs, town="Oslo") == Note(text="a")
    for request in wire_server.requests:
        assert {"tools", "tool_choice", "response_format"}.isdisjoint(request.json)
        assert request.json["seed"] == 3
    await llm.aclose()


def test_a_model_that_calls_no_tools_gives_objects_as_well(wire_server: WireServer):
    llm = openai(wire_server, is_function_calling_model=False)
    wire_server.script(completion(json.dumps(OSLO)))
    assert llm.structured_predict(Town, PROMPT, town="Oslo") == TOWN


def test_a_list_may_be_the_answer(llm: LlmConnector, wire_server: WireServer):
    class Names(RootModel[list[str]]):
        pass

    wire_server.script(completion('["Oslo", "Rome"]'))
    assert llm.structured_predict(Names, PROMPT, town="any") == Names(["Oslo", "Rome"])


def test_a_useless_answer_is_an_error_that_shows_it(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("I would rather not."), completion("I would rather not."))
    with pytest.raises(ValueError, match=r"not a Town: .*I would rather not"):
        llm.structured_predict(Town, PROMPT, town="Oslo")
    llm.pydantic_program_mode = PydanticProgramMode.FUNCTION
    with pytest.raises(ValueError, match=r"not a Town: .*I would rather not"):
        llm.structured_predict(Town, PROMPT, town="Oslo")


def test_an_answer_that_was_cut_says_so(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion('{"name": "Os', reason="length"))
    with pytest.raises(ValueError, match=r"it was cut: raise max_tokens"):
        llm.structured_predict(Town, PROMPT, town="Oslo")


def test_a_refusal_says_so(wire_server: WireServer):
    choice = {"index": 0, "message": {"role": "assistant", "refusal": "I will not."}, "finish_reason": "stop"}
    wire_server.script(Answer.json({"id": "1", "choices": [choice]}))
    with pytest.raises(ValueError, match="no text to read as Town: I will not"):
        openai(wire_server).structured_predict(Town, PROMPT, town="Oslo")


def test_a_stream_that_gives_no_object_is_an_error(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(WIRE.stream(Turn(text="No.")))
    with pytest.raises(ValueError, match="not a Town"):
        list(llm.stream_structured_predict(Town, PROMPT, town="Oslo"))


@pytest.mark.anyio
async def test_a_structured_llm_answers_in_objects(wire_server: WireServer):
    llm = openai(wire_server).as_structured_llm(Town)
    whole, stream = completion(json.dumps(OSLO)), WIRE.stream(Turn(text=json.dumps(OSLO)))
    wire_server.script(whole, whole, whole, stream)
    assert llm.complete("Oslo?").raw == TOWN
    assert llm.chat([ChatMessage("Oslo?")]).raw == TOWN
    response = await llm.achat([ChatMessage("Oslo?")])
    assert json.loads(response.message.content or "") == OSLO
    assert [*llm.stream_chat([ChatMessage("Oslo?")])][-1].raw == TOWN


def test_a_prediction_is_told_once(wire_server: WireServer, events: list[Any]):
    wire_server.script(completion(json.dumps(OSLO)))
    openai(wire_server).structured_predict(Town, PROMPT, town="Oslo")
    kinds = (LLMStructuredPredictStartEvent, LLMChatStartEvent, LLMStructuredPredictEndEvent)
    assert [sum(type(event) is kind for event in events) for kind in kinds] == [1, 1, 1]
    chat = next(event for event in events if type(event) is LLMChatStartEvent)
    assert json.loads(chat.model_dump_json())["additional_kwargs"]["response_format"]


def test_programs_of_the_framework_work_untouched(wire_server: WireServer):
    llm = openai(wire_server)
    wire_server.script(completion(None, calls=[Call("Note", {"text": "a"})]))
    program = FunctionCallingProgram.from_defaults(Note, "Say {word}.", llm=llm)
    assert program(word="a") == Note(text="a")
