"""The laws of `docs/architecture.md`, over answers and streams made at random."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from llm_connector import LlmClient, decoding
from llm_connector.errors import (
    APIError,
    ConfigurationError,
    LlmConnectorError,
    StreamError,
    TransportError,
    UnsupportedError,
)
from llm_connector.operations import ChatDecoder
from llm_connector.protocols import tool_calls
from llm_connector.types import (
    Audio,
    ChatChunk,
    ChatResponse,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from tests.support.answers import KEY, Reading, ask, open_decoder, outline, sse, streamed, whole
from tests.support.cuts import ends_of_events, single_bytes, split_at
from tests.support.generated import ANSWERS, Written, several_completions
from tests.support.generated_bedrock import BEDROCK_ANSWERS

ROWS = [
    "openai",
    "openai_compatible",
    "aliyun",
    "deepseek",
    "anthropic",
    "anthropic_bedrock",
    "anthropic_vertex",
    "bedrock",
    "gemini",
    "gemini_vertex",
    "ollama",
    "tencent_native",
    "zhipu",
    "deepseek_anthropic",
    "openai_responses",
]
LINE_ENDS = st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1, max_size=3)
ANSWERS.update(BEDROCK_ANSWERS)
over_all_formats = pytest.mark.parametrize("wire", ANSWERS)


@pytest.fixture(autouse=True)
def _same_made_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_calls, "made_up_id", lambda: "made-up")


def read(answer: Written, blocks: Any = None) -> Reading:
    rendered = ask(provider=answer.provider, stream=True, **answer.options)
    return streamed(answer.stream() if blocks is None else blocks, rendered)


def said(response: ChatResponse) -> dict[str, Any]:
    """What the fold law compares."""
    return response.model_dump(exclude={"raw", "headers"})


def once(value: Any) -> list[Any]:
    """The value once, or not at all if there is none."""
    return [] if value is None or value == Usage() else [value]


def deltas_of(chunk: ChatChunk) -> list[Any]:
    return [delta for delta in (chunk.text, chunk.reasoning, chunk.tool_call_delta, chunk.tool_call) if delta]


class TestFoldLaw:
    """1. Folding a stream gives what the same answer gives unstreamed."""

    @over_all_formats
    @given(data=st.data())
    def test_a_streamed_answer_equals_the_whole_one(self, wire, data):
        answer = data.draw(ANSWERS[wire])

        assert said(read(answer).answer) == said(whole(answer.whole, ask(provider=answer.provider)))

    @given(answer=several_completions())
    def test_several_answers_are_kept_apart(self, answer):
        reading = read(answer)
        response = reading.answer

        assert said(response) == said(whole(answer.whole, ask(n=2)))
        for number, choice in enumerate(response.choices):
            mine = [chunk for chunk in reading.chunks if chunk.choice == number]
            assert "".join(chunk.text for chunk in mine) == choice.message.text
            assert [chunk.tool_call for chunk in mine if chunk.tool_call] == choice.message.tool_calls
            assert [chunk.finish_reason for chunk in mine if chunk.finish_reason] == once(choice.finish_reason)

    @over_all_formats
    @given(data=st.data())
    def test_the_chunks_add_up_to_the_answer(self, wire, data):
        reading = read(data.draw(ANSWERS[wire]))
        response = reading.answer

        assert reading.text == response.text
        assert reading.reasoning == (response.reasoning or "")
        assert sorted(reading.calls, key=lambda call: call.id) == sorted(response.tool_calls, key=lambda call: call.id)
        assert [chunk.finish_reason for chunk in reading.chunks if chunk.finish_reason] == once(response.finish_reason)
        assert [chunk.usage for chunk in reading.chunks if chunk.usage] == once(response.usage)
        assert [chunk.id for chunk in reading.chunks if chunk.id] == once(response.id)
        assert [chunk.model for chunk in reading.chunks if chunk.model] == once(response.model)


class TestCutLaw:
    """2. Chunks do not depend on where the network cut the bytes."""

    @over_all_formats
    @given(data=st.data(), ends=LINE_ENDS)
    def test_a_stream_may_be_cut_anywhere(self, wire, data, ends):
        answer = data.draw(ANSWERS[wire])
        if answer.framed == "ndjson":
            ends = [end for end in ends if end != "\r"] or ["\n"]
        body = answer.stream(ends, ascii_only=data.draw(st.booleans()))
        if data.draw(st.booleans()):
            body = body[: data.draw(st.integers(0, len(body)))]  # streams that break off obey as well
        places = data.draw(st.lists(st.integers(0, len(body)), max_size=8))

        uncut = outline(read(answer, [body]))

        note(f"{body!r} cut at {places}")
        assert outline(read(answer, split_at(body, *places))) == uncut
        assert outline(read(answer, single_bytes(body))) == uncut
        assert outline(read(answer, split_at(body, *ends_of_events(body)))) == uncut

    @over_all_formats
    @given(data=st.data())
    def test_pieces_may_be_joined_at_any_time(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        body = answer.stream()
        uncut = outline(read(answer, [body]))

        with mock.patch.object(decoding, "_GATHERED_BYTES", 0):
            assert outline(read(answer, split_at(body, *ends_of_events(body)))) == uncut
            assert outline(read(answer, single_bytes(body))) == uncut

    @over_all_formats
    @given(data=st.data())
    def test_keep_alives_change_nothing(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        quiet = answer.blocks()
        alive = data.draw(st.sampled_from(answer.keep_alives()))

        assert read(answer, [alive, *(block + alive for block in quiet)]).chunks == read(answer, quiet).chunks

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("error", ["nonsense", {"error": {"message": "Boom", "code": 503}}, None])
    def test_what_shares_a_block_with_a_failure_still_comes(self, error, end):
        event = {"choices": [{"delta": {"content": "Hi\u2028中"}}]}
        body = sse(event, event, *([error] if error else []), end=end)
        uncut = outline(streamed(body))

        assert "".join(chunk.text for chunk in uncut[0]) == "Hi\u2028中" * 2
        for place in range(len(body) + 1):
            assert outline(streamed(split_at(body, place))) == uncut


class TestRoundTrip:
    """3. An answer sent back carries ids, order, signatures and the provider's reasoning; others do not get them."""

    @over_all_formats
    @given(data=st.data())
    def test_the_next_request_carries_the_answer(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        message = whole(answer.whole, ask(provider=answer.provider)).message
        if not message.parts:
            return

        rendered = ask(conversation(message), provider=answer.provider)

        CARRIED[wire](answer.whole, turns_in(rendered.body), rendered.adaptations)

    @over_all_formats
    @given(data=st.data(), other=st.sampled_from(ROWS))
    def test_another_provider_gets_no_state_and_the_caller_hears_of_it(self, wire, data, other):
        answer = data.draw(ANSWERS[wire])
        message = whole(answer.whole, ask(provider=answer.provider)).message
        if other == answer.provider or not (message.text.strip() or message.tool_calls):
            return

        rendered = ask(conversation(message), provider=other)

        body = json.dumps(rendered.body, ensure_ascii=False)
        foreign = [part for part in message.parts if isinstance(part, Reasoning | Opaque)]
        for part in foreign:
            for state in ("signature", "encrypted", "data"):
                value = getattr(part, state, None)
                assert not value or (value if isinstance(value, str) else id_of(value)) not in body
        assert "reasoning_content" not in body or other == "deepseek"
        dropped = {note.subject for note in rendered.adaptations if note.action == "dropped"}
        assert {part.type for part in foreign} <= dropped
        assert all(call.id in body for call in message.tool_calls)


def conversation(message: Message) -> list[Message]:
    """A history in which an answer, and results of its calls, are followed by another question."""
    return [user("?"), message, *(tool_result(call, "done") for call in message.tool_calls), user("And now?")]


def id_of(block: dict[str, Any]) -> str:
    """The id of a block that is not interpreted."""
    own = block.get("id") or block.get("thoughtSignature")
    inner = next(iter(block.values()))
    return str(own or inner.get("toolUseId") or inner["id"])


def turns_in(body: Any) -> Any:
    """The turns of a request, under the name that its wire format has for them."""
    return next(body[name] for name in ("messages", "Messages", "contents", "input") if name in body)


def carried_completion(body: Any, messages: Sequence[Any], _adaptations: Any) -> None:
    wire, turn = body["choices"][0]["message"], messages[1]
    assert (turn["content"] or "") == (wire["content"] or "")
    sent = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in turn.get("tool_calls", ())
    ]
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in wire.get("tool_calls", ())
    ]
    assert sent == calls
    for name in ("reasoning_content", "reasoning"):
        assert turn.get(name) == (wire.get(name) if calls else None)
    assert [message["tool_call_id"] for message in messages[2:-1]] == [call[0] for call in calls]


def carried_blocks(body: Any, messages: Sequence[Any], adaptations: Any) -> None:
    blocks = [block for block in body["content"] if block.get("text") != ""]
    while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
        blocks.pop()  # the server refuses a turn that ends so
        assert [note.subject for note in adaptations] == ["reasoning"]
    if not any(block["type"] != "text" or block["text"].strip() for block in blocks):
        return  # nothing that the server takes
    content = messages[1]["content"]
    assert ([{"type": "text", "text": content}] if isinstance(content, str) else content) == blocks
    results = (
        [block["tool_use_id"] for block in messages[2]["content"] if block["type"] == "tool_result"]
        if any(block["type"] == "tool_use" for block in blocks)
        else []
    )
    assert results == [block["id"] for block in blocks if block["type"] == "tool_use"]


def carried_chat(body: Any, messages: Sequence[Any], _adaptations: Any) -> None:
    wire, turn = body["message"], messages[1]
    assert turn["content"] == wire["content"]
    assert turn.get("thinking") == wire.get("thinking")
    assert turn.get("tool_calls", []) == wire.get("tool_calls", [])
    assert [message["tool_call_id"] for message in messages[2:-1]] == [
        call["id"] for call in wire.get("tool_calls", ())
    ]


def carried_tencent(body: Any, messages: Sequence[Any], _adaptations: Any) -> None:
    wire = body["Response"]["Choices"][0]["Message"]
    calls = [{key: value for key, value in call.items() if key != "Index"} for call in wire["ToolCalls"] or ()]
    if not (calls or wire["Content"]):  # nothing but a thought, which must not go back
        assert [message["Role"] for message in messages] == ["user"]
        return
    turn = messages[1]
    assert turn["Content"] == wire["Content"]
    assert turn.get("ToolCalls", []) == calls
    assert "ReasoningContent" not in turn
    assert [message["ToolCallId"] for message in messages[2:-1]] == [call["Id"] for call in calls]


def carried_dashscope(body: Any, given: Any, adaptations: Any) -> None:
    wire = body["output"]["choices"][0]["message"]
    turn = given["messages"][1]
    text = wire["content"] if isinstance(wire["content"], str) else "".join(part["text"] for part in wire["content"])
    calls = [{key: value for key, value in call.items() if key != "index"} for call in wire.get("tool_calls", ())]
    assert turn["content"] == text
    assert turn.get("tool_calls", []) == calls
    assert turn.get("reasoning_content", "") == (wire["reasoning_content"] if calls else "")
    assert [message["tool_call_id"] for message in given["messages"][2:-1]] == [call["id"] for call in calls]
    assert adaptations == []


def carried_items(body: Any, items: Sequence[Any], _adaptations: Any) -> None:
    wire = [item for item in body["output"] if item["type"] != "message" or spoken(item)]
    while wire and wire[-1]["type"] == "reasoning":
        wire.pop()  # the server refuses a turn that ends so
    expected: list[Any] = []
    for item in wire:
        last = expected[-1] if expected else {}
        if item["type"] == "message" and "role" in last:
            last["content"] += spoken(item)
        elif item["type"] == "message":
            expected.append({"role": "assistant", "content": spoken(item)})
        elif item["type"] == "function_call":
            expected.append({key: value for key, value in item.items() if key not in ("id", "status")})
        else:
            expected.append({key: value for key, value in item.items() if value or key == "summary"})
    calls = [item["call_id"] for item in wire if item["type"] == "function_call"]
    assert items[1 : len(items) - len(calls) - 1] == (expected or [{"role": "assistant", "content": ""}])
    assert [item["call_id"] for item in items if item.get("type") == "function_call_output"] == calls


def spoken(item: Any) -> str:
    return "".join(part.get("text", "") for part in item["content"])


def carried_converse(body: Any, messages: Sequence[Any], adaptations: Any) -> None:
    blocks = [own for block in body["output"]["message"]["content"] if (own := converse_block(block)) is not None]
    while blocks and "reasoningContent" in blocks[-1]:
        blocks.pop()  # the server refuses a turn that ends so
        assert "reasoning" in [note.subject for note in adaptations]
    if not blocks:
        return
    assert messages[1]["content"] == blocks
    results = [block["toolResult"]["toolUseId"] for block in messages[2]["content"] if "toolResult" in block]
    called = (block.get("toolUse", {}) for block in blocks)
    assert results == [call["toolUseId"] for call in called if call and call.get("type") != "server_tool_use"]


def converse_block(block: dict[str, Any]) -> dict[str, Any] | None:
    """A block as it goes back: blank text is refused, and the type of an ordinary call is none of requests."""
    cited = block.get("citationsContent", {"content": [block]})["content"][0].get("text")
    if cited is not None and not cited.strip():
        return None
    call = block.get("toolUse", {})
    return (
        {"toolUse": {name: call[name] for name in call if name != "type"}} if call.get("type") == "tool_use" else block
    )


def carried_parts(body: Any, contents: Sequence[Any], adaptations: Any) -> None:
    sent: list[Any] = []
    for part in body["candidates"][0]["content"]["parts"]:
        last = sent[-1] if sent else {}
        if part.get("text") == "" and "thoughtSignature" not in part:
            continue
        if last.keys() == part.keys() <= {"text", "thought"}:  # neither is signed, so they are one
            sent[-1] = {**part, "text": last["text"] + part["text"]}
        else:
            sent.append(dict(part))
    assert adaptations == []
    calls = [part["functionCall"] for part in sent if "functionCall" in part]
    if not sent:
        assert len(contents) == 1
        return
    if calls and "thoughtSignature" not in next(part for part in sent if "functionCall" in part):
        assert "c2tpcF90aG91Z2h0" not in str(contents), "its turn is over"
    assert contents[1] == {"role": "model", "parts": sent}
    results = [part["functionResponse"] for part in contents[2]["parts"] if "functionResponse" in part]
    assert [(result["id"], result["name"]) for result in results] == [(call["id"], call["name"]) for call in calls]


CARRIED = {
    "chat completions": carried_completion,
    "contents": carried_parts,
    "dashscope": carried_dashscope,
    "converse": carried_converse,
    "messages": carried_blocks,
    "messages on bedrock": carried_blocks,
    "responses": carried_items,
    "ollama": carried_chat,
    "tencent": carried_tencent,
}


class TestOneDeltaLaw:
    """4. A chunk carries at most one delta; a finished tool call comes once, complete, on its own chunk."""

    @over_all_formats
    @given(data=st.data())
    def test_chunks_are_unambiguous(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        reading = read(answer)

        for chunk in reading.chunks:
            facts = [fact for fact in (chunk.finish_reason, chunk.usage, chunk.id, chunk.model) if fact is not None]
            assert len(deltas_of(chunk)) <= 1
            assert not (facts and deltas_of(chunk))
            assert facts or deltas_of(chunk), "no chunk is empty"
        for once in ("finish_reason", "usage", "id", "model"):
            assert len([chunk for chunk in reading.chunks if getattr(chunk, once) is not None]) <= 1

    @over_all_formats
    @given(data=st.data())
    def test_a_call_is_announced_once_after_its_pieces_and_complete(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        reading = read(answer)
        calls = reading.answer.tool_calls

        assert len(calls) == answer.calls
        for number, call in enumerate(calls):
            places = [
                place for place, chunk in enumerate(reading.chunks) if chunk.tool_call and chunk.tool_call.id == call.id
            ]
            mine = [
                place
                for place, chunk in enumerate(reading.chunks)
                if chunk.tool_call_delta and chunk.tool_call_delta.index == number
            ]
            assert [reading.chunks[place].tool_call for place in places] == [call]
            assert max(mine) < places[0]
            first, *more = [reading.chunks[place].tool_call_delta for place in mine]
            assert first is not None
            assert (first.id, first.name) == (call.id, call.name)
            assert {(piece.id, piece.name) for piece in more if piece} <= {(None, None)}
            text = first.arguments + "".join(piece.arguments for piece in more if piece)
            assert (json.loads(text) if text else {}) == call.arguments
            assert call.error is None


class TestInterruptionLaw:
    """5. A stream that ends early never looks like a short answer."""

    @over_all_formats
    @given(data=st.data())
    def test_every_early_end_raises_with_what_had_arrived(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        body, complete = answer.stream(), read(answer).answer
        arrived, marker = places_of(answer)
        cut = data.draw(st.one_of(st.sampled_from([0, *arrived, *ends_of_events(body)]), st.integers(0, len(body))))

        reading = read(answer, [body[:cut]])

        note(f"{body!r} ends after {cut} bytes, its end marker after {marker}")
        events = [event for event, place in zip(answer.events, arrived, strict=True) if place <= cut]
        if cut < marker:
            assert isinstance(reading.error, StreamError)
            assert not isinstance(reading.error, APIError)
            partial = reading.partial
            assert partial.text == reading.text == "".join(event.text for event in events)
            assert (partial.reasoning or "") == reading.reasoning == "".join(event.reasoning for event in events)
            assert [call.id for call in partial.tool_calls] == [call_id for event in events for call_id in event.begins]
            assert partial.finish_reason is None
        elif reading.error is None:
            assert reading.answer.choices == complete.choices
            assert reading.answer.model == complete.model

    @over_all_formats
    @pytest.mark.parametrize("end", ["garbage", "network"])
    @given(data=st.data())
    def test_what_was_told_is_what_the_error_hands_over(self, wire, end, data):
        answer = data.draw(ANSWERS[wire])
        body, cut = answer.stream(), data.draw(st.sampled_from(places_of(answer)[0][:-1] or [0]))
        decoder = open_decoder(ask(provider=answer.provider, stream=True, **answer.options))
        note(f"{body!r} ends after {cut} bytes")
        told, failed = told_and_failed(decoder, [body[:cut], *([b"\n\ndata: {\n\n"] if end == "garbage" else [])], end)

        if failed is not None:
            assert failed.partial is not None
            assert failed.partial.text == "".join(chunk.text for chunk in told)
            assert (failed.partial.reasoning or "") == "".join(chunk.reasoning for chunk in told)

    @pytest.mark.parametrize("end", ["garbage", "network", "error", "nothing"])
    @pytest.mark.parametrize(
        ("provider", "events", "said"),
        [
            ("aliyun", [{"output": {"choices": [{"message": {"content": "ha"}}]}}] * 2, "haha"),
            ("openai_compatible", [{"choices": [{"delta": {"content": "a <thi"}}]}], "a <thi"),
            ("ollama", [{"message": {"content": "a <thi"}, "done": False}], "a <thi"),
        ],
    )
    def test_what_was_held_back_is_told_before_the_error(self, provider, events, said, end):
        decoder = open_decoder(ask(provider=provider, stream=True, think_tags=True))
        lines = [json.dumps(event).encode() for event in events]
        body = b"".join(line + b"\n" for line in lines) if provider == "ollama" else sse(*events, done=False)
        endings = {"garbage": b"data: {\n\n", "error": b'data: {"error": {"code": "1", "message": "no"}}\n\n'}
        more = endings.get(end, b"")

        told, failed = told_and_failed(
            decoder, [body, more.removeprefix(b"data: ") if provider == "ollama" else more], end
        )

        assert "".join(chunk.text for chunk in told) == said
        assert failed is not None
        assert failed.partial is not None
        assert failed.partial.text == said

    @over_all_formats
    @given(data=st.data())
    def test_calls_of_an_interrupted_answer_are_marked_unless_they_are_whole(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        arrived, marker = places_of(answer)
        whole_calls = {call.id: call for call in read(answer).answer.tool_calls}
        early = [0, *(place for place in arrived if place < marker)]
        cut = data.draw(st.one_of(st.sampled_from(early), st.integers(0, marker - 1)))

        reading = read(answer, [answer.stream()[:cut]])

        for call in reading.partial.tool_calls:
            assert call.error is not None or call.arguments == whole_calls[call.id].arguments
        assert all(call == whole_calls[call.id] for call in reading.calls), "what was announced was whole"


def told_and_failed(decoder: ChatDecoder, blocks: list[bytes], end: str) -> tuple[list[ChatChunk], StreamError | None]:
    """The chunks of these blocks, after which the network may fail, and the error behind them."""
    told: list[ChatChunk] = []
    try:
        for block in blocks:
            told.extend(decoder.feed(block))
        told.extend(decoder.close(TransportError("the connection broke") if end == "network" else None))
    except StreamError as error:
        return told, error
    return told, None


def places_of(answer: Written) -> tuple[list[int], int]:
    """Where each event has arrived with the last byte of its data, and where the one that ends the answer has."""
    places, start = [], 0
    for block in answer.blocks():
        places.append(start + len(block if answer.framed == "binary" else block.rstrip(b"\r\n")))
        start += len(block)
    return places, next(place for place, event in zip(places, answer.events, strict=True) if event.ends)


PNG = "iVBORw0KGgo="
CALL = ToolCall(id="call1", name="tokencall", arguments={"a": "tokenargument"})
BROKEN_CALL = ToolCall(id="call1", name="f", arguments_raw='{"token', error="…")
PARTS: dict[str, tuple[list[Message], str]] = {
    "text": ([user("token")], "token"),
    "system": ([system("token"), user("?")], "token"),
    "late system": ([user("?"), assistant("!"), system("token"), user("?")], "token"),
    "name": ([Message(role="user", parts=[Text("?")], name="token")], "token"),
    "image": ([user("?", Image.base64("image/png", PNG))], PNG),
    "image url": ([user("?", Image("https://token.example/a.png"))], "token.example"),
    "image detail": ([user("?", Image("https://token.example/a.png", detail="lowdetail"))], "lowdetail"),
    "document": ([user("?", Document.base64("application/pdf", "JVBERi0=", name="token.pdf"))], "JVBERi0="),
    "document name": ([user("?", Document.base64("application/pdf", "JVBERi0=", name="token.pdf"))], "token.pdf"),
    "text document": ([user("?", Document.base64("text/plain", "dG9rZW4=", name="a.txt"))], "token"),
    "document url": ([user("?", Document("https://token.example/a.pdf"))], "token.example"),
    "audio": ([user("?", Audio.base64("audio/wav", "UklGRg=="))], "UklGRg=="),
    "audio url": ([user("?", Audio("https://token.example/a.wav"))], "token.example"),
    "video": ([user("?", Video("https://token.example/a.mp4"))], "token.example"),
    "image of the assistant": ([user("?"), assistant("!", Image.base64("image/png", PNG)), user("?")], PNG),
    "foreign thought": ([user("?"), assistant(Reasoning("token", provider="other"), "!"), user("?")], "token"),
    "opaque block": ([user("?"), assistant(Opaque(data={"type": "x", "id": "token"}), "!"), user("?")], "token"),
    "foreign block": ([user("?"), assistant(Opaque(data={"id": "token"}, provider="other"), "!"), user("?")], "token"),
    "opaque block of the user": ([user("?", Opaque(data={"type": "x", "id": "token"}))], "token"),
    "call": ([user("?"), assistant(CALL), tool_result(CALL, "ok")], "tokencall"),
    "arguments": ([user("?"), assistant(CALL), tool_result(CALL, "ok")], "tokenargument"),
    "broken arguments": (
        [user("?"), assistant(BROKEN_CALL), tool_result(BROKEN_CALL, "ok")],
        "token",
    ),
    "result": ([user("?"), assistant(CALL), tool_result(CALL, "token")], "token"),
    "failed result": ([user("?"), assistant(CALL), tool_result(CALL, "token", error=True)], "rror"),
    "image in a result": ([user("?"), assistant(CALL), tool_result(CALL, Image.base64("image/png", PNG))], PNG),
    "document in a result": (
        [user("?"), assistant(CALL), tool_result(CALL, Document.base64("application/pdf", "JVBERi0="))],
        "JVBERi0=",
    ),
    "result in a user message": (
        [user("?"), assistant(CALL), Message(role="user", parts=[ToolResult(call_id="call1", parts=[Text("token")])])],
        "token",
    ),
    "cache mark": ([user(Text("?", cache=True))], "cache"),
    "cache mark of the system": ([system(Text("!", cache="1h")), user("?")], "cache"),
    "cache mark of a result": (
        [user("?"), assistant(CALL), Message(role="tool", parts=[ToolResult(call_id="call1", cache=True)])],
        "cache",
    ),
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.25},
    "hot": {"temperature": 1.75},
    "top_p": {"top_p": 0.5},
    "both": {"temperature": 0.25, "top_p": 0.5},
    "top_k": {"top_k": 7},
    "max_tokens": {"max_tokens": 77},
    "stop": {"stop": ["END"]},
    "blank stop": {"stop": [" "]},
    "seed": {"seed": 5},
    "n": {"n": 2},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "logit_bias": {"logit_bias": {"5": 1.0}},
    "logprobs": {"logprobs": True},
    "alternatives": {"logprobs": 3},
    "user": {"user": "me"},
    "metadata": {"metadata": {"a": "b"}},
    "cache": {"cache": True},
    "long cache": {"cache": "1h"},
    "no reasoning": {"reasoning": False},
    "reasoning": {"reasoning": True},
    "effort": {"reasoning": "minimal"},
    "most effort": {"reasoning": "max"},
    "budget": {"reasoning": 3000},
    "json": {"response_format": "json"},
    "schema": {"response_format": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}},
    "open schema": {"response_format": {"type": "object", "additionalProperties": True}},
    "no tool": {"tools": [Tool("f")], "tool_choice": "none"},
    "a tool": {"tools": [Tool("f")], "tool_choice": "required"},
    "this tool": {"tools": [Tool("f"), Tool("g")], "tool_choice": "g"},
    "one call": {"tools": [Tool("f")], "parallel_tool_calls": False},
    "strict tool": {"tools": [Tool("f", strict=True)]},
    "strict open tool": {"tools": [Tool("f", "", {"properties": {}, "additionalProperties": True}, strict=True)]},
    "cached tool": {"tools": [Tool("f", cache=True)]},
    "renamed tool": {"tools": [Tool("a.b")]},
}  # fmt: skip


class TestAdaptationLaw:
    """8. Nothing is changed silently: adaptations list it, `strict` refuses it before any I/O."""

    @pytest.mark.parametrize("provider", ROWS)
    @pytest.mark.parametrize("case", PARTS)
    def test_what_is_not_in_the_body_is_reported(self, case, provider):
        messages, token = PARTS[case]

        rendered = ask(messages, provider=provider)

        body = json.dumps(rendered.body, ensure_ascii=False)
        assert token in body or rendered.adaptations

    @pytest.mark.parametrize("provider", ROWS)
    @pytest.mark.parametrize("case", OPTIONS)
    def test_an_option_changes_the_body_or_is_reported(self, case, provider):
        options = OPTIONS[case]
        without = {name: value for name, value in options.items() if name == "tools" and len(options) > 1}

        rendered = ask(provider=provider, **options)

        assert rendered.body != ask(provider=provider, **without).body or rendered.adaptations

    @pytest.mark.parametrize("provider", ROWS)
    @given(data=st.data())
    def test_strict_refuses_exactly_what_would_be_adapted(self, provider, data):
        messages, _ = PARTS[data.draw(st.sampled_from(sorted(PARTS)))]
        options: dict[str, Any] = {}
        for case in data.draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3)):
            options |= OPTIONS[case]
        if options.get("tool_choice") not in (
            None,
            "none",
            "required",
            *(tool.name for tool in options.get("tools", ())),
        ):
            return
        try:
            lenient = ask(messages, provider=provider, **options)
        except ConfigurationError:
            return

        if lenient.adaptations:
            with pytest.raises(UnsupportedError) as raised:
                ask(messages, provider=provider, strict=True, **options)
            assert raised.value.provider == provider
        else:
            assert ask(messages, provider=provider, strict=True, **options).body == lenient.body

    def test_a_strict_client_raises_before_it_connects(self):
        client = LlmClient(
            "anthropic", api_key=KEY, model="claude-sonnet-4-5", base_url="http://127.0.0.1:1", strict=True
        )

        with pytest.raises(UnsupportedError, match="seed"):
            client.chat("Hi", seed=1)
        with pytest.raises(UnsupportedError, match="seed"):
            client.stream("Hi", seed=1)
        client.close()


@st.composite
def broken(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one place in it replaced by something of another shape."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([None, True, -1, 1.5, "", "x", [], [None], {}, {"a": 1}, 1e308 * 10]))
    key: Any = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    copy: Any = value.copy()
    copy[key] = draw(broken(value[key]))
    return copy


class TestErrorsAreOurs:
    """Whatever a server sends, callers catch `LlmConnectorError`, and a broken stream carries what had arrived."""

    @over_all_formats
    @given(data=st.data())
    def test_a_whole_answer_of_any_shape_is_an_answer_or_one_of_our_errors(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        body = data.draw(broken(answer.whole))

        note(f"{body}")
        with contextlib.suppress(LlmConnectorError):
            assert isinstance(whole(body, ask(provider=answer.provider)), ChatResponse)

    @over_all_formats
    @given(data=st.data())
    def test_a_stream_with_an_event_of_any_shape_ends_well_or_with_one_of_our_errors(self, wire, data):
        answer = data.draw(ANSWERS[wire])
        place = data.draw(st.integers(0, len(answer.events) - 1))
        event = answer.events[place]
        blocks = answer.blocks()
        body = data.draw(broken(event.body))
        blocks[place] = answer.block(body)

        note(f"{body}")
        reading = read(answer, blocks)  # raises anything but a StreamError
        assert reading.error is None or reading.error.partial is not None
