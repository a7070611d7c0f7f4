"""Tencent Cloud's wire format: what it reads, what it asks for besides chat, and what its errors mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import LlmClient
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    UnsupportedError,
)
from llm_connector.operations import count_tokens, embed
from llm_connector.protocols.tencent import TencentChat
from llm_connector.types import ChatRequest, Image, Reasoning, Tool, ToolCall, assistant, system, tool_result, user
from tests.support.answers import NO_RETRY, ask, endpoint, finished, json_answer, sse, streamed, whole

ROW = "tencent_native"
USAGE = {
    "PromptTokens": 12,
    "CompletionTokens": 5,
    "TotalTokens": 17,
    "PromptTokensDetails": {"CachedTokens": "4"},  # its own types call this one a string
}
NOTE = "written by a machine"


def answer(finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"Index": 0, "FinishReason": finish, "Message": {"Role": "assistant", **message}}
    head = {"RequestId": "req-1", "Note": NOTE, "Id": "req-1", "Created": 1790000000, "ErrorMsg": None}
    return {"Response": {**head, "Choices": [choice], "Usage": USAGE}}


def event(finish: str = "", usage: Any = None, **delta: Any) -> dict[str, Any]:
    choice = {"Index": 0, "Delta": {"Role": "assistant", **delta}, "FinishReason": finish}
    return {"Note": NOTE, "Choices": [choice], "Created": 1790000000, "Id": "req-1", "Usage": usage}


def call(call_id: str, arguments: str, name: str = "weather", index: int = 0) -> dict[str, Any]:
    return {"Id": call_id, "Type": "function", "Index": index, "Function": {"Name": name, "Arguments": arguments}}


def refusal(code: str, message: str = "no") -> dict[str, Any]:
    return {"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "req-9"}}


def asked(**options: Any) -> Any:
    return ask(provider=ROW, **options)


def test_a_whole_answer_is_read_out_of_its_envelope():
    body = answer(Content="Cold.", ReasoningContent="Oslo, in winter.")

    response = whole(body, asked())

    assert (response.text, response.reasoning) == ("Cold.", "Oslo, in winter.")
    assert (response.finish_reason, response.finish_reason_raw) == ("stop", "stop")
    assert (response.id, response.request_id, response.created) == ("req-1", "req-1", 1790000000)
    assert response.usage.model_dump() == {
        "input_tokens": 12,
        "output_tokens": 5,
        "total_tokens": 17,
        "cached_tokens": 4,
        "cache_write_tokens": None,
        "reasoning_tokens": None,
        "details": USAGE,
    }
    assert response.extra == {"note": NOTE}
    assert response.raw == body["Response"]
    assert [part.provider for part in response.message.parts if isinstance(part, Reasoning)] == [ROW]


def test_a_stream_comes_without_the_envelope_and_ends_without_a_marker():
    events = [
        event(usage={"PromptTokens": 12, "CompletionTokens": 1}, ReasoningContent="Oslo, "),
        event(usage={"PromptTokens": 12, "CompletionTokens": 2}, ReasoningContent="in winter."),
        event(usage={"PromptTokens": 12, "CompletionTokens": 4}, Content="Cold."),
        event("stop", USAGE, Content=""),
    ]

    reading = streamed(sse(*events), asked(stream=True))

    assert reading.answer.model_dump(exclude={"raw", "headers"}) == whole(
        answer(Content="Cold.", ReasoningContent="Oslo, in winter."), asked()
    ).model_dump(exclude={"raw", "headers"})
    assert [chunk.usage for chunk in reading.chunks if chunk.usage] == [reading.answer.usage], "the last one counts"
    assert "Choices" not in reading.answer.raw


def test_the_id_of_a_request_may_be_in_a_header_alone():
    body = answer(Content="Hi")
    for name in ("RequestId", "Id"):
        del body["Response"][name]

    assert whole(body, asked(), headers={"x-tc-requestid": "req-7"}).request_id == "req-7"


def test_calls_are_joined_by_their_ids():
    events = [
        event(Content="", ToolCalls=[call("call_a", "")]),
        event(Content="", ToolCalls=[call("call_a", '{"City":', name="")]),
        event(Content="", ToolCalls=[call("call_b", '{"City":"Rome"}', index=1)]),
        event(Content="", ToolCalls=[call("call_a", ' "Oslo"}', name="")]),
        event("tool_calls", USAGE, Content=""),
    ]

    response = streamed(sse(*events), asked(stream=True, tools=[Tool("weather")])).answer

    assert [(item.id, item.name, item.arguments) for item in response.tool_calls] == [
        ("call_a", "weather", {"City": "Oslo"}),  # the keys of arguments are the tool's, not the wire's
        ("call_b", "weather", {"City": "Rome"}),
    ]
    assert response.finish_reason == "tool_calls"


def test_calls_come_back_under_the_names_of_the_caller():
    rendered = asked(tools=[Tool("time.now")])
    assert rendered.body["Tools"][0]["Function"]["Name"] == "time_now"

    response = whole(answer("tool_calls", Content="", ToolCalls=[call("call_1", "", name="time_now")]), rendered)

    assert [(item.name, item.arguments) for item in response.tool_calls] == [("time.now", {})]


def test_what_was_found_in_the_web_is_cited():
    found = {"SearchResults": [{"Index": 1, "Title": "Yr", "Url": "https://yr.test", "Text": "Yr", "Icon": None}]}
    body = answer(Content="Cold [1](@ref).")
    body["Response"] |= {"SearchInfo": found, "ModerationLevel": "0", "RecommendedQuestions": ["And Rome?"]}

    response = whole(body, asked())

    assert response.citations == [{"index": 1, "title": "Yr", "url": "https://yr.test", "text": "Yr"}]
    assert response.extra == {
        "note": NOTE,
        "search_info": found,
        "moderation_level": "0",
        "recommended_questions": ["And Rome?"],
    }


def test_moderation_ends_an_answer():
    reading = streamed(sse(event(Content="So "), event("sensitive", Content="")), asked(stream=True))

    assert reading.answer.finish_reason == "content_filter"


@pytest.mark.parametrize("events", [[], [event(Content="Hel"), event(Content="lo")]])
def test_a_stream_without_a_finish_reason_is_cut(events):
    reading = streamed(sse(*events), asked(stream=True))

    assert isinstance(reading.error, StreamError)
    assert reading.partial.text == "Hello"[: 5 * len(events)]


def test_a_marker_of_a_gateway_is_taken_as_the_end():
    assert streamed(sse(event(Content="Hi"), done=True), asked(stream=True)).answer.text == "Hi"


@pytest.mark.parametrize(("code", "message"), [(4000, "internal"), (4001, "the model took too long")])
def test_an_error_inside_a_stream_keeps_what_had_arrived(code, message):
    failed = {**event(), "ErrorMsg": {"Msg": message, "Code": code}}

    reading = streamed(sse(event(Content="So "), failed), asked(stream=True))

    assert isinstance(reading.error, ServerError)
    assert isinstance(reading.error, StreamError)
    assert (reading.error.message, reading.error.code) == (message, str(code))
    assert reading.error.retryable
    assert reading.partial.text == reading.text == "So "


def test_a_refusal_instead_of_a_stream_is_read_as_one():
    body = json.dumps(refusal("AuthFailure.SignatureFailure", "The signature is wrong.")).encode()

    reading = streamed(body, asked(stream=True))

    assert isinstance(reading.error, AuthenticationError)
    assert (reading.error.status, reading.error.request_id) == (200, "req-9")


ERRORS: dict[str, tuple[type[APIError], bool]] = {
    "AuthFailure.SignatureFailure": (AuthenticationError, False),
    "AuthFailure.SecretIdNotFound": (AuthenticationError, False),
    "AuthFailure.UnauthorizedOperation": (PermissionDeniedError, False),
    "FailedOperation": (ServerError, True),
    "FailedOperation.EngineRequestTimeout": (ServerError, True),
    "FailedOperation.EngineServerLimitExceeded": (RateLimitError, True),
    "FailedOperation.FreeResourcePackExhausted": (InsufficientBalanceError, False),
    "FailedOperation.ServiceNotActivated": (PermissionDeniedError, False),
    "FailedOperation.ServiceStopArrears": (InsufficientBalanceError, False),
    "FailedOperation.UserUnAuthError": (PermissionDeniedError, False),
    "InternalError": (ServerError, True),
    "InvalidParameterValue.ParameterValueError": (BadRequestError, False),
    "InvalidParameterValue.Model": (ModelNotFoundError, False),
    "LimitExceeded": (RateLimitError, True),
    "RequestLimitExceeded.UinLimitExceeded": (RateLimitError, True),
    "OperationDenied.TextIllegalDetected": (ContentFilterError, False),
    "ResourceInsufficient.ChargeResourceExhaust": (InsufficientBalanceError, False),
    "ResourceNotFound": (NotFoundError, False),
    "ResourceUnavailable.LowBalance": (InsufficientBalanceError, False),
    "UnknownParameter": (BadRequestError, False),
    "Unheard.Of": (APIError, False),
}


@pytest.mark.parametrize("code", ERRORS)
def test_errors_come_with_status_200_and_are_told_apart_by_their_codes(code):
    kind, retryable = ERRORS[code]

    with pytest.raises(APIError) as raised:
        whole(refusal(code, "why"), asked())

    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.request_id) == (code, "req-9")
    assert raised.value.retryable == retryable
    assert raised.value.message.startswith("why")


@pytest.mark.parametrize(
    ("code", "remedy"), [("AuthFailure.SignatureExpire", "clock"), ("ActionOffline", "being retired")]
)
def test_some_errors_say_what_to_do(code, remedy):
    with pytest.raises(APIError, match=remedy):
        whole(refusal(code), asked())


def test_an_answer_without_choices_cannot_be_read():
    with pytest.raises(ParseError, match="no Choices"):
        whole({"Response": {"RequestId": "r", "Choices": []}}, asked())


def test_a_page_of_a_gateway_is_told_apart():
    with pytest.raises(ServerError):
        whole("<html>502</html>", asked(), status=502)


@pytest.mark.parametrize(
    ("inputs", "body"), [(["a"], {"Input": "a"}), (["a", "b"], {"InputList": ["a", "b"]})], ids=["one", "two"]
)
def test_texts_are_embedded_one_or_many(inputs, body):
    data = [{"Embedding": [float(number), 0.5], "Index": number, "Object": "embedding"} for number in range(2)]
    data = list(reversed(data[: len(inputs)]))
    response = json_answer({"Response": {"Data": data, "Usage": {"PromptTokens": 2, "TotalTokens": 2}}})

    embeddings = finished(embed(endpoint(ROW), inputs, "hunyuan-embedding", NO_RETRY), response)

    assert TencentChat().render_embed(inputs, "hunyuan-embedding") == body
    assert embeddings.vectors == [[0.0, 0.5], [1.0, 0.5]][: len(inputs)]
    assert embeddings.usage.input_tokens == embeddings.usage.total_tokens == 2


def test_vectors_that_all_claim_the_first_place_keep_their_order():
    data = [{"Embedding": [1.0], "Index": 0}, {"Embedding": [2.0], "Index": 0}]

    assert TencentChat().parse_embed({"Response": {"Data": data}}).vectors == [[1.0], [2.0]]


def test_too_many_texts_are_refused_before_they_are_sent():
    with pytest.raises(ConfigurationError, match="51 texts"):
        TencentChat().render_embed(["a"] * 51, "m")


def test_an_error_of_an_embedding_is_raised():
    with pytest.raises(InsufficientBalanceError):
        finished(embed(endpoint(ROW), ["a"], "m", NO_RETRY), json_answer(refusal("ResourceUnavailable.InArrears")))


def test_tokens_are_counted_of_all_text():
    clock = ToolCall(id="call_1", name="clock", arguments={"zone": "CET"})
    turns = [system("Be brief."), user("Hi"), assistant(clock), tool_result(clock, "noon")]
    request = ChatRequest.of(turns, {"model": "m", "tools": [Tool("clock", "The time")]})

    body = TencentChat().render_count(request)

    assert list(body) == ["Prompt"]
    for text in ("Be brief.", "Hi", '"zone":"CET"', "noon", "clock", "The time", '"properties"'):
        assert text in body["Prompt"]
    counted = json_answer({"Response": {"TokenCount": 9, "CharacterCount": 30, "Tokens": []}})
    assert finished(count_tokens(endpoint(ROW), request, NO_RETRY), counted) == 9
    with pytest.raises(ParseError, match="TokenCount"):
        TencentChat().parse_count({"Response": {}})


def test_the_tokens_of_pictures_are_not_counted():
    with pytest.raises(UnsupportedError, match="pictures"):
        TencentChat().render_count(ChatRequest.of([user("?", Image("https://x.test/a.png"))], {"model": "m"}))


def test_there_is_no_list_of_models():
    client = LlmClient(ROW, secret_id="AKIDx", secret_key="secret")

    with pytest.raises(UnsupportedError, match="models"):
        client.models()
    with pytest.raises(UnsupportedError, match="list models"):
        TencentChat().models_path(None)
    with pytest.raises(UnsupportedError, match="list models"):
        TencentChat().parse_models({})


@pytest.mark.parametrize(
    ("operation", "action"), [("chat", "ChatCompletions"), ("embed", "GetEmbedding"), ("count", "GetTokenCount")]
)
def test_actions_are_headers(operation, action):
    request = endpoint(ROW, protocol=TencentChat(region="ap-guangzhou")).request("", {}, operation=operation)

    assert request.headers["x-tc-action"] == action
    assert request.headers["x-tc-version"] == "2023-09-01"
    assert request.headers["x-tc-region"] == "ap-guangzhou"
    assert "x-tc-region" not in endpoint(ROW).request("", {}).headers


def test_secrets_and_region_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDfromenvironment")
    monkeypatch.setenv("HUNYUAN_SECRET_KEY", "key-from-environment")
    monkeypatch.setenv("TENCENTCLOUD_REGION", "ap-beijing")
    made = LlmClient(ROW, model="hunyuan-lite")._settings.endpoint

    request = made.request("", {}, operation="chat")

    assert "Credential=AKIDfromenvironment/" in request.headers["authorization"]
    assert request.headers["x-tc-region"] == "ap-beijing"
    assert request.url == "https://hunyuan.tencentcloudapi.com/"
    assert "key-from-environment" not in f"{made!r} {request!r} {request.headers}"
    assert made.redact("AKIDfromenvironment key-from-environment") == "[secret] [secret]"


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY"), ({"secret_id": "AKIDx"}, "no secret_key")],
)
def test_missing_secrets_are_named(given, named, monkeypatch):
    for name in ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "HUNYUAN_SECRET_ID", "HUNYUAN_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigurationError, match=named):
        LlmClient(ROW, **given)


def test_a_region_that_is_no_header_is_refused():
    with pytest.raises(ConfigurationError, match="ap-guangzhou"):
        LlmClient(ROW, secret_id="a", secret_key="b", region="a\nb")
