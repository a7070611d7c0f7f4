"""The embedded engine: tools and schemas as a grammar that the answer must follow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from llm_connector import ChatRequest, Tool, UnsupportedError, assistant, tool_result, user
from llm_connector.protocols import ChunkParser
from llm_connector.protocols.completion_thinking import Thinking
from llm_connector.providers.embedded import EmbeddedCompletions
from llm_connector.types import Notes, ToolCall
from llm_connector.wire import Event

ENGINE = EmbeddedCompletions(think_tags=True, thinking=Thinking())


def weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"sunny in {city} for {days}"


def clock() -> str:
    """The time."""
    return "noon"


def asking(**options: Any) -> ChatRequest:
    return ChatRequest.of("What is the weather in Oslo?", {"model": "m", "tools": [weather, clock], **options})


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
    return schema


def streamed(parser: ChunkParser, text: str, reason: str = "stop") -> list[Any]:
    chunks: list[Any] = []
    for piece in (text[:7], text[7:]):
        body = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": piece}}]}
        chunks += parser.feed(Event("", json.dumps(body).encode()))
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    chunks += parser.feed(Event("", json.dumps(end).encode()))
    return [*chunks, *parser.close()]


def test_every_tool_is_an_envelope_and_so_is_an_answer() -> None:
    body = ENGINE.render_chat(asking(), stream=False)

    shapes = schema_of(body)["anyOf"]
    assert [shape["properties"].get("tool", {}).get("const") for shape in shapes] == ["weather", "clock", None]
    assert list(shapes[2]["properties"]) == ["answer"]
    assert "tools" not in body
    assert "tool_choice" not in body
    assert '{"tool": "weather", "arguments": {"city": string, "days": integer}}' in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("choice", "offered"), [("required", ["weather", "clock"]), ("clock", ["clock"]), ("weather", ["weather"])]
)
def test_a_forced_choice_leaves_no_room_for_an_answer(choice: str, offered: list[str]) -> None:
    schema = schema_of(ENGINE.render_chat(asking(tool_choice=choice), stream=False))

    shapes = schema.get("anyOf", [schema])
    assert [shape["properties"]["tool"]["const"] for shape in shapes] == offered


def test_without_a_choice_there_is_no_envelope() -> None:
    body = ENGINE.render_chat(asking(tool_choice="none"), stream=False)

    assert "response_format" not in body
    assert body["messages"] == [{"role": "user", "content": "What is the weather in Oslo?"}]


def test_after_a_result_a_free_choice_answers_in_words() -> None:
    call = ToolCall(id="1", name="weather", arguments={"city": "Oslo"})
    turns = [user("What is the weather in Oslo?"), assistant(call), tool_result(call, "sunny")]

    body = ENGINE.render_chat(ChatRequest.of(turns, {"model": "m", "tools": [weather]}), stream=False)

    assert "response_format" not in body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "Let me look up weather: Oslo."
    assert body["messages"][2]["content"] == "The weather is: sunny.\nSay this in a sentence."


def test_a_failed_call_is_told_in_words_too() -> None:
    call = ToolCall(id="1", name="sum", arguments={"numbers": [1, 2], "round": True})
    turns = [user("1 + 2?"), assistant(call), tool_result(call, "no such tool", error=True)]

    body = ENGINE.render_chat(ChatRequest.of(turns, {"model": "m", "tools": [weather]}), stream=False)

    assert body["messages"][1]["content"] == "Let me look up sum: [1,2], true."
    assert body["messages"][2]["content"] == "The sum failed: no such tool.\nSay this in a sentence."


def test_what_was_changed_is_said_and_strict_refuses_it() -> None:
    notes = Notes()
    ENGINE.render_chat(asking(), stream=False, notes=notes)

    assert [(note.action, note.subject) for note in notes.adaptations] == [
        ("converted", "tools"),
        ("clamped", "response_format"),
    ]
    with pytest.raises(UnsupportedError, match="tools would be converted"):
        ENGINE.render_chat(asking(), stream=False, notes=Notes(strict=True))


class City(BaseModel):
    name: str
    districts: list[str]


def test_json_has_bounds_and_the_model_is_told_the_schema() -> None:
    request = ChatRequest.of("A city.", {"model": "m", "response_format": City, "max_tokens": 99_999})

    body = ENGINE.render_chat(request, stream=False)

    properties = schema_of(body)["properties"]
    assert properties["name"]["maxLength"] > 0
    assert properties["districts"]["maxItems"] > 0
    assert body["max_tokens"] <= 2048
    assert body["temperature"] == 0
    assert "districts" in body["messages"][0]["content"]


def test_the_callers_schema_and_tools_stay_as_they_are() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = Tool("weather", "", parameters)

    ENGINE.render_chat(ChatRequest.of("?", {"model": "m", "tools": [tool]}), stream=False)

    assert parameters == {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


ENVELOPE = '{"tool": "weather", "arguments": {"city": "Oslo"}}'


def test_an_envelope_becomes_a_call_when_it_is_whole() -> None:
    chunks = streamed(ENGINE.chunk_parser(asking()), ENVELOPE)

    assert not any(chunk.text for chunk in chunks)
    calls = [chunk.tool_call for chunk in chunks if chunk.tool_call]
    assert [(call.name, call.arguments) for call in calls] == [("weather", {"city": "Oslo"})]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]


def test_an_answer_in_an_envelope_becomes_text() -> None:
    parser = ENGINE.chunk_parser(asking())

    chunks = streamed(parser, '{"answer": "It is sunny."}')

    assert "".join(chunk.text for chunk in chunks) == "It is sunny."
    assert parser.response().text == "It is sunny."


def test_a_cut_envelope_stays_text_and_no_call() -> None:
    parser = ENGINE.chunk_parser(asking())

    chunks = streamed(parser, ENVELOPE[:30], reason="length")

    assert "".join(chunk.text for chunk in chunks) == ENVELOPE[:30]
    assert parser.response().tool_calls == []
    assert parser.response().finish_reason == "length"


def test_a_streamed_envelope_equals_a_whole_one() -> None:
    message = {"role": "assistant", "content": ENVELOPE}
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    parser = ENGINE.chunk_parser(asking())
    streamed(parser, ENVELOPE)

    whole = ENGINE.parse_chat(body, asking())

    assert whole.tool_calls[0].model_dump(exclude={"id"}) == parser.response().tool_calls[0].model_dump(exclude={"id"})
    assert whole.text == parser.response().text == ""
    assert whole.finish_reason == "tool_calls"
