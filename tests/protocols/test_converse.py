"""Converse: answers, errors, what is learned, and the other endpoints."""

from __future__ import annotations

from typing import Any

import pytest

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
    UnsupportedError,
)
from llm_connector.operations import chat, count_tokens, embed, list_models, open_stream
from llm_connector.protocols.converse import Converse
from llm_connector.protocols.converse_models import family_of, foundation_model
from llm_connector.providers import Endpoint, find
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
from llm_connector.wire import Call, HttpResponse, Send
from tests.support.answers import KEY, NO_RETRY, ask, finished, json_answer, streamed, whole
from tests.support.event_streams import converse_stream, exception, failure, frame

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USAGE = {"inputTokens": 12, "outputTokens": 52, "totalTokens": 1092, "cacheReadInputTokens": 1028}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
STOP: dict[str, Any] = {"messageStop": {"stopReason": "end_turn"}}
METADATA = {"metadata": {"usage": USAGE, "metrics": {"latencyMs": 522}}}


def answer(*content: Any, reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": list(content)}
    return {"output": {"message": message}, "stopReason": reason, "usage": USAGE, **fields}


def asked(**options: Any) -> Any:
    return ask(provider="bedrock", **options)


def delta(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": fields}}


def start(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": index, "start": fields}}


def stop(index: int = 0) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


class TestAnswers:
    def test_usage_counts_what_the_cache_held(self):
        usage = whole(answer({"text": "Hi"}), asked()).usage

        assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (1040, 1028, None)
        assert (usage.output_tokens, usage.total_tokens) == (52, 1092)
        assert usage.details == USAGE

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("content_filtered", "content_filter"),
            ("guardrail_intervened", "content_filter"),
            ("malformed_model_output", "error"),
            ("malformed_tool_use", "error"),
            ("something_new", None),
        ],
    )
    def test_reasons_to_end(self, raw, reason):
        reply = whole(answer({"text": "Hi"}, reason=raw), asked())

        assert (reply.finish_reason, reply.finish_reason_raw) == (reason, raw)

    @pytest.mark.parametrize("reason", ["tool_use", "end_turn"])
    def test_calls_count_whatever_the_reason_is(self, reason):
        call = {"toolUseId": "t", "name": "f", "type": "tool_use"}

        reply = whole(answer({"toolUse": call}, reason=reason), asked())

        assert [(call.id, call.name, call.arguments, call.extra) for call in reply.tool_calls] == [("t", "f", {}, None)]
        assert reply.finish_reason == "tool_calls"

    def test_calls_of_the_server_are_not_the_callers(self):
        served = {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
        result = {"toolResult": {"toolUseId": "s", "type": "nova_grounding_result", "content": [{"json": {}}]}}

        reply = whole(answer(served, result, {"text": "Found."}), asked())

        assert reply.tool_calls == []
        assert reply.finish_reason == "stop"
        assert [part.data for part in reply.message.parts if isinstance(part, Opaque)] == [served, result]

    def test_citations_stand_with_their_text_and_in_the_answer(self):
        cited = {"title": "Page", "location": {"web": {"url": "https://example.com"}}}
        block = {"citationsContent": {"content": [{"text": "one "}, {"text": "two"}], "citations": [cited]}}

        reply = whole(answer(block, {"citationsContent": {"citations": [cited]}}), asked())

        assert reply.text == "one two"
        assert reply.message.parts == [Text("one two", citations=[cited])]
        assert reply.citations == [cited, cited]

    def test_what_else_is_told_is_kept(self):
        trace = {"guardrail": {"actionReason": "x"}, "promptRouter": {"invokedModelId": "amazon.nova-lite-v1:0"}}

        reply = whole(
            answer({"text": "Hi"}, trace=trace, metrics={"latencyMs": 1}, serviceTier={"type": "flex"}), asked()
        )

        assert reply.model == "amazon.nova-lite-v1:0"
        assert reply.extra == {"trace": trace, "metrics": {"latencyMs": 1}, "service_tier": "flex"}

    def test_the_request_id_is_a_header(self):
        assert whole(answer(), asked(), headers={"x-amzn-requestid": "r1"}).request_id == "r1"

    def test_an_answer_may_hold_nothing(self):
        assert whole(answer(), asked()).text == ""
        assert whole({"output": {"message": None}, "stopReason": "end_turn"}, asked()).text == ""

    def test_arguments_that_are_a_list_are_reported(self):
        (call,) = whole(answer({"toolUse": {"toolUseId": "1", "name": "f", "input": [1]}}), asked()).tool_calls

        assert (call.arguments, call.arguments_raw) == ({}, "[1]")
        assert call.error is not None

    def test_empty_blocks_are_none(self):
        assert whole(answer(None, {}, {"text": "x"}), asked()).text == "x"

    def test_blocks_that_are_not_known_are_kept(self):
        picture = {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}

        assert whole(answer(picture, {}), asked()).message.parts[0] == Opaque(data=picture, provider="bedrock")

    @pytest.mark.parametrize("body", [{"Output": {}}, {"usage": {}}, {}])
    def test_an_answer_without_a_message_cannot_be_read(self, body):
        with pytest.raises(ParseError, match="has no output"):
            whole(body, asked())

    @pytest.mark.parametrize("body", [{"message": "no"}, {"Message": "no"}, {"error": {"message": "no"}}])
    def test_an_error_with_status_200_is_an_error(self, body):
        with pytest.raises(APIError, match="no"):
            whole(body, asked())


class TestStreams:
    def test_thinking_text_and_a_call(self):
        body = converse_stream(
            {"messageStart": {"role": "assistant"}},
            delta(0, reasoningContent={"text": "User "}),
            delta(0, reasoningContent={"text": "wants"}),
            delta(0, reasoningContent={"signature": "EqkE"}),
            stop(0),
            delta(1, text="Checking."),
            stop(1),
            start(2, toolUse={"name": "get_weather", "toolUseId": "tooluse_x"}),
            delta(2, toolUse={"input": ""}),
            delta(2, toolUse={"input": '{"city": '}),
            delta(2, toolUse={"input": '"Oslo"}'}),
            stop(2),
            {"messageStop": {"stopReason": "tool_use"}},
            METADATA,
        )

        reading = streamed(body, asked(stream=True))

        assert (reading.reasoning, reading.text) == ("User wants", "Checking.")
        assert [(call.id, call.name, call.arguments) for call in reading.calls] == [
            ("tooluse_x", "get_weather", {"city": "Oslo"})
        ]
        assert reading.answer.finish_reason == "tool_calls"
        assert reading.answer.usage.total_tokens == 1092
        assert reading.answer.extra == {"metrics": {"latencyMs": 522}}
        assert "p" not in reading.answer.raw

    def test_nothing_is_read_behind_the_usage(self):
        reading = streamed([converse_stream(delta(text="Hi"), STOP, METADATA), b"nonsense"], asked(stream=True))

        assert reading.answer.text == "Hi"

    def test_usage_may_be_missing_or_come_first(self):
        assert streamed(converse_stream(delta(text="Hi"), STOP), asked()).answer.usage.total_tokens is None
        assert streamed(converse_stream(METADATA, delta(text="Hi"), STOP), asked()).answer.usage.total_tokens == 1092

    @pytest.mark.parametrize("events", [[], [delta(text="Hi")], [delta(text="Hi"), stop()], [METADATA]])
    def test_a_stream_without_its_end_is_cut(self, events):
        reading = streamed(converse_stream(*events), asked())

        assert isinstance(reading.error, StreamError)
        assert reading.partial.text == reading.text
        assert "cut" in str(reading.error)

    def test_a_block_may_begin_with_nothing(self):
        events = [start(), delta(text=""), delta(text="Hi"), stop(), stop(7), STOP]

        assert streamed(converse_stream(*events), asked()).answer.text == "Hi"

    def test_events_deltas_and_starts_that_are_not_known_are_ignored(self):
        body = frame("initial-response", {}) + converse_stream(
            {"somethingNew": {"a": 1}}, delta(3, newKind={"a": 1}), delta(text="Hi"), STOP
        )

        assert streamed(body, asked()).answer.text == "Hi"

    def test_what_is_not_known_may_hold_nothing(self):
        body = frame("initial-response", b"") + converse_stream(delta(text="x"), STOP)

        assert streamed(body, asked(stream=True)).answer.text == "x"

    def test_a_thought_and_its_signature_may_come_together(self):
        body = converse_stream(delta(reasoningContent={"text": "a", "signature": "S"}), STOP)

        reading = streamed(body, asked(stream=True))

        assert reading.reasoning == "a"
        assert reading.answer.message.parts == [Reasoning("a", signature="S", provider="bedrock")]

    def test_a_picture_comes_in_pieces(self):
        events = [start(image={"format": "png"}), delta(image={"source": {"bytes": "iVBO"}}), stop(), STOP]

        (part,) = streamed(converse_stream(*events), asked()).answer.message.parts

        assert isinstance(part, Opaque)
        assert part.data == {"image": {"format": "png", "source": {"bytes": "iVBO"}}}

    def test_citations_may_come_ahead_of_their_text_or_alone(self):
        cited = {"title": "Page", "location": {"web": {"url": "https://example.com"}}}
        events = [delta(citation=cited), delta(text="Hi"), stop(), delta(1, citation=cited), stop(1), STOP]

        reply = streamed(converse_stream(*events), asked()).answer

        assert reply.message.parts == [Text("Hi", citations=[cited])]
        assert reply.citations == [cited, cited]

    @pytest.mark.parametrize(
        ("kind", "status", "expected"),
        [
            ("throttlingException", 429, RateLimitError),
            ("validationException", 400, BadRequestError),
            ("modelStreamErrorException", 424, ServerError),
            ("modelTimeoutException", 408, ServerError),
            ("internalServerException", 500, ServerError),
            ("serviceUnavailableException", 503, ServerError),
            ("somethingNewException", 200, APIError),
        ],
    )
    def test_exceptions_end_the_stream(self, kind, status, expected):
        body = converse_stream(delta(text="Hi")) + exception(kind, {"message": "It broke"})

        reading = streamed(body, asked(stream=True))

        assert isinstance(reading.error, APIError)
        assert type(reading.error).__bases__[0] is expected
        assert reading.error.status == status
        assert reading.error.code == kind[0].upper() + kind[1:]
        assert reading.error.message == "It broke"
        assert reading.error.retryable == issubclass(expected, RateLimitError | ServerError)
        assert reading.partial.text == "Hi"

    def test_an_error_without_a_payload_ends_the_stream(self):
        reading = streamed(failure("InternalError", "Sorry"), asked(stream=True))

        assert isinstance(reading.error, APIError)
        assert (reading.error.code, reading.error.message) == ("InternalError", "Sorry")

    def test_a_prompt_that_is_too_long_may_be_told_in_the_stream(self):
        text = "The model returned the following errors: Input is too long for requested model."
        reading = streamed(exception("validationException", {"message": text}), asked())

        assert isinstance(reading.error, ContextLengthError)


class TestWholeAnswersToStreams:
    LLAMA = "us.meta.llama4-scout-17b-instruct-v1:0"

    def test_calls_come_whole_where_the_model_does_not_stream_them(self):
        rendered = asked(model=self.LLAMA, tools=[Tool("f")], stream=True)
        body = json_answer(answer({"text": "So:"}, {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}))

        reading = streamed([body.content[:20], body.content[20:]], rendered)

        assert rendered.path.endswith("/converse")
        assert [(call.name, call.arguments) for call in reading.calls] == [("f", {"a": 1})]
        assert reading.text == "So:"
        assert [note.subject for note in reading.answer.adaptations] == ["stream"]

    @pytest.mark.parametrize("options", [{}, {"tools": [Tool("f")], "tool_choice": "none"}])
    def test_it_streams_without_tools(self, options):
        assert asked(model=self.LLAMA, stream=True, **options).path.endswith("/converse-stream")

    @pytest.mark.parametrize("options", [{}, {"tools": [Tool("f")], "tool_choice": "none"}])
    def test_calls_of_the_history_are_enough(self, options):
        turns = [user("?"), assistant(ToolCall(id="1", name="f", arguments={})), tool_result("1", "x"), user("!")]

        rendered = ask(turns, provider="bedrock", model="us.meta.llama4-scout-v1:0", stream=True, **options)

        assert "toolConfig" in rendered.body
        assert rendered.path.endswith("/converse")

    def test_it_is_learned_for_other_models(self):
        steps = open_stream(asked(tools=[Tool("f")], stream=True), NO_RETRY, 1 << 20)
        first = sent_of(steps)
        refused = json_answer({"message": "This model doesn't support tool use in streaming mode."}, 400)

        assert first.request.url.endswith("/converse-stream")
        assert sent_of(steps, refused).request.url.endswith("/converse")


class TestLearning:
    @pytest.mark.parametrize(
        ("message", "options", "gone"),
        [
            ("doesn't support the temperature field. Remove temperature and try again.", {"temperature": 0.5}, "temp"),
            ("doesn't support the topP field. Remove topP and try again.", {"top_p": 0.5}, "topP"),
            ("doesn't support the stopSequences field. Remove stopSequences", {"stop": "x"}, "stopSequences"),
            ("doesn't support the toolConfig.toolChoice.any field.", {"tool_choice": "required"}, '"any"'),
            ("doesn't support the toolConfig.toolChoice.tool field.", {"tool_choice": "f"}, '"tool":'),
            ("doesn't support the image content block that you provided", {"messages": "image"}, '"image"'),
            ("doesn't support system messages. Try again without", {"messages": "system"}, '"system"'),
            ("doesn't support the outputConfig field.", {"response_format": CITY}, "outputConfig"),
            ("output_config.format: not available for this model", {"response_format": CITY}, "textForm"),
        ],
    )
    def test_a_refused_field_is_left_out_at_once(self, message, options, gone):
        pictures = [user("See:", Image.base64("image/png", "iVBORw0KGgo="))]
        given = {"image": pictures, "system": [{"role": "system", "content": "Be terse."}, user("Hi")]}
        options = {**options, "messages": given.get(options.get("messages", ""), "Hi")}
        if "tool_choice" in options:
            options["tools"] = [Tool("f"), Tool("g")]
        rendered = asked(**{"model": "x.y", **options})
        steps = chat(rendered, NO_RETRY)
        sent: Any = sent_of(steps)

        assert gone.encode() in sent.request.content
        sent = sent_of(steps, HttpResponse(400, {}, json_answer({"message": f"This model {message}"}).content))
        assert gone.encode() not in sent.request.content
        assert "learned" in [note.action for note in rendered.adaptations]

    @pytest.mark.parametrize(
        "message",
        ["This model doesn't support the s3Uri field. Remove s3Uri and try again.", "Something else is wrong"],
    )
    def test_what_cannot_be_left_out_is_told(self, message):
        steps = chat(asked(), NO_RETRY)
        sent_of(steps)

        with pytest.raises(BadRequestError):
            steps.send(json_answer({"message": message}, 400))

    def test_claude_tells_how_it_thinks(self):
        protocol = Converse()
        refusal = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'

        learned = protocol.learn(protocol.parse_error({"message": refusal}), 400)

        assert learned is not None
        assert learned[0] == Converse(thinking="adaptive")
        assert learned[0].learn(protocol.parse_error({"message": refusal}), 400) is None

    def test_nothing_is_learned_twice(self):
        protocol = Converse(unsupported=frozenset({"temperature"}))
        refusal = protocol.parse_error({"message": "This model doesn't support the temperature field."})

        assert protocol.learn(refusal, 400) is None


def endpoint() -> Endpoint:
    return Endpoint(find("bedrock"), "http://127.0.0.1:1", KEY)


def sent_of(steps: Any, response: HttpResponse | None = None) -> Send:
    """The next request, with what comes before it done."""
    step = next(steps) if response is None else steps.send(response)
    while isinstance(step, Call):
        step = steps.send(step.function())
    assert isinstance(step, Send)
    return step


class TestIds:
    def test_mistral_takes_nine_letters_and_digits(self):
        calls = [ToolCall(id=call_id, name="f", arguments={}) for call_id in ("a", "tooluse_x-1", "abcdefgh1")]
        results = [tool_result(call.id, "r") for call in calls]

        body = ask([user("?"), assistant(*calls), *results], provider="bedrock", model="us.mistral.x-v1:0").body

        sent = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
        answered = [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
        assert sent == answered
        assert len(set(sent)) == 3
        assert all(len(call_id) == 9 and call_id.isalnum() for call_id in sent)
        assert sent[2] == "abcdefgh1"


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind", "message", "expected", "retryable"),
        [
            (400, "ValidationException", "The provided model identifier is invalid.", ModelNotFoundError, False),
            (400, "ValidationException", "Malformed input request", BadRequestError, False),
            (400, "ValidationException", "Input is too long for requested model.", ContextLengthError, False),
            (400, "ValidationException", "Input Tokens Exceeded: 300000", ContextLengthError, False),
            (400, "ValidationException", "prompt is too long: 2 > 1", ContextLengthError, False),
            (400, "ServiceQuotaExceededException", "quota", InsufficientBalanceError, False),
            (403, "AccessDeniedException", "You don't have access to the model", PermissionDeniedError, False),
            (403, "AccessDeniedException", "Authentication failed: Please make sure", AuthenticationError, False),
            (403, "UnrecognizedClientException", "The security token included…", AuthenticationError, False),
            (403, "ExpiredTokenException", "expired", AuthenticationError, False),
            (403, "InvalidSignatureException", "Signature expired", AuthenticationError, False),
            (403, "MissingAuthenticationTokenException", "Missing", AuthenticationError, False),
            (404, "ResourceNotFoundException", "Could not resolve the foundation model", ModelNotFoundError, False),
            (408, "ModelTimeoutException", "slow", ServerError, True),
            (424, "ModelErrorException", "failed", ServerError, True),
            (429, "ThrottlingException", "Too many requests", RateLimitError, True),
            (429, "ModelNotReadyException", "cold", RateLimitError, True),
            (500, "InternalServerException", "oops", ServerError, True),
            (503, "ServiceUnavailableException", "busy", ServerError, True),
        ],
    )
    def test_the_header_names_the_class(self, status, kind, message, expected, retryable):
        headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}

        with pytest.raises(APIError) as raised:
            whole({"message": message}, asked(), status=status, headers=headers)

        assert type(raised.value) is expected
        assert (raised.value.status, raised.value.code, raised.value.retryable) == (status, kind, retryable)
        assert raised.value.message.startswith(message)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "ExpiredTokenException; renew"),
            (b" ", "ExpiredTokenException; renew"),
            (b"Forbidden", "Forbidden"),
            (b"<html>no</html>", "<html>no</html>"),
            (b'"no"', "no"),
        ],
    )
    def test_the_header_counts_without_a_body_that_can_be_read(self, body, message):
        headers = {"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/coral/"}

        with pytest.raises(AuthenticationError) as raised:
            whole(body, asked(), status=403, headers=headers)

        assert raised.value.code == "ExpiredTokenException"
        assert raised.value.message.startswith(message)

    @pytest.mark.parametrize("body", [{"Message": "Too many"}, {"__type": "com.amazon#ThrottlingException"}])
    def test_the_body_may_name_it_or_write_it_otherwise(self, body):
        with pytest.raises(RateLimitError):
            whole(body, asked(), status=429)

    def test_without_a_header_the_message_counts(self):
        with pytest.raises(AuthenticationError):
            whole({"message": "The security token included in the request is invalid."}, asked(), status=403)
        with pytest.raises(PermissionDeniedError):
            whole({"message": "User is not authorized to perform this"}, asked(), status=403)

    def test_a_profile_is_recommended_where_one_is_needed(self):
        text = "Invocation of model ID x with on-demand throughput isn\u2019t supported. Use an inference profile."

        with pytest.raises(BadRequestError, match=r'put "us\."'):
            whole({"message": text}, asked(), status=400, headers={"x-amzn-errortype": "ValidationException"})

    @pytest.mark.parametrize("provider", ["bedrock", "anthropic_bedrock", "anthropic", "anthropic_vertex"])
    @pytest.mark.parametrize(
        "text",
        [
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            "A conversation must end with a user message. Try again with a conversation that ends with one.",
            "The model that you are using requires the last turn in the conversation to be a user message.",
        ],
    )
    def test_an_answer_that_was_begun_is_not_continued_by_every_model(self, provider, text):
        rendered = ask([user("Hi"), assistant("{")], provider=provider, model="claude-sonnet-4-6")
        assert rendered.body["messages"][-1]["role"] == "assistant", "older models and Nova go on from there"

        with pytest.raises(BadRequestError, match="End messages with a user turn"):
            whole({"message": text}, rendered, status=400)


class TestModels:
    SUMMARY = {
        "modelId": "amazon.nova-lite-v1:0",
        "modelName": "Nova Lite",
        "providerName": "Amazon",
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
    }

    def test_models_come_first_and_profiles_behind(self):
        aws = Endpoint(find("bedrock"), "https://bedrock-runtime.eu-west-1.amazonaws.com", KEY)
        profiles = {"inferenceProfileSummaries": [{"inferenceProfileId": "eu.a.b", "inferenceProfileName": "B"}]}
        pages = [{"modelSummaries": [self.SUMMARY]}, {**profiles, "nextToken": "a+b/c="}, profiles]
        steps, urls = list_models(aws, NO_RETRY), []
        models: list[Any] = []
        step: Any = sent_of(steps)
        for page in pages:
            urls.append((step.request.method, step.request.url))
            try:
                step = sent_of(steps, json_answer(page))
            except StopIteration as stopped:
                models = stopped.value

        host = "https://bedrock.eu-west-1.amazonaws.com"
        query = "inference-profiles?maxResults=1000&type=SYSTEM_DEFINED"
        assert urls == [
            ("GET", f"{host}/foundation-models"),
            ("GET", f"{host}/{query}"),
            ("GET", f"{host}/{query}&nextToken=a%2Bb%2Fc%3D"),
        ]
        assert [model.id for model in models] == ["amazon.nova-lite-v1:0", "eu.a.b", "eu.a.b"]
        assert (models[0].name, models[0].owner) == ("Nova Lite", "Amazon")
        assert models[0].capabilities == ["text_input", "image_input", "text_output", "streaming"]

    def test_another_address_does_not_say_where_models_are_listed(self):
        steps = list_models(endpoint(), NO_RETRY)
        step: Any = next(steps)

        with pytest.raises(UnsupportedError, match="leave out base_url"):
            step.function()

    def test_a_list_of_another_shape_cannot_be_read(self):
        with pytest.raises(ParseError, match="modelSummaries"):
            Converse().parse_models({"models": []})

    @pytest.mark.parametrize(
        ("model", "name"),
        [
            ("us.anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6"),
            ("us-gov.anthropic.claude-3-5-sonnet", "anthropic.claude-3-5-sonnet"),
            ("zai.glm-4.7", "zai.glm-4.7"),
            ("minimax.minimax-m2.1", "minimax.minimax-m2.1"),
            ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None),
        ],
    )
    def test_the_model_behind_a_name(self, model, name):
        assert foundation_model(model) == name

    def test_families_are_known_by_name(self):
        def thinks(model: str) -> str:
            return family_of(model).thinking

        assert thinks("global.anthropic.claude-opus-5-5") == "claude"
        assert thinks("us.amazon.nova-2-lite-v1:0") == "reasoningConfig"
        assert thinks("us.amazon.nova-lite-v1:0") == ""
        assert thinks("us.deepseek.r1-v1:0") == "always"
        assert family_of("deepseek.v3-v1:0").json_schema
        assert family_of("mistral.mistral-7b-instruct-v0:2").system is False
        assert family_of("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc").hidden
        assert not family_of("qwen.qwen3-32b-v1:0").hidden


class TestCounting:
    def test_what_makes_up_the_prompt_is_counted(self):
        request = ChatRequest.of("Hi", {"model": CLAUDE, "tools": [Tool("f")]})
        steps = count_tokens(endpoint(), request, NO_RETRY)
        sent = sent_of(steps)

        assert sent.request.url.endswith("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens")
        assert b'"messages"' in sent.request.content
        assert b'"toolConfig"' in sent.request.content
        with pytest.raises(StopIteration) as stopped:
            steps.send(json_answer({"inputTokens": 18}))
        assert stopped.value.value == 18

    def test_settings_are_no_part_of_it(self):
        request = ChatRequest.of("Hi", {"model": CLAUDE, "max_tokens": 5, "metadata": {"a": "b"}})

        assert Converse().render_count(request)["input"]["converse"].keys() == {"messages"}

    def test_a_hidden_model_cannot_be_counted_for(self):
        with pytest.raises(ConfigurationError, match="does not say which model"):
            Converse().count_path("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc")

    def test_an_answer_without_a_number_cannot_be_read(self):
        with pytest.raises(ParseError, match="inputTokens"):
            Converse().parse_count({"tokens": 1})


class TestEmbeddings:
    def test_cohere_takes_many_texts(self):
        steps = embed(endpoint(), ["a", "b"], "cohere.embed-v4:0", NO_RETRY)
        vectors = {"embeddings": {"float": [[1.0], [2.0]]}, "response_type": "embeddings_by_type"}

        assert finished(steps, json_answer(vectors)).vectors == [[1.0], [2.0]]
        assert Converse().parse_embed({"embeddings": [[1.0]]}).vectors == [[1.0]]
        assert Converse().render_embed(["a"], "us.cohere.embed-v4:0")["texts"] == ["a"]
        assert Converse().embed_path("cohere.embed-v4:0") == "model/cohere.embed-v4%3A0/invoke"

    def test_titan_takes_one(self):
        titan = "amazon.titan-embed-text-v2:0"
        steps = embed(endpoint(), ["a"], titan, NO_RETRY)

        found = finished(steps, json_answer({"embedding": [0.5], "inputTextTokenCount": 3}))

        assert (found.vectors, found.usage.input_tokens) == ([[0.5]], 3)
        with pytest.raises(UnsupportedError, match="one text per request"):
            Converse().render_embed(["a", "b"], titan)

    def test_others_are_not_known(self):
        with pytest.raises(UnsupportedError, match="Titan or Cohere"):
            Converse().render_embed(["a"], "twelvelabs.marengo")
        with pytest.raises(ParseError, match="no vectors"):
            Converse().parse_embed({"message": "?"})


class TestPaths:
    @pytest.mark.parametrize(
        ("model", "segment"),
        [
            ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
            ("zai.glm-4.7", "zai.glm-4.7"),
            (
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f",
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fmi1dadi0g15f",
            ),
        ],
    )
    def test_a_model_is_one_segment(self, model, segment):
        assert Converse().chat_path(model, stream=False) == f"model/{segment}/converse"
        assert Converse().chat_path(model, stream=True) == f"model/{segment}/converse-stream"

    @pytest.mark.parametrize("model", ["", ".", ".."])
    def test_a_name_that_leads_elsewhere_is_refused(self, model):
        with pytest.raises(ConfigurationError):
            Converse().chat_path(model, stream=False)


def test_a_throttled_request_is_sent_again():
    steps = chat(asked(), Retry(retries=1))
    sent_of(steps)

    wait: Any = steps.send(HttpResponse(429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message":"slow down"}'))

    assert wait.seconds >= 0
    assert isinstance(sent_of(steps, None), Send)
