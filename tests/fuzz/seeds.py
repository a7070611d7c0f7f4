"""Where fuzzing begins: answers of our cassettes, our golden requests, and recorded traffic where there is some."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_connector.types import (
    ChatRequest,
    Document,
    Image,
    Notes,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from tests.formats.support import PAIRS
from tests.support.cassettes import CASSETTES, load
from tests.support.corpus import exchanges
from tests.support.golden import FOLDER, golden_cases

__all__ = ["LONGEST", "Answered", "answers", "cassette_texts", "requests"]

LONGEST = 8 << 10
"""Bytes. Longer seeds make slow runs, and show nothing that a shorter one does not."""

_REQUESTS = FOLDER.parent.parent / "formats" / "golden"


@dataclass(frozen=True)
class Answered:
    """One answer of a provider, and the path it was asked at."""

    provider: str
    path: str
    status: int
    body: bytes


@functools.cache
def answers() -> list[Answered]:
    """Every answer that is short enough."""
    found = [*_recorded(), *_from_corpus()]
    return [answer for answer in found if 0 < len(answer.body) <= LONGEST]


def cassette_texts() -> Iterator[bytes]:
    """The cassettes themselves, the shortest ones."""
    yield from sorted((path.read_bytes() for path in CASSETTES.rglob("*.yaml")), key=len)[:20]


def requests(format: str, wire: str) -> Iterator[bytes]:
    """Bodies of requests: golden ones of a wire format, those of famous clients, and one with a bit of everything."""
    yield from (_dumped(case.values[0].body) for case in golden_cases(wire) if case.values[0].body is not None)
    cases = (json.loads(path.read_bytes()) for path in sorted(_REQUESTS.glob("*.json")))
    yield from (_dumped(case["body"]) for case in cases if case["format"] == format)
    request = ChatRequest.of(_TALK, _OPTIONS)
    yield _dumped(PAIRS[format].protocol.render_chat(request, stream=True, notes=Notes()) if format in PAIRS else {})
    yield request.model_dump_json().encode()


_CALL = ToolCall(id="call_1", name="weather", arguments={"city": "Oslo"}, arguments_raw='{"city":"Oslo"}')
_TALK = [
    system(Text("Be terse.", cache=True)),
    user(
        "Where?",
        Image.base64("image/png", "iVBORw0KGgo="),
        Document.base64("application/pdf", "JVBERi0=", name="a.pdf"),
    ),
    assistant(Reasoning("Hm.", signature="s", field="reasoning_content"), "Here.", _CALL),
    tool_result(_CALL, "7 degrees"),
    user("And now?"),
]
_OPTIONS: dict[str, Any] = {
    "model": "m",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 50,
    "stop": ["END"],
    "seed": 1,
    "reasoning": "low",
    "tools": [Tool("weather", "Now", {"type": "object", "properties": {"city": {"type": "string"}}})],
    "tool_choice": "weather",
    "response_format": {"type": "object", "properties": {"a": {"type": "integer"}}},
}


def _dumped(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _recorded() -> Iterator[Answered]:
    for path in sorted(CASSETTES.rglob("*.yaml")):
        for item in load(path)["interactions"]:
            response = item["response"]
            body = response["body"]["string"]
            text = body.encode() if isinstance(body, str) else body
            yield Answered(_provider(path), item["request"]["uri"], response["status"]["code"], text or b"")


def _provider(path: Path) -> str:
    return path.parent.name


_ROWS = {
    "openai_chat": "openai_compatible",
    "openai_responses": "openai_responses",
    "bedrock_converse": "bedrock",
    "bedrock_invoke": "anthropic_bedrock",
    "dashscope": "aliyun",
    "vertex_anthropic": "anthropic_vertex",
}
"""Rows that speak the wire formats of the corpus, where they are not named like those."""


def _from_corpus() -> Iterator[Answered]:
    for exchange in exchanges().values():
        row = _ROWS.get(exchange.protocol, exchange.protocol)
        yield Answered(row, exchange.request["url"], exchange.status, exchange.body)
