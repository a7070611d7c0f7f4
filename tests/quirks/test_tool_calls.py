"""TC: streamed and whole tool calls, as servers really send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector.types import ToolCall, assistant, tool_result, user
from tests.support.answers import (
    STOP,
    Reading,
    anthropic_events,
    ask,
    call_delta,
    completion,
    delta,
    ndjson,
    piece,
    sse,
    streamed,
    whole,
)

END = delta("tool_calls")


def read(*events: Any, **options: Any) -> Reading:
    """A stream of Chat Completions events."""
    reading = streamed(sse(*events, done=True), ask(stream=True, **options))
    assert reading.error is None
    return reading


def calls(reading: Reading) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments of the finished calls, which are those of the response."""
    assert reading.calls == reading.answer.tool_calls
    assert all(call.error is None for call in reading.calls)
    return [(call.name, call.arguments) for call in reading.calls]


def ids(reading: Reading) -> list[str]:
    return [call.id for call in reading.calls]


def two_ids(reading: Reading) -> bool:
    """Whether two calls came with ids of their own."""
    return len(set(ids(reading))) == 2 and all(ids(reading))


@pytest.mark.parametrize("missing", [{}, {"index": None}])
def test_TC_01_a_missing_index_is_unknown_and_not_zero(missing):
    first = piece("", "square_root", id="call_U", **missing)
    more = piece('{"n": 16}', **missing)
    second = piece('{"n": 25}', "square_root", id="call_V", **missing)

    reading = read(call_delta(first), call_delta(more), call_delta(second), END)

    assert calls(reading) == [("square_root", {"n": 16}), ("square_root", {"n": 25})]
    assert ids(reading) == ["call_U", "call_V"]


def test_TC_02_a_new_id_opens_a_call_although_the_index_repeats():
    reading = read(
        call_delta(piece('{"b":2,"a":2}', "add_numbers", index=0, id="call-9439")),
        call_delta(piece('{"unit":"celsius"}', "get_weather", index=0, id="call-84eb")),
        END,
    )

    assert calls(reading) == [("add_numbers", {"b": 2, "a": 2}), ("get_weather", {"unit": "celsius"})]
    assert ids(reading) == ["call-9439", "call-84eb"]


def test_TC_02_pieces_without_id_continue_the_call_opened_last_at_their_index():
    reading = read(
        call_delta(piece('{"a":', "add", index=0, id="x")),
        call_delta(piece("1}", index=0)),
        call_delta(piece('{"b":', "add", index=0, id="y")),
        call_delta(piece("2}", index=0)),
        END,
    )

    assert calls(reading) == [("add", {"a": 1}), ("add", {"b": 2})]


def test_TC_03_calls_without_ids_at_one_index_are_told_apart_by_whole_objects():
    urls = ["a", "b", "c", "d"]

    reading = read(*(call_delta(piece(json.dumps({"url": url}), "web_fetch", index=0)) for url in urls), END)

    assert calls(reading) == [("web_fetch", {"url": url}) for url in urls]
    assert len(set(ids(reading))) == 4


def test_TC_03_a_name_alone_is_no_boundary():
    reading = read(
        call_delta(piece('{"url":', "web_fetch", index=0)),
        call_delta(piece('"a"}', "web_fetch", index=0)),
        call_delta(piece('{"q":"b"}', "web_search", index=0)),
        END,
    )

    assert calls(reading) == [("web_fetch", {"url": "a"}), ("web_search", {"q": "b"})]


def test_TC_03_a_second_object_without_a_name_is_a_further_call_of_the_same_tool():
    reading = read(
        call_delta(piece('{"url":"a"}', "web_fetch", index=0)),
        call_delta(piece('{"url":"b"}', index=0)),
        call_delta(piece('{"url":', index=0)),
        call_delta(piece('"c"}', index=0)),
        END,
    )

    assert calls(reading) == [("web_fetch", {"url": "a"}), ("web_fetch", {"url": "b"}), ("web_fetch", {"url": "c"})]


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": ""}])
def test_TC_04_an_empty_id_is_absent(name):
    opening = {"id": "call_a1ad", "type": "function", "index": 0, "function": {"name": "bash", "arguments": ""}}
    rest = [
        {"id": "", "type": "", "index": 0, "function": {**name, "arguments": text}}
        for text in ('{"command": ', '"ls"}')
    ]

    reading = read(call_delta(opening), *map(call_delta, rest), END)

    assert calls(reading) == [("bash", {"command": "ls"})]
    assert ids(reading) == ["call_a1ad"]


def test_TC_05_id_and_name_are_set_once_however_often_they_come():
    pieces = [
        piece(text, "read_file", index=0, id="chatcmpl-tool-aa62", type="function") for text in ("", '{"pa', 'th":"x"}')
    ]

    reading = read(*map(call_delta, pieces), END)

    assert calls(reading) == [("read_file", {"path": "x"})]
    assert ids(reading) == ["chatcmpl-tool-aa62"]


def test_TC_06_a_name_cut_in_two_is_joined_when_that_makes_a_known_tool():
    halves = [
        call_delta(piece(name="edit_ex", index=0, id="x")),
        call_delta(piece(name="isting_file", index=0)),
        call_delta(piece("{}", index=0)),
        END,
    ]

    def edit_existing_file() -> None:
        """Edits."""

    assert calls(read(*halves, tools=[edit_existing_file])) == [("edit_existing_file", {})]
    assert calls(read(*halves)) == [("edit_ex", {})], "the default is to keep the first"


def test_TC_06_a_known_tool_is_not_extended():
    def read_file() -> None:
        """Reads."""

    reading = read(
        call_delta(piece(name="read_file", index=0, id="x")),
        call_delta(piece("{}", "s", index=0)),
        END,
        tools=[read_file],
    )

    assert calls(reading) == [("read_file", {})]


@pytest.mark.parametrize(
    "texts",
    [
        ['{"q', '{"query": "a', '{"query": "ab"}'],
        ['{"', '{"query', '{"query": "a', '{"query": "a', '{"query": "ab"}'],
        ['{"query":', '{"query": "a', '{"query": "ab"}'],
        ['{"query":', '{"query": "ab"}'],
        ['{"query": "http:', '{"query": "http://', '{"query": "http://x"}'],
    ],
)
def test_TC_07_arguments_that_repeat_what_came_before_replace_it(texts):
    reading = read(*(call_delta(piece(text, "search", index=0, id="x")) for text in texts), END)

    assert calls(reading) == [("search", json.loads(texts[-1]))]


@pytest.mark.parametrize(
    ("texts", "arguments"),
    [
        (["{", '"a": "a', "ab", '"}'], {"a": "aab"}),
        (['{"a": ["x', '", "x', '", "xy"]}'], {"a": ["x", "x", "xy"]}),
        (['{"and":[', '{"and":[', "1]}", "]}"], {"and": [{"and": [1]}]}),
        (['{"and":[', '{"and":[1]}', "]}"], {"and": [{"and": [1]}]}),
        (['{"', '{": null}'], {"{": None}),
    ],
)
def test_TC_07_pieces_that_only_look_like_repetition_are_appended(texts, arguments):
    reading = read(*(call_delta(piece(text, "search", index=0, id="x")) for text in texts), END)

    assert calls(reading) == [("search", arguments)]


def test_TC_08_the_whole_arguments_sent_once_more_are_dropped():
    texts = ['{"query":', '"A"}', '{"query":"A"}']

    reading = read(
        *(call_delta(piece(text, "search" if not number else None, index=0)) for number, text in enumerate(texts)), END
    )

    assert calls(reading) == [("search", {"query": "A"})]


def test_TC_09_arguments_may_be_an_object_and_go_back_as_each_wire_wants_them():
    function = {"name": "weather", "arguments": {"city": "Paris"}}
    whole_call = whole(completion("tool_calls", tool_calls=[{"id": "x", "function": function}])).message
    streamed_call = read(call_delta({"id": "x", "index": 0, "function": function}), END).answer.message
    native = {"message": {"role": "assistant", "content": "", "tool_calls": [{"id": "x", "function": function}]}}
    ollama_call = whole({**native, "done": True, "done_reason": "stop"}, ask(provider="ollama")).message

    for message in (whole_call, streamed_call, ollama_call):
        (call,) = message.tool_calls
        assert call.arguments == {"city": "Paris"}
        assert json.loads(call.arguments_raw) == {"city": "Paris"}
        history = [user("?"), message, tool_result(call, "rain")]
        text = ask(history).body["messages"][1]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(text) == {"city": "Paris"}
        native_call = ask(history, provider="ollama").body["messages"][1]["tool_calls"][0]
        assert native_call["function"]["arguments"] == {"city": "Paris"}


@pytest.mark.parametrize(
    ("objects", "arguments"),
    [
        ([{"input": "a"}, {"input": "b"}], {"input": "ab"}),
        ([{"input": "a"}, {"input": "ab"}], {"input": "ab"}),
        ([{"input": "a"}, {"limit": 3}], {"input": "a", "limit": 3}),
        ([{}, {"input": "a"}], {"input": "a"}),
    ],
)
def test_TC_10_objects_in_several_pieces_are_merged_key_by_key(objects, arguments):
    reading = read(*(call_delta(piece(value, "search", index=0, id="x")) for value in objects), END)

    assert calls(reading) == [("search", arguments)]
    assert json.loads(reading.calls[0].arguments_raw) == arguments


@pytest.mark.parametrize("given", [{"arguments": ""}, {"arguments": None}, {}, {"arguments": "{}"}, {"arguments": {}}])
def test_TC_11_no_arguments_are_an_empty_object_in_and_out(given):
    function = {"name": "now", **given}
    wire_call = {"id": "x", "type": "function", "function": function}
    streamed_call = read(call_delta({"index": 0, **wire_call}), END).answer.message
    whole_call = whole(completion("tool_calls", content=None, tool_calls=[wire_call])).message

    for message in (streamed_call, whole_call):
        (call,) = message.tool_calls
        assert (call.arguments, call.error) == ({}, None)
        body = ask([user("?"), message, tool_result(call, "noon")]).body
        assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}


@pytest.mark.parametrize("text", ["null", '"null"', " null "])
def test_TC_12_the_text_null_is_an_empty_object_in_and_out(text):
    wire_call = {"id": "x", "type": "function", "function": {"name": "now", "arguments": text}}
    cut = [call_delta(piece(text[:2], "now", index=0, id="x")), call_delta(piece(text[2:], index=0))]

    for message in (
        read(call_delta({"index": 0, **wire_call}), END).answer.message,
        read(*cut, END).answer.message,
        whole(completion("tool_calls", tool_calls=[wire_call])).message,
    ):
        (call,) = message.tool_calls
        assert (call.arguments, call.error) == ({}, None)
        body = ask([user("?"), message, tool_result(call, "noon")]).body
        assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_TC_13_a_whole_call_with_the_finish_reason_in_one_event():
    reading = read(call_delta(piece('{"a":1}', "f", index=0, id="x"), finish="tool_calls"))

    assert calls(reading) == [("f", {"a": 1})]
    assert reading.answer.finish_reason == "tool_calls"
    (opening,) = [chunk.tool_call_delta for chunk in reading.chunks if chunk.tool_call_delta]
    assert (opening.id, opening.name, opening.arguments) == ("x", "f", '{"a":1}')


def test_TC_14_a_call_keeps_its_identity_when_the_arguments_come_much_later():
    reading = read(
        call_delta(piece(name="f", index=0, id="x")),
        delta(content="one moment"),
        delta(content=""),
        call_delta(piece('{"a":', index=0)),
        call_delta(piece("1}", index=0)),
        END,
    )

    assert calls(reading) == [("f", {"a": 1})]
    assert ids(reading) == ["x"]
    assert reading.text == "one moment"


def test_TC_15_several_calls_in_one_event():
    reading = read(call_delta(piece('{"a":1}', "f", index=0, id="x"), piece('{"b":2}', "g", index=1, id="y")), END)

    assert calls(reading) == [("f", {"a": 1}), ("g", {"b": 2})]
    assert ids(reading) == ["x", "y"]
    assert all(chunk.delta is None or [chunk.delta] for chunk in reading.chunks)


@pytest.mark.parametrize(
    ("raw", "unified"),
    [("stop", "tool_calls"), ("eos", "tool_calls"), ("length", "length"), ("content_filter", "content_filter")],
)
def test_TC_16_finished_calls_make_a_plain_stop_a_request_to_run_them(raw, unified):
    answers = [
        read(call_delta(piece("{}", "f", index=0, id="x")), delta(raw)).answer,
        whole(completion(raw, tool_calls=[{"id": "x", "function": {"name": "f", "arguments": "{}"}}])),
    ]

    assert [(answer.finish_reason, answer.finish_reason_raw) for answer in answers] == [(unified, raw)] * 2


def test_TC_17_a_request_for_tools_without_any_call_is_a_stop():
    empty = {"type": "message", "role": "assistant", "content": [], "stop_reason": "tool_use", "usage": {}}
    answers = [
        whole(empty, ask(provider="anthropic")),
        whole(completion("tool_calls", content="")),
        read(delta(content="hm"), END).answer,
    ]

    assert [answer.finish_reason for answer in answers] == ["stop"] * 3
    assert [answer.finish_reason_raw for answer in answers] == ["tool_use", "tool_calls", "tool_calls"]


def test_TC_18_calls_ahead_of_the_last_line_are_remembered():
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    body = ndjson(
        {"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop"},
    )

    reading = streamed(body, ask(provider="ollama", stream=True))

    assert calls(reading) == [("f", {"a": 1})]
    assert (reading.answer.finish_reason, reading.answer.finish_reason_raw) == ("tool_calls", "stop")


def test_TC_19_calls_without_ids_get_their_own_and_results_go_back_by_them():
    wire_calls = [{"function": {"name": "weather", "arguments": {"city": city}}} for city in ("Munich", "Rome")]
    body = {"message": {"content": "", "tool_calls": wire_calls}, "done": True, "done_reason": "stop"}

    answer = whole(body, ask(provider="ollama"))

    first, second = answer.tool_calls
    assert first.id != second.id
    assert all(call.id.removeprefix("call_").isalnum() for call in (first, second))
    history = [user("?"), answer.message, tool_result(second, "sun"), tool_result(first, "rain")]
    results = ask(history, provider="ollama").body["messages"][2:]
    assert [(result["tool_name"], result["tool_call_id"]) for result in results] == [
        ("weather", second.id),
        ("weather", first.id),
    ]
    assert [result["tool_call_id"] for result in ask(history).body["messages"][2:]] == [second.id, first.id]


def test_TC_20_a_stream_of_one_event_is_a_stream_and_text_is_not_parsed_for_calls():
    text = '{"name": "weather", "parameters": {"city": "Munich"}}'

    def weather(city: str) -> str:
        """Looks out of the window."""
        return city

    assert calls(read(call_delta(piece('{"city":"x"}', "weather", index=0, id="x"), finish="tool_calls")))
    reading = read(delta("stop", content=text), tools=[weather])
    assert (reading.answer.text, reading.answer.tool_calls) == (text, [])
    assert reading.answer.finish_reason == "stop"


def test_TC_21_pieces_of_parallel_anthropic_calls_interleave_by_block():
    body = anthropic_events(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Both."}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "f"}},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "b", "name": "g"}},
        *(
            {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}}
            for index, text in [(1, '{"x"'), (2, '{"y"'), (1, ": 1"), (2, ": 2"), (2, "}"), (1, "}")]
        ),
        {"type": "content_block_stop", "index": 2},
        {"type": "content_block_stop", "index": 1},
        stop_reason="tool_use",
    )

    reading = streamed(body, ask(provider="anthropic", stream=True))

    assert reading.answer.tool_calls == [
        ToolCall(id="a", name="f", arguments={"x": 1}, arguments_raw='{"x": 1}'),
        ToolCall(id="b", name="g", arguments={"y": 2}, arguments_raw='{"y": 2}'),
    ]
    assert sorted(ids(reading)) == ["a", "b"]
    assert {chunk.tool_call_delta.index for chunk in reading.chunks if chunk.tool_call_delta} == {0, 1}


@pytest.mark.parametrize(
    ("given", "pieces", "arguments"),
    [
        ({}, ["", '{"file_', 'path": "a.py"}'], {"file_path": "a.py"}),
        ({}, [], {}),
        ({}, [""], {}),
        ({"file_path": "b.py"}, [], {"file_path": "b.py"}),
    ],
)
def test_TC_22_anthropic_pieces_are_joined_and_parsed_once(given, pieces, arguments):
    block = {"type": "tool_use", "id": "a", "name": "read", "input": given}
    body = anthropic_events(
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}
            for text in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        stop_reason="tool_use",
    )

    assert calls(streamed(body, ask(provider="anthropic", stream=True))) == [("read", arguments)]


@pytest.mark.parametrize("empty", [[], None])
def test_TC_23_an_empty_list_of_calls_is_none(empty):
    fields: dict[str, Any] = {"role": "assistant", "tool_calls": empty, "function_call": None}

    reading = read(delta(content="a", **fields), delta(content=",", **fields), STOP)
    answer = whole(completion(content="a,", **fields))

    assert (reading.text, answer.text) == ("a,", "a,")
    assert reading.answer.tool_calls == answer.tool_calls == []
    assert reading.answer.finish_reason == answer.finish_reason == "stop"


def test_TC_24_a_call_cut_at_the_token_limit_is_not_presented_as_complete():
    reading = read(call_delta(piece('{"command": "rm -r /tmp/x', "bash", index=0, id="x")), delta("length"))

    (call,) = reading.calls
    assert (call.arguments, call.arguments_raw) == ({}, '{"command": "rm -r /tmp/x')
    assert call.error is not None
    assert reading.answer.finish_reason == "length"


def test_TC_24_a_call_cut_by_a_silent_close_is_never_announced():
    reading = streamed(sse(call_delta(piece('{"command": "rm -r /', "bash", index=0, id="x"))))

    assert reading.calls == []
    (call,) = reading.partial.tool_calls
    assert (call.arguments, call.arguments_raw) == ({}, '{"command": "rm -r /')
    assert call.error == "the stream ended before the call was complete"


def test_TC_25_deltas_stay_deltas_and_each_call_is_announced_once_when_complete():
    texts = ["", '{"que', 'ry": ', '"x"}']
    events = [
        call_delta(piece(text, None if number else "search", index=0, id="x")) for number, text in enumerate(texts)
    ]

    reading = read(*events, END)

    deltas = [chunk.tool_call_delta for chunk in reading.chunks if chunk.tool_call_delta]
    assert [item.arguments for item in deltas] == texts
    assert [(item.id, item.name) for item in deltas] == [("x", "search"), *[(None, None)] * 3]
    assert calls(reading) == [("search", {"query": "x"})]
    announced = [number for number, chunk in enumerate(reading.chunks) if chunk.tool_call]
    last_delta = max(number for number, chunk in enumerate(reading.chunks) if chunk.tool_call_delta)
    assert len(announced) == 1
    assert announced[0] > last_delta


def test_TC_26_the_legacy_function_call_is_a_tool_call():
    reading = read(
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": '{"a":'}),
        delta(function_call={"arguments": "1}"}),
        delta("function_call"),
    )
    answer = whole(completion("function_call", content=None, function_call={"name": "f", "arguments": '{"a":1}'}))

    assert calls(reading) == [("f", {"a": 1})]
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("f", {"a": 1})]
    for found in (reading.answer, answer):
        assert (found.finish_reason, found.finish_reason_raw) == ("tool_calls", "function_call")
        assert found.tool_calls[0].id
        (call,) = ask([user("?"), assistant(found.tool_calls[0]), tool_result(found.tool_calls[0], "ok")]).body[
            "messages"
        ][1]["tool_calls"]
        assert call["type"] == "function", "it goes back in the form of today"
