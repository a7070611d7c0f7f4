"""Deviations seen on Gemini's own API and on Vertex AI, for Gemini and Claude."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from llm_connector.errors import BadRequestError
from llm_connector.protocols.gemini import Gemini
from llm_connector.types import Tool, ToolCall, assistant, tool_result, user
from tests.support.answers import ask, endpoint, sse, streamed, whole

ROWS = ["gemini", "gemini_vertex"]
PARTS: dict[str, Any] = {"role": "model", "parts": [{"text": "Hi"}]}


class Address(BaseModel):
    street: str


class Person(BaseModel):
    home: Address
    work: Address | None = None


class Node(BaseModel):
    children: list[Node] = []


def declared(tool: Any, provider: str = "gemini", protocol: Any = None) -> dict[str, Any]:
    (tools,) = ask(provider=provider, protocol=protocol, tools=[tool]).body["tools"]
    (function,) = tools["functionDeclarations"]
    return dict(function)


class TestSchemas:
    @pytest.mark.parametrize("provider", ROWS)
    def test_SC_01_references_are_inlined(self, provider):
        schema = declared(Person, provider)["parametersJsonSchema"]

        assert "$ref" not in json.dumps(schema)
        assert schema["properties"]["home"]["properties"] == {"street": {"type": "string"}}

    def test_SC_01_recursive_ones_stay_where_they_can(self):
        assert "$ref" in json.dumps(declared(Node)["parametersJsonSchema"])
        older = declared(Node, protocol=Gemini(json_schema=False))["parameters"]
        assert not {"$ref", "$defs"} & keys_of(older)
        assert "$ref" in older["properties"]["children"]["items"]["description"]

    @pytest.mark.parametrize("json_schema", [True, False])
    def test_SC_02_keywords_that_gemini_does_not_know_are_not_sent_as_keywords(self, json_schema):
        given = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {"n": {"type": "integer", "exclusiveMinimum": 0, "title": "N", "description": "How many"}},
        }
        before = json.dumps(given)

        function = declared(Tool("count", "", given), protocol=Gemini(json_schema=json_schema))

        schema = function["parametersJsonSchema" if json_schema else "parameters"]
        assert not {"$schema", "exclusiveMinimum"} & keys_of(schema)
        assert ("additionalProperties" in schema) == json_schema
        assert schema["properties"]["n"]["description"] == "How many (exclusiveMinimum: 0)"
        assert json.dumps(given) == before

    @pytest.mark.parametrize("parameters", [None, {"type": "object"}, {"type": "object", "properties": {}}])
    def test_SC_03_a_tool_without_parameters_sends_none(self, parameters):
        assert declared(Tool("now", "The time", parameters)) == {"name": "now", "description": "The time"}

    def test_SC_07_a_result_is_text_whose_references_nobody_resolves(self):
        call = ToolCall(id="1", name="f")
        result = json.dumps({"$ref": "#/$defs/X"})

        contents = ask([user("?"), assistant(call), tool_result(call, result)], provider="gemini").body["contents"]

        assert contents[2]["parts"][0]["functionResponse"]["response"] == {"result": result}


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        return {*schema, *(key for value in schema.values() for key in keys_of(value))}
    return {key for item in schema for key in keys_of(item)} if isinstance(schema, list) else set()


@pytest.mark.parametrize("provider", ROWS)
def test_RS_17_signatures_of_calls_go_back_in_their_places(provider):
    parts = [
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S1"},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    message = whole(body, ask(provider=provider)).message
    results = [tool_result(call, "x") for call in message.tool_calls]

    assert ask([user("?"), message, *results], provider=provider).body["contents"][1]["parts"] == parts


def test_RS_14_signatures_of_claude_go_back_on_vertex():
    content = [
        {"type": "thinking", "thinking": "Hm", "signature": "S"},
        {"type": "tool_use", "id": "toolu_vrtx_1", "name": "f", "input": {}},
    ]
    body = {"type": "message", "content": content, "stop_reason": "tool_use"}
    message = whole(body, ask(provider="anthropic_vertex")).message

    rendered = ask([user("?"), message, tool_result("toolu_vrtx_1", "x")], provider="anthropic_vertex")

    assert rendered.body["messages"][1]["content"] == content


def test_US_03_counts_of_each_event_are_cumulative():
    counts = [{"promptTokenCount": 55, "candidatesTokenCount": number} for number in (1, 2, 3)]
    counts.append({"promptTokenCount": 257, "candidatesTokenCount": 4, "totalTokenCount": 261})
    events: list[Any] = [{"candidates": [{"content": PARTS}], "usageMetadata": count} for count in counts]
    events[-1]["candidates"][0]["finishReason"] = "STOP"

    reading = streamed(sse(*events), ask(provider="gemini", stream=True))

    usage = reading.answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (257, 4, 261)
    assert len([chunk for chunk in reading.chunks if chunk.usage]) == 1


@pytest.mark.parametrize("provider", [*ROWS, "anthropic_vertex"])
def test_ER_01_an_error_in_a_list_is_read(provider):
    body = [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT", "details": []}}]

    with pytest.raises(BadRequestError, match="Bad") as raised:
        whole(body, ask(provider=provider), status=400)

    assert raised.value.code == "400"


@pytest.mark.parametrize("provider", [*ROWS, "anthropic_vertex"])
def test_UR_04_a_model_cannot_leave_its_place_in_the_path(provider):
    rendered = ask(provider=provider, model="../../../../v1/projects/x?key=#a:b")
    path = endpoint(provider).url(rendered.path).removeprefix(endpoint(provider).base_url)

    assert "/../" not in path
    assert "?" not in path
    assert "#" not in path
    assert path.count(":") == 1, "the method"
