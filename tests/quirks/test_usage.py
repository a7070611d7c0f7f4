"""US: token counts, wherever a server puts them. Missing is unknown, not zero."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector.types import Usage
from tests.support.answers import STOP, Reading, anthropic_events, ask, completion, delta, ndjson, sse, streamed, whole

COUNTS = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}


def read(*events: Any, **options: Any) -> Reading:
    reading = streamed(sse(*events, done=True), ask(stream=True, **options))
    assert reading.error is None
    return reading


def counted(usage: Usage) -> tuple[int | None, int | None, int | None]:
    return usage.input_tokens, usage.output_tokens, usage.total_tokens


def test_US_01_usage_may_come_in_a_last_event_without_choices():
    reading = read(delta(content="Hi"), STOP, {"choices": [], "usage": COUNTS})

    assert counted(reading.answer.usage) == (10, 50, 60)
    assert [chunk.usage for chunk in reading.chunks if chunk.usage] == [reading.answer.usage]
    assert reading.text == "Hi"


def test_US_02_the_stream_is_read_on_after_the_finish_reason():
    body = sse(delta(content="Hi"), STOP) + sse({"choices": [], "usage": COUNTS})

    reading = streamed([body[:-20], body[-20:]])

    assert counted(reading.answer.usage) == (10, 50, 60)


def test_US_03_usage_in_every_event_is_replaced_and_never_added():
    events = [{**delta(content="a"), "usage": {"prompt_tokens": 7, "completion_tokens": n}} for n in (1, 2, 3)]

    reading = read(*events, STOP)

    assert counted(reading.answer.usage) == (7, 3, 10)
    assert len([chunk for chunk in reading.chunks if chunk.usage]) == 1


@pytest.mark.parametrize("repeated", [{}, {"input_tokens": 25, "cache_read_input_tokens": 4}])
def test_US_04_the_two_reports_of_anthropic_are_merged_field_by_field(repeated):
    head = {"type": "message", "role": "assistant", "content": [], "model": "claude", "id": "msg"}
    first = {"input_tokens": 25, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
    body = sse(
        {"type": "message_start", "message": {**head, "usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15, **repeated}},
        {"type": "message_stop"},
        named=True,
    )

    usage = streamed(body, ask(provider="anthropic", stream=True)).answer.usage

    assert counted(usage) == (31, 15, 46)
    assert (usage.cached_tokens, usage.cache_write_tokens) == (4, 2)


def test_US_05_usage_may_sit_inside_the_choice():
    last = delta("stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40}
    answer = completion(content="Hi")
    answer["choices"][0]["usage"] = COUNTS

    assert counted(read(delta(content="Hi"), last).answer.usage) == (19, 21, 40)
    assert counted(whole(answer).usage) == (10, 50, 60)


def test_US_05_usage_may_sit_under_the_name_of_a_vendor():
    groq = {**delta("stop"), "x_groq": {"id": "req", "usage": COUNTS}}

    assert counted(read(delta(content="Hi"), groq).answer.usage) == (10, 50, 60)
    assert counted(whole({**completion(content="Hi"), "x_groq": {"usage": COUNTS}}).usage) == (10, 50, 60)


@pytest.mark.parametrize("usage", [{"usage": None}, {"usage": {}}, {}])
def test_US_06_missing_usage_is_unknown(usage):
    reading = read({**delta(content="Hi"), **usage}, {**STOP, **usage})
    answer = whole({**completion(content="Hi"), **usage})

    for found in (reading.answer.usage, answer.usage):
        assert counted(found) == (None, None, None)
        assert (found.cached_tokens, found.cache_write_tokens, found.reasoning_tokens) == (None, None, None)
    assert not [chunk for chunk in reading.chunks if chunk.usage]


def test_US_06_usage_stays_when_later_events_have_none():
    reading = read({**delta(content="Hi"), "usage": COUNTS}, {**STOP, "usage": None}, {"choices": [], "usage": {}})

    assert counted(reading.answer.usage) == (10, 50, 60)


@pytest.mark.parametrize("partly", [{"prompt_tokens": 10}, {"completion_tokens": 10}])
def test_US_06_counts_are_optional_one_by_one(partly):
    usage = whole({**completion(content="Hi"), "usage": partly}).usage

    assert sorted(counted(usage), key=str) == [10, None, None]


@pytest.mark.parametrize(
    ("more", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 6}}, 6),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, 0),
        ({"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4}, 6),
        ({"cached_tokens": 6}, 6),
        ({"num_cached_tokens": 6}, 6),
        ({}, None),
    ],
)
def test_US_07_cached_tokens_are_part_of_the_input(more, cached):
    usage = whole({**completion(content="Hi"), "usage": {**COUNTS, **more}}).usage

    assert counted(usage) == (10, 50, 60)
    assert usage.cached_tokens == cached
    assert usage.details == {**COUNTS, **more}


@pytest.mark.parametrize(("total", "output"), [(112, 101), (113, 1), (12, 1), (None, 1)])
def test_US_07_thoughts_that_are_counted_beside_the_answer_are_output(total, output):
    """xAI; its total tells."""
    counts = {"prompt_tokens": 11, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 100}}
    usage = whole({**completion(content="Hi"), "usage": {**counts, "total_tokens": total}}).usage

    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (11, output, 100)


def test_US_07_anthropic_counts_them_apart_and_we_add_them():
    wire = {"input_tokens": 7, "cache_read_input_tokens": 9000, "cache_creation_input_tokens": 993, "output_tokens": 5}
    body = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": wire}

    usage = whole(body, ask(provider="anthropic")).usage

    assert counted(usage) == (10_000, 5, 10_005)
    assert (usage.cached_tokens, usage.cache_write_tokens) == (9000, 993)


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None, "reasoning_tokens": None}])
def test_US_08_details_may_be_null_at_every_level(details):
    wire = {**COUNTS, "prompt_tokens_details": details, "completion_tokens_details": details}

    usage = whole({**completion(content="Hi"), "usage": wire}).usage

    assert counted(usage) == (10, 50, 60)
    assert (usage.cached_tokens, usage.reasoning_tokens) == (None, None)


def test_US_09_other_names_are_known():
    own = whole({**completion(content="Hi"), "usage": {"input_tokens": 3, "output_tokens": 4}}).usage
    line = {"message": {"content": "Hi"}, "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}
    ollama = streamed(ndjson(line), ask(provider="ollama", stream=True)).answer.usage

    assert counted(own) == counted(ollama) == (3, 4, 7)


def test_US_09_ollama_leaves_the_count_of_a_cached_prompt_out():
    line = {"message": {"content": "Hi"}, "done": True, "done_reason": "stop", "eval_count": 4}

    usage = whole(line, ask(provider="ollama")).usage

    assert counted(usage) == (None, 4, None)


def test_reasoning_tokens_are_part_of_the_output():
    wire = {**COUNTS, "completion_tokens_details": {"reasoning_tokens": 30}}
    anthropic = {"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}}

    openai_usage = whole({**completion(content="Hi"), "usage": wire}).usage
    anthropic_usage = streamed(anthropic_events(usage=anthropic), ask(provider="anthropic", stream=True)).answer.usage

    assert [(usage.output_tokens, usage.reasoning_tokens) for usage in (openai_usage, anthropic_usage)] == [
        (50, 30)
    ] * 2
