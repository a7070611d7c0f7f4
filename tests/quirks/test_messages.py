"""MS: messages as servers accept them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.protocols import ChatCompletions
from llm_connector.types import Image, Message, Text, ToolCall, ToolResult, assistant, system, tool_result, user
from tests.support.answers import ask, completion, whole

ROWS = ["openai", "openai_compatible", "deepseek", "anthropic", "ollama"]
CALL = ToolCall(id="x", name="f", arguments={"a": 1})
PNG = "iVBORw0KGgo="


def sent(*messages: Any, provider: str = "openai_compatible", **options: Any) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = ask(list(messages), provider=provider, **options).body["messages"]
    return turns


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_MS_01_blank_text_is_not_sent_to_anthropic(blank):
    turns = sent(
        user("?", Text(blank)),
        assistant(Text(blank), CALL),
        tool_result(CALL, blank),
        provider="anthropic",
    )

    texts = [
        block["text"]
        for turn in turns
        if isinstance(turn["content"], list)
        for block in turn["content"]
        if "text" in block
    ]
    assert [text for text in texts if not text] == []
    call, result = turns[1]["content"], turns[2]["content"]
    assert {block["type"] for block in call} <= {"text", "tool_use"}
    assert result == [{"type": "tool_result", "tool_use_id": "x"}]


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_MS_01_a_message_with_nothing_left_is_left_out_and_reported(blank):
    rendered = ask([user("a"), assistant(blank), user("b")], provider="anthropic")

    (turn,) = rendered.body["messages"]
    assert [block["text"] for block in turn["content"]] == ["a", "b"]
    assert [note.action for note in rendered.adaptations] == ["dropped"]


def test_MS_01_blank_blocks_carry_no_cache_marks():
    rendered = ask([system("Be brief"), user("?", Text(" ", cache=True))], provider="anthropic", cache=True)

    def marked(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [block for item in node for block in marked(item)]
        if not isinstance(node, dict):
            return []
        return [node] * ("cache_control" in node) + [block for value in node.values() for block in marked(value)]

    blocks = marked(rendered.body)
    assert blocks
    assert all(block["text"].strip() for block in blocks if block.get("type") == "text")


@pytest.mark.parametrize(
    ("provider", "content"), [("openai", None), ("openai_compatible", None), ("deepseek", ""), ("ollama", "")]
)
def test_MS_02_MS_03_each_server_gets_its_own_empty_content_beside_calls(provider, content):
    turns = sent(user("?"), assistant(CALL), tool_result(CALL, "ok"), provider=provider)

    assert turns[1]["content"] == content


@pytest.mark.parametrize("provider", ROWS)
def test_MS_03_null_is_sent_only_beside_calls(provider):
    turns = sent(user("?"), assistant(""), user("And?"), provider=provider)

    assert all(turn["content"] is not None for turn in turns)


@pytest.mark.parametrize("provider", ROWS)
def test_MS_04_content_is_never_an_empty_list(provider):
    turns = sent(
        user(Text("")), user("?"), assistant(CALL), tool_result(CALL), user(Text(""), Text("!")), provider=provider
    )

    assert [turn for turn in turns if turn["content"] == []] == []
    assert [turn for turn in turns if isinstance(turn["content"], list) and {} in turn["content"]] == []


@pytest.mark.parametrize("provider", ["openai", "openai_compatible", "deepseek", "ollama"])
def test_MS_05_text_alone_is_a_string(provider):
    history = [system("S", "1"), user("U", "2"), assistant("A", CALL), tool_result(CALL, "R", "3")]

    turns = sent(*history, provider=provider)

    assert [turn["content"] for turn in turns] == ["S1", "U2", "A", "R3"]


@pytest.mark.parametrize("provider", ["openai", "openai_compatible", "deepseek", "ollama"])
def test_MS_06_developer_is_sent_as_system(provider):
    turns = sent({"role": "developer", "content": "Be brief"}, {"role": "user", "content": "?"}, provider=provider)

    assert [turn["role"] for turn in turns] == ["system", "user"]


@pytest.mark.parametrize("provider", ["vllm", "mistral", "perplexity"])
def test_MS_07_strict_templates_get_one_system_message_at_the_front(provider):
    rendered = ask([system("One"), user("?"), system("Two")], provider=provider)

    assert rendered.body["messages"] == [
        {"role": "system", "content": "One\n\nTwo"},
        {"role": "user", "content": "?"},
    ]
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("converted", "system message")]


@pytest.mark.parametrize("provider", ["mistral", "perplexity"])
def test_MS_08_strict_templates_get_neighbours_of_one_role_as_one_turn(provider):
    body = ask([user("One"), user("Two"), assistant("A"), assistant("B"), user("?")], provider=provider).body

    assert [message["content"] for message in body["messages"]] == ["One\n\nTwo", "A\n\nB", "?"]


@pytest.mark.parametrize("call_id", ["call_0123456789abcdef", "D681PevK", "D681PevKs0", "D681-evKs", "é23456789", ""])
def test_MS_11_mistral_gets_ids_of_nine_letters_and_digits(call_id):
    first, second = ToolCall(id=call_id, name="f"), ToolCall(id="D681PevKs", name="f")
    history = [user("?"), assistant(first, second), tool_result(first, "1"), tool_result(second, "2")]

    rendered = ask(history, provider="mistral")

    _, turn, *results = rendered.body["messages"]
    ids = [call["id"] for call in turn["tool_calls"]]
    assert ids == [result["tool_call_id"] for result in results]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", one) for one in ids)
    assert ids[1] == "D681PevKs"
    assert ids[0] != ids[1]
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("renamed", "ids of tool calls")]
    assert first.id == call_id, "the caller's history is untouched"


def test_MS_07_anthropic_takes_leading_system_messages_at_the_top_and_late_ones_as_user_text():
    rendered = ask([system("One"), system("Two"), user("?"), system("Three")], provider="anthropic")

    assert rendered.body["system"] == "One\n\nTwo"
    assert [turn["role"] for turn in rendered.body["messages"]] == ["user"]
    assert "Three" in json.dumps(rendered.body["messages"])
    assert [note.action for note in rendered.adaptations] == ["converted"]


def test_MS_08_anthropic_gets_neighbours_of_one_role_as_one_turn_and_results_together():
    second = ToolCall(id="y", name="f", arguments={"a": 2})

    turns = sent(
        user("a"), user("b"), assistant(CALL, second), tool_result(CALL, "1"), tool_result(second, "2"), user("c"),
        provider="anthropic",
    )  # fmt: skip

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result", "tool_result", "text"]


@pytest.mark.parametrize("provider", ROWS)
@pytest.mark.parametrize("after", [[], [user("go on")], [assistant("go on")]])
def test_MS_09_calls_without_results_are_named_before_anything_is_sent(provider, after):
    answered, open_call = CALL, ToolCall(id="y", name="g")
    history = [user("?"), assistant(answered, open_call), tool_result(answered, "ok"), *after]

    if not after:
        ask(history, provider=provider)  # the rest may still come in a later message of the same turn
        return
    with pytest.raises(ConfigurationError, match=r"messages\[1\].*g \(y\)"):
        ask(history, provider=provider)


def test_MS_10_images_in_tool_results_follow_as_a_user_message_where_results_hold_text_only():
    image = Image.base64("image/png", PNG)
    second = ToolCall(id="y", name="f")
    history = [user("?"), assistant(CALL, second), tool_result(CALL, image), tool_result(second, "2")]

    rendered = ask(history)

    roles = [turn["role"] for turn in rendered.body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user"], "results stay together"
    assert PNG in json.dumps(rendered.body["messages"][4])
    assert [note.action for note in rendered.adaptations] == ["converted"]
    native = ask(history, provider="anthropic")
    assert native.body["messages"][2]["content"][0]["content"][0]["type"] == "image"
    assert native.adaptations == []


def test_MS_12_fields_of_an_answer_are_not_echoed():
    fields: dict[str, Any] = {
        "annotations": [],
        "audio": None,
        "refusal": None,
        "reasoning_content": "Hm",
        "surprise": 1,
    }
    message = whole(completion(content="Hi", **fields)).message

    for provider in ("openai", "openai_compatible", "deepseek"):
        assert sent(user("?"), message, user("And?"), provider=provider)[1] == {"role": "assistant", "content": "Hi"}


def test_MS_13_images_to_a_row_without_them_become_a_visible_text_or_an_error():
    message = user("Look", Image("https://example.com/cat.png"))

    rendered = ask([message], provider="deepseek")

    assert "https://example.com/cat.png" in rendered.body["messages"][0]["content"]
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("converted", "image")]
    with pytest.raises(UnsupportedError, match="image"):
        ask([message], provider="deepseek", strict=True)


@pytest.mark.parametrize("data", ["not base64!", "aGk", "", "data:image/png;base64,@@@"])
def test_MS_14_invalid_base64_is_refused_when_the_part_is_made(data):
    with pytest.raises(ConfigurationError, match="image"):
        Image.base64("image/png", data)


def test_MS_14_prefixes_and_white_space_are_removed_when_the_part_is_made():
    assert Image.base64("image/png", f"data:image/png;base64,{PNG[:4]}\n {PNG[4:]}").data == PNG


@pytest.mark.parametrize("provider", ROWS)
def test_MS_15_every_role_is_rendered(provider):
    history = [system("S"), user("U"), assistant("A", CALL), tool_result(CALL, "R"), assistant("B"), user("V")]

    text = json.dumps(ask(history, provider=provider).body)

    for mark in ("S", "U", "A", "R", "B", "V"):
        assert f'"{mark}"' in text
    assert text.count('"x"') == 2, "the call and its result name each other"


def test_MS_15_results_inside_a_user_message_are_results():
    mixed = Message(role="user", parts=[Text("Here"), ToolResult(call_id="x", parts=[Text("ok")])])

    turns = sent(user("?"), assistant(CALL), mixed, protocol=ChatCompletions())

    assert [(turn["role"], turn["content"]) for turn in turns[2:]] == [("tool", "ok"), ("user", "Here")]
