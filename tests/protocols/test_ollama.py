"""Ollama's own wire format: what is sent, and what is read from whole answers, streams and deviant servers."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest

from llm_connector import operations
from llm_connector.auth import no_auth
from llm_connector.errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ModelNotFoundError,
    ParseError,
    StreamError,
    UnsupportedError,
)
from llm_connector.protocols import ErrorEvent, OllamaChat, error_class
from llm_connector.providers.spec import EVERYTHING, Endpoint, ProviderSpec, joined_base
from llm_connector.types import (
    Audio,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Document,
    Image,
    Notes,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.types.messages import Message
from llm_connector.wire import decode_json, encode_json
from tests.support.golden import Golden, golden_cases

PROTOCOL = OllamaChat()
ROW = ProviderSpec("ollama", PROTOCOL, "http://localhost:11434", auth=no_auth, supports=EVERYTHING)
PNG = "iVBORw0KGgo="
WEATHER = Tool("weather", "Looks out of the window.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("clock")
MADE_UP = re.compile(r"call_[0-9a-f]{16}")


def ask(messages: Any = "Hi", **options: Any) -> ChatRequest:
    return ChatRequest.of(messages, {"model": "qwen3", **options})


def render(messages: Any = "Hi", *, protocol: OllamaChat = PROTOCOL, stream: bool = False, **options: Any) -> Any:
    """The body as the server will see it, and what was noted."""
    notes = Notes()
    body = protocol.render_chat(ask(messages, **options), stream=stream, notes=notes)
    return decode_json(encode_json(body)), [(note.action, note.subject) for note in notes.adaptations]


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def event(content: str = "", *, done: bool = False, **fields: Any) -> dict[str, Any]:
    message = {key: fields.pop(key) for key in ("thinking", "tool_calls") if key in fields}
    head = {"model": "qwen3", "created_at": "2026-08-01T10:00:00.123456789Z"}
    return {**head, "message": {"role": "assistant", "content": content, **message}, "done": done, **fields}


END = event(done=True, done_reason="stop", total_duration=9, prompt_eval_count=169, eval_count=15)


def read(blocks: Iterable[bytes], request: ChatRequest | None = None) -> tuple[list[ChatChunk], ChatResponse]:
    framing, parser = PROTOCOL.framing(), PROTOCOL.chunk_parser(request)
    chunks: list[ChatChunk] = []
    for block in blocks:
        for item in framing.feed(block):
            chunks.extend(parser.feed(item))
    for item in framing.close():
        chunks.extend(parser.feed(item))
    chunks.extend(parser.close())
    return chunks, parser.response()


def said(response: ChatResponse) -> Any:
    """What the fold law compares; ids that were made up differ from parser to parser."""
    return MADE_UP.sub("made-up", response.model_dump_json(exclude={"raw", "headers"}))


def whole(stream: bytes) -> dict[str, Any]:
    """The same answer unstreamed, as the server joins it."""
    events = [json.loads(line) for line in stream.splitlines() if line.strip()]
    message: dict[str, Any] = {"role": "assistant"}
    message["content"] = "".join(item["message"].get("content", "") for item in events)
    thinking = "".join(item["message"].get("thinking", "") for item in events)
    calls = [call for item in events for call in item["message"].get("tool_calls") or ()]
    logprobs = [token for item in events for token in item.get("logprobs") or ()]
    message |= {"thinking": thinking} if thinking else {}
    message |= {"tool_calls": calls} if calls else {}
    return {**events[-1], "message": message, **({"logprobs": logprobs} if logprobs else {})}


class TestRequests:
    def test_the_smallest_request_still_says_whether_to_stream(self):
        assert render()[0] == {"model": "qwen3", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
        assert render(stream=True)[0]["stream"] is True

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"temperature": 0.5, "top_p": 0.9, "top_k": 40}, {"temperature": 0.5, "top_p": 0.9, "top_k": 40}),
            ({"seed": 0, "max_tokens": 100}, {"seed": 0, "num_predict": 100}),
            ({"stop": "END"}, {"stop": ["END"]}),
            ({"presence_penalty": 0.1, "frequency_penalty": 0}, {"presence_penalty": 0.1, "frequency_penalty": 0}),
        ],
    )
    def test_sampling_goes_into_options(self, options, expected):
        assert render(**options) == ({**render()[0], "options": expected}, [])

    @pytest.mark.parametrize(
        ("options", "expected", "noted"),
        [
            ({}, None, []),
            ({"reasoning": True}, True, []),
            ({"reasoning": False}, False, []),
            ({"reasoning": 0}, False, []),
            ({"reasoning": "low"}, "low", []),
            ({"reasoning": "max"}, "max", []),
            ({"reasoning": "minimal"}, "low", [("converted", "reasoning")]),
            ({"reasoning": 8000}, "medium", [("converted", "reasoning")]),
        ],
    )
    def test_reasoning_becomes_think(self, options, expected, noted):
        body, notes = render(**options)
        assert (body.get("think"), notes) == (expected, noted)

    @pytest.mark.parametrize(
        ("options", "field", "expected"),
        [
            ({"logprobs": True}, "logprobs", True),
            ({"logprobs": 3}, "top_logprobs", 3),
            ({"response_format": {"type": "object", "properties": {"a": {"type": "integer"}}}}, "format", None),
        ],
    )
    def test_fields_beside_the_options(self, options, field, expected):
        body, notes = render(**options)
        assert notes == []
        assert body[field] == (expected or options["response_format"])

    def test_json_mode_asks_for_json_in_words_unless_a_message_does(self):
        body, notes = render(response_format="json")
        assert body["format"] == "json"
        assert "JSON" in body["messages"][0]["content"]
        assert notes == [("converted", "response_format")]
        assert render("Answer in JSON", response_format="json")[1] == []

    def test_tools_are_offered_in_the_shape_of_openai(self):
        body, notes = render(tools=[WEATHER, CLOCK])
        assert notes == []
        function = {"name": "weather", "description": WEATHER.description, "parameters": WEATHER.parameters}
        assert body["tools"][0] == {"type": "function", "function": function}
        clock = {"name": "clock", "parameters": {"type": "object", "properties": {}}}
        assert body["tools"][1] == {"type": "function", "function": clock}

    def test_references_in_a_schema_are_replaced_by_what_they_name(self):
        city = {"type": "object", "properties": {"name": {"type": "string"}}}
        schema = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "$defs": {"City": city}}
        body, _ = render(tools=[Tool("weather", "", schema)])
        assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"city": city}}

    @pytest.mark.parametrize(
        ("choice", "offered", "noted"),
        [
            ("auto", ["weather", "clock"], []),
            ("none", None, []),
            ("required", ["weather", "clock"], [("downgraded", "tool_choice")]),
            ("clock", ["clock"], [("downgraded", "tool_choice")]),
        ],
    )
    def test_a_tool_choice_is_made_by_what_is_offered(self, choice, offered, noted):
        body, notes = render(tools=[WEATHER, CLOCK], tool_choice=choice)
        names = [tool["function"]["name"] for tool in body["tools"]] if "tools" in body else None
        assert (names, notes) == (offered, noted)
        assert "tool_choice" not in body

    @pytest.mark.parametrize(
        ("options", "subject"),
        [
            ({"n": 2}, "n"),
            ({"logit_bias": {"1": 5}}, "logit_bias"),
            ({"user": "me"}, "user"),
            ({"metadata": {"a": "b"}}, "metadata"),
            ({"cache": True}, "cache"),
            ({"tools": [CLOCK], "parallel_tool_calls": False}, "parallel_tool_calls"),
            ({"tools": [CLOCK], "strict_schema": True}, "strict"),
        ],
    )
    def test_what_the_wire_cannot_say_is_dropped_aloud(self, options, subject):
        body, notes = render(**options)
        assert notes == [("dropped", subject)]
        assert set(body) <= {"model", "messages", "stream", "tools"}
        with pytest.raises(UnsupportedError, match=subject):
            PROTOCOL.render_chat(ask(**options), stream=False, notes=Notes(strict=True))

    @pytest.mark.parametrize("options", [{"n": 1}, {"parallel_tool_calls": True, "tools": [CLOCK]}, {"metadata": {}}])
    def test_nothing_is_noted_when_nothing_is_lost(self, options):
        assert render(**options)[1] == []

    @pytest.mark.parametrize("pasted", ["", "/", "/api", "/api/", "/v1", "/api/chat", "/v1/chat/completions"])
    @pytest.mark.parametrize("host", ["http://localhost:11434", "https://example.com/ollama"])
    def test_pasted_endpoints_are_cut_off(self, host, pasted):
        endpoint = Endpoint(ROW, joined_base(host + pasted, PROTOCOL, "ollama"))
        assert endpoint.url(PROTOCOL.chat_path("qwen3", stream=True)) == f"{host}/api/chat"


class TestMessages:
    def test_a_conversation_with_tools_goes_back_as_it_came(self):
        call = ToolCall(id="call_1", name="weather", arguments={"city": "Tokyo"})
        turns = [
            system("Be brief."),
            user("Weather?"),
            assistant(Reasoning("Look it up."), "One moment.", call),
            tool_result(call, "11 degrees"),
        ]
        body, notes = render(turns)
        assert notes == []
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "One moment.",
                "thinking": "Look it up.",
                "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Tokyo"}}}],
            },
            {"role": "tool", "content": "11 degrees", "tool_name": "weather", "tool_call_id": "call_1"},
        ]

    def test_a_result_gets_the_name_of_its_call(self):
        call = ToolCall(id="a", name="clock")
        body, _ = render([user("?"), assistant(call), {"role": "tool", "tool_call_id": "a", "content": "noon"}])
        assert body["messages"][2]["tool_name"] == "clock"

    def test_results_beside_text_in_a_user_turn_come_first(self):
        call = ToolCall(id="a", name="clock")
        turn = Message(role="user", parts=[Text("And now?"), ToolResult(call_id="a", parts=[Text("noon")], error=True)])
        body, _ = render([assistant(call), turn])
        assert body["messages"][1:] == [
            {"role": "tool", "content": "Error: noon", "tool_name": "clock", "tool_call_id": "a"},
            {"role": "user", "content": "And now?"},
        ]

    def test_a_picture_a_tool_returned_is_sent_with_its_result(self):
        call = ToolCall(id="a", name="camera")
        body, _ = render([assistant(call), tool_result(call, "taken", Image.base64("image/png", PNG))])
        assert body["messages"][1]["images"] == [PNG]

    def test_text_documents_are_read_out(self):
        document = Document.base64("text/plain", "aGVsbG8=", name="a.txt")
        body, notes = render([user("See", " this:", document, "Thanks.")])
        assert body["messages"][0]["content"] == "See this:\n\na.txt:\nhello\n\nThanks."
        assert notes == []

    @pytest.mark.parametrize(
        "part",
        [
            Document.base64("application/pdf", "aGVsbG8=", name="report.pdf"),
            Document("https://example.com/report.pdf"),
            Audio.base64("audio/wav", "aGVsbG8="),
            Image("https://example.com/cat.png"),
        ],
        ids=["pdf", "document URL", "audio", "image URL"],
    )
    def test_MS_13_what_cannot_be_shown_is_named_in_the_text(self, part):
        body, notes = render([user("Look:", part)])
        content = body["messages"][0]["content"]
        assert content.startswith(f"Look:\n\n[{part.type}")
        assert "not shown" in content
        assert "images" not in body["messages"][0]
        assert notes == [("converted", part.type)]

    def test_ND_06_images_are_bare_base64(self):
        image = Image(f"data:image/png;base64,{PNG}")
        message = render([user("Look:", image, image)])[0]["messages"][0]
        assert message == {"role": "user", "content": "Look:", "images": [PNG, PNG]}

    def test_names_and_opaque_blocks_are_dropped_aloud(self):
        body, notes = render([user("Hi", name="Ann"), assistant(Opaque(data={"type": "x"}), "Hello")])
        assert body["messages"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        assert notes == [("dropped", "name"), ("dropped", "opaque")]

    @pytest.mark.parametrize(
        ("call", "arguments", "noted"),
        [
            (ToolCall(id="a", name="f"), {}, []),
            (ToolCall(id="a", name="f", arguments_raw="null"), {}, []),
            (ToolCall(id="a", name="f", arguments_raw='{"x": 1}'), {"x": 1}, []),
            (ToolCall(id="a", name="f", arguments_raw='{"x"', error="broken"), {}, [("converted", "tool call 'f'")]),
        ],
    )
    def test_TC_09_arguments_are_sent_as_an_object(self, call, arguments, noted):
        body, notes = render([assistant(call), tool_result(call, "ok")])
        assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == arguments
        assert notes == noted

    def test_a_call_without_result_is_found_before_the_server_sees_it(self):
        with pytest.raises(ConfigurationError, match="no result"):
            render([assistant(ToolCall(id="a", name="f")), user("Well?")])


class TestAnswers:
    def test_a_whole_answer(self):
        call = {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Tokyo"}}}
        body = event("Hello", thinking="Hm.", tool_calls=[call], done=True, done_reason="stop")
        body |= {"total_duration": 5191566416, "prompt_eval_count": 26, "eval_count": 298, "remote_host": "h"}
        answer = PROTOCOL.parse_chat(body)
        assert (answer.text, answer.reasoning, answer.model) == ("Hello", "Hm.", "qwen3")
        assert answer.tool_calls[0].arguments == {"city": "Tokyo"}
        assert (answer.tool_calls[0].id, answer.tool_calls[0].name) == ("call_1", "weather")
        assert (answer.finish_reason, answer.finish_reason_raw) == ("tool_calls", "stop")
        assert answer.extra == {"total_duration": 5191566416, "remote_host": "h"}
        assert answer.created == 1785578400
        assert answer.raw is not None
        assert [type(part) for part in answer.message.parts] == [Reasoning, Text, ToolCall]

    def test_an_answer_goes_back_with_its_thoughts_ids_and_calls(self):
        call = {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "東京"}}}
        body = event("Wait.", thinking="Hm.", tool_calls=[call], done=True, done_reason="stop")
        message = PROTOCOL.parse_chat(body).message
        sent = render([user("?"), message, tool_result("call_1", "11 degrees")])[0]["messages"][1]
        assert sent == {**body["message"], "tool_calls": [call]}

    @pytest.mark.parametrize(
        ("fields", "unified", "raw"),
        [
            ({"done_reason": "stop"}, "stop", "stop"),
            ({"done_reason": "length"}, "length", "length"),
            ({"done_reason": "load"}, "stop", "load"),
            ({"done_reason": "unload"}, "stop", "unload"),
            ({"done_reason": ""}, "stop", None),
            ({}, "stop", None),
            ({"done_reason": "surprise"}, None, "surprise"),
        ],
    )
    def test_reasons(self, fields, unified, raw):
        body = event("Hello", done=True, **fields)
        for answer in (PROTOCOL.parse_chat(body), read([lines(body)])[1]):
            assert (answer.finish_reason, answer.finish_reason_raw) == (unified, raw)

    def test_an_end_without_reason_and_content_is_an_error(self):
        assert PROTOCOL.parse_chat(event(done=True)).finish_reason == "error"
        assert PROTOCOL.parse_chat(event("Hal", done=False)).finish_reason == "error"

    def test_generate_is_read_as_well(self):
        body = {"model": "m", "response": "Hi", "thinking": "Hm", "done": True, "done_reason": "stop", "context": [1]}
        answer = PROTOCOL.parse_chat(body)
        assert (answer.text, answer.reasoning, answer.extra) == ("Hi", "Hm", {"context": [1]})
        parts = [{"response": "H", "done": False}, {"response": "i", "done": False}, {**body, "response": ""}]
        streamed = read([lines(*parts)])[1]
        assert (streamed.text, streamed.reasoning) == ("Hi", "Hm")

    @pytest.mark.parametrize(
        ("created_at", "expected"),
        [
            ("2025-05-04T17:37:44.706015396-07:00", 1746405464),
            ("2025-07-07T20:22:19.19314Z", 1751919739),
            ("2025-07-07T20:22:19", 1751919739),
            (1751919739.5, 1751919739),
            ("0001-01-01T00:00:00Z", None),
            ("yesterday", None),
            (None, None),
            ({}, None),
        ],
    )
    def test_any_timestamp_is_tolerated(self, created_at, expected):
        body = {**event("Hi", done=True, done_reason="stop"), "created_at": created_at}
        assert PROTOCOL.parse_chat(body).created == expected

    def test_logprobs_are_kept_in_one_list(self):
        tokens = [{"token": "He", "logprob": -0.1}, {"token": "llo", "logprob": -0.2, "top_logprobs": []}]
        stream = lines(event("He", logprobs=tokens[:1]), event("llo", logprobs=tokens[1:]), END)
        assert read([stream])[1].logprobs == {"content": tokens}

    def test_think_tags_are_split_only_when_asked(self):
        stream = lines(event("<th"), event("ink>Hm.</think>\n\nHel"), event("lo <"), END)
        request = ask(think_tags=True)
        plain, split = read([stream])[1], read([stream], request)[1]
        assert plain.text == "<think>Hm.</think>\n\nHello <"
        assert (split.reasoning, split.text) == ("Hm.", "Hello <")
        assert said(split) == said(PROTOCOL.parse_chat(whole(stream), request))

    @pytest.mark.parametrize(
        "body", [{"error": "boom"}, {"message": "Unauthorized"}, {"detail": "Not Found"}, [], "no"]
    )
    def test_an_error_object_in_place_of_an_answer(self, body):
        with pytest.raises(ErrorEvent):
            PROTOCOL.parse_chat(body)

    def test_something_else_in_place_of_an_answer(self):
        with pytest.raises(ParseError, match="no message"):
            PROTOCOL.parse_chat({"models": []})


STREAMS = {
    "text": lines(event("He"), event("llo"), event(" 世界\u2028"), END),
    "thinking": lines(event(thinking="Okay"), event(thinking=", so"), event("Yes."), END),
    "one line": lines({**END, "message": {"role": "assistant", "content": "Hello"}}),
    "calls": lines(
        event(thinking="Both."),
        event(tool_calls=[{"function": {"name": "weather", "arguments": {"city": "東京"}}}]),
        event(tool_calls=[{"id": "call_b", "function": {"index": 0, "name": "clock", "arguments": {}}}]),
        END,
    ),
    "logprobs": lines(event("a", logprobs=[{"token": "a", "logprob": -1.5}]), END),
    "no usage": lines(event("a"), event(done=True)),
}


class TestStreams:
    def test_chunks_carry_one_thing_each(self):
        call = {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Tokyo"}}}
        chunks, _ = read([lines(event("Hi", thinking="Hm", tool_calls=[call]), END)])
        assert chunks[0] == ChatChunk(model="qwen3")
        assert chunks[1:3] == [ChatChunk(reasoning="Hm"), ChatChunk("Hi")]
        delta, done = chunks[3].tool_call_delta, chunks[4].tool_call
        assert delta is not None
        assert (delta.id, delta.name, json.loads(delta.arguments)) == ("call_1", "weather", {"city": "Tokyo"})
        assert done is not None
        assert done.arguments == {"city": "Tokyo"}
        assert chunks[5].finish_reason == "tool_calls"
        assert chunks[6].usage is not None
        assert len(chunks) == 7

    @pytest.mark.parametrize("name", STREAMS)
    def test_the_fold_of_a_stream_is_the_whole_answer(self, name):
        chunks, response = read([STREAMS[name]])
        assert said(response) == said(PROTOCOL.parse_chat(whole(STREAMS[name])))
        assert "".join(chunk.text for chunk in chunks) == response.text
        assert "".join(chunk.reasoning for chunk in chunks) == (response.reasoning or "")
        assert [chunk.tool_call for chunk in chunks if chunk.tool_call] == response.tool_calls

    @pytest.mark.parametrize("name", STREAMS)
    def test_a_stream_may_be_cut_anywhere(self, name):
        stream = STREAMS[name]
        expected = [MADE_UP.sub("made-up", repr(chunk)) for chunk in read([stream])[0]]
        cuts = [[stream[:at], stream[at:]] for at in range(len(stream))]
        cuts.append([stream[at : at + 1] for at in range(len(stream))])
        dice = random.Random(7)
        for _ in range(50):
            first, second = sorted(dice.sample(range(len(stream)), 2))
            cuts.append([stream[:first], stream[first:second], stream[second:]])
        for blocks in cuts:
            assert [MADE_UP.sub("made-up", repr(chunk)) for chunk in read(blocks)[0]] == expected

    @pytest.mark.parametrize("kept", [0, 1, 2, 3])
    def test_a_stream_without_its_last_line_is_interrupted(self, kept):
        parts = STREAMS["calls"].splitlines(keepends=True)[:kept]
        with pytest.raises(StreamError, match="cut") as caught:
            read([b"".join(parts)])
        partial = caught.value.partial
        assert partial is not None
        assert partial.finish_reason is None
        assert len(partial.tool_calls) == max(kept - 1, 0)
        assert all(call.error is None for call in partial.tool_calls)

    def test_nothing_needs_to_be_read_after_the_last_line(self):
        parser = PROTOCOL.chunk_parser()
        for item in PROTOCOL.framing().feed(STREAMS["text"]):
            assert not parser.done
            list(parser.feed(item))
        assert parser.done

    def test_the_raw_body_of_a_stream_is_its_last_values_without_deltas(self):
        raw = read([STREAMS["thinking"]])[1].raw
        assert raw == {key: value for key, value in END.items() if key != "message"}

    def test_an_event_that_is_not_json_is_named(self):
        with pytest.raises(ParseError, match="web page"):
            read([b"<html>\n"])


class TestQuirks:
    def test_ND_01_lines_over_blocks_and_blocks_with_several_lines(self):
        stream = lines(event("He"), event("llo"), END)
        assert read([stream[:40], stream[40:]])[1].text == "Hello"
        assert read([stream.replace(b"\n", b"\r\n")])[1].text == "Hello"
        assert read([stream.rstrip(b"\n")])[1].text == "Hello"

    def test_ND_03_an_error_line_in_mid_stream_raises_with_its_text(self):
        framing, parser = PROTOCOL.framing(), PROTOCOL.chunk_parser()
        chunks: list[ChatChunk] = []
        stream = lines(event("Hel"), {"error": "an error was encountered while running the model"})
        with pytest.raises(ErrorEvent) as caught:
            chunks.extend(chunk for item in framing.feed(stream) for chunk in parser.feed(item))
        assert chunks[-1].text == "Hel"
        detail = PROTOCOL.parse_error(caught.value.body)
        assert detail.message == "an error was encountered while running the model"
        assert error_class(200, detail) is APIError
        assert parser.abort().text == "Hel"

    def test_ND_04_the_context_size_can_be_set_beside_the_other_options(self):
        extra = {"options": {"num_ctx": 8192}, "keep_alive": "5m"}
        request = ask(temperature=0, extra_body=extra)
        body = operations.render(Endpoint(ROW, "http://localhost:11434"), request, stream=True).body
        assert body["options"] == {"temperature": 0, "num_ctx": 8192}
        assert body["keep_alive"] == "5m"

    def test_ND_07_capabilities_and_context_are_taken_where_the_list_has_them(self):
        details = {"family": "llama", "families": None, "context_length": 131072}
        new = {"name": "a:latest", "model": "a:latest", "size": 2019393189, "details": details}
        new |= {"modified_at": "2025-05-04T17:37:44.706015396-07:00", "capabilities": ["completion", "tools"]}
        models, cursor = PROTOCOL.parse_models({"models": [new, {"name": "old"}, {}]})
        assert cursor is None
        assert [model.id for model in models] == ["a:latest", "old"]
        assert (models[0].size, models[0].context_window, models[0].created) == (2019393189, 131072, 1746405464)
        assert (models[0].capabilities, models[1].capabilities) == (["completion", "tools"], None)
        assert models[0].owner is None
        assert PROTOCOL.parse_models({"models": None}) == ([], None)
        with pytest.raises(ParseError):
            PROTOCOL.parse_models({"data": []})

    @pytest.mark.parametrize(
        ("arguments", "expected", "broken"),
        [
            ({"city": "Paris"}, {"city": "Paris"}, False),
            ('{"city": "Paris"}', {"city": "Paris"}, False),
            ('{"city"', {}, True),
            ([1], {}, True),
            ("", {}, False),
            ("null", {}, False),
            (None, {}, False),
        ],
    )
    def test_TC_09_TC_11_arguments_in_any_form(self, arguments, expected, broken):
        call = {"function": {"name": "f", "arguments": arguments}}
        for answer in (
            PROTOCOL.parse_chat(event(tool_calls=[call], done=True)),
            read([lines(event(tool_calls=[call]), END)])[1],
        ):
            assert answer.tool_calls[0].arguments == expected
            assert (answer.tool_calls[0].error is not None) is broken

    def test_TC_16_TC_18_calls_before_a_plain_stop_are_a_request_to_run_them(self):
        call = {"function": {"name": "f", "arguments": {}}}
        chunks, answer = read([lines(event(tool_calls=[call]), event(), END)])
        assert (answer.finish_reason, answer.finish_reason_raw) == ("tool_calls", "stop")
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]
        cut = read([lines(event(tool_calls=[call]), {**END, "done_reason": "length"})])[1]
        assert cut.finish_reason == "length"

    def test_TC_18_calls_are_appended_whatever_their_index_and_announced_as_they_come(self):
        calls = [{"function": {"index": 0, "name": "f", "arguments": {"x": number}}} for number in range(3)]
        stream = lines(event(tool_calls=calls[:2]), event("text"), event(tool_calls=calls[2:]), END)
        chunks, answer = read([stream])
        assert [call.arguments["x"] for call in answer.tool_calls] == [0, 1, 2]
        kinds = [type(chunk.delta).__name__ for chunk in chunks if chunk.delta]
        assert kinds == [
            "ToolCallDelta",
            "ToolCall",
            "ToolCallDelta",
            "ToolCall",
            "TextDelta",
            "ToolCallDelta",
            "ToolCall",
        ]

    def test_TC_19_missing_and_repeated_ids_do_not_merge_calls(self):
        calls = [{"function": {"name": "f", "arguments": {}}}, {"id": "", "function": {"name": "f", "arguments": {}}}]
        same = [{"id": "x", "function": {"name": "f", "arguments": {"n": n}}} for n in (1, 2)]
        for stream in (
            lines(event(tool_calls=calls), END),
            lines(event(tool_calls=calls[:1]), event(tool_calls=calls[1:]), END),
        ):
            chunks, answer = read([stream])
            ids = [call.id for call in answer.tool_calls]
            assert len(set(ids)) == 2
            assert all(MADE_UP.fullmatch(call_id) for call_id in ids)
            assert [chunk.tool_call.id for chunk in chunks if chunk.tool_call] == ids
        assert [call.arguments for call in read([lines(event(tool_calls=same), END)])[1].tool_calls] == [
            {"n": 1},
            {"n": 2},
        ]

    @pytest.mark.parametrize("piece", [None, {}, {"function": None}, {"function": {"arguments": {}}}, "f"])
    def test_pieces_that_are_no_calls_are_passed_over(self, piece):
        assert read([lines(event("Hi", tool_calls=[piece]), END)])[1].finish_reason == "stop"

    @pytest.mark.parametrize("field", ["thinking", "reasoning", "reasoning_content"])
    def test_RS_01_thoughts_under_any_name_go_back_under_the_servers_own(self, field):
        message = {"role": "assistant", "content": "Hi", field: "Hm"}
        answer = read([lines({**event(), "message": message}, END)])[1]
        assert answer.reasoning == "Hm"
        assert render([answer.message])[0]["messages"][0]["thinking"] == "Hm"

    def test_US_09_counts_have_names_of_their_own_and_may_be_missing(self):
        usage = PROTOCOL.parse_chat({**END, "message": {"content": "Hi"}}).usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (169, 15, 184)
        cached = PROTOCOL.parse_chat(event("Hi", done=True, eval_count=15)).usage
        assert (cached.input_tokens, cached.output_tokens, cached.total_tokens) == (None, 15, None)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "message", "kind"),
        [
            (404, "model 'x' not found", ModelNotFoundError),
            (404, 'model "x" not found, try pulling it first', ModelNotFoundError),
            (400, '"m" does not support tools', BadRequestError),
            (200, "pull model manifest: file does not exist", ModelNotFoundError),
        ],
    )
    def test_errors_are_sentences(self, status, message, kind):
        detail = PROTOCOL.parse_error({"error": message})
        assert detail.message == message
        assert error_class(status, detail) is kind

    def test_a_server_that_is_not_signed_in_says_what_to_do(self):
        detail = PROTOCOL.parse_error({"error": "unauthorized", "signin_url": "https://ollama.com/connect?key=abc"})
        assert detail.message == "unauthorized: run `ollama signin` on the machine of the server"

    def test_a_model_that_does_not_think_is_learned_once(self):
        refusal = PROTOCOL.parse_error({"error": '"llama3.2" does not support thinking'})
        taught, lesson = PROTOCOL.learn(refusal) or pytest.fail("nothing was learned")
        assert "does not think" in lesson
        assert taught.learn(refusal) is None
        for reasoning in (True, "high", 5000):
            body, notes = render(protocol=taught, reasoning=reasoning)
            assert "think" not in body
            assert notes == [("dropped", "reasoning")]
        body, notes = render(protocol=taught, reasoning=False)
        assert ("think" in body, notes) == (False, [])

    @pytest.mark.parametrize(
        ("message", "asked", "think"),
        [
            ('think value "low" is not supported for this model', "low", True),
            ("json: cannot unmarshal string into Go struct field ChatRequest.think of type bool", "low", True),
            ('invalid think value: "max" (must be "high", "medium", "low", true, or false)', "max", "high"),
        ],
    )
    def test_what_older_servers_know_of_efforts_is_learned(self, message, asked, think):
        refusal = PROTOCOL.parse_error({"error": message})
        taught, _ = PROTOCOL.learn(refusal) or pytest.fail("nothing was learned")
        body, notes = render(protocol=taught, reasoning=asked)
        assert body["think"] == think
        assert len(notes) == 1
        assert taught.learn(refusal) is None

    def test_other_refusals_teach_nothing(self):
        assert PROTOCOL.learn(PROTOCOL.parse_error({"error": '"m" does not support tools'})) is None


class TestEmbeddings:
    def test_vectors_and_their_usage(self):
        assert PROTOCOL.render_embed(["a", "b"], "m") == {"model": "m", "input": ["a", "b"]}
        assert PROTOCOL.embed_path("m") == "api/embed"
        body = {"model": "m", "embeddings": [[0.1, 0.2], [0.3, 0.4]], "prompt_eval_count": 4}
        embeddings = PROTOCOL.parse_embed(body)
        assert embeddings.vectors == [[0.1, 0.2], [0.3, 0.4]]
        assert (embeddings.usage.input_tokens, embeddings.usage.total_tokens) == (4, 4)
        assert embeddings.model == "m"

    def test_what_is_not_vectors(self):
        with pytest.raises(ErrorEvent):
            PROTOCOL.parse_embed({"error": "input length exceeds maximum context length"})
        for body in ({"embedding": [0.1]}, {"embeddings": None}, {"embeddings": [0.1]}):
            with pytest.raises(ParseError):
                PROTOCOL.parse_embed(body)


@pytest.mark.parametrize("golden", golden_cases("ollama"))
def test_golden_requests(golden: Golden) -> None:
    golden.check()


def test_a_document_cannot_be_cited_here():
    sky = Document.base64("text/plain", "Ymx1ZQ==", citations=True)

    body, notes = render(user(sky, "What colour?"))

    assert body["messages"][0]["content"] == "blue\n\nWhat colour?"
    assert notes == [("dropped", "citations")]
