"""Claude on Vertex AI: addresses, headers, errors and counts; bodies are in `golden/anthropic_vertex`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import operations
from llm_connector.errors import ConfigurationError, RateLimitError, ServerError, StreamError
from llm_connector.protocols.anthropic_vertex import AnthropicVertex
from llm_connector.types import ChatRequest
from tests.support.answers import NO_RETRY, anthropic_frame, ask, endpoint, json_answer, sse, streamed, whole

anthropic: Any = pytest.importorskip("anthropic")
MODEL = "claude-sonnet-4-5@20250929"
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"a": {}}}},
}
CASES: dict[str, dict[str, Any]] = {
    "plain": {"max_tokens": 9},
    "system": {"max_tokens": 9, "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]},
    "thinking": {"max_tokens": 4096, "reasoning": 2048},
    "tools": {"max_tokens": 9, "tools": [WEATHER], "tool_choice": "required"},
}


class Sdk:
    """Anthropic's client for Vertex AI, whose requests go nowhere."""

    def __init__(self) -> None:
        from anthropic.lib.vertex import _client

        http: Any = next(vars(_client)[name] for name in ("httpx2", "httpx") if name in vars(_client))
        self.sent: list[Any] = []

        def respond(request: Any) -> Any:
            self.sent.append(request)
            return http.Response(
                400, json={"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}
            )

        self.http = http.Client(transport=http.MockTransport(respond))
        self.client = anthropic.AnthropicVertex(
            region="europe-west1", project_id="p", access_token="t", http_client=self.http, max_retries=0
        )


@pytest.fixture(scope="module")
def sdk() -> Any:
    made = Sdk()
    yield made
    made.http.close()


def sent(sdk: Any, method: Any, **arguments: Any) -> tuple[str, dict[str, Any]]:
    with pytest.raises(anthropic.BadRequestError):
        method(**arguments)
    request = sdk.sent[-1]
    return str(request.url), json.loads(request.content)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_official_client_sends_the_same(case, stream, sdk):
    options: dict[str, Any] = {"messages": "Hi", **CASES[case], "model": MODEL}
    rendered = ask(**options, provider="anthropic_vertex", stream=stream)
    arguments = {key: value for key, value in rendered.body.items() if key != "anthropic_version"}

    url, body = sent(sdk, sdk.client.messages.create, model=MODEL, **arguments)

    base = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
    assert url == f"{base}/{rendered.path}"
    version = body.pop("anthropic_version")  # newer clients send a newer one; this one is for raw HTTP
    assert version.startswith(("vertex-", "20"))
    assert body == arguments


def test_the_official_client_counts_alike(sdk):
    request = ChatRequest.of("Hi", {"model": MODEL})
    body = AnthropicVertex().render_count(request)

    url, theirs = sent(sdk, sdk.client.messages.count_tokens, model=MODEL, messages=body["messages"])

    assert url.endswith(AnthropicVertex().count_path(MODEL))
    del theirs["anthropic_version"]
    assert body == {"anthropic_version": "vertex-2023-10-16", **theirs}


def test_no_header_tells_the_version():
    request = endpoint("anthropic_vertex").request("x", {}, operation="chat")

    assert not {"anthropic-version", "x-api-key"} & request.headers.keys()


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001"),
        ("publishers/anthropic/models/claude@1", "claude@1"),
        ("projects/p/locations/l/publishers/anthropic/models/claude@1", "claude@1"),
        ("a/b;c", "a%2Fb%3Bc"),
        ("../x", "..%2Fx"),
    ],
)
def test_a_model_is_one_segment(model, segment):
    assert AnthropicVertex().chat_path(model, stream=False) == f"publishers/anthropic/models/{segment}:rawPredict"
    assert AnthropicVertex().chat_path(model, stream=True) == f"publishers/anthropic/models/{segment}:streamRawPredict"


def test_a_name_that_leads_elsewhere_is_refused():
    with pytest.raises(ConfigurationError):
        AnthropicVertex().chat_path("..", stream=False)


@pytest.mark.parametrize("in_list", [False, True])
def test_errors_of_the_front_end_are_read(in_list):
    error = {
        "error": {
            "code": 429,
            "message": "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}],
        }
    }
    with pytest.raises(RateLimitError) as raised:
        whole([error] if in_list else error, ask(provider="anthropic_vertex"), status=429)

    assert raised.value.retry_after == 7
    assert raised.value.retryable


def test_errors_of_the_model_are_read():
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_vrtx_1"}
    with pytest.raises(ServerError) as raised:
        whole(body, ask(provider="anthropic_vertex"), status=529)

    assert raised.value.request_id == "req_vrtx_1"


@pytest.mark.parametrize(
    "fault",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}},
    ],
)
def test_a_fault_inside_a_stream_is_either_kind(fault):
    first, _ = anthropic_frame({"id": "msg_vrtx_1", "model": "claude", "content": [], "usage": {}}, "end_turn", {})

    error = streamed(sse(first, fault), ask(provider="anthropic_vertex", stream=True)).error

    assert isinstance(error, StreamError)
    assert isinstance(error, ServerError)


def test_what_claude_teaches_is_learned_here_too():
    steps = operations.chat(
        ask(provider="anthropic_vertex", model="claude-x", reasoning=2000, max_tokens=4096), NO_RETRY
    )
    next(steps)
    refused = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": '"thinking.type.enabled" is not supported'},
    }
    second: Any = steps.send(json_answer(refused, 400))

    body = json.loads(second.request.content)
    assert body["thinking"]["type"] == "adaptive"
    assert body["anthropic_version"] == "vertex-2023-10-16"
    steps.close()
