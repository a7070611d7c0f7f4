"""What a format writes, whole or streamed, our own protocol of it reads as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from llm_connector.formats import StreamWriter
from llm_connector.protocols import tool_calls
from llm_connector.types import ChatChunk, ChatResponse, Choice, assistant
from tests.formats.support import PAIRS, encoded, through_one_block, through_stream, through_whole, told
from tests.support.answers import ask, outline, streamed
from tests.support.cuts import sample, single_bytes, split_at
from tests.support.generated import ANSWERS, several_completions
from tests.support.generated_bedrock import BEDROCK_ANSWERS

WRITTEN = {**ANSWERS, **BEDROCK_ANSWERS}
over_all_wires = pytest.mark.parametrize("wire", sorted(WRITTEN))
over_all_formats = pytest.mark.parametrize("name", PAIRS)
ENDS: dict[str, dict[str | None, str | None]] = {
    "openai": {None: "stop", "pause": "stop"},
    "openai_responses": {None: "stop", "pause": "stop", "error": None},
    "anthropic": {None: "stop", "error": "length", "content_filter": "refusal"},
    "ollama": {None: "stop", "pause": "stop"},
}
"""The ends that a format has no word for, and what they become."""


@pytest.fixture(autouse=True)
def _same_made_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_calls, "made_up_id", lambda: "made-up")


def expected(response: ChatResponse, name: str) -> dict[str, Any]:
    """What of an answer comes through a format."""
    said = told(response)
    end = ENDS[name].get(said["finish"], said["finish"])
    said["finish"] = "tool_calls" if end == "stop" and said["calls"] else end
    if name == "openai" and response.refusal and said["finish"] == "stop":
        said["finish"] = "refusal"
    if name == "openai" and said["finish"] == "refusal" and not response.refusal:
        said["finish"] = "content_filter"  # a refusal is told by its text here
    if name == "openai_responses" and response.refusal and said["finish"] == "stop":
        said["finish"] = "refusal"
    if name == "ollama" and response.refusal and not response.text:
        said["text"] = response.refusal
    if name == "anthropic":
        cached = (response.usage.cached_tokens or 0) + (response.usage.cache_write_tokens or 0)
        said["usage"]["input"] = max(said["usage"]["input"], cached)
    return said


@pytest.mark.parametrize("through", [through_stream, through_whole])
@over_all_wires
@over_all_formats
@settings(max_examples=20)
@given(data=st.data())
def test_an_answer_of_any_provider_comes_through(wire, name, through, data):
    response, read = through(data.draw(WRITTEN[wire]), PAIRS[name])
    note(str(response))

    assert told(read) == expected(response, name)


OF_THE_SAME_WIRE = {
    "messages": "anthropic",
    "responses": "openai_responses",
    "ollama": "ollama",
    "chat completions": "openai",
}


@pytest.mark.parametrize("through", [through_stream, through_whole, through_one_block])
@pytest.mark.parametrize("wire", OF_THE_SAME_WIRE)
@settings(max_examples=60)
@given(data=st.data())
def test_an_answer_of_the_same_wire_keeps_its_parts_in_order(wire, through, data):
    """Signatures, encrypted thoughts, ids, opaque blocks, phases: all that the next request has to bring back."""
    name = OF_THE_SAME_WIRE[wire]
    response, read = through(data.draw(WRITTEN[wire]), PAIRS[name])
    note(str(response))

    assert parts_of(read) == parts_of(response)
    assert read.refusal == response.refusal
    assert (read.id, read.model) == (response.id, response.model or "m")
    assert read.usage.cached_tokens == response.usage.cached_tokens


def parts_of(response: ChatResponse) -> list[dict[str, Any]]:
    """The parts, but for their owner and for what only says how the wire spelled them."""
    spelling = {"provider", "arguments_raw", "field"}
    parts = [part.model_dump(exclude=spelling) for part in response.message.parts]
    calls = sorted((part for part in parts if part["type"] == "tool_call"), key=lambda part: part["id"])
    return [calls.pop(0) if part["type"] == "tool_call" else part for part in parts]


@pytest.mark.parametrize("through", [through_stream, through_whole])
@settings(max_examples=30)
@given(answer=several_completions())
def test_several_answers_are_kept_apart(through, answer):
    response, read = through(answer, PAIRS["openai"])

    for mine, theirs in zip(response.choices, read.choices, strict=True):
        assert theirs.message.text == mine.message.text
        assert theirs.message.tool_calls == mine.message.tool_calls


@over_all_formats
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_may_be_cut_anywhere(name, data):
    answer = data.draw(ANSWERS["messages"])
    rendered = ask(provider=answer.provider, stream=True)
    body, _ = encoded(answer.blocks(), rendered, PAIRS[name].format)
    reader = ask(provider=PAIRS[name].row, stream=True)
    uncut = outline(streamed(body, reader))

    assert outline(streamed(single_bytes(body), reader)) == uncut
    for place in sample(body, 12):
        assert outline(streamed(split_at(body, place), reader)) == uncut


@over_all_formats
@pytest.mark.parametrize("framing", ["ndjson", "sse"])
def test_a_format_in_another_framing_has_the_same_events(name, framing):
    chunks = [ChatChunk(id="a", model="m"), ChatChunk("é\u2028"), ChatChunk(reasoning="r")]
    response = ChatResponse(choices=[Choice(message=assistant("é\u2028"))])
    events: list[Any] = []
    for asked in (framing, None):
        writer = StreamWriter(PAIRS[name].format.encoder("m", clock=lambda: 7.0), asked)
        body = b"".join([*map(writer.feed, chunks), writer.finish(response)])
        lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line and not line.startswith(b"event:")]
        events.append([json.loads(line) for line in lines if line != b"[DONE]"])

    assert shape(events[0]) == shape(events[1])


def shape(value: Any) -> Any:
    """A value without the ids that were made up."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if key not in ("id", "item_id")}
    return [shape(item) for item in value] if isinstance(value, list) else value
