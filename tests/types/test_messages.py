"""Messages as ordered parts: builders, and whatever callers pass in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import TypeAdapter, ValidationError

from llm_connector import (
    Audio,
    ConfigurationError,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.types import AnyPart, conversation, parsed_arguments
from llm_connector.types.calls import dict_of
from tests.support.names import shown
from tests.support.strategies import conversations

PNG = Image.base64("image/png", "iVBORw0KGgo=")
CALL = ToolCall(id="c1", name="get_weather", arguments={"city": "Oslo"})
EVERY_PART: list[AnyPart] = [
    Text("a", cache="5m", citations=[{"url": "https://example.com"}]),
    PNG,
    Image("https://example.com/a.png", detail="low", cache=True),
    Document.base64("application/pdf", "JVBERi0=", name="a.pdf"),
    Audio.base64("audio/wav", "UklGRg=="),
    Video("https://example.com/a.mp4"),
    Reasoning("hm", provider="anthropic", signature="s", encrypted="e", id="r1", field="thinking", details=[{"a": 1}]),
    ToolCall(id="c1", name="f", arguments={"x": 1}, arguments_raw='{"x": 1}', provider="p", extra={"y": [2]}),
    ToolCall(id="c2", name="f", arguments_raw="{", error="cut"),
    ToolResult(call_id="c1", name="f", parts=[Text("a"), PNG], error=True, cache="1h"),
    Opaque(provider="anthropic", data={"type": "server_tool_use"}),
]


def parts(messages: Any) -> list[AnyPart]:
    """The parts of a conversation of one message."""
    (message,) = conversation(messages)
    return message.parts


class TestParts:
    @pytest.mark.parametrize("part", EVERY_PART, ids=lambda part: part.type)
    def test_they_survive_json(self, part):
        message = Message(role="assistant", parts=[part])
        again = Message.model_validate_json(message.model_dump_json())
        assert again == message
        assert type(again.parts[0]) is type(part)
        assert again.model_dump_json() == message.model_dump_json()

    @pytest.mark.parametrize("part", EVERY_PART, ids=lambda part: part.type)
    def test_they_are_values(self, part):
        assert part == type(part).model_validate(part.model_dump())
        with pytest.raises(ValidationError, match="frozen"):
            part.cache = "5m"
        with pytest.raises((ValidationError, ConfigurationError), match="not permitted"):
            type(part).model_validate({**part.model_dump(), "unknown": 1})

    def test_their_type_tells_them_apart(self):
        adapter: TypeAdapter[list[AnyPart]] = TypeAdapter(list[AnyPart])
        assert adapter.validate_json(adapter.dump_json(EVERY_PART)) == EVERY_PART
        assert [part.type for part in EVERY_PART] == [
            *("text", "image", "image", "document", "audio", "video", "reasoning", "tool_call", "tool_call"),
            *("tool_result", "opaque"),
        ]

    def test_order_is_kept(self):
        mixed: list[AnyPart] = [Reasoning("1"), Text("2"), CALL, Reasoning("3"), Text("4")]
        message = Message.model_validate_json(assistant(*mixed).model_dump_json())
        assert message.parts == mixed
        assert (message.text, message.reasoning, message.tool_calls) == ("24", "13", [CALL])

    def test_state_and_bytes_are_not_shown(self):
        secretive = Message(
            role="assistant",
            parts=[
                Reasoning("hm", signature="SECRET", encrypted="SECRET", details=[{"data": "SECRET"}]),
                Image.base64("image/png", "SECRET=="),
            ],
        )
        assert "SECRET" not in repr(secretive) + str(secretive)

    def test_a_message_without_reasoning_says_none(self):
        assert assistant("Hi").reasoning is None
        assert assistant(Reasoning("")).reasoning == ""
        assert assistant().text == ""

    def test_the_text_of_a_tool_result_leaves_pictures_out(self):
        assert ToolResult(call_id="1", parts=[Text("a"), PNG, Text("b")]).text == "ab"

    def test_a_cache_mark_is_a_lifetime(self):
        with pytest.raises(ValidationError, match="'5m' or '1h'"):
            Text("a", cache="2h")

    @given(conversations())
    @settings(max_examples=50)
    def test_any_conversation_survives_json_and_the_door(self, messages):
        dumped = [json.loads(message.model_dump_json()) for message in messages]
        assert conversation(dumped) == messages
        assert conversation([message.model_dump() for message in messages]) == messages
        assert conversation(messages) == messages


class TestBuilders:
    def test_strings_become_texts(self):
        assert user("a", PNG, Text("b"), name="ann") == Message(
            role="user", parts=[Text("a"), PNG, Text("b")], name="ann"
        )
        assert system("a").role == "system"
        assert assistant("a", CALL).parts == [Text("a"), CALL]

    def test_a_tool_result_knows_its_call(self):
        assert tool_result(CALL, "7°C").parts == [ToolResult(call_id="c1", name="get_weather", parts=[Text("7°C")])]
        assert tool_result("c9", "x", PNG, error=True, name="f").parts == [
            ToolResult(call_id="c9", name="f", parts=[Text("x"), PNG], error=True)
        ]
        assert tool_result(CALL, name="other").parts == [ToolResult(call_id="c1", name="other")]

    @pytest.mark.parametrize("value", [5, None, {"a": 1}, ["a"], b"a"], ids=shown)
    def test_what_is_no_part_is_refused_with_the_remedy(self, value):
        for build in (user, system, assistant, lambda part: tool_result("c1", part)):
            with pytest.raises(ConfigurationError, match=r"is not a part; give a string \(json.dumps makes one\)"):
                build(value)


class TestConversation:
    def test_a_string_is_a_user_message(self):
        assert conversation("Hi") == [user("Hi")]
        assert conversation("Hi")[0].model_dump() == user("Hi").model_dump()

    def test_a_message_is_a_conversation(self):
        assert conversation(user("Hi")) == [user("Hi")]

    def test_any_iterable_will_do(self):
        turns = [system("a"), user("b")]
        assert conversation(iter(turns)) == turns
        assert conversation(tuple(turns)) == turns
        assert conversation(turn for turn in ({"role": "user", "content": "b"},)) == [user("b")]

    def test_messages_and_dicts_mix(self):
        mixed: list[Any] = [system("a"), MappingProxyType({"role": "user", "content": "b"}), user("c").model_dump()]
        assert conversation(mixed) == [system("a"), user("b"), user("c")]

    @pytest.mark.parametrize(
        ("role", "own"),
        [
            *(("system", "system"), ("developer", "system"), ("user", "user"), ("human", "user")),
            *(("assistant", "assistant"), ("ai", "assistant"), ("chatbot", "assistant"), ("model", "assistant")),
        ],
    )
    def test_roles(self, role, own):
        assert conversation([{"role": role, "content": "Hi"}]) == [Message(role=own, parts=[Text("Hi")])]
        assert conversation([{"role": role, "content": "Hi", "name": "x"}])[0].name == "x"

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("Hi", [Text("Hi")]),
            ("", [Text("")]),
            (["a", "b"], [Text("a"), Text("b")]),
            ([{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}], [Text("a"), Text("b")]),
            ([Text("a"), PNG], [Text("a"), PNG]),
            (({"type": "output_text", "text": "a"},), [Text("a")]),
            (
                [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
                [Text("a", cache=True)],
            ),
            (
                [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
                [Text("a", cache="1h")],
            ),
            (
                [{"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}],
                [Image("https://example.com/a.png", detail="low")],
            ),
            (
                [{"type": "image_url", "image_url": "https://example.com/a.png"}],
                [Image("https://example.com/a.png")],
            ),
            (
                [{"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"}],
                [Image("https://example.com/a.png", detail="high")],
            ),
            ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}], [PNG]),
            (
                [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
                [Audio.base64("audio/wav", "UklGRg==")],
            ),
            (
                [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}],
                [Video("https://example.com/a.mp4")],
            ),
            (
                [
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
                    }
                ],
                [Document.base64("application/pdf", "JVBERi0=", name="a.pdf")],
            ),
            (
                [{"type": "file", "file": {"file_id": "file-1"}}, {"type": "input_file", "file_id": "file-2"}],
                [Document(file_id="file-1"), Document(file_id="file-2")],
            ),
            (
                [{"type": "input_file", "file_url": "https://example.com/a.pdf"}],
                [Document("https://example.com/a.pdf")],
            ),
            (
                [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}],
                [Document.base64("application/pdf", "JVBERi0=", name="a.pdf")],
            ),
            (
                [{"type": "input_image", "file_id": "file-1", "detail": "low"}],
                [Image(file_id="file-1", detail="low")],
            ),
            (
                [{"type": "document", "title": "a", "source": {"type": "file", "file_id": "file_1"}}],
                [Document(file_id="file_1", name="a")],
            ),
            (
                [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
                [Image(file_id="file_1")],
            ),
            (
                [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}],
                [PNG],
            ),
            (
                [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}],
                [Image("https://example.com/a.png")],
            ),
            (
                [
                    {
                        "type": "document",
                        "title": "a",
                        "source": {"type": "text", "media_type": "text/plain", "data": "BMé"},
                    }
                ],
                [Document.base64("text/plain", "Qk3DqQ==", name="a")],
            ),
            (
                [{"type": "thinking", "thinking": "hm", "signature": "s"}],
                [Reasoning("hm", signature="s")],
            ),
        ],
        ids=shown,
    )
    def test_content(self, content, expected):
        assert parts([{"role": "user", "content": content}]) == expected

    def test_tool_calls(self):
        message = {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": '{"a": 1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}, "extra_content": {"x": 1}},
                {"id": "c3", "function": {"name": "h", "arguments": {"b": 2}}},
                {"id": "c4", "function": {"name": "i", "arguments": "{"}},
                ToolCall(id="c5", name="j"),
            ],
        }
        assert parts([message])[:-2] == [
            Text("Let me see."),
            ToolCall(id="c1", name="f", arguments={"a": 1}, arguments_raw='{"a": 1}'),
            ToolCall(id="c2", name="g", extra={"extra_content": {"x": 1}}),
            ToolCall(id="c3", name="h", arguments={"b": 2}),
        ]
        broken, own = parts([message])[-2:]
        assert isinstance(broken, ToolCall)
        assert (broken.arguments, broken.arguments_raw) == ({}, "{")
        assert str(broken.error).startswith("the arguments are not JSON")
        assert own == ToolCall(id="c5", name="j")

    @pytest.mark.parametrize(
        "call",
        [
            ToolCall(id="c1", name="f", arguments={"a": "Å"}, arguments_raw='{ "a":"Å" }'),
            ToolCall(id="c1", name="f", arguments_raw='{"a', error="cut"),
            ToolCall(id="c1", name="f", arguments_raw="{}", provider="gemini", extra={"signature": "s", "type": "x"}),
        ],
        ids=shown,
    )
    def test_a_call_as_a_dict_is_read_as_it_was(self, call):
        form = dict_of(call)
        assert (form["id"], form["type"], form["function"]["name"]) == ("c1", "function", "f")
        (read,) = parts([{"role": "assistant", "tool_calls": [json.loads(json.dumps(form))]}])
        assert isinstance(read, ToolCall)
        assert bool(read.error) == bool(call.error)
        assert read.model_copy(update={"error": call.error}) == call

    def test_a_call_as_a_dict_has_its_arguments_as_text(self):
        call = ToolCall(id="c1", name="f", arguments={"a": "Å"})
        assert dict_of(call)["function"] == {"name": "f", "arguments": '{"a":"Å"}'}
        assert dict_of(ToolCall(id="c1", name="f", arguments_raw="null"))["function"]["arguments"] == "{}"

    def test_tool_results(self):
        message = {"role": "tool", "tool_call_id": "c1", "content": "7°C"}
        assert parts([message]) == [ToolResult(call_id="c1", parts=[Text("7°C")])]
        assert parts([{**message, "name": "f", "content": [{"type": "text", "text": "a"}, PNG]}]) == [
            ToolResult(call_id="c1", name="f", parts=[Text("a"), PNG])
        ]
        assert parts([{**message, "content": None}]) == [ToolResult(call_id="c1")]

    @pytest.mark.parametrize(
        ("call", "result"),
        [
            (
                {"function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "1"},
            ),
            (
                {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
                {"role": "tool", "tool_name": "f", "content": "1"},
            ),
        ],
        ids=["before tools", "Ollama's"],
    )
    def test_calls_and_results_without_ids_find_each_other(self, call, result):
        asked, answered = conversation([{"role": "assistant", "content": None, **call}, result])
        (answer,) = answered.parts
        assert isinstance(answer, ToolResult)
        assert asked.tool_calls[0].id == answer.call_id

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"reasoning_content": "hm"}, Reasoning("hm", field="reasoning_content")),
            ({"reasoning": "hm"}, Reasoning("hm", field="reasoning")),
            ({"thinking": "hm"}, Reasoning("hm", field="thinking")),
            ({"reasoning_content": ""}, Reasoning("", field="reasoning_content")),
            ({"reasoning_content": "", "reasoning": "hm"}, Reasoning("hm", field="reasoning")),
            ({"reasoning_content": None, "reasoning": "hm"}, Reasoning("hm", field="reasoning")),
            (
                {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
                Reasoning("hm", field="reasoning", details=[{"type": "reasoning.text", "text": "hm"}]),
            ),
            (
                {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
                Reasoning("", details=[{"type": "reasoning.encrypted", "data": "x"}]),
            ),
        ],
        ids=shown,
    )
    def test_reasoning_fields(self, fields, expected):
        assert parts([{"role": "assistant", "content": "Hi", **fields}]) == [expected, Text("Hi")]

    def test_unknown_fields_of_an_answer_are_left_behind(self):
        message: dict[str, Any] = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []}
        assert conversation([message]) == [assistant("Hi")]

    @pytest.mark.parametrize(
        ("messages", "problem"),
        [
            (None, "messages: give a string, a Message, or a list"),
            (5, "messages: give a string, a Message, or a list"),
            ({"role": "user", "content": "Hi"}, "messages: give a string, a Message, or a list"),
            (b"Hi", "messages[0]: 'int' is not a message"),
            (["Hi"], "messages[0]: 'str' is not a message; give a Message or a role/content dict"),
            ([user("a"), 5], "messages[1]: 'int' is not a message"),
            ([{"content": "Hi"}], "messages[0]: unknown role None; use 'system', 'user', 'assistant' or 'tool'"),
            ([{"role": "usr", "content": "Hi"}], "messages[0]: unknown role 'usr'"),
            ([{"role": ["user"], "content": "Hi"}], "messages[0]: unknown role ['user']"),
            ([user("a"), {"role": "user"}], "messages[1]: this user message is empty"),
            ([{"role": "user", "contents": "Hi"}], "messages[0]: this user message is empty"),
            ([{"role": "system", "content": []}], "messages[0]: this system message is empty"),
            ([user()], "messages[0]: this user message is empty"),
            ([Message(role="tool", parts=[])], "messages[0]: this tool message is empty"),
            ([{"role": "user", "content": 5}], "messages[0]: content is a int"),
            ([{"role": "user", "content": {"type": "text"}}], "messages[0]: content is a dict"),
            ([{"role": "user", "content": [5]}], "messages[0]: 'int' is not content"),
            ([{"role": "user", "content": [{"type": "text"}]}], "messages[0]: 'text' is missing"),
            ([{"role": "user", "content": [{"type": "text", "text": 5}]}], "messages[0]: text: "),
            ([{"role": "user", "content": [{"type": "picture"}]}], "messages[0]: unknown content type 'picture'"),
            ([{"role": "user", "content": [{"text": "a"}]}], "messages[0]: unknown content type None"),
            (
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/etc/passwd"}}]}],
                "messages[0]: the image in a dict needs an http(s) or data URL",
            ),
            (
                [{"role": "user", "content": [{"type": "file", "file": {"file_data": "~/.ssh/id_rsa"}}]}],
                "messages[0]: the file in a dict needs an http(s) or data URL",
            ),
            (
                [{"role": "user", "content": [{"type": "video_url", "video_url": "file:///a.mp4"}]}],
                "messages[0]: the video in a dict needs an http(s) or data URL",
            ),
            (
                [{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "a.txt"}}]}],
                "messages[0]: the document in a dict needs an http(s) or data URL",
            ),
            (
                [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf"}}]}],
                "messages[0]: the file in a dict needs an http(s) or data URL",
            ),
            (
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}]}],
                "messages[0]: image is not valid base64",
            ),
            ([{"role": "tool", "content": "7"}], "messages[0]: a tool message needs 'tool_call_id'"),
            (
                [
                    {
                        "role": "tool",
                        "tool_call_id": "c1",
                        "content": [{"type": "video_url", "video_url": "https://a"}],
                    }
                ],
                "messages[0]: a tool result holds text, images and documents, not video",
            ),
            (
                [{"role": "assistant", "tool_calls": [{"id": "c1"}]}],
                "messages[0]: 'function' is missing",
            ),
            (
                [{"role": "assistant", "tool_calls": [{"id": "c1", "function": {"arguments": "{}"}}]}],
                "messages[0]: 'name' is missing",
            ),
            ([{"role": "user", "parts": [{"type": "text"}]}], "messages[0]: "),
            ([{"role": "user", "parts": [{"type": "txt"}]}], "messages[0]: parts.0: "),
            ([{"role": "usr", "parts": []}], "messages[0]: role: "),
        ],
        ids=shown,
    )
    def test_mistakes_name_their_position(self, messages, problem):
        with pytest.raises(ConfigurationError) as failure:
            conversation(messages)
        assert str(failure.value).startswith(problem)

    def test_the_callers_dicts_are_not_changed(self):
        messages = [
            {"role": "developer", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": [1]}}}]},
        ]
        before = json.dumps(messages)
        conversation(messages)
        assert json.dumps(messages) == before


class TestArguments:
    @pytest.mark.parametrize("raw", ["", "  \n", "null", '"null"', '""', "{}", " {} "])
    def test_nothing_means_no_arguments(self, raw):
        assert parsed_arguments(raw) == ({}, None)

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ('{"a": 1}', {"a": 1}),
            ('"{\\"a\\": 1}"', {"a": 1}),
            ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
            ('{"a": {"b": [1, 2.5, null, true]}}', {"a": {"b": [1, 2.5, None, True]}}),
        ],
    )
    def test_objects_are_read(self, raw, expected):
        assert parsed_arguments(raw) == (expected, None)

    @pytest.mark.parametrize(
        ("raw", "problem"),
        [
            ("{", "the arguments are not JSON: "),
            ("Oslo", "the arguments are not JSON: "),
            ('{"a": 1}{"b": 2}', "the arguments are not JSON: "),
            ("[1]", "the arguments are not a JSON object but list"),
            ("5", "the arguments are not a JSON object but int"),
            ('"Oslo"', "the arguments are not JSON: "),
        ],
    )
    def test_anything_else_is_reported(self, raw, problem):
        arguments, error = parsed_arguments(raw)
        assert arguments == {}
        assert str(error).startswith(problem)


def test_a_mapping_of_any_kind_is_a_message():
    class Turn(Mapping[str, Any]):
        fields = {"role": "user", "content": "Hi"}

        def __getitem__(self, key):
            return self.fields[key]

        def __iter__(self):
            return iter(self.fields)

        def __len__(self):
            return len(self.fields)

    assert conversation([Turn()]) == [user("Hi")]


@pytest.mark.parametrize(
    "part", [Reasoning("Hm."), ToolCall(id="1", name="f"), Opaque(data={})], ids=lambda part: part.type
)
def test_every_part_says_whether_it_is_marked_for_the_cache(part: Any):
    assert part.cache is None
    assert "cache" not in part.model_dump()
    assert Text("a", cache="1h").cache == "1h"
