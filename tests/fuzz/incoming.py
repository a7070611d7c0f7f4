"""What must hold of everything that clients of a gateway and users write, whatever the bytes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.formats import find_format
from llm_connector.operations import render
from llm_connector.server.app import ROUTES, Gateway
from llm_connector.server.config import GatewayConfig, Upstream, single
from llm_connector.testing.script import Answer
from llm_connector.testing.transport import InProcess
from llm_connector.types import ChatRequest
from llm_connector.wire import decode_json, encode_json
from tests.fuzz.laws import ready, tellable
from tests.support.answers import sse
from tests.support.asgi import asked

__all__ = ["conversation", "read_from_file", "request", "served"]

_LARGEST = 8 << 10
"""Bytes of a body that the gateway takes."""

_ROWS = (
    "openai_compatible",
    "openai_responses",
    "anthropic",
    "bedrock",
    "gemini",
    "ollama",
    "aliyun",
    "tencent_native",
)


def request(name: str) -> Callable[[bytes], None]:
    """A request in a format is read and can be sent to any provider, or is refused in words that name the place."""

    def law(data: bytes) -> None:
        try:
            body = decode_json(data)
        except ValueError:
            return
        try:
            incoming = find_format(name).parse_request(body)
        except LlmConnectorError as error:
            tellable(error, len(data))
            return
        if not incoming.loads:
            _sendable(incoming.request, incoming.rest, len(data))

    return law


def conversation(data: bytes) -> None:
    """Any JSON as messages and options."""
    try:
        body = decode_json(data)
    except ValueError:
        return
    options = dict(body) if isinstance(body, dict) else {}
    try:
        request = ChatRequest.of(options.pop("messages", body), options)
    except LlmConnectorError as error:
        tellable(error, len(data))
        return
    _sendable(request, {}, len(data))


def _sendable(request: ChatRequest, rest: dict[str, Any], size: int) -> None:
    repr(request)
    request.model_dump_json()
    sent = request.model_copy(update={"extra_body": rest or request.extra_body})
    for row in _ROWS:
        for stream in (False, True):
            try:
                encode_json(render(ready(row), sent, stream=stream).body)
            except LlmConnectorError as error:
                tellable(error, size)


# the gateway and the testing kit


class _Upstream(InProcess):
    """A provider that says hello."""

    def _answer_to(self, request: Any) -> Any:
        if not request.path.endswith("/chat/completions"):
            return Answer.json({"data": [{"id": "m", "index": 0, "embedding": [1.0, 2.0]}]})
        event = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}
        return Answer(200, {"content-type": "text/event-stream"}, sse(event, done=True))


@cache
def _gateway() -> Gateway:
    here = {"http_client": _Upstream().async_http_client, "base_url": "http://127.0.0.1:1/v1"}
    return Gateway(GatewayConfig(single(Upstream("openai_compatible", settings=here)), max_body_bytes=_LARGEST))


def served(data: bytes) -> None:
    """The first line is a path, the rest a body: whatever they are, there is one answer, and it is not a failure."""
    line, _, body = data.partition(b"\n")
    path = line.decode("latin-1")
    method = ROUTES[path].method if path in ROUTES else "POST"
    answer = asyncio.run(asked(_gateway(), method, path, body))
    assert 200 <= answer.status < 500 or answer.status == 502, answer
    if answer.status >= 400:
        decode_json(answer.body)


def read_from_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    """A file of the user's is read, or what is wrong with it is said."""

    def law(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"file{suffix}")
            path.write_bytes(data)
            try:
                read(path)
            except ConfigurationError as error:
                tellable(error, len(data))

    return law
