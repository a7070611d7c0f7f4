"""Gemini's answers, errors, lists and addresses; requests are in `golden/gemini`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import operations
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.gemini import Gemini
from llm_connector.protocols.gemini_messages import UNCHECKED
from llm_connector.protocols.gemini_vertex import VertexGemini
from llm_connector.protocols.tool_calls import made_up_id
from llm_connector.retry import Retry
from llm_connector.types import (
    ChatRequest,
    Image,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    assistant,
    tool_result,
    user,
)
from llm_connector.wire import Send, Sleep
from tests.support.answers import NO_RETRY, Reading, ask, endpoint, finished, json_answer, sse, streamed, whole

PNG = "iVBORw0KGgo="


def answer(*parts: Any, finish: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    """A response, whole or one event of a stream."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r", "modelVersion": "m", **fields}


def event(*parts: Any, **fields: Any) -> dict[str, Any]:
    return answer(*parts, finish=None, **fields)


def call(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **fields}}


def read(body: Any, **options: Any) -> Any:
    return whole(body, ask(provider="gemini", **options))


def stream(*events: Any, provider: str = "gemini", **options: Any) -> Reading:
    return streamed(sse(*events, end="\r\n"), ask(provider=provider, stream=True, **options))


class TestParts:
    def test_texts_and_thoughts_are_joined_until_one_is_signed(self):
        body = answer(
            {"text": "a", "thought": True},
            {"text": "b", "thought": True},
            {"text": "c"},
            {"text": "d"},
            {"text": "e", "thoughtSignature": "S"},
            {"text": "f"},
            {"text": "", "thoughtSignature": "T"},
        )

        parts = read(body).message.parts

        assert parts == [
            Reasoning("ab", provider="gemini"),
            Text("cd"),
            Text("e"),
            Opaque(data={"thoughtSignature": "S"}, provider="gemini"),
            Text("f"),
            Opaque(data={"text": "", "thoughtSignature": "T"}, provider="gemini"),
        ]

    def test_reasoning_is_none_where_only_signatures_came(self):
        assert read(answer({"text": "x", "thoughtSignature": "S"})).reasoning is None

    def test_pictures_of_the_model_are_images(self):
        reply = read(answer({"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "S"}))

        assert reply.message.parts == [
            Image.base64("image/png", PNG),
            Opaque(data={"thoughtSignature": "S"}, provider="gemini"),
        ]
        again = ask([user("?"), reply.message, user("!")], provider="gemini").body["contents"][1]
        assert again["parts"] == [{"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "S"}]

    @pytest.mark.parametrize(
        "part",
        [
            {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "S"},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            {"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}},
            {"fileData": {"fileUri": "https://x.test/a", "mimeType": "image/png"}},
            {"inlineData": {"mimeType": "image/png", "data": "not base64"}},
            {"unheardOf": 1},
        ],
    )
    def test_other_parts_go_back_as_they_came(self, part):
        message = read(answer(part, {"text": "x"})).message

        assert message.parts[0] == Opaque(data=part, provider="gemini")
        assert ask([user("?"), message, user("!")], provider="gemini").body["contents"][1]["parts"][0] == part

    @pytest.mark.parametrize("none", [{}, None])
    def test_an_empty_part_is_no_part(self, none):
        assert read(answer(none, {"text": ""})).message.parts == []
        assert read(answer(none, {"text": "x"})).text == "x"

    def test_text_is_text_whatever_is_said_about_it(self):
        parts = [{"text": "a", "partMetadata": {"x": 1}}, {"text": "b", "mediaResolution": {}, "thoughtSignature": "S"}]

        assert read(answer(*parts)).text == stream(event(parts[0]), answer(parts[1])).text == "ab"
        assert read(answer({"text": "a", "thought": True, "partMetadata": {}})).reasoning == "a"

    @pytest.mark.parametrize("content", [{}, {"role": "model"}, None])
    def test_content_may_be_missing(self, content):
        body = {"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]}

        reply = read(body)

        assert (reply.text, reply.finish_reason, reply.finish_reason_raw) == ("", "length", "MAX_TOKENS")


class TestCalls:
    def test_a_call_without_arguments_or_id_gets_both(self):
        (found,) = read(answer(call())).tool_calls

        assert (found.name, found.arguments, found.error) == ("f", {}, None)
        assert found.id.startswith("call_")

    def test_ids_that_were_made_up_are_not_sent(self):
        message = read(answer(call(args={"a": 1}), call(args={"a": 2}))).message
        results = [tool_result(found, str(number)) for number, found in enumerate(message.tool_calls)]

        contents = ask([user("?"), message, *reversed(results)], provider="gemini").body["contents"]

        assert "id" not in json.dumps(contents)
        assert [part["functionResponse"]["response"] for part in contents[2]["parts"]] == [
            {"result": "0"},
            {"result": "1"},
        ]

    def test_that_id_is_told_by_its_form(self):
        made = ToolCall(id=made_up_id(), name="f")

        assert (
            "id"
            not in ask([user("?"), assistant(made), tool_result(made, "x")], provider="gemini").body["contents"][1][
                "parts"
            ][0]["functionCall"]
        )

    def test_a_signature_stays_with_its_call_and_knows_its_provider(self):
        reading = stream(event({**call(id="1"), "thoughtSignature": "S"}), answer({"text": ""}))
        (found,) = reading.answer.tool_calls

        assert found.extra == {"thoughtSignature": "S"}
        assert found.provider == "gemini"
        assert reading.calls == [found]
        assert ask([user("?"), reading.answer.message, tool_result(found, "x")], provider="gemini").body["contents"][
            1
        ] == {
            "role": "model",
            "parts": [{"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "S"}],
        }

    def test_a_signature_does_not_reach_the_other_route(self):
        message = read(answer({**call(id="1"), "thoughtSignature": "S"})).message

        contents = ask([user("?"), message, tool_result("1", "x")], provider="gemini_vertex").body["contents"]

        assert contents[1]["parts"][0]["thoughtSignature"] == UNCHECKED

    def test_calls_make_a_stop_a_request_to_run_them(self):
        assert read(answer(call())).finish_reason == "tool_calls"
        assert read(answer(call(), finish="MAX_TOKENS")).finish_reason == "length"

    def test_a_result_without_a_call_or_a_name_is_sent_under_its_id(self):
        contents = ask([tool_result("lookup", "x")], provider="gemini").body["contents"]

        assert contents[0]["parts"][0]["functionResponse"]["name"] == "lookup"

    def test_arguments_that_are_no_object_are_reported(self):
        broken = ToolCall(id="1", name="f", arguments_raw="{", error="…")

        rendered = ask([user("?"), assistant(broken), tool_result(broken, "x")], provider="gemini")

        assert rendered.body["contents"][1]["parts"][0]["functionCall"]["args"] == {}
        assert [note.action for note in rendered.adaptations] == ["converted"]

    def test_arguments_that_are_a_list_are_reported(self):
        (found,) = read(answer(call(args=[1]))).tool_calls

        assert (found.arguments, found.arguments_raw) == ({}, "[1]")
        assert found.error is not None

    def test_ids_that_begin_anew_in_each_turn_keep_their_names(self):
        turns = [
            user("?"),
            assistant(ToolCall(id="0", name="f", arguments={}), ToolCall(id="1", name="g", arguments={})),
            tool_result("1", "G"),
            tool_result("0", "F"),
            assistant(ToolCall(id="1", name="h", arguments={}), ToolCall(id="0", name="k", arguments={})),
            tool_result("0", "K"),
            tool_result("1", "H"),
        ]

        contents = ask(turns, provider="gemini").body["contents"]

        results = [[part["functionResponse"] for part in contents[number]["parts"]] for number in (2, 4)]
        assert [[(item["name"], item["response"]["result"]) for item in batch] for batch in results] == [
            [("f", "F"), ("g", "G")],
            [("h", "H"), ("k", "K")],
        ]

    def test_renamed_tools_come_back_under_their_own_name(self):
        tool = {"type": "function", "function": {"name": "files/read"}}

        assert read(answer(call("files_read")), tools=[tool]).tool_calls[0].name == "files/read"

    def test_one_without_a_name_stays_visible_and_is_not_sent_back(self):
        nameless = {"functionCall": {"args": {"a": 1}}}

        reply = read(answer({"text": "Hm."}, nameless))

        assert reply.message.parts == [Text("Hm."), Opaque(data=nameless, provider="gemini")]
        assert reply.tool_calls == []
        again = ask([user("?"), reply.message, user("!")], provider="gemini")
        assert again.body["contents"][1]["parts"] == [{"text": "Hm."}]
        assert [(item.action, item.subject) for item in again.adaptations] == [("dropped", "opaque")]

    @pytest.mark.parametrize("name", ["1st", "-x", "9", "é1"])
    def test_names_begin_with_a_letter_or_an_underscore(self, name):
        asked = ask(provider="gemini", tools=[Tool(name)])
        (declared,) = asked.body["tools"][0]["functionDeclarations"]

        assert declared["name"][0] == "_"
        assert whole(answer(call(declared["name"])), asked).tool_calls[0].name == name
        assert [(item.action, item.subject) for item in asked.adaptations] == [("renamed", f"tool {name!r}")]
        assert ask(provider="openai", tools=[Tool("1st")]).adaptations == []


class TestPartialCalls:
    """Vertex AI with `streamFunctionCallArguments`: values come one by one."""

    def test_values_are_put_in_their_places(self):
        reading = stream(
            event({**call(id="1", willContinue=True), "thoughtSignature": "S"}),
            piece("$.city", stringValue="Os", willContinue=True),
            piece("$.city", stringValue="lo"),
            piece("$.days[1].n", numberValue=2),
            piece("$['is ok']", boolValue=True),
            piece("$.none", nullValue="NULL_VALUE"),
            event({"functionCall": {}}),
            answer({"text": "done"}),
        )

        (found,) = reading.answer.tool_calls
        assert found.arguments == {"city": "Oslo", "days": [None, {"n": 2}], "is ok": True, "none": None}
        assert found.extra == {"thoughtSignature": "S"}
        assert reading.calls == [found]
        deltas = [chunk.tool_call_delta for chunk in reading.chunks if chunk.tool_call_delta]
        assert [(delta.id, delta.name) for delta in deltas] == [("1", "f"), (None, None)]
        assert json.loads("".join(delta.arguments for delta in deltas)) == found.arguments
        assert reading.text == "done"

    def test_the_next_call_ends_the_one_before(self):
        reading = stream(
            event(call("f", willContinue=True)),
            piece("$.a", numberValue=1),
            event(call("g", willContinue=True)),
            piece("$.b", numberValue=2),
            answer({"text": ""}),
        )

        assert [(found.name, found.arguments) for found in reading.answer.tool_calls] == [
            ("f", {"a": 1}),
            ("g", {"b": 2}),
        ]

    def test_a_cut_call_is_marked(self):
        reading = stream(event(call("f", willContinue=True)), piece("$.a", numberValue=1))

        (found,) = reading.partial.tool_calls
        assert found.error == "the stream ended before the call was complete"
        assert reading.calls == []

    @pytest.mark.parametrize("path", ["", "$", "$[0]", "$.a[0].b.c", "x", "$.a.b"])
    def test_paths_of_any_shape_do_no_harm(self, path):
        reading = stream(
            event(call("f", willContinue=True)),
            piece("$.a", stringValue="s"),
            piece(path, numberValue=1),
            answer({"functionCall": {}}),
        )

        assert reading.answer.tool_calls[0].error is None

    def test_a_long_text_in_pieces_is_joined_at_its_end(self):
        pieces = [piece("$.a", willContinue=True, stringValue="x" * 10) for _ in range(20)]
        other = [piece("$.b", stringValue="y"), piece("$.a", stringValue="z")]

        whole_text = stream(event(call("f", willContinue=True)), *pieces, answer(call("", args={"c": 1})))
        broken_off = stream(event(call("f", willContinue=True)), *pieces, *other, answer({"functionCall": {}}))

        assert whole_text.answer.tool_calls[0].arguments == {"a": "x" * 200, "c": 1}
        assert broken_off.answer.tool_calls[0].arguments == {"a": "z", "b": "y"}

    def test_a_path_cannot_fill_the_memory(self):
        reading = stream(event(call("f", willContinue=True)), piece("$.a[9999][9999]", numberValue=1))

        assert isinstance(reading.error, ParseError)


def piece(path: str, willContinue: bool = False, **value: Any) -> dict[str, Any]:  # noqa: N803  the wire's word
    partial = {"jsonPath": path, **value, **({"willContinue": True} if willContinue else {})}
    return event({"functionCall": {"partialArgs": [partial], "willContinue": True}})


FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"), "content_filter"),
    **dict.fromkeys(("ESCALATION", "PUP_LIMITED_DISABLED"), "content_filter"),
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), "error"),
    **dict.fromkeys(("MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"), "error"),
    **dict.fromkeys(("LANGUAGE", "OTHER", "IMAGE_OTHER", "NO_IMAGE", "FINISH_REASON_UNSPECIFIED", "NEW"), None),
}


class TestEnd:
    @pytest.mark.parametrize("raw", FINISH_REASONS)
    def test_every_reason_has_its_word(self, raw):
        reply = read(answer({"text": "x"}, finish=raw))

        assert (reply.finish_reason, reply.finish_reason_raw) == (FINISH_REASONS[raw], raw)

    @pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "JAILBREAK", "NEW"])
    def test_a_blocked_prompt_is_an_answer_that_says_so(self, reason):
        body = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 3}}

        for reply in (read(body), stream(body).answer):
            assert (reply.text, reply.finish_reason, reply.finish_reason_raw) == ("", "content_filter", reason)
            assert reply.extra["promptFeedback"] == {"blockReason": reason}
            assert reply.usage.input_tokens == 3

    def test_a_stream_without_a_reason_was_cut(self):
        reading = stream(event({"text": "Hel"}), event({"text": "lo"}))

        assert isinstance(reading.error, StreamError)
        assert reading.partial.text == "Hello"

    def test_what_was_wrong_with_a_call_is_kept(self):
        body = {
            "candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: f("}]
        }

        assert read(body).extra["finishMessage"] == "Malformed function call: f("

    def test_an_error_inside_a_stream_is_raised(self):
        error = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
        reading = stream(event({"text": "Hel"}), error)

        assert isinstance(reading.error, ServerError)
        assert isinstance(reading.error, StreamError)
        assert reading.error.status == 503
        assert reading.partial.text == "Hel"

    def test_bare_json_in_place_of_events_is_raised_too(self):
        rendered = ask(provider="gemini", stream=True)
        for body in ({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}},):
            for text in (json.dumps(body), json.dumps([body]), json.dumps(body, indent=1)):
                assert isinstance(streamed(text.encode(), rendered).error, RateLimitError)


class TestJsonArray:
    """A server that ignores `alt=sse` sends one JSON list."""

    EVENTS = [
        event({"text": "Hel"}),
        event({"text": "lo"}),
        answer(call(args={"a": 1}), usageMetadata={"promptTokenCount": 1}),
    ]

    @pytest.mark.parametrize("separator", [",", ",\r\n", "\n,\n"])
    def test_it_reads_like_a_stream(self, separator):
        text = f"[{separator.join(json.dumps(item, indent=2) for item in self.EVENTS)}]\n"
        reading = streamed(text.encode(), ask(provider="gemini", stream=True))

        assert reading.text == "Hello"
        assert [found.arguments for found in reading.calls] == [{"a": 1}]
        assert reading.answer.finish_reason == "tool_calls"
        assert reading.answer.usage.input_tokens == 1

    def test_a_whole_answer_may_be_one(self):
        assert read(self.EVENTS).text == "Hello"

    def test_one_that_ends_early_was_cut(self):
        text = json.dumps(self.EVENTS[:2]).encode()

        assert isinstance(streamed(text, ask(provider="gemini", stream=True)).error, StreamError)
        assert isinstance(streamed(text[:-3], ask(provider="gemini", stream=True)).error, ParseError)

    def test_an_error_in_it_is_raised(self):
        error = {"error": {"code": 500, "message": "m", "status": "INTERNAL"}}

        with pytest.raises(ServerError):
            read([self.EVENTS[0], error])


class TestAnswer:
    def test_usage_counts_thoughts_as_output_and_tools_as_input(self):
        usage = {
            "promptTokenCount": 10,
            "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 7,
            "cachedContentTokenCount": 4,
            "totalTokenCount": 25,
            "serviceTier": "standard",
        }

        reply = read(answer({"text": "x"}, usageMetadata=usage))

        found = reply.usage
        assert (found.input_tokens, found.output_tokens, found.total_tokens) == (15, 10, 25)
        assert (found.cached_tokens, found.reasoning_tokens, found.details) == (4, 7, usage)
        assert reply.extra["service_tier"] == "standard"

    def test_counts_that_are_left_out_are_unknown(self):
        found = read(answer({"text": "x"}, usageMetadata={"promptTokenCount": 10, "thoughtsTokenCount": 2})).usage

        assert (found.input_tokens, found.output_tokens, found.total_tokens, found.cached_tokens) == (10, 2, 12, None)

    def test_several_candidates_are_several_answers(self):
        body = {
            "candidates": [
                {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
                {"content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS", "index": 1},
            ]
        }

        for reply in (read(body, n=2), stream(body, n=2).answer):
            assert [(choice.message.text, choice.finish_reason) for choice in reply.choices] == [
                ("a", "stop"),
                ("b", "length"),
            ]

    def test_logprobs_are_those_of_the_server(self):
        result: dict[str, Any] = {
            "chosenCandidates": [{"token": "a", "logProbability": -1}],
            "topCandidates": [{"candidates": []}],
        }
        first, last = event({"text": "a"}), answer({"text": "b"})
        for item in (first, last):
            item["candidates"][0]["logprobsResult"] = result

        found = stream(first, last).answer.logprobs

        assert found["chosenCandidates"] == result["chosenCandidates"] * 2
        assert len(found["topCandidates"]) == 2

    def test_sources_are_citations(self):
        body = answer({"text": "x"})
        chunk = {"web": {"uri": "https://x.test", "title": "x"}}
        cited = {"startIndex": 0, "endIndex": 1, "uri": "https://y.test", "license": "mit"}
        grounding = {"webSearchQueries": ["q"], "groundingChunks": [chunk], "groundingSupports": []}
        body["candidates"][0] |= {"groundingMetadata": grounding, "citationMetadata": {"citationSources": [cited]}}

        for reply in (read(body), stream(body).answer):
            assert reply.citations == [cited, chunk]
            assert reply.extra["groundingMetadata"] == grounding

    def test_the_time_of_vertex_is_kept(self):
        assert read(answer({"text": "x"}, createTime="2026-08-19T14:38:23.916396Z")).created == 1787150303

    @pytest.mark.parametrize("candidates", [{}, {"candidates": []}, {"candidates": None}])
    def test_an_answer_that_only_counts_tokens_is_none(self, candidates):
        body = {**candidates, "usageMetadata": {"promptTokenCount": 3}, "modelVersion": "m"}

        with pytest.raises(ParseError, match="no candidates") as failure:
            read(body)
        assert failure.value.retryable
        assert isinstance(stream(body).error, StreamError)

    def test_what_is_no_answer_is_refused(self):
        with pytest.raises(ParseError, match=r"no candidates; it has the keys \['models'\]"):
            read({"models": []})

    def test_raw_is_the_body_and_of_a_stream_what_is_no_delta(self):
        body = answer({"text": "x"}, usageMetadata={"promptTokenCount": 1})

        assert read(body).raw == body
        assert stream(body).answer.raw == {key: value for key, value in body.items() if key != "candidates"}


def refusal(
    status: int, message: str, word: str, *details: Any, provider: str = "gemini", in_list: bool = False
) -> APIError:
    error = {"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    with pytest.raises(APIError) as raised:
        whole([error] if in_list else error, ask(provider=provider, strict=True), status=status)
    return raised.value


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def quota(*ids: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaMetric": "m", "quotaId": quota_id} for quota_id in ids]}


def delay(duration: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": duration}


QUOTA = "You exceeded your current quota, please check your plan and billing details."


class TestErrors:
    @pytest.mark.parametrize("in_list", [False, True])
    def test_a_bad_key_is_a_400(self, in_list):
        error = refusal(400, "API key not valid.", "INVALID_ARGUMENT", info("API_KEY_INVALID"), in_list=in_list)

        assert type(error) is AuthenticationError
        assert not error.retryable
        assert error.status == 400

    @pytest.mark.parametrize(
        ("status", "word", "message", "kind"),
        [
            (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", AuthenticationError),
            (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", BadRequestError),
            (400, "INVALID_ARGUMENT", "The input token count (5) exceeds the maximum number of tokens allowed (4).",
             ContextLengthError),
            (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", BadRequestError),
            (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", AuthenticationError),
            (402, "FAILED_PRECONDITION", "Billing", InsufficientBalanceError),
            (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", PermissionDeniedError),
            (404, "NOT_FOUND", "models/x is not found for API version v1beta", ModelNotFoundError),
            (404, "NOT_FOUND", "Publisher Model `projects/p/locations/l/publishers/google/models/x` was not found",
             ModelNotFoundError),
            (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", RateLimitError),
            (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", InsufficientBalanceError),
            (500, "INTERNAL", "An internal error has occurred.", ServerError),
            (503, "UNAVAILABLE", "The model is overloaded.", ServerError),
            (504, "DEADLINE_EXCEEDED", "Deadline expired.", ServerError),
        ],
    )  # fmt: skip
    def test_each_kind_has_its_class(self, status, word, message, kind):
        for provider in ("gemini", "gemini_vertex", "anthropic_vertex"):
            error = refusal(status, message, word, provider=provider)

            assert type(error) is kind
            assert error.message.startswith(message.rstrip("."))
            assert error.retryable == (kind in (RateLimitError, ServerError))

    @pytest.mark.parametrize(("text", "seconds"), [("48s", 48), ("0.5s", 0.5), ("48.939935699s", 48.939935699)])
    def test_the_wait_stands_in_the_body(self, text, seconds):
        error = refusal(429, QUOTA, "RESOURCE_EXHAUSTED", quota("TokensPerModelPerMinute"), delay(text))

        assert type(error) is RateLimitError
        assert error.retry_after == seconds
        assert error.retryable

    @pytest.mark.parametrize("text", ["soon", "", None, 5, "-1s"])
    def test_a_wait_that_is_none_is_ignored(self, text):
        assert refusal(429, QUOTA, "RESOURCE_EXHAUSTED", {"retryDelay": text}).retry_after is None

    def test_a_header_goes_before_the_body(self):
        body = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [delay("9s")]}}
        with pytest.raises(RateLimitError) as raised:
            whole(body, ask(provider="gemini"), status=429, headers={"retry-after": "3"})

        assert raised.value.retry_after == 3

    def test_a_call_waits_as_long_as_the_body_says(self):
        body = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [delay("9s")]}}
        steps = operations.chat(ask(provider="gemini"), Retry(retries=1))

        assert isinstance(next(steps), Send)
        assert steps.send(json_answer(body, 429)) == Sleep(9)

    def test_a_quota_of_the_day_is_not_waited_for(self):
        day, minute = "RequestsPerDayPerProject-FreeTier", "RequestsPerMinutePerProject"

        assert type(refusal(429, QUOTA, "RESOURCE_EXHAUSTED", quota(day), delay("9s"))) is InsufficientBalanceError
        assert type(refusal(429, QUOTA, "RESOURCE_EXHAUSTED", quota(day, minute))) is RateLimitError

    @pytest.mark.parametrize("details", ["x", [None], [{"violations": 1}], [{"violations": [None]}], {"a": 1}])
    def test_details_of_any_shape_do_no_harm(self, details):
        body = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}}

        assert Gemini().parse_error(body).message == "m"
        assert Gemini().parse_error([]).kind is None
        assert Gemini().parse_error("busy").message == "busy"

    def test_the_field_at_fault_is_named(self):
        violations = {"fieldViolations": [{"field": "contents[0].parts", "description": "d"}]}
        body = {"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": [violations]}}

        assert Gemini().parse_error(body).param == "contents[0].parts"


LEARNED: dict[str, dict[str, Any]] = {
    "Thinking level is not supported for this model.": {"thinking": "budget"},
    "Unable to submit request because thinking_level is not supported by this model.": {"thinking": "budget"},
    "Thinking budget is not supported for this model.": {"thinking": "level"},
    "Unable to submit request because thinking is not configurable in this model": {"thinking": "none"},
    "Thinking level MEDIUM is not supported for this model.": {"unsupported": frozenset({"thinkingLevel.medium"})},
    "Budget 0 is invalid. This model only works in thinking mode.": {"unsupported": frozenset({"thinkingBudget.0"})},
    "Penalty is not enabled for models/x": {"unsupported": frozenset({"frequencyPenalty", "presencePenalty"})},
    "Logprobs is not enabled for models/x": {"unsupported": frozenset({"logprobs", "responseLogprobs"})},
    "Unknown name \"parametersJsonSchema\" at 'tools[0]': Cannot find field.": {"json_schema": False},
    "Corrupted thought signature.": {"signatures": False},
    "Invalid thought_signature": {"signatures": False},
    "Unable to submit request because Thought signature is not valid..": {"signatures": False},
}


class TestLearning:
    @pytest.mark.parametrize("message", LEARNED)
    def test_a_refusal_teaches_once(self, message):
        learned = Gemini().learn(ErrorDetail(message))

        assert learned is not None
        assert learned[0] == Gemini(**LEARNED[message])
        assert learned[0].learn(ErrorDetail(message)) is None

    def test_other_refusals_teach_nothing(self):
        assert Gemini().learn(ErrorDetail("Request contains an invalid argument.")) is None

    def test_the_next_try_goes_by_what_was_learned(self):
        steps = operations.chat(ask(provider="gemini", reasoning="low", model="x"), NO_RETRY)
        first: Any = next(steps)
        refused = {
            "error": {
                "code": 400,
                "message": "Thinking level is not supported for this model.",
                "status": "INVALID_ARGUMENT",
            }
        }
        second: Any = steps.send(json_answer(refused, 400))

        assert json.loads(first.request.content)["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"
        assert json.loads(second.request.content)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 2048
        with pytest.raises(StopIteration) as done:
            steps.send(json_answer(answer({"text": "x"})))
        assert [note.action for note in done.value.value.adaptations] == ["learned"]


class TestMixedTools:
    """https://ai.google.dev/gemini-api/docs/tool-combination: refused unless the request allows for it."""

    @pytest.mark.parametrize(
        ("choice", "calling"),
        [
            ("auto", {}),
            ("none", {"functionCallingConfig": {"mode": "NONE"}}),
            ("f", {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}),
        ],
    )
    def test_tools_of_the_server_are_allowed_beside_functions(self, choice, calling):
        tools = [Tool("f"), {"type": "googleSearch"}]

        body = ask(provider="gemini", model="gemini-3.5-flash", tools=tools, tool_choice=choice).body

        assert body["toolConfig"] == {"includeServerSideToolInvocations": True, **calling}

    @pytest.mark.parametrize(
        ("provider", "model", "tools"),
        [
            ("gemini", "gemini-2.5-flash", [Tool("f"), {"type": "googleSearch"}]),
            ("gemini", "gemini-3.5-flash", [{"type": "googleSearch"}]),
            ("gemini", "gemini-3.5-flash", [Tool("f")]),
            ("gemini_vertex", "gemini-3.5-flash", [Tool("f"), {"type": "googleSearch"}]),
        ],
    )
    def test_nothing_is_said_where_it_is_not_known_or_needed(self, provider, model, tools):
        assert "toolConfig" not in ask(provider=provider, model=model, tools=tools).body


class TestFiles:
    @pytest.mark.parametrize(
        ("protocol", "model", "url", "embedded"),
        [
            (Gemini(), "gemini-2.5-flash", "https://example.com/a.png", True),
            (Gemini(), "gemini-2.5-flash", "https://youtu.be.example.com/a.png", True),
            (Gemini(), "gemini-2.5-flash", "https://www.youtube.com/watch?v=1", False),
            (Gemini(), "gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/files/a", False),
            (Gemini(), "gemini-3.5-flash", "https://example.com/a.png", False),
            (VertexGemini(), "gemini-2.5-flash", "https://example.com/a.png", False),
        ],
    )
    def test_older_models_do_not_read_the_web(self, protocol, model, url, embedded):
        assert protocol.must_embed(Image(url=url), model) is embedded


class TestPaths:
    @pytest.mark.parametrize(
        ("protocol", "model", "path"),
        [
            (Gemini(), "gemini-3.5-flash", "models/gemini-3.5-flash"),
            (Gemini(), "models/gemini-3.5-flash", "models/gemini-3.5-flash"),
            (Gemini(), "tunedModels/a b", "tunedModels/a%20b"),
            (Gemini(), "../../x", "models/..%2F..%2Fx"),
            (Gemini(), "a:b?c#d", "models/a%3Ab%3Fc%23d"),
            (VertexGemini(), "gemini-3.5-flash", "publishers/google/models/gemini-3.5-flash"),
            (VertexGemini(), "models/gemini-3.5-flash", "publishers/google/models/gemini-3.5-flash"),
            (VertexGemini(), "publishers/meta/models/llama@1", "publishers/meta/models/llama@1"),
            (VertexGemini(), "google/gemini-3.5-flash", "publishers/google/models/gemini-3.5-flash"),
            (VertexGemini(), "endpoints/123", "endpoints/123"),
            (VertexGemini(), "projects/p/locations/l/endpoints/123", "endpoints/123"),
            (VertexGemini(), "projects/p/locations/l/publishers/meta/models/x", "publishers/meta/models/x"),
            (VertexGemini(), "projects/p/locations/l/models/m", "publishers/google/models/m"),
            (VertexGemini(), "a/b/c/d", "publishers/google/models/a%2Fb%2Fc%2Fd"),
        ],
    )
    def test_a_model_is_one_segment(self, protocol, model, path):
        assert protocol.chat_path(model, stream=False) == f"{path}:generateContent"
        assert protocol.chat_path(model, stream=True) == f"{path}:streamGenerateContent?alt=sse"
        assert protocol.count_path(model) == f"{path}:countTokens"

    @pytest.mark.parametrize(
        ("protocol", "model"),
        [
            *((protocol, name) for protocol in (Gemini(), VertexGemini()) for name in ("", ".", "..", "models/")),
            (Gemini(), "tunedModels/.."),
            (VertexGemini(), "publishers/x/models/.."),
            (VertexGemini(), "../gemini"),
            (VertexGemini(), "endpoints/.."),
        ],
    )
    def test_a_name_that_leads_elsewhere_is_refused(self, protocol, model):
        with pytest.raises(ConfigurationError):
            protocol.chat_path(model, stream=False)


class TestModels:
    def test_all_pages_are_read(self):
        first = {"models": [{"name": "models/a", "displayName": "A", "inputTokenLimit": 9, "outputTokenLimit": 3,
                             "supportedGenerationMethods": ["generateContent"]}], "nextPageToken": "p/2="}  # fmt: skip
        steps = operations.list_models(endpoint("gemini"), NO_RETRY)

        asked: Any = next(steps)
        assert asked.request.url.endswith("/models?pageSize=1000")
        asked = steps.send(json_answer(first))
        assert asked.request.url.endswith("/models?pageSize=1000&pageToken=p%2F2%3D")
        with pytest.raises(StopIteration) as done:
            steps.send(json_answer({"models": [{"name": "models/b"}, {}, None]}))
        one, two = done.value.value
        assert (one.id, one.name, one.context_window, one.max_output) == ("a", "A", 9, 3)
        assert one.capabilities == ["generateContent"]
        assert two.id == "b"

    def test_a_list_without_models_is_refused(self):
        with pytest.raises(ParseError, match="no 'models'"):
            finished(operations.list_models(endpoint("gemini"), NO_RETRY), json_answer({}))


class TestEmbeddings:
    def test_each_text_is_a_request_of_its_own(self):
        steps = operations.embed(endpoint("gemini"), ["a", "b"], "models/gemini-embedding-001", NO_RETRY)
        asked: Any = next(steps)

        assert asked.request.url.endswith("/models/gemini-embedding-001:batchEmbedContents")
        name = {"model": "models/gemini-embedding-001"}
        assert json.loads(asked.request.content) == {
            "requests": [{**name, "content": {"parts": [{"text": text}]}} for text in "ab"]
        }
        with pytest.raises(StopIteration) as done:
            steps.send(
                json_answer(
                    {"embeddings": [{"values": [1, 2.5]}, {"values": [3, 4]}], "usageMetadata": {"promptTokenCount": 2}}
                )
            )
        found = done.value.value
        assert found.vectors == [[1.0, 2.5], [3.0, 4.0]]
        assert found.usage.input_tokens == 2

    def test_vertex_predicts_for_older_models(self):
        steps = operations.embed(endpoint("gemini_vertex"), ["a", "b"], "text-embedding-005", NO_RETRY)
        asked: Any = next(steps)

        assert asked.request.url.endswith("/publishers/google/models/text-embedding-005:predict")
        assert json.loads(asked.request.content) == {"instances": [{"content": "a"}, {"content": "b"}]}
        predictions = [{"embeddings": {"values": [number], "statistics": {"token_count": 2}}} for number in (1, 2)]
        with pytest.raises(StopIteration) as done:
            steps.send(json_answer({"predictions": predictions}))
        assert done.value.value.vectors == [[1.0], [2.0]]
        assert done.value.value.usage.input_tokens == 4

    def test_vertex_knows_the_newer_form_too(self):
        protocol = VertexGemini()

        assert (
            protocol.embed_path("gemini-embedding-2")
            == "publishers/google/models/gemini-embedding-2:batchEmbedContents"
        )
        assert protocol.parse_embed({"embeddings": [{"values": [1]}]}).vectors == [[1.0]]

    @pytest.mark.parametrize("body", [{}, {"embeddings": [{}]}, {"embeddings": [None]}, {"embeddings": []}, []])
    def test_what_is_no_vector_is_refused(self, body):
        with pytest.raises((ParseError, APIError)):
            finished(operations.embed(endpoint("gemini"), ["a"], "m", NO_RETRY), json_answer(body))


class TestCounting:
    REQUEST = ChatRequest.of(
        [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}],
        {"model": "m", "temperature": 1, "tools": [{"type": "function", "function": {"name": "f"}}]},
    )
    PROMPT = {
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    }

    def test_the_prompt_is_a_request_in_a_request(self):
        assert Gemini().render_count(self.REQUEST) == {"generateContentRequest": {"model": "models/m", **self.PROMPT}}
        assert VertexGemini().render_count(self.REQUEST) == self.PROMPT
        tuned = self.REQUEST.model_copy(update={"model": "tunedModels/x"})
        assert Gemini().render_count(tuned)["generateContentRequest"]["model"] == "tunedModels/x"

    def test_a_count_of_nothing_may_be_left_out(self):
        assert Gemini().parse_count({"totalTokens": 4}) == 4
        assert Gemini().parse_count({}) == 0
        wrong: Any
        for wrong in ([], {"totalTokens": "4"}):
            with pytest.raises(ParseError):
                Gemini().parse_count(wrong)


def test_the_key_goes_in_a_header():
    request = endpoint("gemini").request("models", {"a": 1})

    assert request.headers["x-goog-api-key"] == endpoint("gemini").api_key
    assert "authorization" not in request.headers


def test_an_empty_answer_is_refused():
    with pytest.raises(ParseError, match="no candidates"):
        whole("{}", ask(provider="gemini"))
