"""GW: what other tools expect of a server that speaks their wire format."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from llm_connector.server import Model
from tests.support.answers import call_delta, delta, piece
from tests.support.anybody import anybody
from tests.support.gateway import gateway, upstream
from tests.support.wire_server import Answer, Stream, WireServer, sse

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
ANSWER = sse(
    delta(reasoning_content="Hm."),
    delta(content="Let me"),
    delta(content=" look."),
    call_delta(piece('{"city":', "weather", index=0, id="call_1")),
    call_delta(piece('"Oslo"}', index=0)),
    call_delta(piece('{"city":"Rome"}', "weather", index=1, id="call_2")),
    delta("tool_calls"),
    {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}},
)


@pytest.fixture(scope="module")
def provider():
    with WireServer() as server:
        server.route("/v1/models", anybody)
        yield server


@pytest.fixture(scope="module")
def client(provider):
    models = (Model("m", upstream(provider.url), context_window=32_768), Model("claude-*", upstream(provider.url)))
    with gateway(models=models) as running, httpx.Client(base_url=running.url) as client:
        yield client


def streamed(provider, client, path, blocks=ANSWER, *, cut=False, **fields):
    provider.script(Stream(blocks, end="cut" if cut else "clean"))
    body = {"model": "m", "messages": HI, "stream": True, **fields}
    return client.post(path, json=body)


def test_GW_01_claude_code_finds_its_two_routes(provider, client):
    headers = {"x-api-key": "any", "anthropic-version": "2023-06-01", "anthropic-beta": "b"}
    body = {"model": "claude-x", "messages": HI, "max_tokens": 9, "unknown_field": {"a": 1}}
    provider.script(Stream(ANSWER))
    answer = client.post("/v1/messages?beta=true", json={**body, "stream": True}, headers=headers)
    assert answer.status_code == 200
    assert "event: message_stop" in answer.text
    counted = client.post("/v1/messages/count_tokens?beta=true", json=body, headers=headers)
    assert counted.json()["input_tokens"] > 0
    bearer = {"authorization": "Bearer any", "anthropic-version": "2023-06-01"}
    assert client.get("/v1/models", headers=bearer).json()["data"][0]["type"] == "model"
    refused = client.post("/v1/messages?beta=true", json={**body, "model": "none"}, headers=headers)
    assert refused.json()["error"]["type"] == "not_found_error"


def test_GW_02_every_chunk_has_what_strict_clients_look_for(provider, client):
    text = streamed(provider, client, "/v1/chat/completions", stream_options={"include_usage": True}).text
    chunks = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]
    assert len({chunk["id"] for chunk in chunks}) == 1
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert isinstance(chunk["created"], int)
        for choice in chunk["choices"]:
            assert "finish_reason" in choice
            assert [type(call["index"]) for call in choice["delta"].get("tool_calls", ())] in ([], [int])
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]][-1] == "tool_calls"
    assert text.endswith("data: [DONE]\n\n")


def test_GW_03_blocks_are_well_nested_and_an_error_ends_nothing_well(provider, client):
    text = streamed(provider, client, "/v1/messages", max_tokens=9).text
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    names = [event["type"] for event in events]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    opened = None
    kinds: list[str] = []
    for event in events:
        if event["type"] == "content_block_start":
            assert opened is None
            assert event["index"] == len(kinds)
            opened = event["index"]
            kinds.append(event["content_block"]["type"])
        elif event["type"].startswith("content_block_"):
            assert event["index"] == opened
            opened = None if event["type"] == "content_block_stop" else opened
    assert opened is None
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]

    cut = streamed(provider, client, "/v1/messages", ANSWER[:3], cut=True, max_tokens=9).text
    assert "event: error" in cut
    assert "message_stop" not in cut


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/chat"])
def test_GW_04_no_line_ends_where_a_reader_of_lines_may_see_one(provider, client, path):
    said = "a\u2028b\u2029c\u0085d"
    text = streamed(provider, client, path, sse(delta(content=said), delta("stop")), max_tokens=9).text
    assert not set("\u2028\u2029\u0085") & set(text)
    assert re.search(r"a\\u2028b\\u2029c\\u0085d", text)


def test_GW_05_an_error_before_the_first_chunk_is_no_stream(provider, client):
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat", "/chat"):
        provider.script(Answer.json({"error": {"message": "Slow down"}}, 429, {"retry-after": "3"}))
        early = client.post(path, json={"model": "m", "messages": HI, "stream": True, "max_tokens": 9})
        assert (early.status_code, early.headers["content-type"]) == (429, "application/json")
        assert early.headers["retry-after"] == "3"
        late = streamed(provider, client, path, ANSWER[:2], cut=True, max_tokens=9)
        assert late.status_code == 200
        assert "error" in late.text


def test_GW_06_an_ollama_is_more_than_its_chat(provider, client):
    assert client.get("/api/tags").json()["models"][0]["name"] == "m"
    shown = client.post("/api/show", json={"model": "m"}).json()
    assert {"completion", "tools", "vision", "thinking"} == set(shown["capabilities"])
    architecture = shown["model_info"]["general.architecture"]
    assert shown["model_info"][f"{architecture}.context_length"] == 32_768
    assert isinstance(client.get("/api/version").json()["version"], str)
    lines = [json.loads(line) for line in streamed(provider, client, "/api/chat").text.splitlines()]
    assert all({"model", "created_at", "message", "done"} <= line.keys() for line in lines)
    calls = [call["function"] for line in lines for call in line["message"].get("tool_calls", ())]
    assert [call["arguments"] for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    last = lines[-1]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 9)
    assert {"total_duration", "load_duration", "prompt_eval_duration", "eval_duration"} <= last.keys()
