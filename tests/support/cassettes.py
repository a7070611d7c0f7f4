"""Cassettes that say themselves which calls they hold, and what each must give.

    source: reference https://…            or: recorded DATE from SERVER
    calls:
    - client: {model: m, region: global}    arguments of the client; the provider is the folder, the key "test-key"
      do: chat                              chat | stream | embed | models | rerank | count_tokens
      with: {messages: "Hi", reasoning: high}
      gives: {text: "…", usage: {input_tokens: 3}, adaptations: [[dropped, cache]]}     what is not named is free
    interactions: …                         VCR's, in the order of the calls

An error is `gives: {error: RateLimitError, message: "part of it", code: "1302"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import llm_connector
from llm_connector import AsyncLlmClient, ChatResponse, LlmClient, LlmConnectorError

CASSETTES = Path(__file__).resolve().parents[2] / "cassettes"

_POSITIONAL = ("messages", "inputs", "query", "documents")


def load(path: Path) -> dict[str, Any]:
    """A cassette, read by the parser in C where there is one: all of them are read whenever tests are collected."""
    cassette: dict[str, Any] = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return cassette


def scripted() -> list[Any]:
    """Parameters for a test: provider and calls of every cassette that says its calls, replayed while it runs."""
    found = []
    for path in sorted(CASSETTES.rglob("*.yaml")):
        cassette = load(path)
        if "calls" in cassette:
            name = str(path.relative_to(CASSETTES))
            marks = [pytest.mark.vcr, pytest.mark.default_cassette(name)]
            found.append(pytest.param(path.parent.name, cassette["calls"], marks=marks, id=name.removesuffix(".yaml")))
    return found


def play(provider: str, call: Mapping[str, Any]) -> None:
    """Make one call with the blocking client and compare what it gives."""
    positional, options = _arguments(call)
    try:
        with LlmClient(provider, **_settings(call)) as client:
            answer = getattr(client, call["do"])(*positional, **options)
            if call["do"] == "stream":
                chunks = list(answer)
                answer = answer.response
                assert "".join(chunk.text for chunk in chunks) == answer.text
    except LlmConnectorError as error:
        _check_error(error, call)
    else:
        _check(answer, call)


async def play_awaited(provider: str, call: Mapping[str, Any]) -> None:
    """The same with the client for coroutines."""
    positional, options = _arguments(call)
    try:
        async with AsyncLlmClient(provider, **_settings(call)) as client:
            if call["do"] == "stream":
                stream = client.stream(*positional, **options)
                text = "".join([chunk.text async for chunk in stream])
                answer: Any = stream.response
                assert text == answer.text
            else:
                answer = await getattr(client, call["do"])(*positional, **options)
    except LlmConnectorError as error:
        _check_error(error, call)
    else:
        _check(answer, call)


def _settings(call: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(call.get("client", {}))
    named = {"api_key", "azure_ad_token", "secret_id", "aws_access_key_id", "google_credentials"} & given.keys()
    settings = {"max_retries": 0, **({} if named else {"api_key": "test-key"}), **given}
    return {name: value for name, value in settings.items() if value is not None}


def _arguments(call: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    given = dict(call.get("with", {}))
    return [given.pop(name) for name in _POSITIONAL if name in given], given


def _check(answer: Any, call: Mapping[str, Any]) -> None:
    gives = call["gives"]
    assert gives, "a call without an expectation shows nothing"
    assert "error" not in gives, f"{gives['error']} was not raised"
    seen = _chat_facts(answer) if isinstance(answer, ChatResponse) else _other_facts(answer)
    assert {name: _like(gives[name], seen[name]) for name in gives} == gives


def _check_error(error: LlmConnectorError, call: Mapping[str, Any]) -> None:
    gives = dict(call["gives"])
    assert "error" in gives, error
    assert type(error) is getattr(llm_connector, gives.pop("error"))
    assert gives.pop("message", "") in str(error)
    assert {name: getattr(error, name) for name in gives} == gives


def _chat_facts(answer: ChatResponse) -> dict[str, Any]:
    fields = ("text", "reasoning", "finish_reason", "finish_reason_raw", "refusal", "citations", "model", "id", "extra")
    calls = [{"id": item.id, "name": item.name, "arguments": item.arguments} for item in answer.tool_calls]
    return {
        **{name: getattr(answer, name) for name in fields},
        "request_id": answer.request_id,
        "tool_calls": calls,
        "usage": answer.usage.model_dump(),
        "adaptations": [[item.action, item.subject] for item in answer.adaptations],
    }


def _other_facts(answer: Any) -> dict[str, Any]:
    if isinstance(answer, int):
        return {"tokens": answer}
    if isinstance(answer, list):
        ranked = [[item.index, item.score] for item in answer if hasattr(item, "score")]
        return {"ranked": ranked, "ids": [item.id for item in answer if hasattr(item, "id")]}
    return {"vectors": answer.vectors, "model": answer.model, "usage": answer.usage.model_dump()}


def _like(wanted: Any, seen: Any) -> Any:
    """What was seen of the keys that are wanted."""
    return {name: seen.get(name) for name in wanted} if isinstance(wanted, dict) and isinstance(seen, dict) else seen
