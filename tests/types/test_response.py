"""Answers: their parts at hand, their JSON as objects, their counts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llm_connector import (
    Adaptation,
    ChatChunk,
    ChatResponse,
    Choice,
    Embeddings,
    ModelInfo,
    ParseError,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    UnsupportedError,
    Usage,
    assistant,
)
from llm_connector.types import Notes
from tests.support.names import shown

CALL = ToolCall(id="c1", name="f", arguments={"a": 1}, arguments_raw='{"a": 1}')


class City(BaseModel):
    name: str
    people: int = 0


CUT = "the answer is not a City (it was cut: raise max_tokens)"


def answer(*parts: Any, **fields: Any) -> ChatResponse:
    return ChatResponse(choices=[Choice(message=assistant(*parts), **fields)])


class TestResponse:
    def test_the_first_choice_is_at_hand(self):
        first = Choice(
            message=assistant(Reasoning("hm"), "Hi", CALL),
            finish_reason="tool_calls",
            finish_reason_raw="tool_use",
            refusal="no",
            logprobs={"content": []},
        )
        response = ChatResponse(choices=[first, Choice(index=1, message=assistant("Ho"))])
        assert (response.text, response.reasoning, response.tool_calls) == ("Hi", "hm", [CALL])
        assert (response.finish_reason, response.finish_reason_raw) == ("tool_calls", "tool_use")
        assert (response.refusal, response.logprobs) == ("no", {"content": []})
        assert response.message is first.message

    def test_an_answer_without_anything(self):
        response = answer()
        assert (response.text, response.reasoning, response.tool_calls) == ("", None, [])
        assert (response.finish_reason, response.refusal, response.logprobs, response.id) == (None, None, None, None)
        assert response.usage == Usage()

    def test_it_survives_json(self):
        response = ChatResponse(
            choices=[Choice(message=assistant("Hi", CALL), finish_reason="stop", finish_reason_raw="end_turn")],
            usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3, details={"a": 1}),
            model="m",
            id="r1",
            created=7,
            request_id="q1",
            citations=[{"url": "https://example.com"}],
            adaptations=[Adaptation(action="dropped", subject="top_k", detail="refused")],
            extra={"service_tier": "flex"},
            headers={"x-request-id": "q1"},
            raw={"id": "r1"},
        )
        assert ChatResponse.model_validate_json(response.model_dump_json()) == response

    def test_headers_and_bodies_are_not_shown(self):
        response = ChatResponse(choices=[], headers={"set-cookie": "SECRET"}, raw={"a": "SECRET"})
        assert "SECRET" not in repr(response) + str(response)

    def test_an_unknown_finish_reason_is_no_finish_reason(self):
        with pytest.raises(ValidationError, match="finish_reason"):
            answer("Hi", finish_reason="eos")


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            '{"name": "Oslo", "people": 7}',
            ' \n{"name": "Oslo", "people": 7}\n',
            '```json\n{"name": "Oslo", "people": 7}\n```',
            '```JSON\r\n{"name": "Oslo", "people": 7}\r\n```\n',
            '```\n{"name": "Oslo", "people": 7}\n```',
            '```{"name": "Oslo", "people": 7}```',
            '```json {"name": "Oslo", "people": 7} ```',
            '```{\n"name": "Oslo",\n"people": 7}```',
        ],
        ids=shown,
    )
    def test_one_fence_is_taken_off(self, text):
        assert answer(text).parse(City) == City(name="Oslo", people=7)

    @pytest.mark.parametrize(
        "text",
        [
            'Sure! {"name": "Oslo"} Anything else?',
            'Here you are:\n```json\n{"name": "Oslo"}\n```\nAnything else?',
            '<br>\n[This is it:] {"name": "Oslo"}',
        ],
        ids=shown,
    )
    def test_words_around_it_are_left_out(self, text):
        assert answer(text).parse(City) == City(name="Oslo")

    def test_a_fence_inside_the_json_stays(self):
        assert answer('{"name": "```json```"}').parse(City).name == "```json```"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("Oslo", f"{CUT}: JSON: Invalid JSON"),
            ('{"name": "Os', f"{CUT}: JSON: Invalid JSON"),
            ('Here: {"name": "Os', f"{CUT}: JSON: Invalid JSON"),
            ('Here: {"people": 1}', f"{CUT}: name: Field required"),
            ("[1]", f"{CUT}: JSON: Input should be an object"),
            ('[{"name": "Oslo"}]', f"{CUT}: JSON: Input should be an object"),
            ('{"people": "x"}', f"{CUT}: name: Field required; people: In"),
            ("``````", "the answer has no text to read as City: finish_reason is 'length'"),
            ("", "the answer has no text to read as City: finish_reason is 'length'"),
        ],
        ids=shown,
    )
    def test_what_does_not_fit_is_said_with_the_text(self, text, problem):
        with pytest.raises(ParseError) as failure:
            answer(text, finish_reason="length").parse(City)
        assert str(failure.value).startswith(problem)
        assert failure.value.body == text

    def test_an_answer_that_was_not_cut_is_not_called_so(self):
        with pytest.raises(ParseError, match="the answer is not a City: JSON"):
            answer("Oslo", finish_reason="stop").parse(City)

    def test_a_refusal_is_the_reason(self):
        with pytest.raises(ParseError, match="the answer has no text to read as City: I cannot help with that"):
            answer(refusal="I cannot help with that").parse(City)


class TestChunks:
    @pytest.mark.parametrize(
        ("chunk", "delta"),
        [
            (ChatChunk("Hi"), TextDelta("Hi")),
            (ChatChunk(reasoning="hm"), ReasoningDelta("hm")),
            (ChatChunk(tool_call_delta=ToolCallDelta(0, "c1", "f", "")), ToolCallDelta(0, "c1", "f", "")),
            (ChatChunk(tool_call=CALL), CALL),
            (ChatChunk(usage=Usage(input_tokens=1)), None),
            (ChatChunk(finish_reason="stop"), None),
            (ChatChunk(), None),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_the_delta_is_whichever_there_is(self, chunk, delta):
        assert chunk.delta == delta
        assert (chunk.text, chunk.reasoning) == (
            getattr(delta, "text", "") * isinstance(delta, TextDelta),
            chunk.reasoning,
        )

    def test_deltas_can_be_matched(self):
        match ChatChunk(reasoning="hm").delta:
            case ReasoningDelta(text):
                assert text == "hm"
            case _:
                pytest.fail("no match")


class TestUsage:
    def test_none_means_unknown(self):
        assert Usage().model_dump(exclude_none=True) == {}
        assert Usage(cached_tokens=0) != Usage()

    def test_it_is_a_value(self):
        usage = Usage(input_tokens=1)
        with pytest.raises(ValidationError, match="frozen"):
            usage.input_tokens = 2
        assert Usage.model_validate_json(usage.model_dump_json()) == usage


class TestNotes:
    def test_the_same_thing_is_noted_once(self):
        notes = Notes()
        for detail in ("a", "a", "b"):
            notes.add("dropped", "top_k", detail)
        assert [(note.action, note.subject, note.detail) for note in notes.adaptations] == [
            *(("dropped", "top_k", "a"), ("dropped", "top_k", "b"))
        ]

    def test_strict_ones_refuse(self):
        with pytest.raises(
            UnsupportedError, match=r"top_k would be dropped: refused. Leave it out, or pass strict=False"
        ):
            Notes(strict=True).add("dropped", "top_k", "refused")


@pytest.mark.parametrize(
    "value",
    [
        Embeddings(vectors=[[0.5, 1.0]], usage=Usage(input_tokens=1), model="m", raw={"a": 1}),
        ModelInfo(
            id="m", name="M", created=1, owner="o", context_window=9, max_output=3, size=7, capabilities=["chat"]
        ),
        Adaptation(action="learned", subject="a", detail="b"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_survive_json(value):
    assert type(value).model_validate_json(value.model_dump_json()) == value


def test_vectors_are_not_shown():
    assert "0.5" not in repr(Embeddings(vectors=[[0.5]]))
