"""Reading Responses answers, and learning from refusals: what the laws and the golden requests do not show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import Tool, assistant, system, tool_result, user
from llm_connector.errors import (
    APIError,
    BadRequestError,
    ContentFilterError,
    NotFoundError,
    ParseError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.operations import chat, count_tokens, embed, list_models, render
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_thinking import Thinking, for_models
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.responses import Responses
from llm_connector.types import ChatRequest, Opaque, Reasoning, Text, ToolCall
from llm_connector.wire import HttpResponse, Send
from tests.support.answers import NO_RETRY, ask, endpoint, finished, json_answer, sse, streamed, whole

ROW = "openai_responses"


def message(*parts: Any, **fields: Any) -> dict[str, Any]:
    texts = [{"type": "output_text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": texts, **fields}


def call(arguments: Any = "{}", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments, **fields}


def thought(*summary: str, **fields: Any) -> dict[str, Any]:
    texts = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": "rs_1", "summary": texts, **fields}


def response(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 7, "model": "m", "status": status}
    return {**head, "output": list(output), **fields}


def read(*output: Any, **fields: Any) -> Any:
    return whole(response(*output, **fields), ask(provider=ROW))


def created() -> dict[str, Any]:
    return {"type": "response.created", "response": response(status="in_progress")}


def completed(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": response(*output, status=status, **fields)}


def added(item: Any, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: Any, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def text_delta(text: str, index: Any = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": text, **fields}


def arguments_delta(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": text}


def stream(*events: Any, **options: Any) -> Any:
    return streamed(sse(*events, named=True), ask(provider=ROW, stream=True, **options))


class TestWholeAnswers:
    def test_text_of_several_messages_is_one_text(self):
        answer = read(message("Let me see. "), message("It is", " cold."))

        assert answer.text == "Let me see. It is cold."
        assert (answer.id, answer.model, answer.created) == ("resp_1", "m", 7)
        assert (answer.finish_reason, answer.finish_reason_raw) == ("stop", "completed")

    def test_the_parts_keep_their_order(self):
        answer = read(thought("hm", encrypted_content="gA"), message("Checking."), call('{"a":1}'))

        assert [type(part) for part in answer.message.parts] == [Reasoning, Text, ToolCall]
        assert answer.message.parts[0].encrypted == "gA"
        assert answer.tool_calls[0].arguments == {"a": 1}
        assert answer.finish_reason == "tool_calls"

    def test_the_convenience_text_of_imitators_is_read_where_there_is_no_output(self):
        assert whole({**response(), "output": [], "output_text": "Hi"}, ask(provider=ROW)).text == "Hi"
        assert read(message("Hi"), output_text="Hi").text == "Hi"

    def test_content_may_be_a_bare_string(self):
        assert read({"type": "message", "content": "Hi"}).text == "Hi"

    @pytest.mark.parametrize(
        ("status", "details", "reason"),
        [
            ("completed", None, "stop"),
            ("complete", None, "stop"),
            (None, None, "stop"),
            ("incomplete", {"reason": "max_output_tokens"}, "length"),
            ("incomplete", {"reason": "content_filter"}, "content_filter"),
            ("incomplete", {"reason": "steered"}, None),
            ("incomplete", None, None),
            ("cancelled", None, "error"),
            ("queued", None, None),
        ],
    )
    def test_why_it_ended(self, status, details, reason):
        body = response(message("Hi"), incomplete_details=details)
        body["status"] = status

        answer = whole(body, ask(provider=ROW))

        assert answer.finish_reason == reason
        expected = f"{status}:{details['reason']}" if details else status or "completed"
        assert answer.finish_reason_raw == expected

    def test_usage_with_its_details(self):
        usage = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}
        usage |= {"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14}

        answer = read(message("Hi"), usage=usage)

        assert answer.usage.model_dump(exclude={"details"}) == {
            "input_tokens": 9,
            "output_tokens": 5,
            "total_tokens": 14,
            "cached_tokens": 4,
            "cache_write_tokens": 2,
            "reasoning_tokens": 3,
        }
        assert answer.usage.details == usage

    @pytest.mark.parametrize("details", [{}, {"input_tokens_details": None, "output_tokens_details": None}])
    def test_usage_of_imitators_lacks_details(self, details):
        usage = read(message("Hi"), usage={"input_tokens": 9, "output_tokens": 5, **details}).usage

        assert (usage.total_tokens, usage.cached_tokens, usage.reasoning_tokens) == (14, None, None)

    def test_a_refusal_is_told_apart_from_text(self):
        answer = read(message({"type": "refusal", "refusal": "I can't."}))

        assert (answer.text, answer.refusal, answer.finish_reason) == ("", "I can't.", "refusal")

    def test_citations_and_log_probabilities(self):
        citation = {
            "type": "url_citation",
            "url": "https://example.com",
            "title": "t",
            "start_index": 0,
            "end_index": 2,
        }
        token = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
        part = {"type": "output_text", "text": "Hi", "annotations": [citation], "logprobs": [token]}

        answer = read(message(part), message({**part, "text": "!"}))

        assert answer.citations == [citation, citation]
        assert answer.message.parts[0].citations == [citation]
        assert answer.logprobs == {"content": [token, token]}

    def test_facts_of_the_answer_are_kept_and_echoes_of_the_request_are_not(self):
        answer = read(
            message("Hi"), service_tier="flex", temperature=1.0, tools=[], content_filters=[{"blocked": False}]
        )

        assert answer.extra == {"service_tier": "flex", "content_filters": [{"blocked": False}]}

    def test_items_of_server_tools_are_opaque(self):
        search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}

        assert read(search, message("Found.")).message.parts == [
            Opaque(data=search, provider=ROW),
            Text("Found."),
        ]

    def test_a_call_with_free_text(self):
        custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "shell", "input": "ls -l"}

        (found,) = read(custom).tool_calls

        assert (found.id, found.name, found.arguments_raw, found.arguments) == ("call_1", "shell", "ls -l", {})
        assert found.error is not None
        sent = ask([user("?"), assistant(found), tool_result(found, "a.txt")], provider=ROW).body["input"]
        assert sent[1:] == [
            {"type": "custom_tool_call", "call_id": "call_1", "name": "shell", "input": "ls -l"},
            {"type": "custom_tool_call_output", "call_id": "call_1", "output": "a.txt"},
        ]

    def test_other_fields_of_a_call_go_back(self):
        (found,) = read(call(namespace="files", status="completed")).tool_calls

        assert found.extra == {"namespace": "files"}
        sent = ask([user("?"), assistant(found), tool_result(found, "ok")], provider=ROW).body["input"]
        assert sent[1] == {
            "namespace": "files",
            "type": "function_call",
            "call_id": "call_1",
            "name": "f",
            "arguments": "{}",
        }

    def test_the_phase_of_a_message_goes_back(self):
        answer = read(message("Let me see.", phase="commentary"), message("Cold.", phase="final_answer"))

        assert answer.text == "Let me see.Cold."
        assert ask([user("?"), answer.message, user("!")], provider=ROW).body["input"][1:3] == [
            {"role": "assistant", "content": "Let me see.", "phase": "commentary"},
            {"role": "assistant", "content": "Cold.", "phase": "final_answer"},
        ]

    def test_a_thought_of_several_parts_goes_back_as_it_came(self):
        item = thought("One.", "Two.", encrypted_content="gA", format="x")

        answer = read({**item, "status": "completed", "content": []}, message("Hi"))

        assert answer.reasoning == "One.\n\nTwo."
        assert ask([user("?"), answer.message, user("!")], provider=ROW).body["input"][1] == item

    def test_renamed_tools_come_back_under_their_names(self):
        rendered = ask(provider=ROW, tools=[Tool("files.read")])

        assert whole(response(call(name="files_read")), rendered).tool_calls[0].name == "files.read"

    @pytest.mark.parametrize("body", [{}, {"object": "list"}, {"output": "text"}, {"choices": []}])
    def test_what_is_no_answer_is_an_error(self, body):
        with pytest.raises(ParseError, match="the answer has no output"):
            whole(body, ask(provider=ROW))

    def test_an_error_envelope_of_a_gateway_is_an_error(self):
        with pytest.raises(APIError, match="upstream gone"):
            whole({"message": "upstream gone", "code": "x"}, ask(provider=ROW))


FAILURES = [
    ("server_error", ServerError),
    ("rate_limit_exceeded", RateLimitError),
    ("invalid_prompt", ContentFilterError),
    ("bio_policy", ContentFilterError),
    ("misalignment_policy_violation", ContentFilterError),
    ("image_content_policy_violation", ContentFilterError),
    ("data_residency_mismatch", BadRequestError),
    ("invalid_image_format", BadRequestError),
    ("failed_to_download_image", BadRequestError),
    ("vector_store_timeout", ServerError),
    ("unheard_of", APIError),
]


class TestFailures:
    @pytest.mark.parametrize(("code", "kind"), FAILURES)
    def test_a_failed_answer_is_an_error_of_its_class(self, code, kind):
        error = {"code": code, "message": "It broke."}

        with pytest.raises(APIError, match="It broke") as raised:
            read(status="failed", error=error)
        assert type(raised.value) is kind
        assert (raised.value.code, raised.value.status) == (code, 200)
        assert raised.value.retryable == issubclass(kind, RateLimitError | ServerError)

    @pytest.mark.parametrize(("code", "kind"), FAILURES)
    def test_so_is_a_failed_stream(self, code, kind):
        reading = stream(created(), text_delta("Hi"), completed(status="failed", error={"code": code, "message": "Oh"}))

        assert isinstance(reading.error, kind)
        assert isinstance(reading.error, StreamError)
        assert getattr(reading.error, "code", None) == code
        assert (reading.partial.text, reading.partial.id) == ("Hi", "resp_1")

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None},
            {"type": "error", "error": {"type": "rate_limit_error", "code": None, "message": "Slow down"}},
            {"type": "response.error", "code": "rate_limit_exceeded", "message": "Slow down"},
            {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow down"}}},
            completed(error={"code": "rate_limit_exceeded", "message": "Slow down"}),
        ],
    )
    @pytest.mark.parametrize("named", [True, False])
    def test_errors_inside_streams_have_many_shapes(self, event, named):
        reading = streamed(sse(text_delta("Hi"), event, named=named), ask(provider=ROW, stream=True))

        assert isinstance(reading.error, RateLimitError)
        assert reading.error.message.startswith("Slow down")
        assert reading.partial.text == reading.text == "Hi"

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "response.failed", "response": {"status": "failed"}},
            {"type": "response.failed"},
            {"type": "error"},
            {"type": "error", "message": None},
        ],
    )
    def test_a_failure_without_a_word_is_a_failure(self, event):
        unnamed = sse(text_delta("Hi"), event)
        with pytest.raises(APIError, match="failed, and not why"):
            _ = streamed(unnamed, ask(provider=ROW, stream=True)).answer
        with pytest.raises(APIError):
            _ = stream(text_delta("Hi"), event).answer

    def test_a_failed_whole_answer_without_a_word(self):
        with pytest.raises(APIError, match="failed, and not why"):
            read(status="failed", error=None)


class TestStreams:
    def test_unknown_events_are_ignored(self):
        noise = [
            {"type": "keepalive"},
            {"type": "response.steer.accepted"},
            {"type": "response.web_search_call.searching", "output_index": 4},
            {"type": "response.image_generation_call.partial_image", "partial_image_b64": "AAAA"},
            {"type": "response.code_interpreter_call_code.delta", "delta": "print"},
            {"type": "response.mcp_call_arguments.delta", "delta": "{"},
            {"type": None},
            {"type": ["x"]},
            {},
        ]

        body = sse(created(), *noise, text_delta("Hi"), *noise, completed(message("Hi")))
        reading = streamed(body, ask(provider=ROW, stream=True))

        assert (reading.text, reading.answer.text, reading.answer.tool_calls) == ("Hi", "Hi", [])

    def test_done_alone_is_no_end(self):
        body = sse(created(), text_delta("Hi"), done=True)

        reading = streamed(body, ask(provider=ROW, stream=True))

        assert type(reading.error) is StreamError
        assert reading.partial.text == "Hi"

    def test_nothing_is_read_behind_the_end(self):
        reading = stream(created(), text_delta("Hi"), completed(message("Hi")), {"type": "error", "message": "late"})

        assert reading.answer.text == "Hi"

    def test_ids_may_change_between_the_events_of_an_item(self):
        reading = stream(
            added(message(id="a")),
            text_delta("H", item_id="b"),
            text_delta("i", item_id="c"),
            done(message("Hi", id="d")),
            completed(message("Hi", id="e")),
        )

        assert (reading.text, reading.answer.text) == ("Hi", "Hi")

    def test_indices_that_are_not_counted_make_separate_items(self):
        first, second = call('{"a":1}'), call('{"a":2}', call_id="call_2", name="g")

        reading = stream(added(first), done(first), added(second), done(second), completed(first, second))

        assert [(item.id, item.name, item.arguments) for item in reading.answer.tool_calls] == [
            ("call_1", "f", {"a": 1}),
            ("call_2", "g", {"a": 2}),
        ]
        assert reading.calls == reading.answer.tool_calls

    def test_events_without_indices_belong_together(self):
        events = [added(message()), text_delta("H"), text_delta("i"), done(message("Hi"))]
        for event in events:
            event.pop("output_index", None)
            event.pop("content_index", None)

        reading = stream(*events, completed(message("Hi")))

        assert (reading.text, reading.answer.text) == ("Hi", "Hi")

    def test_items_may_interleave(self):
        reading = stream(
            added(message(), 1),
            added(call(""), 0),
            text_delta("H", 1),
            arguments_delta('{"a"', 0),
            text_delta("i", 1),
            arguments_delta(":1}", 0),
            done(call('{"a":1}'), 0),
            done(message("Hi"), 1),
            completed(call('{"a":1}'), message("Hi")),
        )

        assert [part.type for part in reading.answer.message.parts] == ["tool_call", "text"]
        assert reading.calls == reading.answer.tool_calls
        assert reading.calls[0].arguments == {"a": 1}

    @pytest.mark.parametrize(
        "events",
        [
            [done(message("Hi"))],
            [],
            [{"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"}],
            [
                text_delta("H"),
                {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"},
            ],
            [text_delta("H"), done(message("Hi"))],
            [text_delta("H")],
            [
                {
                    "type": "response.content_part.done",
                    "output_index": 0,
                    "content_index": 0,
                    "part": message("Hi")["content"][0],
                }
            ],
        ],
    )
    def test_pieces_that_did_not_come_are_made_good(self, events):
        reading = stream(created(), added(message()), *events, completed(message("Hi")))

        assert (reading.text, reading.answer.text) == ("Hi", "Hi")

    def test_what_ends_an_item_wins_over_its_pieces(self):
        reading = stream(text_delta("Helo"), done(message("Hello")), completed(message("Hello")))

        assert reading.answer.text == "Hello"

    def test_the_end_may_leave_items_out(self):
        events = [
            added(thought()),
            done(thought("hm"), 0),
            added(message(), 1),
            text_delta("Hi", 1),
            done(message("Hi"), 1),
        ]

        for output in ([], [message("Hi")]):
            answer = stream(*events, completed(*output)).answer
            assert (answer.text, answer.reasoning) == ("Hi", "hm")

    @pytest.mark.parametrize(
        "events",
        [
            [done(call('{"a":1}'))],
            [arguments_delta('{"a":'), done(call('{"a":1}'))],
            [{"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'}],
            [arguments_delta('{"a":1}'), done(call(""))],
            [done(call({"a": 1}))],
            [],
        ],
    )
    def test_arguments_that_did_not_come_in_pieces(self, events):
        reading = stream(created(), added(call("")), *events, completed(call('{"a":1}')))

        assert reading.answer.tool_calls[0].arguments == {"a": 1}
        assert reading.calls == reading.answer.tool_calls
        pieces = [chunk.tool_call_delta for chunk in reading.chunks if chunk.tool_call_delta]
        assert (pieces[0].id, pieces[0].name) == ("call_1", "f")
        assert json.loads("".join(piece.arguments for piece in pieces)) == {"a": 1}

    def test_a_call_that_nothing_began_gets_its_name_at_its_end(self):
        reading = stream(arguments_delta('{"a":1}'), done(call('{"a":1}')), completed(call('{"a":1}')))

        assert [(item.id, item.name, item.arguments) for item in reading.calls] == [("call_1", "f", {"a": 1})]
        pieces = [chunk.tool_call_delta for chunk in reading.chunks if chunk.tool_call_delta]
        assert [(piece.id, piece.name, piece.arguments) for piece in pieces] == [("call_1", "f", '{"a":1}')]

    def test_an_imitator_with_one_id_per_call(self):
        item = {"type": "function_call", "id": "x1", "name": "f", "arguments": "{}"}

        assert stream(added(item), done(item), completed(item)).calls[0].id == "x1"

    def test_input_of_a_custom_tool_in_pieces(self):
        item = {"type": "custom_tool_call", "call_id": "call_1", "name": "shell", "input": ""}
        kind = "response.custom_tool_call_input"

        reading = stream(
            added(item),
            {"type": f"{kind}.delta", "output_index": 0, "delta": "ls "},
            {"type": f"{kind}.delta", "output_index": 0, "delta": "-l"},
            {"type": f"{kind}.done", "output_index": 0, "input": "ls -l"},
            done({**item, "input": "ls -l"}),
            completed({**item, "input": "ls -l"}),
        )

        assert [call.arguments_raw for call in reading.calls] == ["ls -l"]
        assert reading.calls[0].extra == {"type": "custom_tool_call"}

    def test_encrypted_content_is_that_of_the_end(self):
        events = [added(thought(encrypted_content="partial")), text_delta("Hi", 1)]

        assert stream(*events).partial.message.parts[0].encrypted is None
        for end in ([done(thought(encrypted_content="final"))], [done(thought())], []):
            answer = stream(*events, *end, completed(thought(encrypted_content="final"), message("Hi"))).answer
            assert answer.message.parts[0].encrypted == "final"

    def test_a_blank_line_stands_between_the_parts_of_a_thought(self):
        kind = "response.reasoning_summary_text"
        events = [
            {"type": f"{kind}.delta", "output_index": 0, "summary_index": 0, "delta": "One."},
            {"type": f"{kind}.done", "output_index": 0, "summary_index": 0, "text": "One."},
            {
                "type": "response.reasoning_summary_part.done",
                "output_index": 0,
                "summary_index": 1,
                "part": {"text": "Two."},
            },
            {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "Three."},
        ]
        item = thought("One.", "Two.", content=[{"type": "reasoning_text", "text": "Three."}])

        reading = stream(added(thought()), *events, done(item), completed(item, message("Hi")))

        assert reading.reasoning == reading.answer.reasoning == "One.\n\nTwo.\n\nThree."

    def test_refusals_and_citations_in_pieces(self):
        at = {"output_index": 0, "content_index": 0}
        citation = {"type": "url_citation", "url": "https://example.com"}

        partial = stream(
            text_delta("Hi"),
            {**at, "type": "response.output_text.annotation.added", "annotation": citation},
            {**at, "content_index": 1, "type": "response.refusal.delta", "delta": "I "},
            {**at, "content_index": 1, "type": "response.refusal.delta", "delta": "can't."},
        ).partial

        assert (partial.text, partial.citations, partial.refusal) == ("Hi", [citation], "I can't.")

    def test_log_probabilities_in_pieces(self):
        tokens = [{"token": "H", "logprob": -1}, {"token": "i", "logprob": -2}]

        reading = stream(text_delta("H", logprobs=tokens[:1]), text_delta("i", logprobs=tokens[1:]))

        assert reading.partial.logprobs == {"content": tokens}
        assert reading.text == "Hi"

    def test_a_spoken_answer(self):
        answer = stream(
            {"type": "response.audio.transcript.delta", "delta": "Hel"},
            {"type": "response.audio.delta", "delta": "UklG"},
            {"type": "response.audio.transcript.delta", "delta": "lo"},
            {"type": "response.audio.delta", "delta": "Rg=="},
            completed(),
        ).answer

        assert answer.text == "Hello"
        assert answer.extra["audio"] == {"transcript": "Hello", "data": "UklGRg=="}

    @pytest.mark.parametrize(
        ("status", "reason"), [("completed", "stop"), ("incomplete", None), ("cancelled", "error"), (None, "stop")]
    )
    def test_an_event_of_every_end_tells_which_it_was_by_its_status(self, status, reason):
        end = {**response(message("Hi")), "status": status}

        assert stream({"type": "response.done", "response": end}).answer.finish_reason == reason

    def test_an_event_of_every_end_may_be_a_failure(self):
        end = {"type": "response.done", "response": response(message("Hi"), status="failed")}

        assert isinstance(stream(text_delta("Hi"), end).error, APIError)

    def test_items_that_are_out_of_shape_do_not_hide_the_others(self):
        answer = read({"type": "reasoning", "summary": 7, "content": {"text": "x"}}, message("Hi"))

        assert (answer.text, answer.reasoning) == ("Hi", "")

    def test_an_incomplete_stream_ends_with_its_reason(self):
        answer = stream(
            text_delta("Hi"), completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
        ).answer

        assert (answer.finish_reason, answer.finish_reason_raw) == ("length", "incomplete:max_output_tokens")

    def test_a_whole_answer_where_a_stream_was_due(self):
        reading = streamed(json.dumps(response(message("Hi"))).encode(), ask(provider=ROW, stream=True))

        assert (reading.text, reading.answer.text) == ("Hi", "Hi")

    def test_events_without_names_and_with_an_end_marker(self):
        body = sse(created(), text_delta("Hi"), completed(message("Hi")), done=True)

        assert streamed(body, ask(provider=ROW, stream=True)).answer.text == "Hi"


def failure(message: str = "", **fields: Any) -> ErrorDetail:
    return ErrorDetail(message=message, **fields)


FALLBACK = ChatCompletions()


class TestLearning:
    @pytest.mark.parametrize(
        ("status", "detail"),
        [
            (404, failure("Not Found")),
            (404, failure("Invalid URL (POST /v1/responses)", type="invalid_request_error")),
            (404, failure("Resource not found", code="404")),
            (405, failure("Method Not Allowed")),
            (400, failure("Unexpected endpoint or method. (POST /v1/responses)")),
            (400, failure("The Responses API is not supported by this server")),
            (
                400,
                failure(
                    "The responses operation does not work with the specified model, x.", code="OperationNotSupported"
                ),
            ),
        ],
    )
    def test_a_missing_endpoint_leads_to_chat_completions(self, status, detail):
        learned = Responses(fallback=FALLBACK).learn(detail, status)

        assert learned is not None
        assert learned[0] is FALLBACK
        assert "no Responses endpoint" in learned[1]
        assert Responses().learn(detail, status) is None

    @pytest.mark.parametrize(
        ("status", "detail"),
        [
            (404, failure("The model `x` does not exist", code="model_not_found")),
            (404, failure("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
            (404, failure("Previous response with id 'resp_1' not found.", code="previous_response_not_found")),
            (404, failure("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.")),
            (404, failure("model 'x' not found, try pulling it first")),
            (400, failure("Invalid value: 'x'.", code="invalid_value")),
            (400, failure("Unknown parameter: 'input[0].x'.", code="unknown_parameter", param="input[0].x")),
        ],
    )
    def test_what_the_request_named_may_be_missing_as_well(self, status, detail):
        assert Responses(fallback=FALLBACK).learn(detail, status) is None

    @pytest.mark.parametrize(
        ("detail", "fields"),
        [
            (failure("Encrypted content is not supported with this model.", param="include"), {"encrypted": False}),
            (
                failure("Invalid value: 'reasoning.encrypted_content'.", param="include[0]", code="invalid_value"),
                {"encrypted": False},
            ),
            (
                failure(
                    "Your organization must be verified to generate reasoning summaries.", param="reasoning.summary"
                ),
                {"summary": None},
            ),
            (
                failure(
                    "Unsupported value: 'minimal' is not supported with the 'x' model. "
                    "Supported values are: 'none', 'low', and 'high'.",
                    param="reasoning.effort",
                    code="unsupported_value",
                ),
                {"efforts": ("none", "low", "high")},
            ),
            (
                failure("Unsupported parameter: 'reasoning.effort' is not supported.", param="reasoning.effort"),
                {"unsupported": frozenset({"reasoning"})},
            ),
            (
                failure("Unsupported parameter: 'temperature' is not supported.", code="unsupported_parameter"),
                {"unsupported": frozenset({"temperature"})},
            ),
            (
                failure("Unknown parameter: 'user'.", param="user", code="unknown_parameter"),
                {"unsupported": frozenset({"user"})},
            ),
            (
                failure("logprobs are not supported with reasoning models.", param="include"),
                {"unsupported": frozenset({"logprobs"})},
            ),
            (failure("Unknown parameter: 'store'.", param="store", code="unknown_parameter"), {"store": None}),
        ],
    )
    def test_refused_fields_are_left_out(self, detail, fields):
        learned = Responses().learn(detail, 400)

        assert learned is not None
        protocol = learned[0]
        assert {name: getattr(protocol, name) for name in fields} == fields
        again = protocol.learn(detail, 400)
        assert again is None or again[0] != protocol, "it does not learn the same thing twice"

    def test_learned_efforts_outweigh_what_is_known_of_a_model(self):
        known = Responses(models=(for_models("^gpt-9", thinking=Thinking(efforts=("minimal", "max"))),))
        refusal = failure("Unsupported value. Supported values are: 'low', 'high'.", param="reasoning.effort")
        request = ChatRequest.of("Hi", {"model": "gpt-9", "reasoning": "max"})

        learned = known.learn(refusal, 400)

        assert known.render_chat(request, stream=False)["reasoning"]["effort"] == "max"
        assert learned is not None
        assert learned[0].render_chat(request, stream=False)["reasoning"]["effort"] == "high"
        again = learned[0].learn(refusal, 400)
        assert again is not None
        assert "reasoning" not in again[0].render_chat(request, stream=False)

    def test_other_refusals_teach_nothing(self):
        assert Responses().learn(failure("Missing required parameter: 'model'.", param="model"), 400) is None
        assert (
            Responses().learn(failure("Invalid 'temperature'", param="temperature", code="decimal_above_max"), 400)
            is None
        )

    def test_the_request_goes_to_the_other_endpoint_and_the_caller_hears_of_it(self):
        rendered = ask([system("Be brief."), user("Hi")], provider=ROW, max_tokens=50, reasoning="low")
        steps = chat(rendered, NO_RETRY)

        first = next(steps)
        assert isinstance(first, Send)
        assert first.request.url.endswith("/v1/responses")
        second = steps.send(json_answer({"detail": "Not Found"}, 404))
        assert isinstance(second, Send)
        assert second.request.url.endswith("/v1/chat/completions")
        assert json.loads(second.request.content) == {
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "max_completion_tokens": 50,
            "reasoning_effort": "low",
        }
        with pytest.raises(StopIteration) as stop:
            steps.send(json_answer({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}))
        answer = stop.value.value
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")
        assert [note.action for note in answer.adaptations] == ["learned"]

        later = next(chat(ask(provider=rendered.endpoint.spec), NO_RETRY))
        assert isinstance(later, Send)  # another client learns for itself

    def test_thoughts_that_are_refused_are_left_out_of_that_conversation_only(self):
        mine, new = Reasoning("hm", encrypted="gA", provider=ROW), Reasoning("so", encrypted="gB", provider=ROW)
        place = endpoint(ROW)

        def asked(*thoughts: Reasoning) -> Any:
            turns = [user("?"), assistant(*thoughts, "Hi"), user("!")]
            return render(place, ChatRequest.of(turns, {"model": "m"}), stream=False)

        rendered = asked(mine)
        steps = chat(rendered, NO_RETRY)
        next(steps)
        error = {"message": "The encrypted content gA could not be verified.", "code": "invalid_encrypted_content"}
        again = steps.send(json_answer({"error": error}, 400))
        assert isinstance(again, Send)
        assert b"gA" not in again.request.content
        assert [note.action for note in rendered.adaptations] == ["learned", "dropped"]
        later = asked(mine, new)
        assert [item.get("encrypted_content") for item in later.body["input"][1:-1]] == ["gB", None]
        with pytest.raises(BadRequestError, match="could not be verified"):
            steps.send(json_answer({"error": error}, 400))

    def test_a_missing_model_is_an_error_at_once(self):
        steps = chat(ask(provider=ROW), NO_RETRY)
        next(steps)

        with pytest.raises(NotFoundError):
            steps.send(json_answer({"error": {"message": "no such model", "code": "model_not_found"}}, 404))


class TestOtherOperations:
    def test_models_and_vectors_are_those_of_chat_completions(self):
        models = finished(list_models(endpoint(ROW), NO_RETRY), json_answer({"data": [{"id": "gpt-5.5"}]}))
        assert [model.id for model in models] == ["gpt-5.5"]

        vectors = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1}}
        assert finished(embed(endpoint(ROW), ["a"], "e", NO_RETRY), json_answer(vectors)).vectors == [[0.5]]
        assert Responses().embed_path("e") == "embeddings"
        assert Responses().render_embed(["a"], "e") == {"model": "e", "input": ["a"], "encoding_format": "float"}

    def test_tokens_are_counted_without_what_is_no_prompt(self):
        request = ChatRequest.of("Hi", {"model": "m", "temperature": 0.5, "tools": [Tool("f")], "max_tokens": 99})
        steps = count_tokens(endpoint(ROW), request, NO_RETRY)

        sent = next(steps)
        assert isinstance(sent, Send)
        assert sent.request.url.endswith("/v1/responses/input_tokens")
        assert json.loads(sent.request.content).keys() == {"model", "input", "tools"}
        with pytest.raises(StopIteration) as stop:
            steps.send(HttpResponse(200, {}, b'{"object":"response.input_tokens","input_tokens":11}'))
        assert stop.value.value == 11

    def test_a_count_without_a_number_is_an_error(self):
        with pytest.raises(ParseError, match="input_tokens"):
            Responses().parse_count({"object": "x"})
