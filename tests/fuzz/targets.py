"""What is fuzzed: everything that reads bytes of somebody else. A target is a law, and inputs to begin with."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from llm_connector.event_stream import EventStreamDecoder
from llm_connector.formats import FORMATS
from llm_connector.framing import Framing, NDJSONDecoder, SSEDecoder
from llm_connector.providers import PROVIDERS, find
from llm_connector.server.app import ROUTES
from llm_connector.server.config_file import read_config
from llm_connector.testing import Replay
from tests.fuzz import incoming, laws, seeds
from tests.fuzz.mutations import Mutation, mutate_frames, mutate_lines
from tests.support.golden import FORMATS as WIRES

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """A law over any bytes, where to begin, and how to change what was tried."""

    law: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Mutation = mutate_lines


def _answered(row: str) -> Callable[[], Iterable[bytes]]:
    """Answers of every row that speaks the wire format of this one."""
    kind = type(find(row).protocol)
    return lambda: [
        answer.body
        for answer in seeds.answers()
        if answer.provider in PROVIDERS and isinstance(find(answer.provider).protocol, kind)
    ]


def _bodies(kind: type[Framing]) -> Callable[[], Iterable[bytes]]:
    """Answers of every row whose streams are framed so."""
    return lambda: [
        answer.body
        for answer in seeds.answers()
        if answer.provider in PROVIDERS and find(answer.provider).protocol.framing is kind
    ]


def _refused() -> Iterator[bytes]:
    for answer in seeds.answers():
        if answer.status >= 400:
            yield b"%d\nretry-after: 3\nx-request-id: r\n\n%b" % (answer.status, answer.body)
    yield b"307\nlocation: /v2/chat\n\n"
    yield b"429\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1m2s\n\n{}"
    yield b"200\ncontent-type: text/html\n\n<html>Hi</html>"
    yield b'403\nx-amzn-errortype: AccessDeniedException:http://x\n\n{"Message": "no"}'


def _listed() -> Iterator[bytes]:
    wanted = re.compile(r"embed|models|rerank|count|tags")
    return (answer.body for answer in seeds.answers() if wanted.search(answer.path))


def _managed() -> Iterator[bytes]:
    yield from (answer.body for answer in seeds.answers() if answer.provider == "ollama")
    yield b'{"status":"pulling","digest":"sha256:a","total":9,"completed":3}\n{"status":"success"}\n'
    yield b'{"version":"0.13.0"}'


def _compressed() -> Iterator[bytes]:
    for text in (b"", b"Hello", b"a" * 100_000):
        yield zlib.compress(text)
        for bits in (zlib.MAX_WBITS | 16, -zlib.MAX_WBITS):
            body = zlib.compressobj(wbits=bits)
            yield body.compress(text) + body.flush()


def _called() -> Iterator[bytes]:
    pieces = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city"'}},
        {"index": 0, "function": {"arguments": ': "Oslo"}'}},
        {"index": 1, "id": "b", "function": {"name": "weather", "arguments": {"city": "Rome"}}},
    ]
    yield json.dumps(pieces).encode()


def _written(name: str) -> Iterable[bytes]:
    """Requests in a format."""
    return seeds.requests(name, _GOLDEN.get(name, "chat_completions"))


def _asked_of_gateway() -> Iterator[bytes]:
    names = {"/v1/responses": "openai_responses", "/v1/messages": "anthropic", "/api/chat": "ollama"}
    for path in ROUTES:
        yield path.encode() + b'\n{"model": "m", "input": ["a"], "prompt": "a"}'
    for path, name in {**names, "/v1/messages/count_tokens": "anthropic", "/v1/chat/completions": "openai"}.items():
        for body in _written(name):
            yield path.encode() + b"\n" + body


def _configured() -> Iterator[bytes]:
    yield b"""[server]
port = 1
cors_origins = ["http://a"]
[providers.mine]
provider = "openai"
api_key_env = "KEY"
timeout = 5.0
headers = {a = "b"}
[models."fast"]
provider = "mine"
model = "m"
options = {temperature = 0.5, reasoning = "low"}
fallbacks = ["slow"]
[models."slow"]
provider = "ollama"
"""


def _said() -> Iterator[bytes]:
    yield b"<think>A thought.</think>\n\nAn answer."
    yield b"[THINK]One[/THINK]two<thinking/>"


_DIALECTS = ("mistral", "minimax", "openrouter", "zhipu", "perplexity", "local")
_WIRE_ROWS = {
    "anthropic": "anthropic",
    "anthropic_vertex": "anthropic_vertex",
    "anthropic_bedrock": "anthropic_bedrock",
    "chat_completions": "openai_compatible",
    "responses": "openai_responses",
    "converse": "bedrock",
    "dashscope": "aliyun",
    "gemini": "gemini",
    "ollama": "ollama",
    "tencent": "tencent_native",
    **{row: row for row in _DIALECTS},
}
assert set(WIRES) <= set(_WIRE_ROWS), "a wire format is not fuzzed"
_GOLDEN = {"openai_responses": "responses", "anthropic": "anthropic", "ollama": "ollama"}
"""Wire formats whose golden requests begin the fuzzing of a format; of the others, those of Chat Completions."""

TARGETS: dict[str, Target] = {
    "sse": Target(laws.framed(SSEDecoder), _bodies(SSEDecoder)),
    "ndjson": Target(laws.framed(NDJSONDecoder), _bodies(NDJSONDecoder)),
    "event_stream": Target(laws.framed(EventStreamDecoder), _bodies(EventStreamDecoder), mutate_frames),
    "inflate": Target(laws.inflate, _compressed),
    "think_tags": Target(laws.think_tags, _said),
    "tool_calls": Target(laws.called, _called),
    **{
        name: Target(
            laws.answer(row),
            _answered(row),
            mutate_frames if find(row).protocol.framing is EventStreamDecoder else mutate_lines,
        )
        for name, row in _WIRE_ROWS.items()
    },
    "refusals": Target(laws.refused, _refused),
    "lists": Target(laws.lists, _listed),
    "management": Target(laws.management, _managed),
    **{f"request_{name}": Target(incoming.request(name), partial(_written, name)) for name in FORMATS},
    "gateway": Target(incoming.served, _asked_of_gateway),
    "gateway_config": Target(incoming.read_from_file(".toml", read_config), _configured),
    "cassette": Target(incoming.read_from_file(".yaml", Replay), seeds.cassette_texts),
    "conversation": Target(incoming.conversation, partial(_written, "unified")),
}
"""Every target by its name."""
