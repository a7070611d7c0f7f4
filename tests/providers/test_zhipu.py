"""Zhipu's rows: addresses, keys, its dialect, and what its codes mean."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_connector import LlmClient
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    LlmConnectorError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.operations import chat, rerank
from llm_connector.protocols import tool_calls
from llm_connector.providers import find
from llm_connector.types import Reasoning, Tool, assistant, tool_result, user
from llm_connector.wire import Send
from tests.support.answers import (
    NO_RETRY,
    ask,
    call_delta,
    completion,
    delta,
    endpoint,
    json_answer,
    outline,
    piece,
    sse,
    streamed,
    whole,
)
from tests.support.cuts import split_at
from tests.support.generated import completions
from tests.support.strategies import chat_requests

KEY = "0123456789abcdef.0123456789ABCDEF"
ROWS = ("zhipu", "zhipu_openai_compatible")


def asked(model: str = "glm-4.7", **options: Any) -> Any:
    return ask(provider="zhipu", model=model, **options)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    ("region", "url"),
    [
        (None, "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("cn", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("global", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("coding", "https://open.bigmodel.cn/api/coding/paas/v4/chat/completions"),
        ("coding_global", "https://api.z.ai/api/coding/paas/v4/chat/completions"),
    ],
)
def test_regions_have_addresses(region, url, row):
    client = LlmClient(row, api_key=KEY, region=region)

    assert client._settings.endpoint.request("chat/completions", {}).url == url


def test_an_unknown_region_is_refused_with_those_that_exist():
    with pytest.raises(ConfigurationError, match="'coding_global'"):
        LlmClient("zhipu", api_key=KEY, region="eu")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://open.bigmodel.cn", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("https://api.z.ai/", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("https://api.z.ai/api/coding/paas/v4", "https://api.z.ai/api/coding/paas/v4/chat/completions"),
        ("https://api.z.ai/api/paas/v4/chat/completions", "https://api.z.ai/api/paas/v4/chat/completions"),
    ],
)
def test_a_bare_host_gets_the_path_of_the_service(given, url):
    client = LlmClient("zhipu", api_key=KEY, base_url=given)

    assert client._settings.endpoint.request("chat/completions", {}).url == url


@pytest.mark.parametrize("name", ["ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY", "BIGMODEL_API_KEY"])
def test_keys_come_from_the_environment(name, monkeypatch):
    monkeypatch.setenv(name, KEY)

    request = LlmClient("zhipu")._settings.endpoint.request("models", method="GET")

    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_sent_as_it_is_unless_a_token_is_asked_for():
    plain = LlmClient("zhipu", api_key=KEY, auth="bearer")._settings.endpoint.request("chat/completions", {})
    signed = LlmClient("zhipu", api_key=KEY, auth="jwt")._settings.endpoint.request("chat/completions", {})

    assert plain.headers["authorization"] == f"Bearer {KEY}"
    assert signed.headers["authorization"].count(".") == 2
    assert KEY.partition(".")[2] not in signed.headers["authorization"]


def test_another_kind_of_authorisation_is_refused():
    with pytest.raises(ConfigurationError, match="'bearer' or 'jwt'"):
        LlmClient("zhipu", api_key=KEY, auth="basic")
    with pytest.raises(ConfigurationError, match="unknown argument 'auth'"):
        LlmClient("zhipu_openai_compatible", api_key=KEY, auth="jwt")


@pytest.mark.parametrize("region", ["coding", "coding_global"])
def test_coding_plans_get_all_thoughts_of_the_history(region):
    history = [user("Hi"), assistant(Reasoning("Greet.", field="reasoning_content"), "Hello"), user("?")]

    def sent(region: str) -> Any:
        client = LlmClient("zhipu", api_key=KEY, region=region, model="glm-4.7")
        return client._settings.call(history, {}, stream=False).rendered.body["messages"][1]

    assert sent(region) == {"role": "assistant", "content": "Hello", "reasoning_content": "Greet."}
    assert sent("cn") == {"role": "assistant", "content": "Hello"}


ERRORS: dict[str, tuple[int, type[APIError], bool]] = {
    "500": (500, ServerError, True),
    "1000": (401, AuthenticationError, False),
    "1003": (401, AuthenticationError, False),
    "1112": (429, PermissionDeniedError, False),
    "1113": (429, InsufficientBalanceError, False),
    "1120": (400, ServerError, True),
    "1210": (400, BadRequestError, False),
    "1211": (400, ModelNotFoundError, False),
    "1214": (400, BadRequestError, False),
    "1220": (403, PermissionDeniedError, False),
    "1222": (404, NotFoundError, False),
    "1230": (500, ServerError, True),
    "1261": (400, ContextLengthError, False),
    "1301": (400, ContentFilterError, False),
    "1302": (429, RateLimitError, True),
    "1304": (429, InsufficientBalanceError, False),
    "1305": (429, RateLimitError, True),
    "1308": (429, InsufficientBalanceError, False),
    "1309": (429, InsufficientBalanceError, False),
    "1311": (429, PermissionDeniedError, False),
    "1312": (429, RateLimitError, True),
    "1313": (429, PermissionDeniedError, False),
    "9999": (429, RateLimitError, True),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("code", ERRORS)
def test_a_code_says_more_than_the_status(code, row):
    status, kind, retryable = ERRORS[code]

    with pytest.raises(APIError) as raised:
        whole({"error": {"code": code, "message": "why"}}, ask(provider=row), status=status)

    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.code, raised.value.retryable) == (status, code, retryable)
    assert raised.value.message.startswith("why")


@pytest.mark.parametrize(
    ("code", "remedy"), [("1113", "region='coding'"), ("1004", "auth='bearer'"), ("1311", "model of the plan")]
)
def test_some_errors_say_what_to_do(code, remedy):
    with pytest.raises(APIError, match=remedy):
        whole({"error": {"code": code, "message": "why"}}, asked(), status=429)


def test_an_error_inside_a_stream_is_raised_with_what_had_arrived():
    body = sse(delta(role="assistant", content="So "), {"error": {"code": "1305", "message": "busy"}})

    reading = streamed(body, asked(stream=True))

    assert isinstance(reading.error, RateLimitError)
    assert isinstance(reading.error, StreamError)
    assert reading.error.retryable
    assert reading.partial.text == "So "


def test_the_id_of_the_request_is_the_answers():
    body = {**completion(content="Hi"), "request_id": "mine-1"}

    response = whole(body, asked())

    assert (response.id, response.request_id) == ("c1", "mine-1")
    assert "request_id" not in response.extra
    assert streamed(sse(delta("stop", content="Hi"), done=True), asked(stream=True)).answer.request_id == "c1"


def test_a_call_and_the_finish_reason_may_share_an_event():
    event = call_delta(piece('{"a":1}', "f", id="call_1", index=0, type="function"), finish="tool_calls")

    response = streamed(sse(event, done=True), asked(stream=True, tools=[Tool("f")])).answer

    assert [(call.id, call.arguments) for call in response.tool_calls] == [("call_1", {"a": 1})]
    assert response.finish_reason == "tool_calls"


SEARCH = [{"title": "Yr", "link": "https://yr.test", "content": "Cold.", "media": "Yr", "refer": "ref_1"}]


@pytest.mark.parametrize("first", [True, False])
def test_what_was_found_in_the_web_is_cited(first):
    found = {"id": "c1", "model": "m1", "web_search": SEARCH}
    text = delta("stop", role="assistant", content="Cold.")
    events = [found, text] if first else [text, found]

    response = streamed(sse(*events, done=True), asked(stream=True)).answer

    assert response.citations == [{"url": "https://yr.test", **SEARCH[0]}]
    assert whole({**completion(content="Cold."), "web_search": SEARCH}, asked()).citations == response.citations


@pytest.mark.parametrize("more", [{"role": "assistant"}, {}])
def test_calls_that_were_made_by_the_server_are_not_made_again(more):
    call = {"id": "mcp_1", "type": "mcp", "mcp": {"id": "mcp_1", "type": "mcp_call", "name": "look", "output": "ok"}}
    body = completion("stop", content="Done.", tool_calls=[call])
    event = delta(**more, tool_calls=[call])

    response = whole(body, asked())
    reading = streamed(sse(delta(content=""), event, delta("stop", content="Done."), done=True), asked(stream=True))

    for seen in (response, reading.answer):
        assert seen.tool_calls == []
        assert seen.finish_reason == "stop"
        assert seen.extra["mcp_calls"] == [call["mcp"]]
    assert reading.calls == []


@pytest.mark.parametrize("model", ["glm-4.7", "glm-4.5v"])
@given(answer=completions("zhipu"))
def test_a_streamed_answer_equals_the_whole_one(model, answer):
    assume(model != "glm-4.5v" or "<think>" not in str(answer.whole))  # it may be the thought of the field once more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool_calls, "made_up_id", lambda: "made-up")
        reading = streamed(answer.stream(), asked(model, stream=True))
        response = whole(answer.whole, asked(model))

    exclude = {"raw", "headers"}
    assert reading.answer.model_dump(exclude=exclude) == response.model_dump(exclude=exclude)
    assert reading.text == response.text


BOXED = "It is <|begin_of_box|>12 {a: <b>}<|end_of_box|>."


@pytest.mark.parametrize("model", ["glm-4.5v", "glm-4.1v-thinking-flash"])
def test_marks_of_boxes_are_taken_out_wherever_they_are_cut(model):
    expected = "It is 12 {a: <b>}."
    assert whole(completion(content=BOXED), asked(model)).text == expected
    for place in range(len(BOXED) + 1):
        events = [delta(content=text) for text in (BOXED[:place], BOXED[place:])]
        reading = streamed(sse(*events, delta("stop"), done=True), asked(model, stream=True))
        assert reading.text == reading.answer.text == expected
    letters = streamed(sse(*(delta(content=letter) for letter in BOXED), delta("stop")), asked(model, stream=True))
    assert letters.answer.text == expected


@pytest.mark.parametrize("text", ["a <", "a <|begin_of", "<|x|>"])
def test_what_only_looks_like_a_mark_stays(text):
    reading = streamed(sse(delta(content=text), delta("stop"), done=True), asked("glm-4.5v", stream=True))

    assert reading.text == reading.answer.text == whole(completion(content=text), asked("glm-4.5v")).text == text


def test_marks_of_boxes_are_text_for_other_models():
    assert whole(completion(content=BOXED), asked("glm-4.7")).text == BOXED


def test_a_stream_with_boxes_may_be_cut_anywhere():
    body = sse(delta(content=BOXED[:9]), delta(content=BOXED[9:]), delta("stop"), done=True)
    uncut = outline(streamed(body, asked("glm-4.5v", stream=True)))

    for place in range(len(body) + 1):
        assert outline(streamed(split_at(body, place), asked("glm-4.5v", stream=True))) == uncut


def test_thoughts_of_older_models_are_taken_out_of_the_text():
    response = whole(completion(content="<think>Hm.</think>\n\nHi"), asked("glm-z1-flash"))

    assert (response.text, response.reasoning) == ("Hi", "Hm.")


def test_documents_are_ranked():
    body = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}], "usage": {}}
    steps = rerank(endpoint("zhipu"), "q", ["a", "b"], "rerank", NO_RETRY, 2)

    sent = next(steps)
    assert isinstance(sent, Send)
    assert sent.request.url.endswith("/rerank")
    assert json.loads(sent.request.content) == {"model": "rerank", "query": "q", "documents": ["a", "b"], "top_n": 2}
    with pytest.raises(StopIteration) as done:
        steps.send(json_answer(body))
    assert [(item.index, item.score) for item in done.value.value] == [(1, 0.9), (0, 0.1)]


@pytest.mark.parametrize(
    ("message", "options", "lesson"),
    [
        ("tool_choice parameter is illegal", {"tools": [Tool("f")], "tool_choice": "f"}, "tool_choice is refused"),
        ("thinking.type disabled is not allowed; use low, high or max", {"reasoning": False}, "cannot be switched off"),
    ],
)
def test_refusals_teach(message, options, lesson):
    steps = chat(asked("glm-4.7", **options), NO_RETRY)
    first = next(steps)
    assert isinstance(first, Send)

    second = steps.send(json_answer({"error": {"code": "1210", "message": message}}, 400))

    assert isinstance(second, Send)
    body = json.loads(second.request.content)
    assert "tool_choice" not in body
    assert body.get("thinking") != {"type": "disabled"}
    with pytest.raises(StopIteration) as done:
        steps.send(json_answer(completion(content="Hi")))
    assert lesson in " ".join(item.detail for item in done.value.value.adaptations if item.action == "learned")


@pytest.mark.parametrize("count", [1, 2])
def test_one_answer_ends_a_request_for_several(count):
    rendered = asked(stream=True, n=count)

    assert "n" not in rendered.body
    assert streamed(sse(delta("stop", content="Hi")), rendered).answer.text == "Hi"


@given(request=chat_requests(), model=st.sampled_from(["glm-4-flash", "glm-4.5v", "glm-4.7", "glm-5.2", "glm-5.3"]))
def test_the_official_client_knows_every_field(request, model):
    theirs: Any = importlib.import_module("zai.api_resource.chat.completions")
    known = set(inspect.signature(theirs.Completions.create).parameters) | {"stream_options"}
    request.model = model
    try:
        body = find("zhipu").protocol.render_chat(request, stream=True)
    except LlmConnectorError:
        return
    assert set(body) <= known
    assert body.get("tool_choice") != "none"
    assert 0 <= body.get("temperature", 1) <= 1


def test_results_of_tools_follow_their_calls():
    first = whole(
        completion("tool_calls", content="", tool_calls=[piece("{}", "f", id="c1", type="function")]), asked()
    )

    body = asked(messages=[user("?"), first.message, tool_result(first.tool_calls[0], "ok")]).body

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool"]
    assert body["messages"][2]["tool_call_id"] == "c1"
