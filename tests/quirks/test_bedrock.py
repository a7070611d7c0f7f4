"""What servers of AWS do, in both of their wire formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector.errors import APIError, ModelNotFoundError, RateLimitError, StreamError
from llm_connector.operations import open_stream
from llm_connector.types import Reasoning, Text, assistant, system, tool_result, user
from llm_connector.wire import Call
from tests.support.answers import NO_RETRY, ask, json_answer, streamed, whole
from tests.support.event_streams import converse_stream, exception

ROWS = ["bedrock", "anthropic_bedrock"]
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
both = pytest.mark.parametrize("provider", ROWS)


def turns(provider: str, *messages: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The turns as they are sent, and what was adapted."""
    rendered = ask(list(messages), provider=provider, model=CLAUDE)
    return rendered.body["messages"], [note.subject for note in rendered.adaptations]


@both
@pytest.mark.parametrize(
    ("model", "segment"),
    [
        (
            "arn:aws:bedrock:us-east-1:123:application-inference-profile/abc",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123%3Aapplication-inference-profile%2Fabc",
        ),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001-v1%3A0"),
        ("org/model", "org%2Fmodel"),
    ],
)
def test_UR_04_a_model_is_one_segment_of_the_path(provider, model, segment):
    for stream in (False, True):
        assert ask(provider=provider, model=model, stream=stream).path.split("/")[1] == segment


@both
@pytest.mark.parametrize("status", [400, 429, 500])
def test_UR_05_a_refusal_of_a_stream_is_json(provider, status):
    steps = open_stream(ask(provider=provider, stream=True), NO_RETRY, 1 << 20)
    step: Any = next(steps)
    while isinstance(step, Call):
        step = steps.send(step.function())

    with pytest.raises(APIError, match="Not now") as raised:
        steps.send(json_answer({"message": "Not now"}, status))
    assert raised.value.status == status


@both
def test_UR_05_json_with_status_200_is_told_as_it_is(provider):
    reading = streamed(b'{"message": "The model is gone"}', ask(provider=provider, stream=True))

    assert isinstance(reading.error, APIError)
    assert reading.error.message == "The model is gone"


@both
def test_UR_05_frames_carry_exceptions(provider):
    body = exception("throttlingException", {"message": "Too many requests"})

    reading = streamed(body, ask(provider=provider, stream=True))

    assert isinstance(reading.error, RateLimitError)
    assert isinstance(reading.error, StreamError)


@both
def test_UR_05_a_web_page_is_told_as_one(provider):
    reading = streamed(b"<html>Sign in</html>", ask(provider=provider, stream=True))

    assert reading.error is not None
    assert "web page" in str(reading.error)


@both
def test_CT_06_a_stream_without_an_event_is_an_error(provider):
    reading = streamed(b"", ask(provider=provider, stream=True))

    assert isinstance(reading.error, StreamError)
    assert reading.partial.message.parts == []


def test_CT_06_an_answer_that_ends_without_a_block_is_empty():
    answer = streamed(converse_stream({"messageStop": {"stopReason": "end_turn"}}), ask(provider="bedrock")).answer

    assert (answer.text, answer.finish_reason) == ("", "stop")
    empty = {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"}
    assert whole(empty, ask(provider="bedrock")).text == ""


@both
@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_MS_01_blank_texts_are_not_sent(provider, blank):
    sent, subjects = turns(provider, user("a"), assistant(blank), user("b"))

    assert blank not in [block.get("text") for turn in sent for block in turn["content"] if isinstance(block, dict)]
    assert len(sent) == 1, "what is left of the neighbours is one turn"
    assert subjects == ["empty assistant message"]


def test_MS_01_a_blank_text_beside_another_block_is_not_sent_either():
    call = {"type": "tool_call", "id": "t", "name": "f"}
    (_, turn, *_), _ = turns("bedrock", user("?"), {"role": "assistant", "parts": [Text(" "), call]}, tool_result("t"))

    assert [list(block) for block in turn["content"]] == [["toolUse"]]


def test_MS_01_no_mark_stands_behind_a_blank_text():
    sent, _ = turns("bedrock", user(Text("a", cache=True), Text(" ", cache=True)))

    assert sent[0]["content"] == [{"text": "a"}, {"cachePoint": {"type": "default"}}]


@both
def test_MS_03_there_is_no_empty_text_beside_calls(provider):
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    sent, _ = turns(
        provider,
        user("?"),
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "ok"},
    )

    assert len(sent[1]["content"]) == 1


@both
def test_RS_14_signatures_go_back_and_thoughts_without_one_do_not(provider):
    signed, unsigned = Reasoning("a", signature="s", provider=provider), Reasoning("b", provider=provider)

    sent, subjects = turns(provider, user("?"), assistant(signed, unsigned, "So."), user("!"))

    assert '"s"' in json.dumps(sent)
    assert '"b"' not in json.dumps(sent)
    assert subjects == ["reasoning"]


@both
def test_PM_02_temperature_wins_over_top_p_for_claude(provider):
    rendered = ask(provider=provider, model=CLAUDE, temperature=0.5, top_p=0.9)

    settings = rendered.body.get("inferenceConfig", rendered.body)
    assert settings["temperature"] == 0.5
    assert not {"topP", "top_p"} & settings.keys()
    assert [note.subject for note in rendered.adaptations] == ["top_p"]


def test_PM_02_other_models_take_both():
    rendered = ask(provider="bedrock", model="amazon.nova-pro-v1:0", temperature=0.5, top_p=0.9)

    assert rendered.body["inferenceConfig"] == {"temperature": 0.5, "topP": 0.9}


@both
def test_PM_05_there_are_no_stream_options(provider):
    assert not {"stream", "stream_options"} & ask(provider=provider, model=CLAUDE, stream=True).body.keys()


@both
@pytest.mark.parametrize("key", ["message", "Message"])
def test_ER_02_the_message_may_be_written_otherwise(provider, key):
    headers = {"x-amzn-errortype": "ResourceNotFoundException:http://internal.amazon.com/coral/"}

    with pytest.raises(ModelNotFoundError, match="end of its life") as raised:
        whole({key: "It reached the end of its life"}, ask(provider=provider), status=404, headers=headers)
    assert raised.value.code == "ResourceNotFoundException"


def test_TC_16_a_call_with_end_turn_is_a_call():
    block = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    body = {"output": {"message": {"role": "assistant", "content": [block]}}, "stopReason": "end_turn"}

    reply = whole(body, ask(provider="bedrock"))

    assert (reply.finish_reason, reply.finish_reason_raw) == ("tool_calls", "end_turn")


@both
def test_MS_01_a_system_prompt_alone_needs_a_question(provider):
    with pytest.raises(ValueError, match="add a user message"):
        turns(provider, system("Be terse."))
