from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_connector import ConfigurationError, system, user
from llm_connector.testing import Replay, UnscriptedRequest
from tests.conftest import ROOT
from tests.support.cassettes import load, play, play_awaited

WEATHER = ROOT / "cassettes" / "anthropic" / "weather.yaml"
QUESTION: list[Any] = [system("Be terse."), user("Weather in Oslo?")]
EXCHANGE: dict[str, Any] = {
    "request": {"method": "POST", "url": "https://api.openai.com/v1/chat/completions", "headers": {}, "body": None},
    "response": {
        "status": 200,
        "headers": {"content-type": "application/json", "content-length": "7", "x-request-id": "req_1"},
        "body": '{"choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}]}',
    },
}


SENT = {"model": "scripted", "messages": [{"role": "user", "content": "Hi"}]}


def test_an_exchange_is_replayed():
    replay = Replay(EXCHANGE)

    answer = replay.client("openai").chat("Hi")

    assert (answer.text, answer.request_id) == ("Hello", "req_1")
    assert (replay.left, replay.requests[0].text) == (0, "Hi")


def test_a_file_of_one_exchange_and_a_list_of_them(tmp_path: Path):
    path = tmp_path / "exchange.json"
    path.write_text(json.dumps(EXCHANGE))
    twice = Replay([EXCHANGE, EXCHANGE]).client()

    assert Replay(path).client().chat("Hi").text == "Hello"
    assert [twice.chat("Hi").text, twice.chat("Hi").text] == ["Hello", "Hello"]


def test_base64_bodies(tmp_path: Path):
    response = {**EXCHANGE["response"], "body": "e30=", "body_encoding": "base64"}

    answer = Replay({**EXCHANGE, "response": response}).http_client.post(EXCHANGE["request"]["url"])

    assert answer.json() == {}


def test_a_cassette_is_replayed_in_any_order():
    replay = Replay(WEATHER, match_body=False, block_size=11)
    stream = replay.client("anthropic").stream("Weather in Oslo?")
    assert "".join(chunk.text for chunk in stream)
    assert replay.left == 1


def test_a_request_that_differs_is_told_how():
    replay = Replay(WEATHER)

    with pytest.raises(UnscriptedRequest) as caught:
        replay.client("anthropic", model="claude-sonnet-4-5").chat(QUESTION, max_tokens=7)
    assert str(caught.value) == (
        "POST /v1/messages differs from each of the 2 exchanges that are left:\n"
        "  1. the body.max_tokens: recorded is 1024, sent 7\n"
        "  2. the body.max_tokens: recorded is 4096, sent 7"
    )
    with pytest.raises(UnscriptedRequest, match=r"1\. recorded is POST /v1/messages"):
        replay.client("openai").chat("Hi")


@pytest.mark.parametrize(
    ("recorded", "difference"),
    [
        ({"model": "scripted", "messages": [], "n": 1}, "the body.messages: recorded is [], sent [{"),
        ({"model": "scripted"}, "the body: 'messages' is sent and not recorded"),
        ({**SENT, "n": 1}, "the body: 'n' is recorded and not sent"),
        ({**SENT, "messages": [{"role": "user", "content": "Ho"}]}, 'messages[0].content: recorded is "Ho", sent "Hi"'),
    ],
)
def test_the_first_difference_is_named(recorded, difference):
    exchange = {**EXCHANGE, "request": {**EXCHANGE["request"], "body": recorded}}

    with pytest.raises(UnscriptedRequest) as caught:
        Replay(exchange).client("openai").chat("Hi")
    assert difference in str(caught.value)


def test_nothing_is_replayed_twice():
    replay = Replay(EXCHANGE)
    client = replay.client("openai")
    client.chat("Hi")

    with pytest.raises(UnscriptedRequest, match="POST /v1/chat/completions comes when no exchange is left"):
        client.chat("Hi")


def test_what_is_no_recording_is_refused():
    with pytest.raises(ConfigurationError, match="neither interactions nor a response"):
        Replay({"calls": []})


def test_cassettes_need_yaml(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigurationError, match="pip install pyyaml"):
        Replay(WEATHER)


CASSETTES = [path for path in sorted((ROOT / "cassettes").glob("*/*.yaml")) if "calls" in load(path)]


@pytest.mark.parametrize("path", CASSETTES[::3], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_cassette_gives_what_it_says_as_it_does_with_vcr(path: Path):
    calls = load(path)["calls"]
    blocking, awaited = Replay(path), Replay(path, block_size=100)

    for call in calls:
        play(path.parent.name, replayed(call, blocking.http_client))
    assert blocking.left == 0
    for call in calls:
        asyncio.run(play_awaited(path.parent.name, replayed(call, awaited.async_http_client)))
    assert awaited.left == 0


def replayed(call: dict[str, Any], http_client: Any) -> dict[str, Any]:
    return {**call, "client": {**call.get("client", {}), "http_client": http_client}}


OF_THE_CORPUS = {
    "openai_chat": "openai_compatible",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}
"""A row for each wire format of the corpus whose addresses a caller can give."""


@pytest.mark.parametrize("protocol", OF_THE_CORPUS)
def test_exchanges_of_the_corpus_are_replayed(protocol: str, shared: Path):
    known = {path: json.loads(path.read_bytes()) for path in sorted(shared.glob("corpus/*/*.json"))}
    streams = [
        path
        for path, exchange in known.items()
        if exchange["protocol"] == protocol
        and {"stream", "chat"} <= {*exchange["features"]}
        and isinstance(exchange["request"]["body"], dict)
        and re.search(r"/v\d.*/|/api/chat", exchange["request"]["url"])
    ]
    assert streams
    for path in streams[:5]:
        asked, expected = known[path]["request"], known[path]["expected"]
        model = asked["body"].get("model") or re.findall(r"models/([^:]+):", asked["url"])[0]
        replay = Replay(path, match_body=False, block_size=50)
        client = replay.client(OF_THE_CORPUS[protocol], base_url=asked["url"].partition("?")[0], model=model)

        stream = client.stream("Hi", n=asked["body"].get("n"))
        for _ in stream:
            pass
        assert stream.response.text == expected["text"]
        assert replay.left == 0
