"""Chat, completion and streams, whole and in pieces, blocking and not."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from typing import Any

import pytest
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.callbacks.llama_debug import LlamaDebugHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.llm_connector import LlmConnector

from llm_connector import APIError, BadRequestError, ConfigurationError, RateLimitError, StreamError
from tests.integrations.llama_index.wires import HEAD, WIRES, Anthropic, Call, Turn, Wire, chunk, completion
from tests.support.wire_server import Answer, Pause, Stream, WireServer, sse

TURN = Turn(thought="Let me think of it.", text="The sky scatters blue light.")
HI = [ChatMessage("Why is the sky blue?")]
REFUSED = Answer.json({"error": {"message": "no such thing", "type": "invalid_request_error"}}, status=400)


def body_of(server: WireServer, number: int = -1) -> Any:
    return server.requests[number].json


def test_chat_gives_the_answer(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("Because.", thought="Hm."))
    response: Any = llm.chat(HI)
    assert response.message.content == "Because."
    assert [block.block_type for block in response.message.blocks] == ["thinking", "text"]
    assert response.additional_kwargs["prompt_tokens"] == 12
    assert response.additional_kwargs["cached_tokens"] == 8
    assert response.raw["usage"]["completion_tokens_details"] == {"reasoning_tokens": 20}
    assert body_of(wire_server) == {"model": "thinker-1", "messages": [{"role": "user", "content": HI[0].content}]}


@pytest.mark.anyio
async def test_achat_gives_the_same(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("Because.", thought="Hm."), completion("Because.", thought="Hm."))
    assert await llm.achat(HI) == llm.chat(HI)
    await llm.aclose()


def test_complete_gives_text_and_counts(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("Because.", thought="Hm."))
    done = llm.complete("Why?", temperature=0)
    assert (done.text, str(done)) == ("Because.", "Because.")
    assert done.additional_kwargs["completion_tokens"] == 30
    assert body_of(wire_server)["temperature"] == 0


def test_a_stream_grows_and_its_end_holds_everything(wire: Wire, wire_server: WireServer):
    wire_server.script(wire.stream(TURN))
    seen = list(wire.llm(wire_server).stream_chat(HI))
    last: Any = seen[-1]
    assert "".join(item.delta or "" for item in seen) == last.message.content == TURN.text
    assert "".join(item.additional_kwargs.get("thinking_delta", "") for item in seen) == TURN.thought
    texts = [item.message.content or "" for item in seen]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert [block.block_type for block in last.message.blocks] == ["thinking", "text"]
    assert last.message.blocks[0].content == TURN.thought
    assert last.additional_kwargs["prompt_tokens"] == 12
    assert last.additional_kwargs["finish_reason"] == "stop"
    assert last.delta == ""


@pytest.mark.anyio
async def test_a_stream_of_a_coroutine_is_the_same(wire: Wire, wire_server: WireServer):
    wire_server.script(wire.stream(TURN), wire.stream(TURN))
    llm = wire.llm(wire_server)
    assert [item async for item in await llm.astream_chat(HI)] == list(llm.stream_chat(HI))
    await llm.aclose()


@pytest.mark.anyio
async def test_streamed_completions_are_text_alone(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(*[WIRES["deepseek"].stream(TURN)] * 2)
    seen = list(llm.stream_complete("Why?"))
    assert "".join(item.delta or "" for item in seen) == seen[-1].text == TURN.text
    assert seen[-1].additional_kwargs["prompt_tokens"] == 12
    assert [item async for item in await llm.astream_complete("Why?")] == seen
    await llm.aclose()


def test_text_that_goes_on_after_a_thought_keeps_deltas_and_content_equal(wire_server: WireServer):
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    blocks: list[tuple[Any, Any]] = [
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "Zero."}),
        (found, None),
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "One."}),
        ({"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Hm."}),
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "Two."}),
    ]
    message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": []}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**message, "usage": {"input_tokens": 1}}}]
    for index, (opened, delta) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": opened})
        if delta is not None:
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    events += [end, {"type": "message_stop"}]
    wire_server.script(Stream(sse(*events, done=False, named=True)))
    seen = list(Anthropic().llm(wire_server).stream_chat(HI))
    assert "".join(item.delta or "" for item in seen) == seen[-1].message.content == "Zero.\nOne.\nTwo."
    mixed = [chunk({"content": "One."}), chunk({"reasoning_content": "Hm."}), chunk({"content": "Two."})]
    wire_server.script(Stream(sse(*mixed, chunk({}, "stop"))))
    seen = list(WIRES["deepseek"].llm(wire_server).stream_chat(HI))
    assert "".join(item.delta or "" for item in seen) == seen[-1].message.content


def test_what_was_yielded_does_not_change_later(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(WIRES["deepseek"].stream(TURN))
    seen: list[tuple[Any, str]] = [(item, item.model_dump_json()) for item in llm.stream_chat(HI)]
    assert all(item.model_dump_json() == dumped for item, dumped in seen)


def test_options_come_from_the_object_then_additional_kwargs_then_the_call(wire_server: WireServer):
    llm = WIRES["deepseek"].llm(
        wire_server, temperature=0, max_tokens=50, additional_kwargs={"top_p": 0.5, "user_id": "u", "seed": 1}
    )
    wire_server.script(completion("a"), completion("b"))
    llm.chat(HI, seed=2, extra_body={"region": "n"}, service_tier="flex", stop=["."])
    sent = body_of(wire_server)
    assert {name: sent[name] for name in ("temperature", "max_tokens", "top_p", "seed", "stop")} == {
        "temperature": 0,
        "max_tokens": 50,
        "top_p": 0.5,
        "seed": 2,
        "stop": ["."],
    }
    assert (sent["user_id"], sent["region"], sent["service_tier"]) == ("u", "n", "flex")
    llm.chat(HI, temperature=None)
    assert "temperature" not in body_of(wire_server)


def test_thinking_is_asked_for_in_the_providers_words(wire_server: WireServer):
    wire_server.script(completion("a"), completion("b"))
    WIRES["deepseek"].llm(wire_server, reasoning=True).chat(HI)
    assert body_of(wire_server)["thinking"] == {"type": "enabled"}
    WIRES["deepseek"].llm(wire_server, reasoning_effort="high").chat(HI, reasoning=False)
    assert body_of(wire_server)["thinking"] == {"type": "disabled"}


def test_what_was_not_sent_as_asked_is_reported(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(completion("a"))
    picture = ImageBlock(url="https://example.com/a.png")
    response = llm.chat([ChatMessage(blocks=[TextBlock(text="Look:"), picture])])
    [adaptation] = response.additional_kwargs["adaptations"]
    assert (adaptation["action"], adaptation["subject"]) == ("converted", "image")


def test_a_system_prompt_is_applied_on_every_path_once(wire_server: WireServer):
    llm = WIRES["deepseek"].llm(wire_server, system_prompt="Be brief.")
    wire_server.script(*[completion("a")] * 4, WIRES["deepseek"].stream(TURN))
    llm.chat(HI)
    llm.complete("Why?")
    llm.predict(PromptTemplate("Why?"))
    llm.chat([ChatMessage(role="system", content="Be kind."), *HI])
    list(llm.stream(PromptTemplate("Why?")))
    systems = [[item["content"] for item in request.json["messages"][:-1]] for request in wire_server.requests]
    assert systems == [["Be brief."], ["Be brief."], ["Be brief."], ["Be kind."], ["Be brief."]]


@pytest.mark.anyio
async def test_a_call_is_one_pair_of_events(llm: LlmConnector, wire_server: WireServer, events: list[Any]):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([debug])
    wire_server.script(completion("a"), completion("a"), completion("a"), *[WIRES["deepseek"].stream(TURN)] * 4)
    llm.chat(HI)
    await llm.achat(HI)
    llm.complete("Why?")
    chunks = len(list(llm.stream_chat(HI)))
    assert chunks == len([item async for item in await llm.astream_chat(HI)])
    assert chunks == len(list(llm.stream_complete("Why?")))
    assert chunks == len([item async for item in await llm.astream_complete("Why?")])
    counts = {
        kind: sum(type(event) is kind for event in events)
        for kind in (LLMChatStartEvent, LLMChatEndEvent, LLMChatInProgressEvent)
    }
    assert list(counts.values()) == [4, 4, 2 * chunks]
    kinds = (LLMCompletionStartEvent, LLMCompletionEndEvent, LLMCompletionInProgressEvent)
    assert [sum(type(event) is kind for event in events) for kind in kinds] == [3, 3, 2 * chunks]
    assert len(debug.get_llm_inputs_outputs()) == 7
    await llm.aclose()


def test_token_counters_read_the_servers_numbers(llm: LlmConnector, wire_server: WireServer):
    counter = TokenCountingHandler()
    llm.callback_manager = CallbackManager([counter])
    wire_server.script(completion("a"), WIRES["deepseek"].stream(TURN))
    llm.chat(HI)
    list(llm.stream_chat(HI))
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (24, 60)


def test_errors_are_those_of_the_core_and_reach_callbacks(llm: LlmConnector, wire_server: WireServer):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([debug])
    wire_server.script(REFUSED)
    with pytest.raises(BadRequestError, match="no such thing") as caught:
        llm.chat(HI)
    assert (caught.value.status, caught.value.provider) == (400, "deepseek")
    [(_, end)] = debug.get_event_pairs(CBEventType.LLM)
    assert end.payload is not None
    assert end.payload[EventPayload.EXCEPTION] is caught.value
    assert len(wire_server.requests) == 1


def test_only_what_is_worth_it_is_sent_again(wire_server: WireServer):
    busy = Answer.json({"error": {"message": "later"}}, status=429, headers={"retry-after": "0"})
    wire_server.script(busy, completion("a"), busy)
    assert WIRES["deepseek"].llm(wire_server, max_retries=1).complete("Why?").text == "a"
    with pytest.raises(RateLimitError):
        WIRES["deepseek"].llm(wire_server, max_retries=0).complete("Why?")
    assert len(wire_server.requests) == 3


def test_a_stream_that_breaks_off_raises(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(Stream(sse(chunk({"content": "The sky"}), done=False)))
    seen: list[Any] = []
    with pytest.raises(StreamError) as caught:
        seen.extend(llm.stream_chat(HI))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "The sky"


def test_an_error_in_a_stream_raises(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(Stream(sse(chunk({"content": "The"}), {"error": {"message": "overloaded", "code": 503}})))
    with pytest.raises(APIError, match="overloaded"):
        list(llm.stream_chat(HI))


def test_mistakes_raise_at_the_call(llm: LlmConnector, wire_server: WireServer):
    with pytest.raises(ConfigurationError, match=r"messages"):
        llm.stream_chat([])
    assert not wire_server.requests


def test_a_stream_that_is_dropped_releases_its_connection(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(Stream(sse(chunk({"content": "The"}), done=False), end="hold"))
    stream = llm.stream_chat(HI)
    assert next(stream).delta == "The"
    del stream
    gc.collect()
    assert wire_server.wait_closed()


@pytest.mark.anyio
async def test_a_stream_of_a_coroutine_that_is_dropped_releases_its_connection(
    llm: LlmConnector, wire_server: WireServer
):
    wire_server.script(Stream(sse(chunk({"content": "The"}), done=False), end="hold"))
    stream = await llm.astream_chat(HI)
    assert (await anext(stream)).delta == "The"
    await stream.aclose()
    del stream
    gc.collect()
    await asyncio.sleep(0.05)
    assert await asyncio.to_thread(wire_server.wait_closed)


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_releases_its_connection(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(Stream([Pause(30)], end="hold"))
    task = asyncio.ensure_future(llm.achat(HI))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(wire_server.wait_closed)


def test_one_loop_after_another_and_threads_with_their_own(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(*[completion("a")] * 12)
    assert [asyncio.run(llm.acomplete("Why?")).text for _ in range(3)] == ["a"] * 3
    assert llm.complete("Why?").text == "a"
    found: list[str] = []

    def work() -> None:
        found.append(asyncio.run(llm.acomplete("Why?")).text)
        found.append(llm.complete("Why?").text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["a"] * 8
    llm.close()


def test_a_stream_begun_in_one_thread_ends_in_another(llm: LlmConnector, wire_server: WireServer):
    wire_server.script(WIRES["deepseek"].stream(TURN))
    stream = llm.stream_chat(HI)
    next(stream)
    rest: list[Any] = []
    thread = threading.Thread(target=lambda: rest.extend(stream))
    thread.start()
    thread.join()
    assert rest[-1].message.content == TURN.text


def test_calls_grow_in_streams(wire: Wire, wire_server: WireServer):
    calls = [Call("look", {"at": "the sea, which is wide"}, "c1"), Call("look", {"at": "the sky"}, "c2")]
    wire_server.script(wire.stream(Turn(text="Wait.", calls=calls)))
    llm = wire.llm(wire_server)
    seen = list(llm.stream_chat(HI))
    found = llm.get_tool_calls_from_response(seen[-1])
    assert [(call.tool_name, call.tool_kwargs) for call in found] == [(call.name, call.arguments) for call in calls]
    assert len({call.tool_id for call in found}) == 2
    for item in seen:
        partial = llm.get_tool_calls_from_response(item, error_on_no_tool_call=False)
        assert len(partial) == len(item.message.additional_kwargs.get("tool_calls", []))
        for call, whole in zip(partial, found, strict=False):
            assert call.tool_id == whole.tool_id
            assert str(whole.tool_kwargs["at"]).startswith(str(call.tool_kwargs.get("at", "")))


def test_a_stream_is_the_first_of_several_answers(llm: LlmConnector, wire_server: WireServer):
    other = chunk({"reasoning_content": "Oh."})
    other["choices"][0]["index"] = 1
    wire_server.script(Stream(sse(chunk({"content": "Hi"}), other, chunk({}, "stop"))))
    seen = list(llm.stream_chat(HI, n=2))
    assert [(item.message.content, item.delta) for item in seen] == [("Hi", "Hi"), ("Hi", "")]


def test_trailing_counts_come_with_the_whole_message(llm: LlmConnector, wire_server: WireServer):
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    wire_server.script(
        Stream(sse(chunk({"content": "Hi"}), chunk({}, "stop"), {**HEAD, "choices": [], "usage": usage}))
    )
    *_, last = llm.stream_chat(HI)
    assert (last.message.content, last.delta, last.additional_kwargs["total_tokens"]) == ("Hi", "", 3)
