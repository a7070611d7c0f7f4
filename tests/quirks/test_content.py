"""CT: shapes of answers that are not what was promised."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector.errors import APIError, BadRequestError, ParseError, StreamError
from llm_connector.types import ToolCall, tool_result, user
from tests.support.answers import STOP, Reading, ask, call_delta, completion, delta, piece, sse, streamed, whole

CALL = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read(*events: Any, **options: Any) -> Reading:
    return streamed(sse(*events, done=True), ask(stream=True, **options))


@pytest.mark.parametrize("choices", [{"choices": None}, {"choices": []}, {}])
def test_CT_01_no_choices_with_an_error_is_that_error(choices):
    error = {"message": "Provider said no", "code": 400}

    with pytest.raises(BadRequestError, match="Provider said no"):
        whole({"id": None, **choices, "error": error, "user_id": "user_1"})


@pytest.mark.parametrize("choices", [{"choices": None}, {"choices": []}, {}])
def test_CT_01_no_choices_and_no_error_is_worth_another_try_and_shows_the_keys(choices):
    with pytest.raises(ParseError, match="'id', 'object'") as raised:
        whole({"id": None, **choices, "object": "chat.completion"})

    assert raised.value.retryable


@pytest.mark.parametrize("choices", [{"choices": None}, {"choices": []}, {}])
def test_CT_01_an_event_without_choices_is_passed_over(choices):
    assert read(delta(content="Hi"), {"id": "c", **choices}, STOP).answer.text == "Hi"


def test_CT_02_an_answer_nested_under_the_providers_name_is_unwrapped():
    body = {"id": None, "choices": None, "provider": {**completion(content="Hi"), "provider": "Google"}}

    answer = whole(body)

    assert (answer.text, answer.id, answer.finish_reason) == ("Hi", "c1", "stop")


@pytest.mark.parametrize("content", [None, ""])
def test_CT_03_no_content_beside_calls_is_an_empty_text(content):
    answers = [
        whole(completion("tool_calls", content=content, tool_calls=[CALL])),
        read(delta(content=content), call_delta({"index": 0, **CALL}), delta("tool_calls")).answer,
    ]

    for answer in answers:
        assert answer.text == ""
        assert answer.message.parts == [ToolCall(id="x", name="f", arguments_raw="{}")]
        turn = ask([user("?"), answer.message, tool_result("x", "ok")]).body["messages"][1]
        assert turn["content"] is None


@pytest.mark.parametrize("role", [{}, {"role": None}, {"role": "assistant"}, {"role": ""}])
def test_CT_04_the_role_of_a_delta_does_not_matter(role):
    reading = read(delta(content="a", **role), delta(content="b", **role), STOP)

    assert reading.answer.text == reading.text == "ab"
    assert reading.answer.message.role == "assistant"


def test_CT_05_several_answers_are_kept_apart():
    texts = [(0, "Hel"), (1, "By"), (0, "lo"), (1, "e")]
    events = [delta(content=text, index=index) for index, text in texts]

    reading = read(*events, delta("stop", index=1), delta("length", index=0), n=2)

    assert [choice.message.text for choice in reading.answer.choices] == ["Hello", "Bye"]
    assert [choice.finish_reason for choice in reading.answer.choices] == ["length", "stop"]
    assert [(chunk.choice, chunk.text) for chunk in reading.chunks if chunk.text] == texts
    assert reading.answer.text == "Hello"


def test_CT_05_calls_of_several_answers_are_kept_apart():
    events = [
        {**call_delta(piece('{"a":', "f", index=0, id="x")), "choices": [_calling(0, '{"a":', "x")]},
        {"choices": [_calling(1, '{"b":', "y")]},
        {"choices": [_calling(0, "1}", None), _calling(1, "2}", None)]},
    ]

    reading = read(*events, delta("tool_calls", index=0), delta("tool_calls", index=1), n=2)

    assert [[call.arguments for call in choice.message.tool_calls] for choice in reading.answer.choices] == [
        [{"a": 1}],
        [{"b": 2}],
    ]
    assert [(chunk.choice, chunk.tool_call.id) for chunk in reading.chunks if chunk.tool_call] == [(0, "x"), (1, "y")]


def _calling(index: int, arguments: str, call_id: str | None) -> dict[str, Any]:
    named = {"id": call_id, "name": "f"} if call_id else {}
    return {"index": index, "delta": {"tool_calls": [piece(arguments, named.pop("name", None), index=0, **named)]}}


def test_CT_05_several_answers_asked_for_by_the_body_are_kept_apart_too():
    events = [delta(content=text, index=index) for index, text in [(0, "a"), (1, "x"), (0, "b"), (1, "y")]]

    reading = read(*events, delta("stop", index=0), delta("stop", index=1), extra_body={"n": 2})

    assert [choice.message.text for choice in reading.answer.choices] == ["ab", "xy"]


def test_CT_05_an_answer_that_never_began_is_missing_not_left_out():
    body = sse(delta("stop", content="Hello", index=0))

    reading = streamed(body, ask(stream=True, n=2))

    assert isinstance(reading.error, StreamError)
    assert reading.partial.text == "Hello"


def test_CT_06_a_stream_without_events_is_an_error_and_one_with_an_end_is_an_empty_answer():
    assert isinstance(streamed(b"").error, StreamError)
    answer = read().answer
    assert (answer.text, answer.tool_calls, answer.finish_reason) == ("", [], None)


def test_CT_07_refusals_are_told_apart_from_text():
    reading = read(delta(refusal="I can't "), delta(refusal="help."), STOP)
    answer = whole(completion(content=None, refusal="I can't help."))

    for found in (reading.answer, answer):
        assert (found.text, found.refusal) == ("", "I can't help.")
        assert (found.finish_reason, found.finish_reason_raw) == ("refusal", "stop")


@pytest.mark.parametrize("blank", [b"\n" * 5000, b"\r\n \t\n", b""])
def test_CT_11_blank_lines_ahead_of_a_body_are_keep_alives(blank):
    import json

    assert whole(blank + json.dumps(completion(content="Hi")).encode()).text == "Hi"
    with pytest.raises(APIError, match="Busy"):
        whole(blank + b'{"error": {"message": "Busy"}}', status=503)
