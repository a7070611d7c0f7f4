"""Requests: what callers may write for each option, and what they hear when it makes no sense."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from llm_connector import ChatRequest, ConfigurationError, Timeout, Tool, assistant, system, user
from llm_connector.schema import model_schema
from llm_connector.types import JsonSchema
from tests.support.names import shown
from tests.support.strategies import chat_requests

ONE_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class City(BaseModel):
    name: str


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


def weather(city: str) -> str:
    """The weather."""
    return city


def of(messages: Any = "Hi", **options: Any) -> ChatRequest:
    return ChatRequest.of(messages, options)


class TestOptions:
    def test_what_is_none_was_not_said(self):
        request = of(temperature=None, stop=None, tools=None, cache=None)
        assert request.model_fields_set == {"messages"}
        assert request == of()

    @pytest.mark.parametrize(
        ("option", "value", "expected"),
        [
            ("stop", "END", ["END"]),
            ("stop", ("a", "b"), ["a", "b"]),
            ("logit_bias", {50256: -100, "1": 0.5}, {"50256": -100, "1": 0.5}),
            ("cache", True, True),
            ("cache", "1h", "1h"),
            ("cache", False, None),
            ("metadata", {"a": "b"}, {"a": "b"}),
            ("extra_headers", {"X-Trace": "1"}, {"x-trace": "1"}),
            ("extra_body", {"a": {"b": 1}}, {"a": {"b": 1}}),
            ("tools", [weather], [Tool.of(weather)]),
            ("tools", (City, Tool("f"), {"name": "g", "parameters": ONE_CITY}), None),
            ("reasoning", False, False),
            ("reasoning", True, True),
            ("reasoning", 0, 0),
            ("reasoning", 2048, 2048),
            ("reasoning", "minimal", "minimal"),
            ("reasoning", "none", False),
            ("reasoning", "xhigh", "max"),
            ("reasoning", {"effort": "low"}, "low"),
            ("reasoning", {"effort": "none"}, False),
            ("reasoning", {"type": "enabled", "budget_tokens": 2048}, 2048),
            ("reasoning", {"type": "enabled"}, True),
            ("reasoning", {"type": "disabled"}, False),
            ("reasoning", {"enabled": False}, False),
            ("reasoning", {"max_tokens": 2048}, 2048),
            ("logprobs", True, True),
            ("logprobs", 5, 5),
            ("temperature", 0, 0.0),
            ("response_format", "json", "json"),
            ("response_format", {"type": "json_object"}, "json"),
            ("response_format", {"type": "text"}, None),
            ("response_format", City, JsonSchema(name="City", schema_=model_schema(City))),
            ("response_format", ONE_CITY, JsonSchema(name="answer", schema_=ONE_CITY)),
            ("response_format", {"title": "My answer", **ONE_CITY}, None),
        ],
        ids=shown,
    )
    def test_forms(self, option, value, expected):
        request = of(**{option: value})
        found = getattr(request, option)
        if expected is not None:
            assert found == expected
            assert type(found) is type(expected)
        assert ChatRequest.model_validate_json(request.model_dump_json()) == request

    def test_several_kinds_of_tools(self):
        assert [tool.name for tool in of(tools=[weather, City, Tool("f"), {"name": "g", "parameters": {}}]).tools] == [
            *("weather", "City", "f", "g")
        ]

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            *(
                ("auto", "auto"),
                ("none", "none"),
                ("required", "required"),
                ("any", "required"),
                ("weather", "weather"),
            ),
            ({"type": "function", "function": {"name": "weather"}}, "weather"),
            ({"type": "function", "name": "weather"}, "weather"),
            ({"type": "tool", "name": "weather"}, "weather"),
            ({"type": "any"}, "required"),
            ({"type": "auto"}, "auto"),
        ],
        ids=shown,
    )
    def test_tool_choices(self, choice, expected):
        assert of(tools=[weather], tool_choice=choice).tool_choice == expected

    @pytest.mark.parametrize(
        ("given_format", "name", "strict"),
        [
            (Page[int], "Page_int_", None),
            ({"title": "a b/ç" + "x" * 80, **ONE_CITY}, ("a_b_" + "x" * 80)[:64], None),
            ({"type": "json_schema", "json_schema": {"name": "n", "schema": ONE_CITY, "strict": False}}, "n", False),
            ({"type": "json_schema", "name": "n", "schema": ONE_CITY, "strict": True}, "n", True),
            ({"type": "json_schema", "json_schema": {"schema": ONE_CITY}}, "answer", None),
            (JsonSchema(name="n", schema_=ONE_CITY), "n", None),
        ],
        ids=shown,
    )
    def test_schemas(self, given_format, name, strict):
        wanted = of(response_format=given_format).response_format
        assert isinstance(wanted, JsonSchema)
        assert (wanted.name, wanted.strict) == (name, strict)
        assert wanted.schema_["type"] == "object"

    def test_references_of_a_schema_are_inlined(self):
        schema = {"type": "object", "properties": {"to": {"$ref": "#/$defs/C"}}, "$defs": {"C": ONE_CITY}}
        before = copy.deepcopy(schema)
        wanted = of(response_format=schema).response_format
        assert isinstance(wanted, JsonSchema)
        assert wanted.schema_ == {"type": "object", "properties": {"to": ONE_CITY}}
        assert schema == before

    def test_options_win_over_a_request(self):
        base = ChatRequest(messages=[user("Hi")], model="m", temperature=0.5, tools=[Tool("f")], seed=1)
        before = base.model_copy(deep=True)
        request = ChatRequest.of(base, {"temperature": 1, "tools": [weather], "seed": None})
        assert (request.model, request.temperature, request.seed) == ("m", 1.0, 1)
        assert [tool.name for tool in request.tools] == ["weather"]
        assert base == before
        assert request is not base

    @given(chat_requests())
    @settings(max_examples=50)
    def test_the_options_of_any_request_make_it_again(self, request):
        options = {name: value for name, value in request if name != "messages" and value is not None}
        again = ChatRequest.of(request.messages, options)
        assert again == ChatRequest.model_validate(request.model_dump())
        assert again.model_fields_set == {"messages", *options}

    @pytest.mark.parametrize(
        ("options", "asked"),
        [({}, "own"), ({"model": "m"}, "m"), ({"model": None}, "own"), ({"model": "", "seed": True}, "own")],
    )
    def test_a_model_of_its_own(self, options, asked):
        assert ChatRequest.of("Hi", options, "own").model == asked
        assert ChatRequest.of(ChatRequest(messages=[user("Hi")], **options), {}, "own").model == asked

    @pytest.mark.parametrize("options", [{"temperature": 1}, {"seed": True}, {"top_k": "5"}, {"n": 2.0}])
    def test_what_is_not_of_a_fields_own_type_becomes_so(self, options):
        (value,) = options.values()
        (made,) = (getattr(ChatRequest.of("Hi", options), name) for name in options)
        assert (made, type(made)) != (value, type(value))

    def test_what_was_put_into_a_request_is_checked_again(self):
        base = ChatRequest(messages=[user("Hi")], tools=[Tool("f")])
        assert ChatRequest.of(base, {}).tools == base.tools
        assert ChatRequest.of(base, {}).tools is not base.tools

        base.tools = [5]  # type: ignore[list-item]  # what a caller without a type checker may do
        with pytest.raises(ConfigurationError, match="tools: 'int' is not a tool"):
            ChatRequest.of(base, {})

    def test_the_callers_objects_are_not_changed(self):
        options = {
            "tools": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
            "stop": ["a"],
            "metadata": {"a": "b"},
            "extra_body": {"a": {"b": [1]}},
            "response_format": {"title": "T", **ONE_CITY},
        }
        before = json.dumps(options)
        request = ChatRequest.of("Hi", options)
        request.stop = None
        assert json.dumps(options) == before

    @given(chat_requests())
    @settings(max_examples=50)
    def test_any_request_survives_json(self, request):
        again = ChatRequest.model_validate_json(request.model_dump_json())
        assert again == request
        assert again.model_dump_json() == request.model_dump_json()


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"temprature": 1}, "options: temprature: Extra inputs are not permitted"),
            ({"messages": [user("Ho")]}, "messages: they are the first argument, and given once"),
            ({"stream": True}, "options: stream: Extra inputs are not permitted"),
            ({"temperature": "hot"}, "options: temperature: Input should be a valid number"),
            ({"max_tokens": 1.5}, "options: max_tokens: Input should be a valid integer"),
            ({"model": 5}, "options: model: Input should be a valid string"),
            ({"stop": 5}, "stop: give a string or a list of them, not a int"),
            ({"stop": [5]}, "options: stop.0: Input should be a valid string"),
            ({"logit_bias": [1]}, "logit_bias: give a dict of token ids and numbers, not a list"),
            ({"metadata": "a"}, "metadata: give a dict of strings, not a str"),
            ({"metadata": {"a": 1}}, "options: metadata.a: Input should be a valid string"),
            ({"extra_body": [1]}, "extra_body: give a dict of the wire's own fields, not a list"),
            ({"extra_headers": "Bearer sk-secret"}, "extra_headers: give a dict of strings, not a str"),
            ({"extra_headers": {"a": "b\nc"}}, "extra_headers: 'a' holds what a header cannot: printable ASCII only"),
            ({"extra_headers": {"a": "é"}}, "extra_headers: 'a' holds what a header cannot: printable ASCII only"),
            ({"tools": weather}, "tools: give a list of tools, even for one"),
            ({"tools": {"name": "f"}}, "tools: give a list of tools, even for one"),
            ({"tools": "weather"}, "tools: give a list of tools, even for one"),
            ({"tools": [5]}, "tools: 'int' is not a tool"),
            (
                {"tools": [weather], "tool_choice": "wether"},
                "tool_choice: 'wether' is none of 'auto', 'none', 'required'",
            ),
            ({"tool_choice": "required"}, "tool_choice: 'required', but there are no tools="),
            ({"tools": [weather], "tool_choice": 5}, "options: tool_choice: Input should be a valid string"),
            ({"response_format": 5}, "response_format: give a pydantic class, a JSON Schema dict or 'json'"),
            ({"response_format": int}, "response_format: give a pydantic class, a JSON Schema dict or 'json'"),
            ({"response_format": "xml"}, "response_format: give a pydantic class, a JSON Schema dict or 'json'"),
            ({"response_format": {"type": "json_schema"}}, "response_format: a json_schema needs a 'schema'"),
            ({"reasoning": "enormous"}, "options: reasoning."),
            ({"reasoning": -1}, "reasoning: a budget is a number of tokens, 0 or more; False switches it off"),
            ({"cache": "2h"}, "options: cache: Input should be True, '5m' or '1h'"),
        ],
        ids=shown,
    )
    def test_they_name_the_option(self, options, problem):
        with pytest.raises(ConfigurationError) as failure:
            ChatRequest.of("Hi", options)
        assert str(failure.value).startswith(problem)
        assert "secret" not in str(failure.value)

    @pytest.mark.parametrize(
        "messages", [[], (), iter(()), ChatRequest(messages=[])], ids=lambda value: type(value).__name__
    )
    def test_no_messages(self, messages):
        with pytest.raises(ConfigurationError, match="messages: there are none; give a string, a Message or a list"):
            ChatRequest.of(messages, {})

    def test_an_empty_text_is_no_message(self):
        with pytest.raises(ConfigurationError, match="messages: the text is empty"):
            ChatRequest.of("", {})

    def test_values_are_not_repeated(self):
        with pytest.raises(ConfigurationError) as failure:
            ChatRequest.of("Hi", {"user": ["sk-secret"]})
        assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "Hi"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
    ],
    ids=shown,
)
def test_a_cache_mark_of_any_part_is_kept(part):
    marked = {**part, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert of([{"role": "user", "content": [marked]}]).messages[0].parts[0].model_dump()["cache"] == "1h"


class TestPlainTurns:
    """Turns of one text are no pydantic objects inside a request; whoever reads them must not notice."""

    TURNS = [{"role": "developer", "content": "Be brief."}, {"role": "human", "content": "Hi"}]
    SAME = [system("Be brief."), user("Hi")]

    def test_they_read_like_messages(self):
        turns = ChatRequest.of(self.TURNS, {}).messages
        assert turns == self.SAME == turns
        assert turns != [system("Be brief."), user("Hello")]
        assert [(turn.role, turn.text, turn.parts, turn.name) for turn in turns] == [
            (turn.role, turn.text, turn.parts, turn.name) for turn in self.SAME
        ]
        assert [(turn.reasoning, turn.tool_calls) for turn in turns] == [(None, []), (None, [])]
        assert repr(turns[1]) == repr(self.SAME[1])
        assert turns[1].model_copy(update={"role": "assistant"}) == assistant("Hi")
        assert turns[1].model_dump() == self.SAME[1].model_dump()
        with pytest.raises(AttributeError):
            _ = getattr(turns[1], "content")  # noqa: B009  what checkers know to be absent

    def test_they_go_wherever_messages_go(self):
        request = ChatRequest.of(self.TURNS, {})
        assert ChatRequest.of(request.messages, {}) == request == ChatRequest.of(request, {})
        assert request.model_dump() == ChatRequest(messages=self.SAME).model_dump()
        assert ChatRequest.model_validate_json(request.model_dump_json()).messages == self.SAME
        assert copy.deepcopy(request).messages == pickle.loads(pickle.dumps(request)).messages == self.SAME


class TestTimeout:
    def test_a_number_limits_the_silence(self):
        assert Timeout.of(5) == Timeout(first_byte=5, idle=5)
        assert Timeout.of(None) == Timeout(connect=10, first_byte=300, idle=120, total=None)
        assert Timeout.of(Timeout(total=9)) == Timeout(total=9)

    @pytest.mark.parametrize("phase", ["connect", "first_byte", "idle", "total"])
    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_limits_are_above_zero(self, phase, seconds):
        with pytest.raises(ConfigurationError, match=rf"timeout: {phase} is .*; give seconds above 0, or None"):
            Timeout(**{phase: seconds})


def test_a_conversation_goes_on_with_the_answer():
    request = of([system("a"), {"role": "user", "content": "b"}, assistant("c")])
    assert [message.role for message in request.messages] == ["system", "user", "assistant"]
