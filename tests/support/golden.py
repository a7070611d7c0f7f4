"""Golden requests: what a caller means, the body it must become on the wire, and what had to be adapted.

One JSON file per case in `tests/protocols/golden/<wire format>/`, written from the provider's documentation:

    {
      "about": "why this case exists, or the rule it follows",
      "provider": "deepseek",        a row of the table; or, instead, the fields of the protocol:
      "dialect": {"replay": "always"},
      "stream": false,               optional, as is everything below
      "request": {"model": …, "messages": …, and any option of `chat`},
      "body": {…},                   what is sent, `extra_body` included
      "adaptations": [{"action": "dropped", "subject": "cache"}],
      "error": {"type": "ConfigurationError", "message": "a part of its text"},   instead of a body
      "variants": {"name": {"request": {…}, "body": {…}, "adaptations": […]}}      laid over the case, key by key
    }

Messages have the shape of `Message.model_dump`, with `parts`, or that of OpenAI.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

import pytest

import llm_connector
from llm_connector.operations import RenderedChat, render
from llm_connector.protocols import AnthropicMessages, ChatCompletions, OllamaChat, Protocol
from llm_connector.protocols.anthropic_bedrock import AnthropicBedrock
from llm_connector.protocols.anthropic_vertex import AnthropicVertex
from llm_connector.protocols.converse import Converse
from llm_connector.protocols.dashscope import DashScope
from llm_connector.protocols.gemini import Gemini
from llm_connector.protocols.responses import Responses
from llm_connector.protocols.tencent import TencentChat
from llm_connector.providers import Endpoint, ProviderSpec, find
from llm_connector.providers.spec import EVERYTHING
from llm_connector.types import ChatRequest
from llm_connector.wire import encode_json

FOLDER = Path(__file__).resolve().parent.parent / "protocols" / "golden"
FORMATS: Mapping[str, type[Protocol]] = {
    "anthropic": AnthropicMessages,
    "anthropic_vertex": AnthropicVertex,
    "anthropic_bedrock": AnthropicBedrock,
    "chat_completions": ChatCompletions,
    "converse": Converse,
    "dashscope": DashScope,
    "gemini": Gemini,
    "ollama": OllamaChat,
    "responses": Responses,
    "tencent": TencentChat,
}
KEYS = {"about", "provider", "dialect", "stream", "request", "body", "adaptations", "error"}


@dataclass(frozen=True)
class Golden:
    """One case, or one variant of it."""

    name: str
    spec: ProviderSpec
    request: dict[str, Any]
    stream: bool
    body: dict[str, Any] | None
    adaptations: list[dict[str, str]]
    error: dict[str, str] | None

    def render(self, *, strict: bool = False) -> RenderedChat:
        """The request as the clients render it; everything but the sending."""
        options = copy.deepcopy(self.request)
        given = copy.deepcopy(options)
        request = ChatRequest.of(options.pop("messages"), options)
        rendered = render(Endpoint(self.spec, "http://127.0.0.1:1"), request, stream=self.stream, strict=strict)
        assert {"messages": given["messages"], **options} == given, "the caller's own objects were changed"
        return rendered

    def check(self) -> None:
        """Compare body and adaptations; a strict client must refuse exactly what has adaptations."""
        if self.error is not None:
            with pytest.raises(getattr(llm_connector, self.error["type"])) as failure:
                self.render()
            assert self.error["message"] in str(failure.value)
            return
        rendered = self.render()
        assert on_the_wire(rendered.body) == pretty(self.body)
        seen = [{"action": item.action, "subject": item.subject} for item in rendered.adaptations]
        assert pretty(sorted(seen, key=str)) == pretty(sorted(self.adaptations, key=str))
        if self.adaptations:
            with pytest.raises(llm_connector.UnsupportedError):
                self.render(strict=True)
        else:
            assert on_the_wire(self.render(strict=True).body) == pretty(self.body)


def golden_cases(wire_format: str) -> list[Any]:
    """Parameters for a test: every case of a wire format, named after its file."""
    found = [golden for path in sorted((FOLDER / wire_format).glob("*.json")) for golden in _read(path)]
    return [pytest.param(golden, id=golden.name) for golden in found]


def on_the_wire(body: Any) -> str:
    """The body as it is sent, laid out for a diff. Text, because 1, 1.0 and true are equal in Python, not in JSON."""
    return pretty(json.loads(encode_json(body)))


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)


def _read(path: Path) -> Iterator[Golden]:
    case = json.loads(path.read_bytes())
    variants: dict[str, Any] = case.pop("variants", {"": {}})
    for name, variant in variants.items():
        whole = {**case, **variant}
        for key in ("request", "body"):
            if key in case and key in variant:
                whole[key] = {**case[key], **variant[key]}
        if "error" in variant:
            whole.pop("body", None)
        if set(whole) - KEYS or not whole.get("about") or ("body" in whole) == ("error" in whole):
            raise ValueError(f"{path} {name}: unknown keys, no 'about', or not one of 'body' and 'error'")
        yield Golden(
            name=f"{path.stem}-{name}" if name else path.stem,
            spec=_spec(whole, path.parent.name),
            request=whole["request"],
            stream=whole.get("stream", False),
            body=whole.get("body"),
            adaptations=whole.get("adaptations", []),
            error=whole.get("error"),
        )


def _spec(case: Mapping[str, Any], wire_format: str) -> ProviderSpec:
    if "provider" in case:
        return find(case["provider"])
    kind = FORMATS[wire_format]
    defaults = {field.name: field.default for field in fields(kind)}
    dialect = {name: _like(defaults[name], value) for name, value in case["dialect"].items()}
    return ProviderSpec("golden", kind(**dialect), "http://127.0.0.1:1", supports=EVERYTHING)


def _like(default: Any, value: Any) -> Any:
    """A JSON list as the collection that the field holds, an object as the dataclass."""
    if is_dataclass(default) and not isinstance(default, type) and isinstance(value, dict):
        kind = cast("Any", type(default))
        return kind(**{name: _frozen(item) for name, item in value.items()})
    collection: Any = type(cast("Any", default))
    return collection(value) if isinstance(value, list) and default is not None else value


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
