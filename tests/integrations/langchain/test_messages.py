"""LangChain's messages on the wire, and answers as content blocks."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.messages.tool import tool_call_chunk

from langchain_llm_connector import ChatLlmConnector
from langchain_llm_connector.answers import Pieces, _end_of, result_of
from langchain_llm_connector.messages import to_core
from llm_connector import (
    ChatChunk,
    ChatResponse,
    Choice,
    ConfigurationError,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
)
from llm_connector.types import Image, ToolCallDelta, conversation
from tests.integrations.langchain.little_model import settings

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.4").decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt ").decode()


def sent(server: Any, content: Any, provider: str = "openai_compatible") -> Any:
    ChatLlmConnector(**settings(server, provider, model="m")).invoke([HumanMessage(content)])
    return server.bodies[-1]["messages"][-1]["content"]


BLOCKS: dict[str, tuple[Any, Any]] = {
    "text": ({"type": "text", "text": "a", "id": "1", "annotations": []}, "a"),
    "string": ("a", "a"),
    "image v1": (
        {"type": "image", "base64": PNG, "mime_type": "image/png", "extras": {"detail": "low"}},
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}],
    ),
    "image v1 by url": (
        {"type": "image", "url": "https://example.com/a.png"},
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
    ),
    "image v0": (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
    ),
    "image of OpenAI": (
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}],
    ),
    "bare image of OpenAI": (
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
    ),
    "image of Anthropic": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
    ),
    "audio v1": (
        {"type": "audio", "base64": WAV, "mime_type": "audio/wav"},
        [{"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}],
    ),
    "audio of OpenAI": (
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        [{"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}],
    ),
    "video v1": (
        {"type": "video", "url": "https://example.com/a.mp4"},
        [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}],
    ),
    "file v1": (
        {"type": "file", "base64": PDF, "mime_type": "application/pdf"},
        [{"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}],
    ),
    "file of OpenAI": (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        [{"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}],
    ),
    "wrapped": ({"type": "non_standard", "value": {"type": "text", "text": "a"}}, "a"),
}


@pytest.mark.parametrize(("block", "expected"), BLOCKS.values(), ids=BLOCKS)
def test_blocks_are_sent(little_model, block, expected):
    before = json.dumps(block)
    assert sent(little_model, [block]) == expected
    assert json.dumps(block) == before


def test_plain_text_documents_are_sent(little_model):
    block = {"type": "text-plain", "text": "Once upon a time", "mime_type": "text/plain", "title": "tale.txt"}
    assert "Once upon a time" in str(sent(little_model, [block, "What is this?"]))
    assert sent(little_model, [block, "?"], "anthropic")[0]["type"] in ("document", "text")


@pytest.mark.parametrize(
    "block",
    [{"type": "file", "file_id": "file-7"}, {"type": "file", "file": {"file_id": "file-7"}}, {"type": "odd", "x": 1}],
)
def test_blocks_that_nobody_here_knows_are_for_the_server_to_judge(little_model, block):
    file = {"type": "file", "file": {"file_id": "file-7"}}
    assert sent(little_model, ["?", block])[1] == (file if block["type"] == "file" else block)


def test_every_role_is_sent(little_model):
    call = {"name": "f", "args": {"ü": 1}, "id": "c1"}
    ChatLlmConnector(**settings(little_model, "openai_compatible", model="m")).invoke(
        [
            SystemMessage("s"),
            ChatMessage(content="c", role="user"),
            HumanMessage("h", name="anna"),
            AIMessage("a", tool_calls=[call], name="agent"),
            ToolMessage("t", tool_call_id="c1", status="error", artifact={"secret": 1}),
            AIMessageChunk(content="b"),
            HumanMessageChunk(content="x"),
        ]
    )
    messages = little_model.bodies[-1]["messages"]
    assert [message["role"] for message in messages] == [
        "system",
        "user",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert messages[2] == {"role": "user", "content": "h", "name": "anna"}
    assert messages[3]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"ü":1}'}
    assert "secret" not in json.dumps(messages)
    assert (messages[4]["tool_call_id"], messages[5]["content"]) == ("c1", "b")


def test_a_failed_tool_says_so(little_model):
    call = {"name": "f", "args": {}, "id": "c1"}
    history = [
        HumanMessage("?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("no", tool_call_id="c1", status="error"),
    ]
    ChatLlmConnector(**settings(little_model, "anthropic", model="m")).invoke(history)
    assert little_model.bodies[-1]["messages"][2]["content"][0]["is_error"] is True


def test_a_legacy_function_is_answered(little_model):
    asked = AIMessage("", additional_kwargs={"tool_calls": [
        {"id": "call_f", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]})  # fmt: skip
    model = ChatLlmConnector(**settings(little_model, "openai_compatible", model="m"))
    model.invoke([HumanMessage("?"), asked, FunctionMessage(content="done", name="f")])
    assert little_model.bodies[-1]["messages"][2]["tool_call_id"] == "call_f"


def test_what_is_no_message_for_a_model_is_a_mistake_with_its_position():
    with pytest.raises(ConfigurationError, match=r"messages\[1\]: 'RemoveMessage' is not a message"):
        conversation(to_core([HumanMessage("x"), RemoveMessage(id="1")]))
    image = {"type": "image", "url": "/etc/passwd"}
    with pytest.raises(ValueError, match=r"messages\[0\]: the image in a dict needs an http\(s\) or data URL"):
        conversation(to_core([HumanMessage([image])]))


@pytest.mark.parametrize("empty", ["", [], [{"type": "text", "text": ""}]])
def test_an_empty_answer_in_a_history_is_no_obstacle(little_model, empty):
    for provider in ("openai_compatible", "anthropic"):
        model = ChatLlmConnector(**settings(little_model, provider, model="m"))
        assert model.invoke([HumanMessage("a"), AIMessage(empty), HumanMessage("b")]).content


def test_thoughts_of_other_classes_are_understood(little_model):
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    foreign = AIMessage([thinking, {"type": "text", "text": "Hi"}], response_metadata={"model_provider": "anthropic"})
    model = ChatLlmConnector(**settings(little_model, "anthropic", model="m"))
    model.invoke([HumanMessage("?"), foreign, HumanMessage("!")])
    assert little_model.bodies[-1]["messages"][1]["content"] == [thinking, {"type": "text", "text": "Hi"}]


def test_calls_that_were_taken_out_and_server_tools_of_others_do_not_go_back(little_model):
    blocks: list[Any] = [
        {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {}},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
        {"type": "text", "text": "Hi"},
    ]
    assert parts_of(AIMessage(blocks, tool_calls=[])) == [Text("Hi")]


def test_edited_text_does_not_take_the_signature_from_its_thought():
    answer = as_message([Reasoning("Hm.", provider="anthropic", signature="s"), Text("Hello")])
    assert parts_of(answer.model_copy(update={"content": "Hello, edited"})) == [
        Reasoning("Hm.", provider="anthropic", signature="s"),
        Text("Hello, edited"),
    ]
    kwargs = {**answer.additional_kwargs, "reasoning_content": "Other."}
    assert parts_of(answer.model_copy(update={"additional_kwargs": kwargs})) == [Reasoning("Other."), Text("Hello")]


# laws

ASKED = {"provider": "anthropic", "model": "m", "headers": False}


def as_message(parts: list[Any]) -> AIMessage:
    response = ChatResponse(choices=[Choice(message=Message(role="assistant", parts=parts), finish_reason="stop")])
    message = result_of(response, ASKED).generations[0].message
    assert isinstance(message, AIMessage)
    return message


def as_stream(parts: list[Any], size: int = 3) -> AIMessageChunk:
    """The answer in pieces, as the core would tell them."""
    chunks, index = [], 0
    for part in parts:
        if isinstance(part, Text | Reasoning):
            field = "text" if isinstance(part, Text) else "reasoning"
            cut = [part.text[at : at + size] for at in range(0, len(part.text), size)]
            chunks += [ChatChunk(text=piece) if field == "text" else ChatChunk(reasoning=piece) for piece in cut]
        elif isinstance(part, ToolCall):
            chunks.append(
                ChatChunk(tool_call_delta=ToolCallDelta(index, part.id, part.name, json.dumps(part.arguments)))
            )
            index += 1
    pieces = Pieces(ASKED)
    response = ChatResponse(choices=[Choice(message=Message(role="assistant", parts=parts), finish_reason="stop")])
    made = [piece.message for chunk in chunks if (piece := pieces.feed(chunk)) is not None]
    made.append(pieces.last(response).message)
    whole: Any = made[0]
    for more in made[1:]:
        whole = whole + more
    assert isinstance(whole, AIMessageChunk)
    return whole


WORDS = st.text(min_size=1, max_size=9)
STATES = st.fixed_dictionaries(
    {}, optional={"signature": WORDS, "encrypted": WORDS, "id": WORDS, "field": WORDS, "details": st.just([{"a": 1}])}
)
THOUGHTS = st.builds(lambda text, state: Reasoning(text, provider="anthropic", **state), st.text(max_size=9), STATES)
PARTS = st.lists(
    st.one_of(
        st.builds(Text, WORDS),
        THOUGHTS,
        st.builds(lambda data: Opaque(provider="anthropic", data={"type": "server", "x": data}), WORDS),
        st.builds(lambda extra: ("call", extra), st.one_of(st.none(), st.fixed_dictionaries({"sig": WORDS}))),
    ),
    min_size=1,
    max_size=6,
)


def numbered(parts: list[Any]) -> list[Any]:
    """Calls with ids of their own; texts that touch are one, as every parser makes them."""
    made: list[Any] = []
    for number, part in enumerate(parts):
        if isinstance(part, tuple):
            provider = "anthropic" if part[1] else None
            part = ToolCall(id=f"c{number}", name="f", arguments={"a": number}, provider=provider, extra=part[1])
        if isinstance(part, Text) and made and isinstance(made[-1], Text):
            made[-1] = Text(made[-1].text + part.text)
        else:
            made.append(part)
    return made


def parts_of(message: Any) -> list[Any]:
    """What the clients of the core make of a message."""
    (turn,) = conversation(to_core([message]))
    return turn.parts


def known(parts: list[Any]) -> list[Any]:
    return [part.model_dump(exclude={"arguments_raw"}) for part in parts]


@given(PARTS)
def test_an_answer_goes_back_as_it_came(drawn):
    parts = numbered(drawn)
    message = as_message(parts)
    for copy in (
        message,
        messages_from_dict(messages_to_dict([message]))[0],
        AIMessage(**json.loads(message.model_dump_json())),
    ):
        assert known(parts_of(copy)) == known(parts)


@given(PARTS, st.integers(1, 4))
def test_a_streamed_answer_goes_back_as_it_came(drawn, size):
    parts = numbered(drawn)
    assert known(parts_of(as_stream(parts, size))) == known(parts)


@given(PARTS)
def test_streaming_and_whole_answers_give_equal_messages(drawn):
    parts = numbered(drawn)
    whole, streamed = as_message(parts), as_stream(parts)
    assert streamed.content == whole.content
    assert streamed.additional_kwargs == whole.additional_kwargs
    assert streamed.tool_calls == whole.tool_calls
    kinds = [block["type"] for block in streamed.content_blocks]
    assert kinds == [block["type"] for block in whole.content_blocks]
    v1 = whole.model_copy(update={"content": whole.content_blocks, "additional_kwargs": {}})
    v1.response_metadata = {**whole.response_metadata, "output_version": "v1"}
    lost = {"extra", "provider", "arguments_raw"}
    assert [part.model_dump(exclude=lost) for part in parts_of(v1)] == [part.model_dump(exclude=lost) for part in parts]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
)


@given(st.dictionaries(st.text(), VALUES), st.data())
def test_arguments_that_were_cut_anywhere_are_never_completed(arguments, data):
    text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
    cut = text[: data.draw(st.integers(0, len(text)))]
    chunk = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="f", args=cut, id="c", index=0)])
    end = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=_end_of(cut), index=0)])
    whole: Any = chunk + end
    assert whole.tool_calls == []
    assert [call["id"] for call in whole.invalid_tool_calls] == ["c"]


def test_pictures_of_an_answer_are_blocks_and_go_back():
    parts = [Text("Here: "), Image.base64("image/png", PNG)]
    for message in (as_message(parts), as_stream(parts)):
        assert message.content_blocks[-1]["type"] == "image"
        assert message.text == "Here: "
        assert known(parts_of(message)) == known(parts)
