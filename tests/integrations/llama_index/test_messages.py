"""Messages in both directions: blocks to parts, and answers to blocks."""

from __future__ import annotations

import base64
import io
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.llms.llm_connector.messages import response_of, to_core
from pydantic import BaseModel

from llm_connector import ChatResponse, Choice, ConfigurationError, Message, Usage, assistant, tool_result, user
from llm_connector.types import Audio, Document, Image, Opaque, Reasoning, Text, ToolCall, ToolResult, Video

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
PDF = b"%PDF-1.4\n%%EOF\n"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
CALL = ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"at": "Å"})


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def parts_of(*blocks: Any, role: str = "user", **kwargs: Any) -> list[Any]:
    [turn] = to_core([ChatMessage(role=role, blocks=list(blocks), additional_kwargs=kwargs)])
    return turn.parts


def result(text: str = "done", call_id: str | None = "c1", *blocks: Any) -> ChatMessage:
    kwargs = {"tool_call_id": call_id} if call_id else {}
    return ChatMessage(role="tool", blocks=[TextBlock(text=text), *blocks], additional_kwargs=kwargs)


@pytest.mark.parametrize(
    ("role", "core"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("chatbot", "assistant"),
        ("model", "assistant"),
    ],
)
def test_every_role_has_its_place(role: str, core: str):
    [turn] = to_core([ChatMessage(role=role, content="Hi")])
    assert (turn.role, turn.text) == (core, "Hi")


def test_a_name_travels():
    [turn] = to_core([ChatMessage(role="user", content="Hi", additional_kwargs={"name": "ada"})])
    assert turn == user("Hi", name="ada")


def test_messages_of_one_role_may_follow_each_other_and_stay_as_they_are():
    messages = [ChatMessage("a"), ChatMessage("b"), ChatMessage(role="assistant", blocks=[CALL]), result()]
    before = [message.model_dump() for message in messages]
    assert [turn.text for turn in to_core(messages)[:2]] == ["a", "b"]
    assert [message.model_dump() for message in messages] == before


def test_an_image_may_be_bytes_base64_a_file_an_open_file_or_a_url(tmp_path: Path):
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    embedded = Image.base64("image/png", base64_of(PNG))
    assert parts_of(ImageBlock(image=PNG)) == [embedded]
    assert parts_of(ImageBlock(image=base64_of(PNG).encode())) == [embedded]
    assert parts_of(ImageBlock(path=path)) == [embedded]
    assert parts_of(ImageBlock(url=path.as_uri())) == [embedded]
    opened: Any = ImageBlock.model_construct(image=io.BytesIO(PNG))  # older releases take none themselves
    message = ChatMessage.model_construct(role=MessageRole.USER, blocks=[opened], additional_kwargs={})
    for _ in range(2):  # each turn of a conversation reads it again
        assert to_core([message])[0].parts == [embedded]
    assert parts_of(ImageBlock(image=PNG, image_mimetype="image/webp", detail="low")) == [
        Image.base64("image/webp", base64_of(PNG), detail="low")
    ]
    assert parts_of(ImageBlock(url="https://example.com/a.png")) == [Image("https://example.com/a.png")]
    assert parts_of(ImageBlock(url="s3://bucket/a.png"))[0].url == "s3://bucket/a.png"
    assert parts_of(ImageBlock(url=f"data:image/png;base64,{base64_of(PNG)}")) == [embedded]


def test_audio_video_and_documents_travel(tmp_path: Path):
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    assert parts_of(AudioBlock(audio=WAV, format="wav")) == [Audio.base64("audio/wav", base64_of(WAV))]
    assert parts_of(VideoBlock(video=MP4)) == [Video.base64("video/mp4", base64_of(MP4))]
    assert parts_of(VideoBlock(url="https://example.com/a.mp4")) == [Video("https://example.com/a.mp4")]
    assert parts_of(DocumentBlock(data=PDF, title="Report")) == [
        Document.base64("application/pdf", base64_of(PDF), name="Report")
    ]
    assert parts_of(DocumentBlock(path=path)) == [Document.base64("application/pdf", base64_of(PDF), name="report.pdf")]
    assert parts_of(DocumentBlock(data=b"plain words"))[0].media_type == "text/plain"


def test_a_cache_point_marks_the_part_before_it():
    point = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))
    plain = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="x"))
    assert parts_of(TextBlock(text="a"), point, TextBlock(text="b")) == [Text("a", cache="1h"), Text("b")]
    assert parts_of(TextBlock(text="a"), plain) == [Text("a", cache=True)]
    assert parts_of(point, TextBlock(text="a")) == [Text("a")]


def test_citable_blocks_say_title_and_source_and_citations_what_was_cited():
    citable = CitableBlock(title="Tides", source="https://example.com", content=[TextBlock(text="High at noon.")])
    assert "".join(part.text for part in parts_of(citable)) == "Tides (https://example.com):\nHigh at noon."
    noon = TextBlock(text="High at noon.")
    cited = CitationBlock(cited_content=noon, source="s", title="t", additional_location_info={})
    assert parts_of(cited) == [Text("High at noon.")]


def test_thoughts_go_back_with_their_state():
    block = ThinkingBlock(content="Hm.", additional_information={"signature": "s", "provider": "p", "note": 1, "id": 7})
    assert parts_of(block, role="assistant") == [Reasoning("Hm.", signature="s", provider="p")]
    hidden = ThinkingBlock(additional_information={"encrypted": "e", "provider": "p"})
    assert parts_of(hidden, TextBlock(text="a"), role="assistant")[0] == Reasoning(encrypted="e", provider="p")
    assert parts_of(ThinkingBlock(), TextBlock(text="a"), role="assistant") == [Text("a")]


def test_calls_may_hold_objects_or_text_and_get_an_id_that_their_result_finds():
    nameless = ToolCallBlock(tool_name="look", tool_kwargs='{"at": 1}')
    asked, answered = to_core([ChatMessage(role="assistant", blocks=[nameless]), result(call_id=None)])
    [call] = asked.tool_calls
    assert (call.arguments, call.arguments_raw) == ({"at": 1}, '{"at": 1}')
    assert call.id
    assert answered.parts == [ToolResult(call_id=call.id, name="look", parts=[Text("done")])]


def test_calls_of_old_memories_are_dicts_or_objects_of_an_sdk():
    function = {"name": "look", "arguments": '{"at": 1}'}

    class Sdk(BaseModel):
        id: str = "c2"
        index: int = 0
        type: str = "function"
        function: dict[str, str]

    for calls in ([{"id": "c2", "type": "function", "function": function}], [Sdk(function=function)]):
        message = ChatMessage(role="assistant", content="Wait.", additional_kwargs={"tool_calls": calls})
        asked, _ = to_core([message, result(call_id="c2")])
        assert asked.parts == [
            Text("Wait."),
            ToolCall(id="c2", name="look", arguments={"at": 1}, arguments_raw='{"at": 1}'),
        ]


def test_the_text_of_arguments_goes_back_as_it_came_unless_they_were_changed():
    sent = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{ "at":"Å" }'}}
    [turn, _] = to_core(
        [ChatMessage(role="assistant", blocks=[CALL], additional_kwargs={"tool_calls": [sent]}), result()]
    )
    assert turn.tool_calls[0].arguments_raw == '{ "at":"Å" }'
    changed = ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"at": "B"})
    signed = {**sent, "provider": "p", "extra": {"sig": "x"}}
    message = ChatMessage(role="assistant", blocks=[changed], additional_kwargs={"tool_calls": [signed]})
    [call] = to_core([message, result()])[0].tool_calls
    assert call == ToolCall(id="c1", name="look", arguments={"at": "B"}, provider="p", extra={"sig": "x"})
    changed.tool_kwargs = '{"at":  "Å"}'
    assert to_core([message, result()])[0].tool_calls[0].arguments_raw == '{"at":  "Å"}'


def test_results_show_images_and_what_they_cannot_hold_follows():
    turns = to_core(
        [
            ChatMessage(role="assistant", blocks=[CALL]),
            result("see", "c1", ImageBlock(image=PNG), AudioBlock(audio=WAV, format="wav"), DocumentBlock(data=PDF)),
            ChatMessage("Well?"),
        ]
    )
    kept: list[Any] = [Image.base64("image/png", base64_of(PNG)), Document.base64("application/pdf", base64_of(PDF))]
    assert turns[1:] == [
        Message(role="tool", parts=[ToolResult(call_id="c1", name="look", parts=[Text("see"), *kept])]),
        user(Audio.base64("audio/wav", base64_of(WAV))),
        user("Well?"),
    ]


def test_an_empty_result_is_a_result():
    turns = to_core([ChatMessage(role="assistant", blocks=[CALL]), result("")])
    assert turns[1].parts == [ToolResult(call_id="c1", name="look")]


def test_results_without_their_call_are_left_out(caplog: pytest.LogCaptureFixture):
    assert to_core([result(), ChatMessage("Hi")]) == [user("Hi")]
    assert "left out" in caplog.text


def test_calls_without_a_result_get_a_note(caplog: pytest.LogCaptureFixture):
    other = ToolCallBlock(tool_call_id="c2", tool_name="hear", tool_kwargs={})
    asked = ChatMessage(role="assistant", blocks=[CALL, other])
    turns = to_core([asked, result(call_id="c2"), ChatMessage("And?")])
    note = "No result: the call was not carried out."
    assert turns[1:] == [
        tool_result("c2", "done", name="hear"),
        tool_result("c1", note, name="look"),
        user("And?"),
    ]
    assert to_core([asked])[1:] == [tool_result("c1", note, name="look"), tool_result("c2", note, name="hear")]
    assert "a note takes its place" in caplog.text


def test_the_id_that_agents_leave_on_direct_answers_is_ignored():
    direct = ChatMessage(role="assistant", content="7", additional_kwargs={"tool_call_id": "c1"})
    assert to_core([direct]) == [assistant("7")]


def test_an_empty_system_prompt_is_not_sent():
    assert to_core([ChatMessage(role="system", content=""), ChatMessage("Hi")]) == [user("Hi")]


def test_what_cannot_be_sent_is_named_with_its_position(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"messages\[1\]: .*holds no data"):
        to_core([ChatMessage("Hi"), ChatMessage(blocks=[ImageBlock()])])
    later: Any = SimpleNamespace(block_type="later")
    with pytest.raises(ConfigurationError, match=r"messages\[0\]: .*'later' cannot be sent"):
        to_core([ChatMessage.model_construct(role=MessageRole.USER, blocks=[later], additional_kwargs={})])


def test_nothing_is_logged_of_a_conversation_in_order(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        to_core([ChatMessage("Hi"), ChatMessage(role="assistant", blocks=[CALL]), result(), ChatMessage("So?")])
    assert not caplog.records


# answers

PARTS: list[Any] = [
    Reasoning("First.", signature="s1", provider="p"),
    Text("One. "),
    Text("Two.", citations=[{"url": "https://example.com"}]),
    Reasoning("Then.", encrypted="e", provider="p", id="r2"),
    Opaque(provider="p", data={"type": "server_tool_result"}),
    Reasoning("Hm.", field="reasoning", details=[{"a": 1}], provider="p"),
    ToolCall(id="c1", name="look", arguments={"at": "Å"}, arguments_raw='{"at":"Å"}', provider="p", extra={"sig": "x"}),
    ToolCall(id="c2", name="look", arguments_raw='{"at', error="cut"),
]


def answer_of(*parts: Any, **fields: Any) -> ChatResponse:
    choice = Choice(message=Message(role="assistant", parts=list(parts)), finish_reason="stop")
    given: dict[str, Any] = {"choices": [choice], **fields}
    return ChatResponse(**given)


def shown(answer: ChatResponse) -> Any:
    return response_of(answer)


def test_an_answer_is_blocks_in_its_order():
    blocks = shown(answer_of(*PARTS)).message.blocks
    assert [block.block_type for block in blocks] == [
        *("thinking", "text", "thinking", "thinking", "thinking", "tool_call", "tool_call")
    ]
    assert blocks[0] == ThinkingBlock(content="First.", additional_information={"signature": "s1", "provider": "p"})
    assert blocks[1] == TextBlock(text="One. Two.")
    assert blocks[5] == ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"at": "Å"})
    assert blocks[6] == ToolCallBlock(tool_call_id="c2", tool_name="look", tool_kwargs='{"at')


def test_an_answer_survives_json_and_goes_back_as_it_came():
    message = shown(answer_of(*PARTS)).message
    stored = ChatMessage.model_validate_json(message.model_dump_json())
    assert stored == message
    back: list[Any] = to_core([stored])[0].parts
    assert back[0] == PARTS[0]
    assert back[1] == Text("One. Two.")
    assert back[2:6] == PARTS[3:7][:4]
    assert back[6].arguments_raw == '{"at'
    assert back[6].error


def test_calls_are_also_plain_dicts_for_those_who_look_there():
    kwargs = shown(answer_of(*PARTS)).message.additional_kwargs
    assert kwargs.keys() == {"tool_calls"}
    assert kwargs["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "look", "arguments": '{"at":"Å"}'},
            "provider": "p",
            "extra": {"sig": "x"},
        },
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"at'}},
    ]


def test_citations_and_a_refusal_stand_beside_the_message():
    cited = [{"url": "https://example.com"}]
    assert shown(answer_of(Text("a"), citations=cited)).message.additional_kwargs == {"citations": cited}
    refused = Choice(message=assistant(), refusal="I will not.")
    assert shown(ChatResponse(choices=[refused])).message.additional_kwargs == {"refusal": "I will not."}


def test_pictures_and_sound_of_an_answer_are_blocks():
    image, sound = Image.base64("image/png", base64_of(PNG)), Audio.base64("audio/wav", base64_of(WAV))
    film, paper = Video("https://example.com/a.mp4"), Document.base64("application/pdf", base64_of(PDF), name="r.pdf")
    message = shown(answer_of(image, sound, film, paper)).message
    assert [block.block_type for block in message.blocks] == ["image", "audio", "video", "document"]
    assert to_core([message])[0].parts == [image, sound, film, paper]


def test_usage_and_reason_are_where_counters_and_tracers_look():
    usage = Usage(input_tokens=5, output_tokens=7, total_tokens=12, cached_tokens=1, reasoning_tokens=3)
    response = shown(answer_of(Reasoning("Hm."), Text("a"), usage=usage, id="i", model="m", raw={"x": 1}))
    counts = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "cached_tokens": 1, "reasoning_tokens": 3}
    assert response.additional_kwargs == {**counts, "finish_reason": "stop"}
    assert response.raw == {
        "x": 1,
        "id": "i",
        "model": "m",
        "created": None,
        "usage": counts,
        "choices": [{"index": 0, "finish_reason": "stop"}],
    }
    assert response.message.blocks[0].num_tokens == 3
    twice = shown(answer_of(Reasoning("Hm."), Text("a"), Reasoning("Oh."), usage=usage))  # of which one is not known
    assert [block.num_tokens for block in twice.message.blocks if block.block_type == "thinking"] == [None, None]


def test_what_the_server_sent_wins_in_raw():
    sent = {"id": "theirs", "usage": {"input_tokens": 5}, "choices": [{"finish_reason": "end"}]}
    raw = shown(answer_of(Text("a"), usage=Usage(input_tokens=5), raw=sent)).raw
    assert raw["usage"] == {"prompt_tokens": 5, "input_tokens": 5}
    assert (raw["id"], raw["choices"]) == ("theirs", [{"finish_reason": "end"}])
    assert shown(answer_of(Text("a"), raw=["odd"])).raw["body"] == ["odd"]
    ended = shown(answer_of(Text("a"), id="i", raw={"id": None, "choices": []})).raw  # as the last event of a stream
    assert (ended["id"], ended["choices"]) == ("i", [{"index": 0, "finish_reason": "stop"}])


def test_log_probabilities_are_candidates_by_token():
    top = [{"token": "a", "logprob": -0.1, "bytes": [97]}, {"token": "b", "logprob": -2.0, "bytes": None}]
    choice = Choice(
        message=assistant("a"), logprobs={"content": [{**top[0], "top_logprobs": top}, {"token": "c", "logprob": -1}]}
    )
    [first, second] = response_of(ChatResponse(choices=[choice])).logprobs or []
    assert [(item.token, item.logprob, item.bytes) for item in first] == [("a", -0.1, [97]), ("b", -2.0, [])]
    assert [(item.token, item.logprob) for item in second] == [("c", -1.0)]
    other = Choice(message=assistant("a"), logprobs={"chosenCandidates": []})
    assert response_of(ChatResponse(choices=[other])).logprobs is None
