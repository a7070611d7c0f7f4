"""SC: tools and schemas as servers accept them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import BaseModel

from llm_connector.errors import ParseError
from llm_connector.types import Text, Tool, ToolCall, assistant, tool_result, user
from tests.support.answers import STOP, ask, call_delta, completion, delta, piece, sse, streamed, whole

ROWS = ["openai", "openai_compatible", "deepseek", "anthropic", "ollama"]


class Address(BaseModel):
    street: str


class Person(BaseModel):
    name: str
    home: Address
    work: Address | None = None


class Node(BaseModel):
    value: int
    children: list[Node] = []


def parameters(tool: Any, provider: str = "openai_compatible", **options: Any) -> dict[str, Any]:
    """The schema of a tool as it is sent."""
    wire = ask(provider=provider, tools=[tool], **options).body["tools"][0]
    schema: dict[str, Any] = wire["input_schema"] if provider == "anthropic" else wire["function"]["parameters"]
    return schema


@pytest.mark.parametrize("provider", ROWS)
def test_SC_01_references_are_inlined(provider):
    text = json.dumps(parameters(Person, provider))

    assert "$ref" not in text
    assert "$defs" not in text
    assert text.count("street") >= 3


def test_SC_01_recursive_ones_stay_with_their_definition():
    schema = parameters(Node)

    assert "#/$defs/Node" in json.dumps(schema)
    assert set(schema["$defs"]) == {"Node"}


def test_SC_01_the_callers_schema_is_never_changed():
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    before = copy.deepcopy(schema)

    for provider in ROWS:
        ask(provider=provider, tools=[Tool("f", "", schema)], response_format=schema, strict_schema=True)

    assert schema == before


@pytest.mark.parametrize(
    "given", [None, {}, {"type": "object"}, {"type": "object", "properties": {}}, {"type": "null"}]
)
@pytest.mark.parametrize("provider", ROWS)
def test_SC_03_a_tool_without_parameters_has_an_empty_object(given, provider):
    for strict in (None, True):
        schema = parameters(Tool("now", "", given), provider, strict_schema=strict)
        assert (schema["type"], schema["properties"]) == ("object", {})
        assert not schema.get("required"), "an empty list is refused by some servers"
        assert "required" not in schema or strict

    def now() -> str:
        """Tells the time."""
        return ""

    assert parameters(now, provider) == {"type": "object", "properties": {}}


@pytest.mark.parametrize("name", ["fs.read", "a b", "mcp:server/tool", "ünïcode", "x" * 70])
@pytest.mark.parametrize("provider", ["openai", "openai_compatible", "deepseek", "anthropic"])
def test_SC_04_names_are_renamed_and_come_back(name, provider):
    rendered = ask(provider=provider, tools=[Tool(name), Tool("fs_read")], tool_choice=name)
    tool = rendered.body["tools"][0]
    wire = tool["name"] if provider == "anthropic" else tool["function"]["name"]

    assert wire.isascii()
    assert wire.replace("_", "").replace("-", "").isalnum()
    assert 0 < len(wire) <= 64
    assert wire != "fs_read", "names stay unique"
    assert [note.action for note in rendered.adaptations if "tool" in note.subject][:1] == ["renamed"]
    if provider != "anthropic":
        answers = [
            whole(completion("tool_calls", tool_calls=[{"id": "x", "function": {"name": wire}}]), rendered),
            streamed(sse(call_delta(piece("{}", wire, index=0, id="x")), STOP), rendered).answer,
        ]
        assert [answer.tool_calls[0].name for answer in answers] == [name, name]


def test_SC_04_names_in_the_history_are_renamed_alike():
    call = ToolCall(id="x", name="fs.read")

    body = ask([user("?"), assistant(call), tool_result(call, "ok")], tools=[Tool("fs.read")]).body

    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == body["tools"][0]["function"]["name"] == "fs_read"


@pytest.mark.parametrize("choice", ["required", "f"])
def test_SC_05_a_choice_forced_while_thinking_is_weakened_aloud(choice):
    thinking = ask(provider="deepseek", tools=[Tool("f")], tool_choice=choice)
    still = ask(provider="deepseek", tools=[Tool("f")], tool_choice=choice, reasoning=False)

    assert thinking.body["tool_choice"] == "auto"
    assert [(note.action, note.subject) for note in thinking.adaptations] == [("downgraded", "tool_choice")]
    assert still.body["tool_choice"] != "auto"
    assert still.adaptations == []


def test_SC_05_anthropic_too():
    rendered = ask(
        provider="anthropic", model="claude-sonnet-4-5", tools=[Tool("f")], tool_choice="required", reasoning=2048
    )

    assert rendered.body["tool_choice"]["type"] == "auto"
    assert [note.subject for note in rendered.adaptations] == ["tool_choice"]


@pytest.mark.parametrize(
    ("provider", "wire"), [("openai", "required"), ("openai_compatible", "required"), ("anthropic", {"type": "any"})]
)
def test_SC_06_required_is_spelled_as_each_wire_wants_it(provider, wire):
    assert ask(provider=provider, tools=[Tool("f")], tool_choice="required").body["tool_choice"] == wire


def test_SC_07_results_are_sent_as_text():
    result = json.dumps({"$ref": "#/$defs/X", "$defs": {"X": 1}})
    call = ToolCall(id="x", name="f")

    body = ask([user("?"), assistant(call), tool_result(call, result)]).body

    assert body["messages"][2]["content"] == result


@pytest.mark.parametrize("provider", ["openai", "openai_compatible", "deepseek", "ollama"])
def test_SC_08_json_mode_says_the_word_json(provider):
    silent = ask("List three", provider=provider, response_format="json")
    spoken = ask("List three as JSON", provider=provider, response_format="json")

    assert "json" in json.dumps(silent.body["messages"]).lower()
    assert [note.subject for note in silent.adaptations] == ["response_format"]
    assert len(spoken.body["messages"]) == 1
    assert spoken.adaptations == []


def test_SC_09_a_schema_goes_into_the_prompt_where_only_json_mode_exists():
    rendered = ask("Who?", provider="deepseek", response_format=Person)

    assert rendered.body["response_format"] == {"type": "json_object"}
    assert "street" in json.dumps(rendered.body["messages"])
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("downgraded", "response_format")]


@pytest.mark.parametrize("content", ["", None, "  \n"])
def test_SC_10_an_empty_answer_in_json_mode_says_so(content):
    answer = whole(completion("stop", content=content), ask(provider="deepseek", response_format=Address))

    with pytest.raises(ParseError, match=r"no text.*'stop'"):
        answer.parse(Address)


@pytest.mark.parametrize(
    "text",
    [
        '{"street": "x"}',
        '```json\n{"street": "x"}\n```',
        '```\n{"street": "x"}\n```',
        '\n```JSON\n\n{"street": "x"}\n\n```\n',
        '```{"street": "x"}```',
    ],
)
def test_SC_11_one_fence_around_the_json_is_removed(text):
    assert whole(completion(content=text)).parse(Address) == Address(street="x")


@pytest.mark.parametrize("provider", ROWS)
def test_SC_12_strict_is_sent_only_where_it_was_asked_for(provider):
    plain = json.dumps(ask(provider=provider, tools=[Tool("f"), Address]).body)

    assert "strict" not in plain
    if provider == "openai":
        asked = ask(provider=provider, tools=[Address], strict_schema=True).body["tools"][0]["function"]
        assert asked["strict"] is True
        assert asked["parameters"]["additionalProperties"] is False
        assert asked["parameters"]["required"] == ["street"]


def test_calls_to_renamed_tools_are_announced_under_their_own_name_in_every_chunk():
    rendered = ask(stream=True, tools=[Tool("fs.read")])

    reading = streamed(sse(call_delta(piece("{}", "fs_read", index=0, id="x")), delta("tool_calls")), rendered)

    assert {chunk.tool_call_delta.name for chunk in reading.chunks if chunk.tool_call_delta} == {"fs.read"}
    assert reading.answer.message.parts == [ToolCall(id="x", name="fs.read", arguments_raw="{}")]
    assert not [part for part in reading.answer.message.parts if isinstance(part, Text)]
