"""RS: where servers put the model's thoughts, and what must go back."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector.errors import BadRequestError, ContextLengthError
from llm_connector.operations import RenderedChat, chat
from llm_connector.protocols import ChatCompletions
from llm_connector.protocols.thinking import ThinkSplitter
from llm_connector.types import Reasoning, Text, ToolCall, assistant, tool_result, user
from llm_connector.wire import Send, decode_json
from tests.support.answers import (
    NO_RETRY,
    STOP,
    Reading,
    anthropic_events,
    ask,
    call_delta,
    completion,
    delta,
    json_answer,
    ndjson,
    piece,
    sse,
    streamed,
    whole,
)

CALL = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read(*events: Any, **options: Any) -> Reading:
    reading = streamed(sse(*events, done=True), ask(stream=True, **options))
    assert reading.error is None
    assert (reading.text, reading.reasoning) == (reading.answer.text, reading.answer.reasoning or "")
    return reading


def thought_and_text(reading: Reading) -> tuple[str, str]:
    return reading.reasoning, reading.text


def next_turn(message: Any, provider: str = "openai_compatible", **options: Any) -> dict[str, Any]:
    """The assistant turn of the next request, after the call in `message` was answered."""
    results = [tool_result(call, "ok") for call in message.tool_calls]
    body = ask([user("?"), message, *results], provider=provider, **options).body
    turn: dict[str, Any] = body["messages"][1]
    return turn


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking", "thought"])
def test_RS_01_thoughts_have_many_names(field):
    first: dict[str, Any] = {field: "Hm", "content": ""}
    second: dict[str, Any] = {field: "…"}

    reading = read(delta(**first), delta(**second), delta(content="Yes"), STOP)
    answer = whole(completion(content="Yes", **{field: "Hm…"}))

    assert thought_and_text(reading) == ("Hm…", "Yes")
    assert (answer.reasoning, answer.text) == ("Hm…", "Yes")


def test_RS_01_ollama_calls_them_thinking():
    lines = [
        {"message": {"content": "", "thinking": "Hm"}, "done": False},
        {"message": {"content": "Yes"}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop"},
    ]

    reading = streamed(ndjson(*lines), ask(provider="ollama", stream=True))

    assert thought_and_text(reading) == ("Hm", "Yes")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_RS_02_thoughts_go_back_under_the_name_they_came_with(field):
    answer = whole(completion("tool_calls", content=None, tool_calls=[CALL], **{field: "Hm"}))
    other = {"reasoning_content", "reasoning"} - {field}

    turn = next_turn(answer.message)

    assert turn[field] == "Hm"
    assert not other & set(turn)


def test_RS_02_the_name_can_be_fixed_for_a_server():
    protocol = ChatCompletions(replay="always", reasoning_field="reasoning")
    body = ask([user("?"), assistant(Reasoning("Hm"), "Yes"), user("And?")], protocol=protocol).body

    assert body["messages"][1] == {"role": "assistant", "content": "Yes", "reasoning": "Hm"}


@pytest.mark.parametrize(
    "twice",
    [
        lambda text: {"reasoning": text, "reasoning_content": text},
        lambda text: {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text}]},
    ],
)
def test_RS_03_the_same_thought_in_two_fields_counts_once(twice):
    reading = read(delta(content="", **twice("The")), delta(content="", **twice(" user")), delta(content="Hi"), STOP)
    answer = whole(completion(content="Hi", **twice("The user")))

    assert thought_and_text(reading) == ("The user", "Hi")
    assert (answer.reasoning, answer.text) == ("The user", "Hi")


def test_RS_03_a_stream_stays_with_the_field_it_began_with():
    reading = read(
        delta(reasoning="a"),
        delta(reasoning="b", reasoning_content="not b"),
        delta(reasoning_content="also b", reasoning="c"),
        delta(content="Hi"),
        STOP,
    )

    assert thought_and_text(reading) == ("abc", "Hi")


def test_RS_04_thoughts_repeated_as_content_are_thoughts():
    reading = read(
        delta(content="**Preparing", reasoning_content="**Preparing"),
        delta(content=" it**", reasoning_content=" it**"),
        delta(content="Done."),
        STOP,
    )

    assert thought_and_text(reading) == ("**Preparing it**", "Done.")


def test_RS_04_equal_pieces_at_the_border_of_thought_and_answer_are_both_kept():
    reading = read(
        delta(reasoning_content="One"), delta(reasoning_content=".\n", content=".\n"), delta(content="Two"), STOP
    )

    assert thought_and_text(reading) == ("One.\n", ".\nTwo")


def test_RS_05_a_delta_with_both_gives_both_thought_first():
    reading = read(delta(reasoning_content="Hm"), delta(reasoning_content=" end", content="Hello"), STOP)

    assert [(chunk.reasoning, chunk.text) for chunk in reading.chunks if chunk.reasoning or chunk.text] == [
        ("Hm", ""),
        (" end", ""),
        ("", "Hello"),
    ]


@pytest.mark.parametrize("text", ["<think>reasoning</think>answer", "<think>\nreasoning\n</think>\n\nanswer"])
def test_RS_06_think_tags_may_be_cut_anywhere(text):
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            pieces = [text[:first], text[first:second], text[second:]]
            reading = read(*(delta(content=piece) for piece in pieces), STOP, think_tags=True)
            assert thought_and_text(reading) == ("reasoning", "answer"), pieces


def test_RS_06_text_that_only_looks_like_a_tag_is_not_held_back():
    reading = read(delta(content="a < b"), delta(content=" and <thi"), delta(content="s>"), STOP, think_tags=True)

    assert [chunk.text for chunk in reading.chunks if chunk.text] == ["a < b", " and ", "<this>"]


@pytest.mark.parametrize("end", [b"", sse({"error": {"message": "Boom"}})])
@pytest.mark.parametrize(("text", "seen"), [("a <th", ("", "a <th")), ("<think>a</thi", ("a</thi", ""))])
def test_RS_06_what_was_held_back_is_in_the_partial_answer(text, seen, end):
    reading = streamed(sse(delta(content=text)) + end, ask(stream=True, think_tags=True))

    assert (reading.partial.reasoning or "", reading.partial.text) == seen


def test_RS_06_text_before_the_thought_stays():
    reading = read(delta(content="preface <th"), delta(content="ink>hm</think>answer"), STOP, think_tags=True)

    assert thought_and_text(reading) == ("hm", "preface answer")


def test_RS_07_an_unclosed_thought_stays_a_thought():
    reading = read(delta(content="<think>half a tho"), delta("length", content="ught </th"), think_tags=True)
    answer = whole(completion("length", content="<think>half a thought </th"), ask(think_tags=True))

    assert thought_and_text(reading) == ("half a thought </th", "")
    assert (answer.reasoning, answer.text) == ("half a thought </th", "")
    assert reading.answer.finish_reason == answer.finish_reason == "length"


def test_RS_08_a_closer_without_opener_ends_a_thought_that_the_template_opened():
    splitter = ThinkSplitter(opened=True)

    spans = [span for text in ("thou", "ghts</thi", "nk>\n\nans", "wer</think>") for span in splitter.feed(text)]

    assert [*spans, *splitter.close()] == [
        ("reasoning", "thou"),
        ("reasoning", "ghts"),
        ("text", "ans"),
        ("text", "wer</think>"),
    ]


@pytest.mark.parametrize(
    ("opener", "closer"),
    [
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<mm:think>", "</mm:think>"),
        ("<thinking>", "</thinking>"),
        ("<thought>", "</thought>"),
    ],
)
def test_RS_09_other_spellings_of_the_tags_do_not_cross(opener, closer):
    others = {"</think>", "[/THINK]", "</thinking>"} - {closer}
    text = f"{opener}a{''.join(sorted(others))}b{closer}answer"

    for place in range(len(text)):
        reading = read(delta(content=text[:place]), delta(content=text[place:]), STOP, think_tags=True)
        assert thought_and_text(reading) == (f"a{''.join(sorted(others))}b", "answer")


def test_RS_10_after_the_first_thought_tags_are_text():
    text = "<think>a</think>Write <think>b</think> like this"

    assert thought_and_text(read(delta(content=text), STOP, think_tags=True)) == (
        "a",
        "Write <think>b</think> like this",
    )
    assert thought_and_text(read(delta(content="<think/>answer"), STOP, think_tags=True)) == ("", "answer")


def test_RS_10_tags_are_text_unless_a_row_or_the_caller_says_otherwise():
    text = "<think>a</think>b"
    flagged = ChatCompletions(think_tags=True)

    assert thought_and_text(read(delta(content=text), STOP)) == ("", text)
    assert thought_and_text(read(delta(content=text), STOP, protocol=flagged)) == ("a", "b")
    assert thought_and_text(read(delta(content=text), STOP, protocol=flagged, think_tags=False)) == ("", text)


def test_RS_11_a_field_wins_over_tags_with_the_same_thought():
    reading = read(
        delta(content="<think>The", reasoning_content="The"),
        delta(content=" user</think>Hi", reasoning_content=" user"),
        delta(content=" there"),
        STOP,
        think_tags=True,
    )

    assert thought_and_text(reading) == ("The user", "Hi there")


def test_RS_11_a_thought_in_a_field_after_tags_is_not_replaced_by_the_text():
    reading = read(
        delta(content="<think>The"),
        delta(content="</think>Hi", reasoning_content=" user"),
        STOP,
        think_tags=True,
    )

    assert thought_and_text(reading) == ("The user", "Hi")


def test_RS_11_a_thought_that_comes_whole_with_every_event_is_told_once():
    def event(thought: str, **more: Any) -> dict[str, Any]:
        details = [{"type": "reasoning.text", "index": 0, "text": thought}]
        return delta(reasoning_content=thought, reasoning_details=details, **more)

    thoughts = ["The", "The user", "The user greets me."]
    reading = read(*map(event, thoughts), event(thoughts[-1], content="Hi"), STOP, provider="minimax")

    assert [chunk.reasoning for chunk in reading.chunks if chunk.reasoning] == ["The", " user", " greets me."]
    assert thought_and_text(reading) == ("The user greets me.", "Hi")
    (part, _) = reading.answer.message.parts
    assert isinstance(part, Reasoning)
    assert part.details == [{"type": "reasoning.text", "index": 0, "text": "The user greets me."}]


def test_RS_11_tags_and_a_field_that_grows_are_one_thought():
    reading = read(
        delta(content="<think>The", reasoning_content="The"),
        delta(content=" user</think>", reasoning_content="The user"),
        delta(content="Hi"),
        {"choices": [{"index": 0, "message": {"content": "<think>The user</think>Hi"}, "finish_reason": "stop"}]},
        provider="minimax",
    )

    assert thought_and_text(reading) == ("The user", "Hi")


@pytest.mark.parametrize("provider", ["deepseek", "openai_compatible"])
def test_RS_12_tool_turns_go_back_with_their_thought(provider):
    answer = whole(
        completion("tool_calls", content="", reasoning_content="Hm", tool_calls=[CALL]), ask(provider=provider)
    )

    assert next_turn(answer.message, provider)["reasoning_content"] == "Hm"


def test_RS_12_a_lost_thought_is_sent_as_an_empty_one():
    turn = next_turn(assistant(ToolCall(id="x", name="f")), "deepseek")

    assert turn["reasoning_content"] == ""


def test_RS_13_turns_without_tools_go_back_without_their_thought():
    answer = whole(completion(content="Yes", reasoning_content="Hm"), ask(provider="deepseek"))

    assert next_turn(answer.message, "deepseek") == {"role": "assistant", "content": "Yes"}


def test_RS_13_servers_that_want_no_thoughts_get_none():
    message = assistant(Reasoning("Hm", field="reasoning_content"), ToolCall(id="x", name="f"))

    assert set(next_turn(message, "openai")) == {"role", "content", "tool_calls"}


SIGNED = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Use "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "f."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EuwJ+/=="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "b64=="}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_stop", "index": 2},
]
SIGNED_BLOCKS = [
    {"type": "thinking", "thinking": "Use f.", "signature": "EuwJ+/=="},
    {"type": "redacted_thinking", "data": "b64=="},
    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
]


def signed_answer() -> Any:
    return streamed(anthropic_events(*SIGNED, stop_reason="tool_use"), ask(provider="anthropic", stream=True)).answer


def test_RS_14_signed_thoughts_go_back_unchanged_and_in_order():
    answer = signed_answer()

    assert answer.reasoning == "Use f."
    assert next_turn(answer.message, "anthropic")["content"] == SIGNED_BLOCKS


def test_RS_14_a_whole_answer_keeps_its_signatures_too():
    body = {"type": "message", "content": SIGNED_BLOCKS, "stop_reason": "tool_use", "usage": {}}

    assert next_turn(whole(body, ask(provider="anthropic")).message, "anthropic")["content"] == SIGNED_BLOCKS


def test_RS_15_redacted_thoughts_are_opaque_and_go_back_byte_for_byte():
    thoughts = [part for part in signed_answer().message.parts if isinstance(part, Reasoning)]

    assert [(part.text, part.signature, part.encrypted) for part in thoughts] == [
        ("Use f.", "EuwJ+/==", None),
        ("", None, "b64=="),
    ]


@pytest.mark.parametrize("provider", ["openai_compatible", "deepseek", "ollama"])
def test_RS_16_another_provider_does_not_get_the_signatures(provider):
    answer = signed_answer()

    rendered = ask([user("?"), answer.message, tool_result("t", "ok")], provider=provider)

    assert "EuwJ" not in str(rendered.body)
    assert "b64==" not in str(rendered.body)
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("dropped", "reasoning")]


def test_RS_16_a_refused_signature_is_not_tried_again():
    body = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "Invalid `signature` in `thinking` block"},
    }

    with pytest.raises(BadRequestError) as raised:
        whole(body, ask(provider="anthropic"), status=400)

    assert not raised.value.retryable


def test_RS_17_unknown_fields_of_a_call_go_back_with_it():
    extra = {"google": {"thought_signature": "AY89"}}
    answers = [
        whole(completion("tool_calls", tool_calls=[{**CALL, "extra_content": extra}])),
        read(call_delta(piece("{}", "f", index=0, id="x", type="function", extra_content=extra)), delta("stop")).answer,
    ]

    for answer in answers:
        assert next_turn(answer.message)["tool_calls"] == [{**CALL, "extra_content": extra}]
        foreign = next_turn(answer.message, "deepseek")["tool_calls"]
        assert foreign == [CALL], "another provider does not get them"


def test_RS_18_structured_thoughts_are_shown_and_go_back_in_order():
    details = [
        {"type": "reasoning.summary", "summary": "Sum", "index": 0},
        {"type": "reasoning.text", "text": "Text", "signature": "sig", "index": 1},
        {"type": "reasoning.encrypted", "data": "e==", "index": 2},
    ]
    answers = [
        whole(completion("tool_calls", content=None, tool_calls=[CALL], reasoning_details=details)),
        read(*(delta(reasoning_details=[item]) for item in details), call_delta({"index": 0, **CALL}), STOP).answer,
    ]

    for answer in answers:
        assert answer.reasoning == "SumText"
        assert next_turn(answer.message)["reasoning_details"] == details


def test_RS_18_pieces_of_one_structured_thought_are_joined():
    pieces = [{"type": "reasoning.text", "text": text, "index": 0, "format": None} for text in ("We ", "need")]
    last = {"type": "reasoning.text", "text": "", "signature": "sig", "index": 0, "format": None}
    events = [delta(reasoning_details=[item]) for item in (*pieces, last)]

    reading = read(*events, call_delta({"index": 0, **CALL}), STOP)

    assert reading.reasoning == "We need"
    assert next_turn(reading.answer.message)["reasoning_details"] == [
        {"type": "reasoning.text", "text": "We need", "index": 0, "format": None, "signature": "sig"}
    ]


def test_RS_19_content_may_be_a_list_of_thoughts_and_text():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "…"}]}
    parts = [thought, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "answer"}]
    answer = whole(completion(content=parts))
    reading = read(delta(content=[thought]), delta(content=[parts[2]]), delta(content="!"), STOP)

    assert (answer.reasoning, answer.text) == ("Hm…", "answer")
    assert thought_and_text(reading) == ("Hm…", "answer!")


def test_RS_19_thoughts_that_came_as_parts_go_back_as_parts():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True}
    calls = [{"id": "D681PevKs", "function": {"name": "f", "arguments": "{}"}}]
    answer = whole(completion("tool_calls", content=[thought], tool_calls=calls), ask(provider="mistral"))

    assert next_turn(answer.message, "mistral")["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    ]


def test_RS_20_a_thought_is_never_the_answer():
    reading = read(delta(reasoning_content="secret"), delta("length", reasoning_content=" plan"))
    answer = whole(completion("length", content=None, reasoning_content="secret plan"))

    assert thought_and_text(reading) == ("secret plan", "")
    assert (answer.text, answer.reasoning) == ("", "secret plan")


def test_RS_21_blank_text_around_a_thought_does_not_hide_the_calls():
    reading = read(
        delta(reasoning_content="Hm"), delta(content="\n\n"), call_delta({"index": 0, **CALL}), delta("stop")
    )

    assert reading.answer.finish_reason == "tool_calls"
    assert [call.name for call in reading.answer.tool_calls] == ["f"]
    tagged = read(delta(content="\n<think>\n\n</think>\n\n"), call_delta({"index": 0, **CALL}), STOP, think_tags=True)
    assert thought_and_text(tagged) == ("", "")


def test_RS_22_an_answer_may_be_nothing_but_a_thought():
    block = {"type": "thinking", "thinking": "Hm", "signature": "s"}

    answer = whole(
        {"type": "message", "content": [block], "stop_reason": "end_turn", "usage": {}}, ask(provider="anthropic")
    )

    assert (answer.text, answer.reasoning, answer.finish_reason) == ("", "Hm", "stop")


def qwen(**options: Any) -> RenderedChat:
    return ask(provider="aliyun_openai_compatible", **options)


@pytest.mark.parametrize(
    ("model", "reasoning", "streamed_anyway"),
    [
        ("qwen3-32b", None, True),
        ("qwen3-32b", "low", True),
        ("qwen3-32b", False, False),
        ("qwen-plus", None, False),
        ("qwen-plus", 1000, True),
        ("qwq-plus", None, True),
        ("qwq-plus", False, True),
    ],
)
def test_RS_23_a_plain_call_that_thinks_is_sent_as_a_stream_and_collected(model, reasoning, streamed_anyway):
    rendered = qwen(model=model, **({} if reasoning is None else {"reasoning": reasoning}))

    assert rendered.body.get("stream", False) is streamed_anyway
    if streamed_anyway:
        answer = whole(sse(delta(reasoning_content="Hm"), delta(content="Hi"), STOP, done=True), rendered)
        assert (answer.reasoning, answer.text, answer.finish_reason) == ("Hm", "Hi", "stop")
    else:
        assert whole(completion(content="Hi"), rendered).text == "Hi"


@pytest.mark.parametrize(
    "message",
    [
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "This model only support stream mode, please enable the stream parameter to access the model.",
    ],
)
def test_RS_23_it_is_learned_of_models_that_no_rule_knows(message):
    steps = chat(qwen(model="qwen9"), NO_RETRY)
    assert isinstance(next(steps), Send)
    second = steps.send(json_answer({"error": {"message": message, "code": "invalid_parameter_error"}}, 400))
    assert isinstance(second, Send)
    assert decode_json(second.request.content)["stream"] is True

    with pytest.raises(StopIteration) as done:
        steps.send(json_answer(sse(delta(content="Hi"), STOP, done=True)))

    assert done.value.value.text == "Hi"
    assert [note.action for note in done.value.value.adaptations] == ["learned"]


def test_RS_24_a_budget_is_spelled_for_qwen():
    body = qwen(model="qwen-plus", reasoning=1024).body

    assert (body["enable_thinking"], body["thinking_budget"]) == (True, 1024)


def test_RS_24_a_budget_can_be_set_and_the_servers_hint_is_shown():
    hint = "The thinking_budget parameter must be a positive integer and not greater than 38912"
    rendered = ask(extra_body={"enable_thinking": True, "thinking_budget": 1024})

    assert (rendered.body["enable_thinking"], rendered.body["thinking_budget"]) == (True, 1024)
    with pytest.raises(BadRequestError, match="must be a positive integer") as raised:
        whole({"error": {"message": hint, "code": "invalid_parameter_error"}}, rendered, status=400)
    assert not isinstance(raised.value, ContextLengthError)


OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("provider", "model", "off", "on"),
    [
        ("openai", "m", {"reasoning_effort": "none"}, {"reasoning_effort": "high"}),
        ("deepseek", "m", {"thinking": OFF}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {"thinking": OFF},
            {"thinking": {"type": "enabled", "budget_tokens": 16384}},
        ),
        ("anthropic", "claude-opus-4-8", {"thinking": OFF}, {"output_config": {"effort": "high"}}),
        ("ollama", "m", {"think": False}, {"think": "high"}),
        ("aliyun_openai_compatible", "qwen-plus", {"enable_thinking": False}, {"enable_thinking": True}),
        ("moonshot", "kimi-k2.6", {"thinking": OFF}, {"thinking": {"type": "enabled"}}),
        ("moonshot", "kimi-k3", {"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
        ("volcengine", "ep-1", {"thinking": OFF}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("openrouter", "m", {"reasoning": {"enabled": False}}, {"reasoning": {"enabled": True, "effort": "high"}}),
    ],
)
def test_RS_25_one_switch_is_spelled_as_each_wire_wants_it(provider, model, off, on):
    switches = {"thinking", "reasoning_effort", "output_config", "think", "enable_thinking", "reasoning"}

    def switched(reasoning: Any) -> dict[str, Any]:
        body = ask(provider=provider, model=model, reasoning=reasoning).body
        return {key: value for key, value in body.items() if key in switches}

    assert switched(False) == off
    assert switched("high").items() >= on.items()
    assert switched(None) == {}, "not set leaves it to the server"


def test_thoughts_are_parts_in_front_of_the_text():
    answer = whole(completion(content="Yes", reasoning_content="Hm"), ask(provider="deepseek"))

    assert answer.message.parts == [
        Reasoning("Hm", field="reasoning_content", provider="deepseek"),
        Text("Yes"),
    ]
