"""How many parts of a streamed answer have begun."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmClient
from tests.support.wire_server import Stream, WireServer, sse

TEXT = {"type": "text", "text": ""}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "role": "assistant", "model": "x", "content": [], "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": TEXT},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "One."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "web_search_tool_result", "content": []}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": TEXT},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "Two."}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
ANSWER = Stream([b"".join(sse(*EVENTS, done=False, named=True))])


def test_parts_that_no_chunk_brings_count(wire_server: WireServer):
    wire_server.script(ANSWER)
    stream = LlmClient("anthropic", model="m", api_key="k", base_url=wire_server.url).stream("Hi")
    assert stream.size == 0
    with stream:
        assert [(chunk.text, stream.size) for chunk in stream if chunk.text] == [("One.", 1), ("Two.", 3)]


@pytest.mark.anyio
async def test_they_count_in_coroutines(wire_server: WireServer):
    wire_server.script(ANSWER)
    client = AsyncLlmClient("anthropic", model="m", api_key="k", base_url=wire_server.url)
    async with client, client.stream("Hi") as stream:
        assert [stream.size async for chunk in stream if chunk.text] == [1, 3]
