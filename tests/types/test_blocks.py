"""Content blocks of other libraries as parts, and parts as standard blocks."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llm_connector import ConfigurationError
from llm_connector.types import Audio, Document, Image, Opaque, Reasoning, Text, ToolCall, Video, conversation
from llm_connector.types.blocks import block_of, is_block, part_of

PNG = "iVBORw0KGgo="
PDF = base64.b64encode(b"%PDF-1.4").decode()
URL = "https://example.com/a"

READ: dict[str, tuple[Any, Any]] = {
    "string": ("a", Text("a")),
    "part": (Text("a"), Text("a")),
    "standard image": ({"type": "image", "base64": PNG, "mime_type": "image/png"}, Image.base64("image/png", PNG)),
    "standard image by url": (
        {"type": "image", "url": URL, "extras": {"detail": "low", "cache_control": {"type": "ephemeral", "ttl": "1h"}}},
        Image(URL, detail="low", cache="1h"),
    ),
    "standard image by id": ({"type": "image", "file_id": "file-1"}, Image(file_id="file-1")),
    "standard audio": (
        {"type": "audio", "base64": PNG, "mime_type": "audio/mpeg"},
        Audio.base64("audio/mpeg", PNG),
    ),
    "standard video": ({"type": "video", "url": URL}, Video(URL)),
    "standard file": (
        {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
        Document.base64("application/pdf", PDF, name="a.pdf"),
    ),
    "standard file, named in its extras": (
        {"type": "file", "url": URL, "extras": {"name": "b.pdf"}},
        Document(URL, name="b.pdf"),
    ),
    "standard file by id": ({"type": "file", "file_id": "file-1"}, Document(file_id="file-1")),
    "plain text": (
        {"type": "text-plain", "text": "abc", "title": "tale.txt"},
        Document.base64("text/plain", "YWJj", name="tale.txt"),
    ),
    "document of Anthropic": (
        {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
        Document.base64("text/plain", "YWJj", name="t"),
    ),
    "reasoning": ({"type": "reasoning", "reasoning": "Hm."}, Reasoning("Hm.")),
    "reasoning with state": (
        {"type": "reasoning", "reasoning": "", "extras": {"signature": "s", "id": "r1", "type": "x", "other": 1}},
        Reasoning(signature="s", id="r1"),
    ),
    "thinking": ({"type": "thinking", "thinking": "Hm.", "signature": "s"}, Reasoning("Hm.", signature="s")),
    "redacted thinking": ({"type": "redacted_thinking", "data": "x"}, Reasoning(encrypted="x")),
    "reasoning of Bedrock": (
        {"type": "reasoning_content", "reasoning_content": {"text": "Hm.", "signature": "s"}},
        Reasoning("Hm.", signature="s"),
    ),
    "tool_use": (
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        ToolCall(id="c", name="f", arguments={"a": 1}),
    ),
    "tool_call": (
        {"type": "tool_call", "id": "c", "name": "f", "args": {}, "extras": {"item_id": "of another library"}},
        ToolCall(id="c", name="f"),
    ),
    "wrapped block": ({"type": "non_standard", "value": {"type": "text", "text": "a"}}, Text("a")),
    "wrapped unknown": ({"type": "non_standard", "value": {"type": "odd"}}, Opaque(data={"type": "odd"})),
}


@pytest.mark.parametrize(("block", "expected"), READ.values(), ids=READ)
def test_a_block_is_read(block: Any, expected: Any):
    before = repr(block)
    assert part_of(block) == expected
    assert repr(block) == before


def test_a_call_that_cannot_be_read_is_kept():
    call = part_of({"type": "invalid_tool_call", "id": None, "name": "f", "args": '{"a": 1'})
    assert isinstance(call, ToolCall)
    assert (call.id, call.arguments, call.arguments_raw) == ("call_f", {}, '{"a": 1')
    assert "not JSON" in str(call.error)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "odd"}, r"messages\[0\]: unknown content type 'odd'; use text,"),
        ({"type": ["text"]}, "unknown content type"),
        ({"text": "a"}, "unknown content type None"),
        (5, "'int' is not content; give text or parts"),
        ({"type": "image"}, r"messages\[0\]: 'url' is missing"),
        ({"type": "image", "base64": PNG}, "image needs a media type"),
        ({"type": "video", "url": "/etc/passwd"}, r"the video in a dict needs an http\(s\) or data URL"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_its_position(block: Any, said: str):
    with pytest.raises(ConfigurationError, match=said):
        conversation([{"role": "user", "content": [block]}])


def test_types_of_blocks_are_known():
    assert is_block({"type": "text"})
    assert not is_block({"type": "odd"})
    assert not is_block({"type": {}})


BROKEN = ToolCall(id="c", name="f", arguments_raw='{"a": 1', error="the arguments are not JSON: x")
PARTS = [
    Text("a"),
    Reasoning("Hm."),
    Reasoning("", provider="anthropic", signature="s", encrypted="e", id="i", field="reasoning", details=[{"a": 1}]),
    ToolCall(id="c", name="f", arguments={"ü": [1]}),
    ToolCall(id="c", name="f", provider="gemini", extra={"thoughtSignature": "s"}),
    Image(URL),
    Image(file_id="file-1"),
    Image.base64("image/png", PNG),
    Audio.base64("audio/wav", PNG),
    Video(URL),
    Document.base64("application/pdf", PDF),
    Opaque(data={"type": "server_tool_use", "id": "s1"}),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_a_part_is_written_as_a_block_that_reads_as_the_part(part: Any):
    block = block_of(part)
    assert part_of(json.loads(json.dumps(block))) == part


def test_a_broken_call_is_written_with_its_text():
    said = "the arguments are not JSON: x"
    expected = {"type": "invalid_tool_call", "id": "c", "name": "f", "args": '{"a": 1', "error": said}
    assert block_of(BROKEN) == expected


def test_blocks_of_an_answer_belong_to_whoever_said_it():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    named = {"type": "reasoning", "reasoning": "Yes.", "extras": {"provider": "openai", "encrypted": "e"}}
    wrapped = {"type": "non_standard", "value": {"type": "odd"}}
    (turn,) = conversation([{"role": "assistant", "provider": "anthropic", "content": [thought, named, wrapped, "Hi"]}])
    assert turn.parts == [
        Reasoning("Hm.", signature="s", provider="anthropic"),
        Reasoning("Yes.", encrypted="e", provider="openai"),
        Opaque(data={"type": "odd"}, provider="anthropic"),
        Text("Hi"),
    ]


def test_a_failed_tool_is_read():
    (turn,) = conversation([{"role": "tool", "tool_call_id": "c", "content": "no", "is_error": True}])
    assert turn.parts[0].model_dump()["error"] is True


def test_calls_are_the_assistants():
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(ConfigurationError, match=r"messages\[0\]: a user message has no 'tool_calls'"):
        conversation([{"role": "user", "content": "Hi", "tool_calls": [call]}])


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text-plain", "text": "\ud800"},
        {"type": "tool_call", "id": "a", "name": "f", "args": {}, "extras": "abc"},
        {"type": "tool_call", "id": "a", "name": "f", "args": {}, "extras": {"provider": 5}},
    ],
)
def test_a_misshapen_block_is_a_mistake_with_its_position(block: dict[str, Any]):
    with pytest.raises(ConfigurationError, match=r"messages\[0\]"):
        conversation([{"role": "assistant", "content": [block]}])
