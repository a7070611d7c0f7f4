"""Bodies, paths and headers checked against those that the official SDK sends, and its reading of answers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from llm_connector.auth import Credentials
from llm_connector.providers import find
from llm_connector.types import Audio, Image, ToolCall, Video, assistant, system, tool_result, user
from llm_connector.wire import HttpRequest, decode_json, encode_json
from tests.support.answers import ask, streamed, whole

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sdk: Any = pytest.importorskip("dashscope.v2.client")

BASE = "https://sdk.example/api/v1"
PROTOCOL: Any = find("aliyun").protocol
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = ToolCall(id="call_1", name="get_weather", arguments={"city": "Oslo"}, arguments_raw='{"city": "Oslo"}')
SDK_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}

CASES: dict[str, tuple[list[Any], list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = {
    "plain": ([user("Hi")], [{"role": "user", "content": "Hi"}], {}, {}),
    "system": (
        [system("Be brief."), user("Hi")],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        {},
        {},
    ),
    "sampling": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"temperature": 0.5, "top_p": 0.5, "top_k": 4, "seed": 7, "max_tokens": 9, "stop": ["x"], "n": 2},
        {"temperature": 0.5, "top_p": 0.5, "top_k": 4, "seed": 7, "max_tokens": 9, "stop": ["x"], "n": 2},
    ),
    "penalties": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"presence_penalty": 0.5, "logprobs": 2, "extra_body": {"parameters": {"repetition_penalty": 1.1}}},
        {"presence_penalty": 0.5, "logprobs": True, "top_logprobs": 2, "repetition_penalty": 1.1},
    ),
    "search": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"extra_body": {"parameters": {"enable_search": True, "search_options": {"forced_search": True}}}},
        {"enable_search": True, "search_options": {"forced_search": True}},
    ),
    "thinking": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"reasoning": 500},
        {"enable_thinking": True, "thinking_budget": 500},
    ),
    "no thinking": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"reasoning": False},
        {"enable_thinking": False},
    ),
    "tools": (
        [user("Hi")],
        [{"role": "user", "content": "Hi"}],
        {"tools": [WEATHER], "tool_choice": "get_weather", "parallel_tool_calls": True},
        {
            "tools": [WEATHER],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": True,
        },
    ),
    "tool results": (
        [user("Hi"), assistant(CALL), tool_result("call_1", "7 degrees")],
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [SDK_CALL]},
            {"role": "tool", "content": "7 degrees", "tool_call_id": "call_1"},
        ],
        {},
        {},
    ),
    "json": (
        [user("As JSON.")],
        [{"role": "user", "content": "As JSON."}],
        {"response_format": "json"},
        {"response_format": {"type": "json_object"}},
    ),
    "media": (
        [user("See", Image("https://x/a.png"), Video("https://x/a.mp4"), Audio.base64("audio/wav", "UklGRg=="))],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image", "url": "https://x/a.png"},
                    {"type": "video", "url": "https://x/a.mp4"},
                    {"type": "audio", "data": "UklGRg==", "format": "wav"},
                ],
            }
        ],
        {},
        {},
    ),
}
ANSWER = {
    "output": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}]},
    "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    "request_id": "r",
}


class Sent(Exception):
    """Carries the request that the SDK was about to send."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The SDK's client; it gets as far as its connection."""

    def catch(_transport: Any, request: httpx.Request) -> httpx.Response:
        raise Sent(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", catch)
    made = sdk.Client(api_key="sk-test", base_url=BASE, workspace="ws-1", max_retries=0)
    yield made
    made.close()


def sent_by(call: Any, **arguments: Any) -> tuple[str, dict[str, Any], httpx.Headers]:
    with pytest.raises(Sent) as caught:
        call(**arguments)
    request = caught.value.request
    return str(request.url).removeprefix(f"{BASE}/"), json.loads(request.content), request.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_chats_are_what_the_sdk_sends(client, case, stream):
    messages, theirs, options, parameters = CASES[case]
    rendered = ask(messages, provider="aliyun", model="qwen-plus", stream=stream, **options)

    path, body, headers = sent_by(
        client.chat.completions.create, model="qwen-plus", messages=theirs, stream=stream, **parameters
    )

    assert rendered.adaptations == []
    assert body == decode_json(encode_json(rendered.body))
    assert rendered.path == path
    request = rendered.endpoint.request(rendered.path, rendered.body, operation="chat", stream=stream)
    assert request.headers.get("x-dashscope-sse") == headers.get("x-dashscope-sse")


def test_the_workspace_goes_into_the_same_header(client):
    _, _, headers = sent_by(client.chat.completions.create, model="m", messages="Hi")
    request = find("aliyun").auth(HttpRequest("POST", BASE), Credentials("sk-test", {"workspace": "ws-1"}), 0.0)

    assert request.headers["x-dashscope-workspace"] == headers["x-dashscope-workspace"]
    assert request.headers["authorization"] == headers["authorization"]


def test_vectors_and_ranks_are_asked_for_as_the_sdk_does(client):
    path, body, _ = sent_by(client.embeddings.create, model="text-embedding-v4", input=["a", "b"])
    assert (path, body) == (PROTOCOL.embed_path("m"), PROTOCOL.render_embed(["a", "b"], "text-embedding-v4"))

    path, body, _ = sent_by(client.rerank.create, model="qwen3-rerank", query="q", documents=["a", "b"], top_n=1)
    assert (path, body) == (PROTOCOL.rerank_path("m"), PROTOCOL.render_rerank("q", ["a", "b"], "qwen3-rerank", 1))


def test_the_catalogue_is_asked_for_as_the_sdk_does(client):
    with pytest.raises(Sent) as caught:
        client.models.list(page_no=2, page_size=100)

    assert str(caught.value.request.url) == f"{BASE}/{PROTOCOL.models_path('2')}"


EVENTS = [
    {"content": "", "reasoning_content": "Hm"},
    {"content": "Hel", "reasoning_content": ""},
    {"content": [{"text": "lo"}], "reasoning_content": ""},
    {"content": "", "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}]},
    {"content": "", "tool_calls": [{"index": 0, "id": "", "type": "function", "function": {"arguments": "{}"}}]},
]


def test_answers_are_read_as_the_sdk_reads_them(monkeypatch):
    bodies = [
        {"output": {"choices": [{"finish_reason": "null", "message": message}]}, "usage": {}, "request_id": "r"}
        for message in EVENTS
    ]
    last = {"output": {"choices": [{"finish_reason": "tool_calls", "message": {"content": ""}}]}, "request_id": "r"}
    text = "".join(f"data:{json.dumps(body)}\n\n" for body in [*bodies, last])
    monkeypatch.setattr(
        httpx.HTTPTransport,
        "handle_request",
        lambda *_: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=text.encode()),
    )
    with sdk.Client(api_key="sk-test", base_url=BASE) as client:
        theirs = client.chat.completions.create(model="m", messages="Hi", stream=True).get_final_message()

    answer = streamed(text.encode(), ask(provider="aliyun", stream=True)).answer

    message = theirs.choices[0].message
    assert (answer.text, answer.reasoning, answer.finish_reason) == (
        message.content,
        message.reasoning_content,
        "tool_calls",
    )
    assert answer.request_id == theirs.request_id
    assert [(call.id, call.name, call.arguments_raw) for call in answer.tool_calls] == [
        (call.id, call.function.name, call.function.arguments) for call in message.tool_calls
    ]
    assert whole(ANSWER, ask(provider="aliyun")).text == "Hello"
