"""Generators stepped by hand: no sockets, no clock, no waiting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InsufficientBalanceError,
    LlmConnectorError,
    ModelNotFoundError,
    NotFoundError,
    ParseError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TransportError,
    UnsupportedError,
)
from llm_connector.operations import chat, count_tokens, embed, list_models, open_stream, render, rerank
from llm_connector.protocols import ChatCompletions
from llm_connector.providers import CHAT_AND_TOOLS, Endpoint, find
from llm_connector.retry import LONGEST_WAIT, Retry
from llm_connector.types import ChatRequest, RankedDocument
from llm_connector.wire import Call, HttpRequest, HttpResponse, Read, Send, Sleep
from tests.support.answers import completion, delta, json_answer, sse

KEY = "sk-planted-0123456789abcdef"
BASE = "http://127.0.0.1:1/v1"
OK = json_answer(completion(content="Hello"))


@dataclass
class Trace:
    """What an operation did: the requests it sent, the seconds it waited, its result or its error."""

    sent: list[HttpRequest] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    streamed: list[bool] = field(default_factory=list)
    result: Any = None
    error: BaseException | None = None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.sent]

    def failed(self, kind: type[LlmConnectorError]) -> Any:
        assert type(self.error) is kind, repr(self.error)
        return self.error


def drive(steps: Any, *answers: HttpResponse | BaseException) -> Trace:
    """Step an operation to its end with these answers, all of which it must use."""
    left = list(answers)
    trace = Trace()
    outcome: Any = None
    failure: LlmConnectorError | None = None
    try:
        while True:
            step = steps.throw(failure) if failure is not None else steps.send(outcome)
            outcome = failure = None
            if isinstance(step, Sleep):
                trace.waits.append(step.seconds)
            elif isinstance(step, Call):
                outcome = step.function()
            elif isinstance(step, Read):
                outcome = sse({"id": "1", "model": "m", "choices": []}, done=False)
            else:
                assert isinstance(step, Send)
                trace.sent.append(step.request)
                trace.streamed.append(step.stream)
                assert left, f"an answer too few for {step}"
                answer = left.pop(0)
                outcome, failure = (None, answer) if isinstance(answer, LlmConnectorError) else (answer, None)
    except StopIteration as stop:
        trace.result = stop.value
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001  what it raises is what is tested
        trace.error = error
    assert not left, f"not asked for: {left}"
    return trace


def at(provider: str = "openai_compatible", **changes: Any) -> Endpoint:
    return replace(Endpoint(find(provider), BASE, KEY), **changes)


def ask(
    *answers: HttpResponse | BaseException,
    endpoint: Endpoint | None = None,
    retries: int = 2,
    stream: bool = False,
    strict: bool = False,
    **options: Any,
) -> Trace:
    """Drive one chat."""
    request = ChatRequest.of("Hi", {"model": "m", **options})
    rendered = render(endpoint or at(), request, stream=stream, strict=strict)
    retry = Retry(retries, jitter=lambda: 0.0)
    steps = open_stream(rendered, retry, 1 << 20) if stream else chat(rendered, retry)
    return drive(steps, *answers)


def refusal(status: int, message: str = "no", headers: Mapping[str, str] | None = None, **fields: Any) -> HttpResponse:
    return json_answer({"error": {"message": message, **fields}}, status, headers)


# what is sent


def test_one_request_is_sent_and_its_answer_returned():
    trace = ask(OK)

    (request,) = trace.sent
    assert (request.method, request.url) == ("POST", f"{BASE}/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert trace.result.text == "Hello"
    assert trace.streamed == [False]
    assert trace.waits == []


def test_extra_body_and_headers_are_merged_last():
    trace = ask(OK, temperature=0.5, extra_body={"temperature": 1, "custom": [1]}, extra_headers={"X-Trace": "t1"})

    assert trace.bodies[0]["temperature"] == 1
    assert trace.bodies[0]["custom"] == [1]
    assert trace.sent[0].headers["x-trace"] == "t1"


def test_nothing_happens_before_the_first_step():
    def key() -> str:
        raise AssertionError("asked for a key too early")

    rendered = render(at(api_key=key), ChatRequest.of("Hi", {"model": "m"}), stream=True)

    open_stream(rendered, Retry(), 1).close()


def test_a_stream_is_handed_over_open():
    body = object()
    trace = ask(HttpResponse(200, {"x-request-id": "r1"}, source=body), stream=True)

    assert trace.streamed == [True]
    assert trace.result.source is body
    assert [chunk.text for chunk in trace.result.decoder.feed(sse(delta(content="Hel")))][-1] == "Hel"


# retries


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize(
    ("failures", "waits"),
    [
        ([refusal(503)], [0.5]),
        ([refusal(429)], [0.5]),
        ([refusal(500), refusal(502)], [0.5, 1.0]),
        ([refusal(408)], [0.5]),
        ([refusal(409)], [0.5]),
        ([refusal(529, type="overloaded_error")], [0.5]),
        ([refusal(520)], [0.5]),
        ([TransportError("reset")], [0.5]),
        ([TimeoutError("silent")], [0.5]),
        ([TransportError("reset"), refusal(503)], [0.5, 1.0]),
        ([refusal(429, headers={"retry-after": "3"})], [3.0]),
        ([refusal(429, headers={"retry-after": "0"})], [0.5]),
        ([refusal(429, headers={"retry-after": "0.1"})], [0.5]),
        ([refusal(429, headers={"retry-after-ms": "2500"})], [2.5]),
        ([refusal(429, headers={"retry-after": "-7"})], [0.5]),
        ([refusal(429, headers={"retry-after": "nan"})], [0.5]),
        ([refusal(503, headers={"retry-after": "1"}), refusal(503)], [1.0, 1.0]),
        ([refusal(418, headers={"x-should-retry": "true"})], [0.5]),
    ],
)
def test_what_may_pass_is_tried_again(failures, waits, stream):
    trace = ask(*failures, HttpResponse(200, source=object()) if stream else OK, stream=stream)

    assert trace.error is None
    assert trace.waits == waits
    assert len({request.content for request in trace.sent}) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400), BadRequestError),
        (refusal(401), AuthenticationError),
        (refusal(404), NotFoundError),
        (refusal(404, code="model_not_found"), ModelNotFoundError),
        (refusal(422), BadRequestError),
        (refusal(418), APIError),
        (refusal(501), ServerError),
        (refusal(402), InsufficientBalanceError),
        (refusal(429, code="insufficient_quota"), InsufficientBalanceError),
        (refusal(429, "You exceeded your current quota, check your plan"), InsufficientBalanceError),
        (refusal(429, code="insufficient_quota", headers={"x-should-retry": "true"}), InsufficientBalanceError),
        (refusal(503, headers={"x-should-retry": "false"}), ServerError),
        (refusal(429, headers={"x-should-retry": "false"}), RateLimitError),
        (refusal(429, headers={"retry-after": str(LONGEST_WAIT + 1)}), RateLimitError),
        (refusal(429, headers={"retry-after": "99999999999"}), RateLimitError),
        (refusal(429, headers={"retry-after": "Wed, 21 Oct 2999 07:28:00 GMT"}), RateLimitError),
        (ConfigurationError("closed"), ConfigurationError),
    ],
)
def test_what_will_not_pass_is_raised_at_once(answer, kind, stream):
    trace = ask(answer, stream=stream)

    assert trace.failed(kind).provider == "openai_compatible"
    assert trace.waits == []


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_a_connection_that_was_stale_is_replaced_without_a_wait(stream):
    stale = TransportError("reset")
    stale.stale = True

    trace = ask(stale, stale, HttpResponse(200, source=object()) if stream else OK, stream=stream)

    assert trace.error is None
    assert trace.waits == [0.0, 1.0]
    assert ask(stale, retries=0).failed(TransportError) is stale


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_counted_after_the_first_attempt(retries):
    trace = ask(*[refusal(503)] * (retries + 1), retries=retries)

    assert trace.failed(ServerError).status == 503
    assert trace.waits == [0.5, 1.0, 2.0][:retries]


def test_a_wait_that_is_too_long_is_left_to_the_caller():
    error = ask(refusal(429, headers={"retry-after": "900"})).failed(RateLimitError)

    assert error.retry_after == 900.0
    assert error.retryable


def test_when_no_time_is_left_to_wait_the_refusal_is_raised_rather_than_the_clock():
    steps = chat(render(at(), ChatRequest.of("Hi", {"model": "m"}), stream=False), Retry())
    next(steps)
    assert isinstance(steps.send(refusal(429, "slow down", {"retry-after": "60"})), Sleep)

    with pytest.raises(RateLimitError, match="slow down"):
        steps.throw(TimeoutError("the call takes longer than its total limit of 1 s"))


def test_a_whole_answer_without_content_is_a_hiccup_worth_a_retry():
    trace = ask(json_answer({"id": "x", "choices": []}), OK)

    assert trace.result.text == "Hello"
    assert ask(*[json_answer({"id": "x", "choices": []})] * 3).failed(ParseError).provider == "openai_compatible"


def test_an_overload_inside_a_success_is_tried_again():
    overloaded = json_answer({"error": {"message": "busy", "type": "overloaded_error"}})

    assert ask(overloaded, OK).result.text == "Hello"


def test_an_open_stream_never_retries():
    opened = ask(HttpResponse(200, source=object()), stream=True).result

    chunks = opened.decoder.feed(sse(delta(content="Hel"), {"error": {"message": "busy", "type": "overloaded_error"}}))
    with pytest.raises(ServerError) as failed:
        for _ in chunks:
            pass

    assert isinstance(failed.value, StreamError)
    assert failed.value.partial is not None
    assert failed.value.partial.text == "Hel"


# redirects


def moved(status: int, location: str) -> HttpResponse:
    return HttpResponse(status, {"location": location})


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/chat/completions", "http://127.0.0.1:1/v2/chat/completions"),
        ("http://127.0.0.1:1/else", "http://127.0.0.1:1/else"),
        ("HTTP://127.0.0.1:1/else", "http://127.0.0.1:1/else"),
        ("//127.0.0.1:1/else", "http://127.0.0.1:1/else"),
        ("other", f"{BASE}/chat/other"),
        ("?retry=1", f"{BASE}/chat/completions?retry=1"),
    ],
)
def test_a_redirect_on_the_same_origin_is_followed_with_everything(status, location, target):
    trace = ask(moved(status, location), OK, temperature=0.5)

    first, second = trace.sent
    assert second == replace(first, url=second.url)
    assert second.url.lower() == target
    assert trace.result.text == "Hello"


def test_the_default_port_is_the_same_origin():
    endpoint = at(base_url="http://example.test/v1")

    assert ask(moved(307, "http://example.test:80/v2"), OK, endpoint=endpoint).result.text == "Hello"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:2/v1",
        "https://127.0.0.1:1/v1",
        "http://127.0.0.1.evil.test/v1",
        "http://127.0.0.1:1@evil.test/v1",
        "//evil.test/v1",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://[::1",
        "http://127.0.0.1:99999999/",
        "http://127.0.0.1:one/",
    ],
)
def test_a_redirect_elsewhere_is_an_error_that_names_the_target(status, location):
    error = ask(moved(status, location)).failed(APIError)

    assert error.status == status
    assert f"redirects to {location}, which is not followed" in str(error)
    assert "base_url" in str(error)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305])
def test_a_redirect_that_would_change_the_method_is_not_followed(status):
    error = ask(moved(status, "/v2")).failed(APIError)

    assert (error.status, error.retryable) == (status, False)
    assert "redirects to /v2" in str(error)


@pytest.mark.parametrize("status", [304, 307])
def test_a_redirect_to_nowhere_says_so(status):
    assert "no API answers so: check base_url" in str(ask(HttpResponse(status)).failed(APIError))


def test_a_circle_of_redirects_ends():
    trace = ask(*[moved(307, "/v1/chat/completions")] * 6)

    assert "which is not followed" in str(trace.failed(APIError))


def test_a_secret_in_a_redirect_is_not_shown():
    error = ask(moved(302, f"/login/{KEY}?token={KEY}")).failed(APIError)

    assert KEY not in str(error)


@pytest.mark.parametrize("status", [101, 100, 199, 304])
def test_a_status_that_is_no_answer_is_an_error_in_streams_too(status):
    for stream in (False, True):
        assert ask(HttpResponse(status), stream=stream).failed(APIError).status == status


# learning


UNSUPPORTED_MAX_TOKENS = refusal(
    400,
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    code="unsupported_parameter",
    param="max_tokens",
)


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_the_other_name_of_max_tokens_is_learned_and_remembered(stream):
    endpoint = at()
    final = HttpResponse(200, source=object()) if stream else OK

    trace = ask(UNSUPPORTED_MAX_TOKENS, final, endpoint=endpoint, stream=stream, max_tokens=9)
    again = ask(final, endpoint=endpoint, stream=stream, max_tokens=9)
    other_model = ask(final, endpoint=endpoint, stream=stream, max_tokens=9, model="other")

    assert [body.get("max_tokens") for body in trace.bodies] == [9, None]
    assert trace.bodies[1]["max_completion_tokens"] == 9
    assert trace.waits == []
    assert again.bodies[0]["max_completion_tokens"] == 9
    assert other_model.bodies[0]["max_tokens"] == 9, "what one model teaches is not said to another"


def test_the_way_back_is_learned_too():
    old_server = refusal(400, "unknown field 'max_completion_tokens', did you mean 'max_tokens'?")

    trace = ask(old_server, OK, endpoint=at("openai"), max_tokens=9)

    assert trace.bodies[1]["max_tokens"] == 9


def test_what_was_learned_is_reported():
    (lesson,) = ask(UNSUPPORTED_MAX_TOKENS, OK, max_tokens=9).result.adaptations

    assert lesson.action == "learned"
    assert "max_tokens is called max_completion_tokens here" in lesson.detail


def test_refused_stream_options_are_left_out():
    trace = ask(
        refusal(400, "Unknown parameter: 'stream_options'."),
        HttpResponse(200, source=object()),
        stream=True,
    )

    assert [body.get("stream_options") for body in trace.bodies] == [{"include_usage": True}, None]


@pytest.mark.parametrize(
    ("option", "value", "answer"),
    [
        ("temperature", 0.2, refusal(400, "no", code="unsupported_value", param="temperature")),
        ("top_p", 0.5, refusal(400, "Unsupported value: 'top_p'", code="unsupported_value")),
        ("seed", 7, refusal(400, "Unrecognized request argument supplied: 'seed'")),
        ("parallel_tool_calls", False, refusal(400, "x", code="unsupported_parameter", param="parallel_tool_calls")),
    ],
)
def test_a_refused_setting_is_left_out_and_reported(option, value, answer):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    trace = ask(answer, OK, tools=[tool], **{option: value})

    assert [option in body for body in trace.bodies] == [True, False]
    assert option in " ".join(f"{note.subject} {note.detail}" for note in trace.result.adaptations)


def test_several_lessons_may_be_needed_and_extra_body_survives_them():
    trace = ask(
        UNSUPPORTED_MAX_TOKENS,
        refusal(400, "no", code="unsupported_value", param="temperature"),
        OK,
        max_tokens=9,
        temperature=0.1,
        extra_body={"custom": 1},
    )

    assert trace.bodies[2] == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
        "custom": 1,
    }


def test_strict_raises_what_the_server_said_and_sends_nothing_again():
    endpoint = at()

    error = ask(UNSUPPORTED_MAX_TOKENS, endpoint=endpoint, strict=True, max_tokens=9).failed(BadRequestError)

    assert error.code == "unsupported_parameter"
    assert endpoint.learned == {}


def test_a_server_that_refuses_both_ways_is_not_asked_for_ever():
    trace = ask(*[UNSUPPORTED_MAX_TOKENS] * 2, max_tokens=9)

    assert trace.failed(BadRequestError).code == "unsupported_parameter"


def test_a_server_that_refuses_everything_is_asked_a_few_times_only():
    options = {"temperature": 1, "top_p": 1, "seed": 1, "stop": "x", "user": "u", "presence_penalty": 1}
    request = ChatRequest.of("Hi", {"model": "m", **options})
    steps = chat(render(at(), request, stream=False), Retry())
    step: Any = next(steps)
    for _ in options:
        named = next(name for name in json.loads(step.request.content) if name not in ("model", "messages"))
        step = steps.send(refusal(400, "no", code="unsupported_parameter", param=named))

    with pytest.raises(BadRequestError):
        steps.send(refusal(400, "no", code="unsupported_parameter", param="seed"))


def test_a_refusal_that_teaches_nothing_is_raised_and_learning_counts_as_no_retry():
    assert ask(refusal(400, "messages: at least one")).failed(BadRequestError).retryable is False
    trace = ask(UNSUPPORTED_MAX_TOKENS, refusal(503), OK, max_tokens=9, retries=1)
    assert trace.result.text == "Hello"


# keys and preparation


def test_a_key_that_a_function_gives_is_asked_for_before_every_attempt():
    keys = iter(["sk-first-0123456789", " sk-second-0123456789\n"])

    trace = ask(refusal(503), OK, endpoint=at(api_key=lambda: next(keys)))

    assert [request.headers["authorization"] for request in trace.sent] == [
        "Bearer sk-first-0123456789",
        "Bearer sk-second-0123456789",
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [("sk-planted\n0123", "line break"), ("", "empty"), (7, "int"), (b"sk-planted", "bytes")],
)
def test_a_key_from_a_function_is_checked_and_nothing_is_sent(key, message):
    trace = ask(endpoint=at(api_key=lambda: key))

    error = trace.failed(ConfigurationError)
    assert message in str(error)
    assert "planted" not in str(error)
    assert error.provider == "openai_compatible"


def test_a_function_without_a_key_is_a_mistake_where_a_key_is_needed():
    assert "returned None" in str(ask(endpoint=at("openai", api_key=lambda: None)).failed(ConfigurationError))
    trace = ask(OK, endpoint=at(api_key=lambda: None))
    assert "authorization" not in trace.sent[0].headers


def test_what_the_function_raises_reaches_the_caller():
    def key() -> str:
        raise LookupError("the vault is sealed")

    assert isinstance(ask(endpoint=at(api_key=key)).error, LookupError)


@pytest.mark.parametrize(
    ("start", "use"),
    [
        (lambda endpoint: chat(render(endpoint, request(), stream=False), Retry()), ("chat", "m")),
        (lambda endpoint: open_stream(render(endpoint, request(), stream=True), Retry(), 1), ("chat", "m")),
        (lambda endpoint: embed(endpoint, ["Hi"], "e", Retry()), ("embed", "e")),
        (lambda endpoint: list_models(endpoint, Retry()), ("models", None)),
    ],
    ids=["chat", "stream", "embed", "models"],
)
def test_the_row_may_prepare_the_endpoint_off_the_event_loop(start, use):
    seen: list[tuple[str, str | None]] = []

    def prepare(endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
        seen.append((operation, model))
        return replace(endpoint, base_url="http://127.0.0.1:9/started")

    spec = replace(find("openai_compatible"), prepare=prepare)
    steps = start(at(spec=spec))

    first = next(steps)
    assert isinstance(first, Call)
    assert first.blocking
    sent = steps.send(first.function())
    assert isinstance(sent, Send)
    assert sent.request.url.startswith("http://127.0.0.1:9/started/")
    assert seen == [use]
    steps.close()


def test_a_preparation_that_fails_is_raised_with_the_name_of_the_provider():
    spec = replace(find("openai_compatible"), prepare=lambda endpoint, operation, model: endpoint)
    steps = chat(render(at(spec=spec), request(), stream=False), Retry())

    assert isinstance(next(steps), Call)
    with pytest.raises(ConfigurationError, match="openai_compatible: not installed"):
        steps.throw(ConfigurationError("not installed"))


def request() -> ChatRequest:
    return ChatRequest.of("Hi", {"model": "m"})


# answers


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (json_answer("<html>Welcome</html>"), APIError, ["web page", "check base_url", "Welcome", BASE]),
        (json_answer("<html>Not here</html>", 404), NotFoundError, ["Not here", "check the model's name", BASE]),
        (json_answer("", 403), LlmConnectorError, ["HTTP 403"]),
        (json_answer("oops", 500), ServerError, ["oops"]),
        (json_answer("not json"), ParseError, ["not JSON", "application/json"]),
        (json_answer(""), ParseError, ["not JSON"]),
        (refusal(401, "bad key"), AuthenticationError, ["bad key", "api_key", BASE]),
        (json_answer({"error": {"message": "gone", "code": 404}}), NotFoundError, ["gone"]),
        (json_answer({"error": "boom"}), APIError, ["boom"]),
    ],
)
def test_a_body_that_is_no_answer_says_what_it_is(answer, kind, words):
    error = ask(answer, retries=0).error

    assert isinstance(error, kind)
    assert isinstance(error, LlmConnectorError)
    assert error.provider == "openai_compatible"
    for word in words:
        assert word in str(error)


def test_a_refused_key_names_the_variables_it_may_come_from():
    assert "OPENAI_API_KEY" in str(ask(refusal(401), endpoint=at("openai")).failed(AuthenticationError))


def test_an_error_keeps_what_the_server_said():
    error = ask(
        refusal(429, "slow", {"x-request-id": "r1", "retry-after": "7"}, code="slow_down", type="tokens"), retries=0
    ).failed(RateLimitError)

    assert (error.status, error.code, error.request_id, error.retry_after) == (429, "slow_down", "r1", 7.0)
    assert error.body == {"error": {"message": "slow", "code": "slow_down", "type": "tokens"}}
    assert error.message == "slow"


def test_a_message_without_end_is_cut_and_the_body_keeps_it():
    error = ask(refusal(400, "no " * 100_000, code="c" * 100_000)).failed(BadRequestError)

    assert len(str(error)) < 5_000
    assert len(error.body["error"]["message"]) == 300_000


@pytest.mark.parametrize(
    ("given", "shown"),
    [(f"{BASE}?api-version=2&key=planted", BASE), (f"{BASE}?sig=planted", BASE)],
)
@pytest.mark.parametrize("status", [401, 404, 304, 200])
def test_the_query_of_the_address_is_not_shown(given, shown, status):
    answer = json_answer("<html>" if status == 200 else {"error": {"message": "no"}}, status)

    error = ask(answer, endpoint=at(base_url=given)).error

    assert shown in str(error)
    assert "planted" not in str(error)


ECHOES: list[tuple[str, Callable[[str], HttpResponse]]] = [
    ("message", lambda key: refusal(401, f"Incorrect API key provided: {key}")),
    ("code", lambda key: refusal(400, "no", code=f"bad_{key}")),
    (
        "body",
        lambda key: json_answer({"error": {"message": "no"}, "headers": [{"authorization": [f"Bearer {key}"]}]}, 400),
    ),
    ("escaped body", lambda key: json_answer({"error": json.dumps({"message": f"bad {key}"})}, 400)),
    ("text", lambda key: json_answer(f"Bad key {key}", 400)),
    ("text at the cut", lambda key: json_answer("x" * 490 + key, 400)),
    ("page", lambda key: json_answer(f"<html>{key}</html>", 500)),
    ("page instead of an answer", lambda key: json_answer(f"<html>{key}</html>")),
    ("page at the cut", lambda key: json_answer("<html>" + "x" * 484 + key)),
    ("request id", lambda key: refusal(400, "no", {"x-request-id": key})),
    ("not JSON", lambda key: json_answer(f"key={key}")),
    ("not JSON, at the cut", lambda key: json_answer("x" * 490 + key)),
    ("no choices", lambda key: json_answer({"key": key})),
    ("error in a success", lambda key: json_answer({"error": {"message": f"bad {key}"}})),
    ("redirect", lambda key: moved(302, f"/{key}")),
    ("transport", lambda key: TransportError(f"illegal status line: {key}")),  # type: ignore[list-item,return-value]
]


@pytest.mark.parametrize("rotating", [False, True], ids=["key", "function"])
@pytest.mark.parametrize(("name", "echo"), ECHOES, ids=[name for name, _ in ECHOES])
def test_a_key_that_the_server_echoes_is_taken_out(name, echo, rotating):
    error = ask(echo(KEY), endpoint=at(api_key=(lambda: KEY) if rotating else KEY), retries=0).error

    assert isinstance(error, LlmConnectorError)
    for text in (str(error), repr(error), repr(vars(error)), repr(error.args)):
        assert "planted" not in text


@pytest.mark.parametrize("rotating", [False, True], ids=["key", "function"])
@pytest.mark.parametrize(
    "blocks",
    [
        sse({"error": {"message": f"bad {KEY}", "code": KEY}}),
        sse(f"broken {KEY}"),
        f"<html>{KEY}</html>".encode(),
    ],
    ids=["error event", "not JSON", "page"],
)
def test_a_key_that_a_stream_echoes_is_taken_out(blocks, rotating):
    endpoint = at(api_key=(lambda: KEY) if rotating else KEY)
    decoder = ask(HttpResponse(200, source=object()), endpoint=endpoint, stream=True).result.decoder

    with pytest.raises(StreamError) as failed:
        for _ in (*decoder.feed(blocks), *decoder.close()):
            pass

    for text in (str(failed.value), repr(vars(failed.value))):
        assert "planted" not in text


# other operations


def page(*names: str, more: bool = False) -> HttpResponse:
    return json_answer({"data": [{"id": name} for name in names], "has_more": more, "last_id": names[-1]})


def test_the_model_list_is_read_page_by_page():
    trace = drive(list_models(at(), Retry()), page("a", "b", more=True), page("c", more=True), page("d"))

    assert [model.id for model in trace.result] == ["a", "b", "c", "d"]
    assert [request.url.removeprefix(BASE) for request in trace.sent] == [
        "/models",
        "/models?after=b",
        "/models?after=c",
    ]
    assert [(request.method, request.content) for request in trace.sent] == [("GET", b"")] * 3


def test_a_page_that_points_to_itself_ends_the_list():
    trace = drive(list_models(at(), Retry()), page("a", more=True), page("a", more=True))

    assert trace.error is None


def test_a_list_without_end_ends():
    trace = drive(list_models(at(), Retry()), *(page(f"m{number}", more=True) for number in range(100)))

    assert len(trace.result) == 100


def test_each_page_is_retried_by_itself():
    trace = drive(
        list_models(at(), Retry(1, jitter=lambda: 0.0)),
        *(page("a", more=True), refusal(503), page("b", more=True), refusal(503), page("c")),
    )

    assert [model.id for model in trace.result] == ["a", "b", "c"]
    assert trace.waits == [0.5, 0.5]


def test_embeddings_keep_the_order_of_the_inputs():
    body = {"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}], "model": "e"}

    trace = drive(embed(at(), ["a", "b"], "e", Retry()), json_answer(body))

    assert trace.result.vectors == [[1.0], [2.0]]
    assert trace.bodies == [{"model": "e", "input": ["a", "b"], "encoding_format": "float"}]


def test_a_vector_too_few_is_an_error():
    trace = drive(embed(at(), ["a", "b"], "e", Retry()), json_answer({"data": [{"index": 0, "embedding": [1.0]}]}))

    assert "2 inputs, but 1 vectors" in str(trace.failed(ParseError))


@pytest.mark.parametrize(
    ("provider", "start"),
    [
        ("deepseek", lambda endpoint: embed(endpoint, ["a"], "e", Retry())),
        ("openai", lambda endpoint: count_tokens(endpoint, request(), Retry())),
        ("anthropic", lambda endpoint: embed(endpoint, ["a"], "e", Retry())),
        ("anthropic", lambda endpoint: rerank(endpoint, "q", ["a"], "e", Retry())),
    ],
)
def test_what_a_row_lacks_is_refused_before_anything_is_sent(provider, start):
    error = drive(start(at(provider))).failed(UnsupportedError)

    assert error.provider == provider


def test_tokens_are_counted_where_the_server_can():
    trace = drive(count_tokens(at("anthropic"), request(), Retry()), json_answer({"input_tokens": 12}))

    assert trace.result == 12
    assert trace.sent[0].url.endswith("/v1/messages/count_tokens")


class Ranking(ChatCompletions):
    """A server of Chat Completions that also ranks."""

    def rerank_path(self, model):
        return "rank"

    def render_rerank(self, query, documents, model, top_n):
        return {"model": model, "query": query, "documents": list(documents), "top_n": top_n}

    def parse_rerank(self, body):
        return [(item["index"], item["score"]) for item in body["results"]]


RANKING = replace(find("openai_compatible"), protocol=Ranking(), supports=CHAT_AND_TOOLS | {"rerank"})


def test_documents_are_ranked_best_first():
    every = [{"index": 0, "score": 0.1}, {"index": 1, "score": 0.0}, {"index": 2, "score": 0.9}]  # two are asked for

    trace = drive(rerank(at(spec=RANKING), "q", ["a", "b", "c"], "r", Retry(), 2), json_answer({"results": every}))

    assert trace.result == [
        RankedDocument(index=2, score=0.9, document="c"),
        RankedDocument(index=0, score=0.1, document="a"),
    ]
    assert trace.sent[0].url.endswith("/rank")
    assert trace.bodies == [{"model": "r", "query": "q", "documents": ["a", "b", "c"], "top_n": 2}]


@pytest.mark.parametrize("index", [3, -1])
def test_a_rank_of_a_document_that_was_not_sent_is_an_error(index):
    ranks = json_answer({"results": [{"index": index, "score": 1.0}]})

    error = drive(rerank(at(spec=RANKING), "q", ["a", "b", "c"], "r", Retry()), ranks).failed(ParseError)

    assert f"document {index} was ranked, but 3 were sent" in str(error)


@pytest.mark.parametrize("status", [200, 401])
def test_errors_of_other_operations_are_told_apart_alike(status):
    body = {"error": {"message": f"bad key {KEY}", "code": "invalid_api_key", "type": "authentication_error"}}

    error = drive(embed(at(), ["a"], "e", Retry()), json_answer(body, status)).failed(AuthenticationError)

    assert "planted" not in str(error)


@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_body_nested_without_end_is_an_error_of_ours(depth):
    response = HttpResponse(200, {}, b"[" * depth + b"]" * depth)

    with pytest.raises(ParseError, match="recursion"):
        response.json()
