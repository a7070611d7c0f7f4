"""The wire formats that the kit speaks, by what their paths look like: how they ask, and how their answers are framed.

Each is a `Format`: those of the library, and four that only tests need to write.
"""

from __future__ import annotations

import base64
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from llm_connector.decoding import MISSHAPEN
from llm_connector.errors import LlmConnectorError
from llm_connector.formats.base import Format, Incoming, Output
from llm_connector.formats.framings import event_lines, json_line
from llm_connector.testing.event_frames import event_frame
from llm_connector.testing.script import Request
from llm_connector.wire import encode_json

__all__ = ["WIRES", "Wire", "find_wire"]

_SSE = "text/event-stream"
_FRAMES = "application/vnd.amazon.eventstream"
_MODEL = r"(?P<model>[^/]+)"


def _named_frame(output: Output) -> bytes:
    return event_frame(output[0], encode_json(output[1]))


def _chunk_frame(output: Output) -> bytes:
    return event_frame("chunk", encode_json({"bytes": base64.b64encode(encode_json(output[1])).decode()}))


@dataclass(frozen=True)
class Wire:
    """One wire format as servers speak it: the requests that are its own, and the bytes of its answers.

    `path` may have groups: `model`, and `stream`, which is there if a stream is asked for.
    """

    name: str
    path: re.Pattern[str]
    home: str
    frame: Callable[[Output], bytes] = event_lines
    content_type: str = _SSE
    header: str = ""
    """A header that asks for a stream."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """How the format differs from the usual one."""

    @cached_property
    def format(self) -> Format:
        """What reads its requests and writes its answers."""
        made: Format = importlib.import_module(f"..{self.home}", __package__).FORMAT
        return replace(made, **self.fields)

    @property
    def marker(self) -> bytes:
        """What ends a stream, after its last event."""
        mark = self.format.end_marker
        return b"data: %b\n\n" % mark.encode() if mark else b""

    def read(self, http: Request) -> tuple[Incoming | None, bool]:
        """The request, None if it cannot be read; and whether it wants a stream."""
        said = self.path.search(_path(http))
        groups: Mapping[str, str | None] = said.groupdict() if said else {}
        try:
            body = http.json
        except ValueError:
            return None, False
        stream = bool(body.get("stream")) if isinstance(body, dict) else False
        if "stream" in groups:
            stream = groups["stream"] is not None
        elif self.header:
            stream = self.header in http.headers
        if groups.get("model") and isinstance(body, dict):
            body = {**body, "model": groups["model"]}
        try:
            incoming = self.format.parse_request(body)
        except (LlmConnectorError, *MISSHAPEN):
            return None, stream
        return incoming, stream if "stream" in groups or self.header else incoming.stream


WIRES: tuple[Wire, ...] = (
    Wire("openai", re.compile(r"/chat/completions$"), "formats.openai"),
    Wire("openai_responses", re.compile(r"/responses$"), "formats.openai_responses"),
    Wire("anthropic", re.compile(r"/messages$"), "formats.anthropic"),
    Wire(
        "ollama",
        re.compile(r"/api/(?:chat|generate)$"),
        "formats.ollama",
        json_line,
        "application/x-ndjson",
        fields={"ids": True},
    ),
    Wire("anthropic_vertex", re.compile(rf"/models/{_MODEL}:(?P<stream>stream)?[rR]awPredict$"), "formats.anthropic"),
    Wire(
        "anthropic_bedrock",
        re.compile(r"/model/(?P<model>.+)/invoke(?P<stream>-with-response-stream)?$"),
        "formats.anthropic",
        _chunk_frame,
        _FRAMES,
    ),
    Wire(
        "converse",
        re.compile(r"/model/(?P<model>.+)/converse(?P<stream>-stream)?$"),
        "testing.converse",
        _named_frame,
        _FRAMES,
    ),
    Wire("gemini", re.compile(rf"/models/{_MODEL}:(?P<stream>stream)?[gG]enerateContent$"), "testing.gemini"),
    Wire("dashscope", re.compile(r"/services/aigc/.+/generation$"), "testing.dashscope", header="x-dashscope-sse"),
    Wire("tencent", re.compile(r"^/?$"), "testing.tencent"),
)
"""All of them."""


def find_wire(http: Request) -> Wire | None:
    """The wire format that a request is of; None for what is no chat."""
    path = _path(http)
    if http.method != "POST":
        return None
    return next((wire for wire in WIRES if wire.path.search(path)), None)


def _path(http: Request) -> str:
    return unquote(http.path.partition("?")[0])
