"""FR: why an answer ended, in the words of every server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.answers import (
    Reading,
    anthropic_events,
    ask,
    completion,
    delta,
    ndjson,
    sse,
    streamed,
    whole,
)


def read(*events: Any, done: bool = True) -> Reading:
    return streamed(sse(*events, done=done))


@pytest.mark.parametrize("running", ["", None, "null"])
def test_FR_01_FR_02_an_empty_reason_or_the_word_null_is_none(running):
    reading = read(delta(running, content="Hel"), delta(running, content="lo"), delta("stop"))

    assert reading.text == "Hello"
    assert (reading.answer.finish_reason, reading.answer.finish_reason_raw) == ("stop", "stop")
    cut = read(delta(running, content="Hel"), done=False)
    assert cut.error is not None, "it does not end the stream"


@pytest.mark.parametrize("running", ["", "null"])
def test_FR_02_such_a_reason_in_a_whole_answer_is_unknown(running):
    answer = whole(completion(running, content="Hi"))

    assert (answer.text, answer.finish_reason, answer.finish_reason_raw) == ("Hi", None, None)


def test_FR_03_the_key_may_be_missing():
    running = {"choices": [{"index": 0, "delta": {"content": "?"}}]}
    complete = {"choices": [{"message": {"role": "assistant", "content": "!"}}]}

    assert read(running, delta("stop")).answer.text == "?"
    assert whole(complete).text == "!"
    assert whole(complete).finish_reason is None


def test_FR_04_null_in_a_whole_answer_is_unknown_and_the_text_is_kept():
    answer = whole(completion(None, content="Hi"))

    assert (answer.text, answer.finish_reason, answer.finish_reason_raw) == ("Hi", None, None)


def test_FR_05_the_last_text_may_come_with_the_reason():
    reading = read(delta(content="The end"), delta("length", content="."))

    assert reading.text == reading.answer.text == "The end."
    assert reading.answer.finish_reason == "length"
    order = [chunk.text or chunk.finish_reason for chunk in reading.chunks if chunk.text or chunk.finish_reason]
    assert order == ["The end", ".", "length"]


WORDS = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "length": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "error": "error",
    "never heard of it": None,
}
ANTHROPIC_WORDS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "pause",
    "refusal": "refusal",
    "compaction": None,
}
OLLAMA_WORDS = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}


@pytest.mark.parametrize(("raw", "unified"), WORDS.items())
def test_FR_06_words_of_chat_completions(raw, unified):
    for answer in (whole(completion(raw, content="Hi")), read(delta(content="Hi"), delta(raw)).answer):
        assert (answer.finish_reason, answer.finish_reason_raw, answer.text) == (unified, raw, "Hi")


@pytest.mark.parametrize(("raw", "unified"), ANTHROPIC_WORDS.items())
def test_FR_06_words_of_anthropic(raw, unified):
    body = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": raw, "usage": {}}
    answers = [
        whole(body, ask(provider="anthropic")),
        streamed(anthropic_events(stop_reason=raw), ask(provider="anthropic", stream=True)).answer,
    ]

    assert [(answer.finish_reason, answer.finish_reason_raw) for answer in answers] == [(unified, raw)] * 2


@pytest.mark.parametrize(("raw", "unified"), OLLAMA_WORDS.items())
def test_FR_06_words_of_ollama(raw, unified):
    line = {"message": {"content": "Hi"}, "done": True, "done_reason": raw}
    answers = [
        whole(line, ask(provider="ollama")),
        streamed(ndjson(line), ask(provider="ollama", stream=True)).answer,
    ]

    assert [(answer.finish_reason, answer.finish_reason_raw) for answer in answers] == [(unified, raw)] * 2


def test_FR_07_extra_fields_are_never_required():
    for extra in ({}, {"native_finish_reason": None}, {"native_finish_reason": "STOP"}, {"logprobs": None}):
        body = completion(content="Hi")
        body["choices"][0] |= extra
        assert whole(body).finish_reason == "stop"
        last = delta("stop")
        last["choices"][0] |= extra
        assert read(delta(content="Hi"), last).answer.finish_reason == "stop"
