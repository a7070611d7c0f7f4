"""The message of a streamed answer while it grows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import AsyncLlmClient, LlmClient, Message, Opaque, Reasoning, Text, ToolCall
from llm_connector.protocols import tool_calls
from llm_connector.types import AnyPart
from tests.support.answers import ask, open_decoder, streamed
from tests.support.generated import ANSWERS
from tests.support.wire_server import Stream, WireServer, sse

BLOCKS: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"type": "thinking", "thinking": ""}, [{"type": "thinking_delta", "thinking": "Hm."}]),
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in ("One", ".")]),
    ({"type": "web_search_tool_result", "content": []}, []),
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Two."}]),
    (
        {"type": "tool_use", "id": "c", "name": "look", "input": {}},
        [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"at": ', '"sea"}')],
    ),
]


def events() -> list[dict[str, Any]]:
    message = {"id": "m", "role": "assistant", "model": "x", "content": [], "usage": {}}
    made: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (block, deltas) in enumerate(BLOCKS):
        made.append({"type": "content_block_start", "index": index, "content_block": block})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}}
    return [*made, end, {"type": "message_stop"}]


ANSWER = Stream([b"".join(sse(*events(), done=False, named=True))])
THOUGHT = Reasoning("Hm.", provider="anthropic")
FOUND = Opaque(provider="anthropic", data={"type": "web_search_tool_result", "content": []})


def shown(message: Message) -> list[AnyPart | str]:
    """The parts; of an unfinished call its text alone."""
    parts = message.parts
    return [part.arguments_raw if isinstance(part, ToolCall) and part.error else part for part in parts]


GROWTH: list[list[Any]] = [
    [THOUGHT],
    [THOUGHT, Text("One")],
    [THOUGHT, Text("One.")],
    [THOUGHT, Text("One."), FOUND, Text("Two.")],
    [THOUGHT, Text("One."), FOUND, Text("Two."), ""],
    [THOUGHT, Text("One."), FOUND, Text("Two."), '{"at": '],
]
CALL = ToolCall(id="c", name="look", arguments={"at": "sea"}, arguments_raw='{"at": "sea"}')


def test_a_message_grows_part_by_part(wire_server: WireServer):
    wire_server.script(ANSWER)
    stream = LlmClient("anthropic", model="m", api_key="k", base_url=wire_server.url).stream("Hi")
    assert stream.message == Message(role="assistant", parts=[])
    with stream:
        seen = [stream.message for chunk in stream if chunk.delta is not None]
    assert [shown(message) for message in seen[: len(GROWTH)]] == GROWTH
    assert all(message.parts[-1] == CALL for message in seen[len(GROWTH) :])
    assert seen[-1] == stream.message == stream.response.message


def test_it_equals_that_of_the_partial_answer(wire_server: WireServer):
    wire_server.script(ANSWER)
    stream = LlmClient("anthropic", model="m", api_key="k", base_url=wire_server.url).stream("Hi")
    assert all(stream.message == stream.partial.message for _ in stream)


@pytest.mark.anyio
async def test_it_grows_in_coroutines(wire_server: WireServer):
    wire_server.script(ANSWER)
    client = AsyncLlmClient("anthropic", model="m", api_key="k", base_url=wire_server.url)
    async with client, client.stream("Hi") as stream:
        assert [stream.message.text async for chunk in stream if chunk.text] == ["One", "One.", "One.Two."]


@pytest.fixture
def _same_made_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_calls, "made_up_id", lambda: "made-up")


@pytest.mark.usefixtures("_same_made_up_ids")
@pytest.mark.parametrize("wire", ANSWERS)
@given(data=st.data())
def test_reading_it_at_every_chunk_changes_nothing(wire: str, data: st.DataObject):
    answer = data.draw(ANSWERS[wire])
    decoder, said = open_decoder(ask(provider=answer.provider, stream=True, **answer.options)), ""
    for chunk in decoder.feed(answer.stream()):
        said += chunk.text
        assert decoder.message().text.startswith(said)
    for chunk in decoder.close():
        said += chunk.text
    assert decoder.message().text == said
    plain = streamed(answer.stream(), ask(provider=answer.provider, stream=True, **answer.options))
    assert decoder.response() == plain.response
