"""Reading Chat Completions: fields of an answer, embeddings, model lists. What is sent is in the golden files."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import Any

import pytest

from llm_connector.errors import APIError, ParseError
from llm_connector.operations import embed, list_models
from llm_connector.types import Text, ToolCall
from llm_connector.wire import HttpResponse, Send
from tests.support.answers import (
    NO_RETRY,
    STOP,
    ask,
    call_delta,
    completion,
    delta,
    endpoint,
    finished,
    json_answer,
    piece,
    sse,
    streamed,
    whole,
)


def read(*events: Any, **options: Any) -> Any:
    return streamed(sse(*events, done=True), ask(stream=True, **options)).answer


class TestAnswers:
    def test_every_field_of_a_whole_answer(self):
        call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        body = {
            **completion("tool_calls", content="Hi", reasoning_content="Hm", tool_calls=[call], refusal=None),
            "created": 1782955817,
            "model": "gpt",
            "service_tier": "default",
            "system_fingerprint": "fp_1",
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }

        answer = whole(body, headers={"x-request-id": "req_1"})

        assert (answer.text, answer.reasoning, answer.refusal) == ("Hi", "Hm", None)
        assert answer.tool_calls == [ToolCall(id="x", name="f", arguments={"a": 1}, arguments_raw='{"a": 1}')]
        assert (answer.finish_reason, answer.finish_reason_raw) == ("tool_calls", "tool_calls")
        assert (answer.id, answer.model, answer.created, answer.request_id) == ("c1", "gpt", 1782955817, "req_1")
        assert answer.extra == {"service_tier": "default", "system_fingerprint": "fp_1"}
        assert answer.headers == {"content-type": "application/json", "x-request-id": "req_1"}
        assert answer.raw == body
        assert answer.usage.total_tokens == 3

    @pytest.mark.parametrize(("created", "seconds"), [(7, 7), (7.9, 7), (0, None), (None, None), ("soon", None)])
    def test_created_is_in_whole_seconds(self, created, seconds):
        assert whole({**completion(content="Hi"), "created": created}).created == seconds
        assert read({**delta("stop", content="Hi"), "created": created}).created == seconds

    def test_logprobs_of_all_events_are_joined(self):
        tokens: list[Any] = [
            {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []} for token in ("a", "b")
        ]
        events = [delta(content=token["token"]) for token in tokens]
        for event, token in zip(events, tokens, strict=True):
            event["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
        body = completion(content="ab")
        body["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}

        assert read(*events, STOP).logprobs == whole(body).logprobs == {"content": tokens}

    def test_citations_come_from_the_message_and_from_the_top(self):
        cited = {"type": "url_citation", "url_citation": {"url": "https://a", "start_index": 0, "end_index": 2}}
        message = completion(content="Hi", annotations=[cited])
        top = {"citations": ["https://b", {"url": "https://c"}]}

        assert whole({**message, **top}).citations == [
            cited["url_citation"],
            {"url": "https://b"},
            {"url": "https://c"},
        ]
        events = [delta(content="Hi"), delta(annotations=[cited]), {**STOP, **top}]
        assert read(*events).citations == whole({**message, **top}).citations

    def test_a_spoken_answer_is_text_with_its_sound_beside_it(self):
        sound = {"id": "audio_1", "data": "AAAA", "transcript": "Hello", "expires_at": 9}
        parts = [
            {"id": "audio_1", "transcript": "Hel"},
            {"data": "AA"},
            {"data": "AA", "transcript": "lo"},
            {"expires_at": 9},
        ]

        for answer in (
            whole(completion(content=None, audio=sound)),
            read(*(delta(audio=part) for part in parts), STOP),
        ):
            assert answer.text == "Hello"
            assert answer.extra["audio"] == sound

    def test_raw_of_a_stream_has_the_last_value_of_each_field_without_deltas(self):
        answer = read({**delta(content="a"), "created": 1}, {**STOP, "created": 2, "service_tier": "flex"})

        assert answer.raw == {"id": "c1", "model": "m1", "created": 2, "service_tier": "flex"}

    def test_unknown_parts_of_a_list_are_passed_over(self):
        parts = [
            {"type": "reference", "reference_ids": [1]},
            {"type": "text", "text": "a"},
            "noise",
            {"type": "text", "text": "b"},
        ]

        assert whole(completion(content=parts)).message.parts == [Text("ab")]

    def test_renamed_tools_come_back_whole_and_streamed(self):
        rendered = ask(tools=[{"name": "fs.read", "parameters": {}}], stream=True)
        call = piece("{}", "fs_read", index=0, id="x")

        assert whole(completion("tool_calls", tool_calls=[call]), rendered).tool_calls[0].name == "fs.read"
        assert streamed(sse(call_delta(call), STOP), rendered).answer.tool_calls[0].name == "fs.read"

    def test_the_same_id_twice_in_a_whole_answer_is_two_calls(self):
        calls = [{"id": "x", "function": {"name": "f", "arguments": text}} for text in ('{"a": 1}', '{"a": 2}')]

        assert [call.arguments for call in whole(completion(tool_calls=calls)).tool_calls] == [{"a": 1}, {"a": 2}]


class TestEmbeddings:
    def vectors(self, body: Any, inputs: list[str] | None = None) -> Any:
        return finished(embed(endpoint(), inputs or ["a", "b"], "m", NO_RETRY), json_answer(body))

    def test_vectors_come_in_the_order_of_the_inputs(self):
        data = [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": [1, 2]}]

        found = self.vectors({"data": data, "model": "e", "usage": {"prompt_tokens": 2, "total_tokens": 2}})

        assert (found.vectors, found.model) == ([[1, 2], [3, 4.5]], "e")
        assert (found.usage.input_tokens, found.usage.total_tokens) == (2, 2)

    def test_base64_is_little_endian_float32(self):
        packed = base64.b64encode(struct.pack("<3f", 0.5, -1.0, 2.0)).decode()

        assert self.vectors({"data": [{"index": 0, "embedding": packed}]}, ["a"]).vectors == [[0.5, -1.0, 2.0]]

    def test_indices_and_usage_may_be_missing(self):
        found = self.vectors({"data": [{"embedding": [1]}, {"embedding": [2]}], "usage": None})

        assert found.vectors == [[1], [2]]
        assert found.usage.input_tokens is None

    def test_another_number_of_vectors_is_an_error(self):
        with pytest.raises(ParseError, match="2 inputs, but 1 vector"):
            self.vectors({"data": [{"index": 0, "embedding": [1]}]})

    @pytest.mark.parametrize("vector", [{"a": 1}, None, 1, "?", "AAAAAAA="])
    def test_vectors_of_another_shape_are_an_error(self, vector):
        with pytest.raises(ParseError, match="neither a list of numbers nor base64"):
            self.vectors({"data": [{"index": 0, "embedding": vector}] * 2})
        with pytest.raises(ParseError):
            self.vectors({"data": [vector, vector]})

    @pytest.mark.parametrize(
        "body", [{"error": {"message": "No"}}, {"error": {"message": "No"}, "data": []}, {"message": "No"}]
    )
    def test_an_error_with_status_200_is_raised(self, body):
        with pytest.raises(APIError, match="No"):
            self.vectors(body)


class TestModels:
    @pytest.mark.parametrize(
        "body",
        [
            {"object": "list", "data": [{"id": "a"}, {"id": "b"}]},
            [{"id": "a"}, {"id": "b"}],
            {"models": [{"name": "a"}, {"name": "b"}]},
            {"data": [{"id": "a"}, {"object": "model"}, None, {"id": "b"}]},
        ],
    )
    def test_every_shape_of_a_list(self, body):
        models = finished(list_models(endpoint(), NO_RETRY), json_answer(body))

        assert [model.id for model in models] == ["a", "b"]

    def test_what_a_model_may_say_of_itself(self):
        item = {"id": "a", "name": "A", "created": 7.5, "owned_by": "me", "context_length": 4096, "extra": 1}

        (model,) = finished(list_models(endpoint(), NO_RETRY), json_answer({"data": [item]}))

        assert (model.id, model.name, model.created, model.owner, model.context_window) == ("a", "A", 7, "me", 4096)
        assert model.raw == item

    def test_all_pages_are_read(self):
        steps = list_models(endpoint(), NO_RETRY)
        first = next(steps)
        second = steps.send(json_answer({"data": [{"id": "a"}], "has_more": True, "last_id": "a"}))

        assert isinstance(first, Send)
        assert isinstance(second, Send)
        assert second.request.url.endswith("/models?after=a")
        with pytest.raises(StopIteration) as done:
            steps.send(json_answer({"data": [{"id": "b"}], "has_more": False, "last_id": "b"}))
        assert [model.id for model in done.value.value] == ["a", "b"]

    def test_the_name_of_a_page_cannot_lead_elsewhere(self):
        assert endpoint().spec.protocol.models_path("a/b?c=d&e#f") == "models?after=a%2Fb%3Fc%3Dd%26e%23f"

    def test_a_server_that_repeats_its_last_page_is_not_asked_for_ever(self):
        steps = list_models(endpoint(), NO_RETRY)
        page = json_answer({"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
        step: Any = next(steps)

        sent = 0
        with contextlib.suppress(StopIteration):
            while isinstance(step, Send) and sent < 5:
                sent += 1
                step = steps.send(page)

        assert sent == 2

    @pytest.mark.parametrize("body", [{}, {"data": None}, "text", {"data": {"a": 1}}])
    def test_no_list_is_an_error(self, body):
        with pytest.raises(ParseError):
            finished(list_models(endpoint(), NO_RETRY), HttpResponse(200, {}, json.dumps(body).encode()))
