"""Anthropic Messages through InvokeModel: bodies, streams and errors, beside the official client's."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

import pytest

from llm_connector.errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ContextLengthError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.operations import count_tokens
from llm_connector.protocols.anthropic_bedrock import AnthropicBedrock
from llm_connector.providers import Endpoint, find
from llm_connector.types import ChatRequest, Reasoning, assistant, system, tool_result, user
from llm_connector.wire import Call
from tests.support.answers import KEY, NO_RETRY, ask, json_answer, streamed, whole
from tests.support.event_streams import exception, frame, invoke_stream
from tests.support.golden import Golden, golden_cases

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
HEAD = {
    "type": "message_start",
    "message": {
        "model": "claude-haiku-4-5-20251001",
        "id": "msg_bdrk_01",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 8, "cache_read_input_tokens": 2, "output_tokens": 1},
    },
}
METRICS = {"inputTokenCount": 8, "outputTokenCount": 12, "invocationLatency": 551, "firstByteLatency": 318}


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def end(reason: str = "end_turn") -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 12}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS},
    ]


TEXT = block(
    0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hel"}, {"type": "text_delta", "text": "lo"}
)
EVENTS = [
    HEAD,
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": "EqkE"},
    ),
    *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "So: 中"}),
    *block(
        2,
        {"type": "tool_use", "id": "toolu_bdrk_01", "name": "get_weather", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"city": "Os'},
        {"type": "input_json_delta", "partial_json": 'lo"}'},
    ),
    *end("tool_use"),
]


def asked(**options: Any) -> Any:
    options.setdefault("model", HAIKU)
    return ask(provider="anthropic_bedrock", **options)


class TestStreams:
    def test_a_thought_a_text_and_a_call(self):
        reading = streamed(invoke_stream(*EVENTS), asked(stream=True))

        assert (reading.reasoning, reading.text) == ("Hm.", "So: 中")
        assert [(call.id, call.arguments) for call in reading.calls] == [("toolu_bdrk_01", {"city": "Oslo"})]
        assert (reading.answer.id, reading.answer.model) == ("msg_bdrk_01", "claude-haiku-4-5-20251001")
        assert reading.answer.finish_reason == "tool_calls"
        assert reading.answer.usage.input_tokens == 10
        assert reading.answer.usage.output_tokens == 12

    def test_it_goes_back_as_it_came(self):
        message = streamed(invoke_stream(*EVENTS), asked(stream=True)).answer.message

        rendered = asked(messages=[user("?"), message, tool_result(message.tool_calls[0], "7")])

        assert rendered.body["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "Hm.", "signature": "EqkE"},
            {"type": "text", "text": "So: 中"},
            {"type": "tool_use", "id": "toolu_bdrk_01", "name": "get_weather", "input": {"city": "Oslo"}},
        ]

    @pytest.mark.parametrize("count", range(1, len(EVENTS) - 1))
    def test_a_stream_without_its_end_is_cut(self, count):
        if EVENTS[count - 1]["type"] == "message_delta":
            return  # the reason to end has come
        reading = streamed(invoke_stream(*EVENTS[:count]), asked(stream=True))

        assert isinstance(reading.error, StreamError)
        assert not isinstance(reading.error, APIError)
        assert reading.partial.text == reading.text

    @pytest.mark.parametrize(
        ("kind", "message", "expected"),
        [
            ("throttlingException", "Too many requests", RateLimitError),
            ("modelTimeoutException", "slow", ServerError),
            ("modelStreamErrorException", "broken", ServerError),
            ("validationException", "Malformed input request", BadRequestError),
            ("validationException", "prompt is too long: 2 > 1", ContextLengthError),
        ],
    )
    def test_exceptions_end_the_stream(self, kind, message, expected):
        body = invoke_stream(HEAD, *TEXT) + exception(kind, {"message": message})

        reading = streamed(body, asked(stream=True))

        assert isinstance(reading.error, StreamError)
        assert isinstance(reading.error, expected)
        assert reading.partial.text == "Hello"

    def test_an_error_of_anthropics_own_may_be_wrapped(self):
        told = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

        reading = streamed(invoke_stream(HEAD, told), asked(stream=True))

        assert isinstance(reading.error, ServerError)
        assert (reading.error.code, reading.error.message) == ("overloaded_error", "Overloaded")

    def test_a_whole_answer_is_read_where_a_stream_was_due(self):
        body = json.dumps({"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"})

        assert streamed(body.encode(), asked(stream=True)).answer.text == "Hi"

    @pytest.mark.parametrize("payload", [b"", {"type": "message_stop"}])
    def test_messages_that_hold_no_event_of_the_model_are_ignored(self, payload):
        events = [HEAD, *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"}), *end()]

        reading = streamed(
            frame("initial-response", payload) + invoke_stream(*events), ask(provider="anthropic_bedrock", stream=True)
        )

        assert reading.answer.text == "Hi"

    def test_a_guardrail_is_told_apart(self):
        body = {"type": "message", "content": [{"type": "text", "text": "Blocked."}], "stop_reason": "end_turn"}

        reply = whole({**body, "amazon-bedrock-guardrailAction": "INTERVENED"}, asked())

        assert (reply.finish_reason, reply.finish_reason_raw) == ("content_filter", "guardrail_intervened")
        assert whole({**body, "amazon-bedrock-guardrailAction": "NONE"}, asked()).finish_reason == "stop"

    def test_a_guardrail_is_told_apart_in_a_stream(self):
        *events, delta, stop = [HEAD, *TEXT, *end()]
        acted = {**delta, "amazon-bedrock-guardrailAction": "INTERVENED"}

        assert (
            streamed(invoke_stream(*events, acted, stop), asked(stream=True)).answer.finish_reason == "content_filter"
        )
        assert streamed(invoke_stream(*events, delta, stop), asked(stream=True)).answer.finish_reason == "stop"


class TestOtherEndpoints:
    def test_tokens_of_a_whole_body_are_counted(self):
        endpoint = Endpoint(find("anthropic_bedrock"), "http://127.0.0.1:1", KEY)
        steps = count_tokens(endpoint, ChatRequest.of("Hi", {"model": HAIKU}), NO_RETRY)
        step: Any = next(steps)
        while isinstance(step, Call):
            step = steps.send(step.function())

        assert step.request.url.endswith("/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens")
        body = json.loads(step.request.content)["input"]["invokeModel"]["body"]
        assert json.loads(base64.b64decode(body)) == {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 8192,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        with pytest.raises(StopIteration) as stopped:
            steps.send(json_answer({"inputTokens": 18}))
        assert stopped.value.value == 18

    def test_only_claude_is_listed(self):
        protocol = AnthropicBedrock()
        first, cursor = protocol.parse_models(
            {"modelSummaries": [{"modelId": "anthropic.claude-haiku-5-5"}, {"modelId": "amazon.nova-lite-v1:0"}]}
        )
        second, end = protocol.parse_models({"inferenceProfileSummaries": [{"inferenceProfileId": "us.amazon.nova"}]})

        assert [model.id for model in first] == ["anthropic.claude-haiku-5-5"]
        assert (second, end) == ([], None)
        assert protocol.models_path(None) == "foundation-models"
        assert protocol.models_path(cursor).startswith("inference-profiles?")

    def test_there_is_one_path_per_model(self):
        protocol = AnthropicBedrock()

        assert protocol.chat_path(HAIKU, stream=False) == f"model/{HAIKU.replace(':', '%3A')}/invoke"
        assert protocol.chat_path(HAIKU, stream=True).endswith("/invoke-with-response-stream")
        assert protocol.headers("chat", stream=True) == {}
        with pytest.raises(ConfigurationError):
            protocol.chat_path("..", stream=True)


class TestOfficialClient:
    """The same requests through `anthropic.AnthropicBedrock`, and its reading of the same streams."""

    @pytest.fixture
    def sdk(self) -> Any:
        anthropic = pytest.importorskip("anthropic")
        httpx2 = pytest.importorskip("httpx2")
        seen: list[Any] = []
        answers: list[Any] = []

        def answer(request: Any) -> Any:
            seen.append(request)
            return answers.pop(0)

        client = anthropic.AnthropicBedrock(
            api_key=KEY, aws_region="us-east-1", http_client=httpx2.Client(transport=httpx2.MockTransport(answer))
        )
        client.seen, client.answers, client.respond = seen, answers, httpx2.Response
        return client

    @pytest.mark.parametrize("golden", [case for case in golden_cases("anthropic_bedrock") if case.values[0].body])
    def test_bodies_and_paths_are_those_of_the_official_client(self, golden: Golden, sdk: Any):
        rendered = golden.render()
        body = json.loads(json.dumps(rendered.body))
        own = {name: body.pop(name) for name in ("anthropic_version", "anthropic_beta") if name in body}
        sdk.answers.append(sdk.respond(200, json={"type": "message", "content": []}))

        sdk.messages.create(model=rendered.request.model, stream=False, extra_body=own, timeout=5, **body)

        (request,) = sdk.seen
        path = unquote(request.url.raw_path.decode())
        assert path == unquote(f"/{rendered.path}").replace("invoke-with-response-stream", "invoke")
        assert json.loads(request.read()) == rendered.body

    def test_the_path_of_a_stream_is_that_of_the_official_client(self, sdk: Any):
        sdk.answers.append(
            sdk.respond(
                200, content=invoke_stream(*EVENTS), headers={"content-type": "application/vnd.amazon.eventstream"}
            )
        )

        with sdk.messages.stream(model=HAIKU, max_tokens=5, messages=[{"role": "user", "content": "hi"}]) as stream:
            theirs = stream.get_final_message()

        ours = streamed(invoke_stream(*EVENTS), asked(stream=True)).answer
        assert unquote(sdk.seen[0].url.raw_path.decode()) == unquote(f"/{asked(stream=True).path}")
        assert [part.type for part in theirs.content] == ["thinking", "text", "tool_use"]
        assert theirs.content[0].signature == next(
            part.signature for part in ours.message.parts if isinstance(part, Reasoning)
        )
        assert theirs.content[1].text == ours.text
        assert theirs.content[2].input == ours.tool_calls[0].arguments
        assert theirs.stop_reason == ours.finish_reason_raw
        assert theirs.id == ours.id


def test_the_rules_of_messages_hold_here_as_well():
    thought = Reasoning("Hm.", signature="s", provider="anthropic")
    rendered = asked(
        messages=[system("Be terse."), user("?"), assistant(thought, "So."), user("!")], temperature=1.5, seed=1
    )

    assert rendered.body["system"] == "Be terse."
    assert rendered.body["temperature"] == 1.0
    assert {note.subject for note in rendered.adaptations} == {"reasoning", "temperature", "seed"}
