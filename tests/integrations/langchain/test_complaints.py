"""What users of other LangChain classes complained about: a test per complaint of the collected threads.

The numbers and the threads are in `docs/langchain.md`.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import BaseModel

from langchain_llm_connector import ChatLlmConnector, LlmConnectorEmbeddings
from tests.integrations.langchain.little_model import SIGNATURE, THOUGHT, LittleModel, settings
from tests.support.answers import call_delta, delta, piece
from tests.support.wire_server import Answer, Stream, sse

THINKERS = ["openai_compatible", "deepseek", "moonshot", "anthropic", "ollama", "aliyun", "zhipu"]
KEY = "sk-0123456789abcdefghijkl"


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def made(server: LittleModel, provider: str, **others: Any) -> Any:
    return ChatLlmConnector(**settings(server, provider, **{"model": "a-model-to-think", **others}))


def thinking(provider: str) -> dict[str, Any]:
    """How the little model is made to think: by its name, or by the switch where the wire has one."""
    return {"reasoning": 1024, "max_tokens": 4096} if provider == "anthropic" else {}


def merged(chunks: Any) -> AIMessageChunk:
    whole: AIMessageChunk | None = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


@pytest.mark.parametrize("provider", THINKERS)
def test_complaint_01_reasoning_is_dropped(little_model, provider):
    model = made(little_model, provider, **thinking(provider))
    for message in (model.invoke("Hello"), merged(model.stream("Hello"))):
        assert message.content == "Hello there, how are you?"
        assert message.additional_kwargs["reasoning_content"] == THOUGHT
        blocks: list[Any] = message.content_blocks
        assert [block["type"] for block in blocks] == ["reasoning", "text"]
        assert blocks[0]["reasoning"] == THOUGHT


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_complaint_01_reasoning_is_dropped_under_either_name(little_model, field):
    model = made(little_model, "openai_compatible", model="m")
    thoughts: list[dict[str, Any]] = [{field: "Hm. "}, {field: "Yes."}]
    little_model.script(Stream(sse(*(delta(**thought) for thought in thoughts), delta("stop", content="42"))))
    chunks = list(model.stream("6 x 7?"))
    shown = [block["reasoning"] for chunk in chunks for block in chunk.content_blocks if block["type"] == "reasoning"]
    assert "".join(shown) == "Hm. Yes."
    assert merged(chunks).additional_kwargs["reasoning_content"] == "Hm. Yes."


def histories(model: Any, question: str) -> dict[str, Any]:
    """The same answer on every path that it may take before it goes back."""
    bound, in_v1 = model.bind_tools([weather]), model.model_copy(update={"output_version": "v1"}).bind_tools([weather])
    events = bound.stream_events(question, version="v3")
    list(events)
    invoked = bound.invoke(question)
    return {
        "invoke": invoked,
        "stream": merged(bound.stream(question)),
        "invoke v1": in_v1.invoke(question),
        "stream v1": merged(in_v1.stream(question)),
        "stream v3": events.output,
        "stored": messages_from_dict(messages_to_dict([invoked]))[0],
        "stored stream": messages_from_dict(messages_to_dict([merged(bound.stream(question))]))[0],
    }


@pytest.mark.parametrize("provider", ["deepseek", "moonshot"])
def test_complaint_02_reasoning_content_is_not_sent_back_in_tool_loops(little_model, provider):
    model = made(little_model, provider)
    for path, answer in histories(model, "Use weather in Oslo").items():
        assert answer.tool_calls, path
        call_id = answer.tool_calls[0]["id"]
        again = [HumanMessage("Use weather in Oslo"), answer, ToolMessage("sunny", tool_call_id=call_id)]
        assert model.bind_tools([weather]).invoke(again).content == "I looked it up: sunny"
        sent = little_model.bodies[-1]["messages"][1]
        assert sent["reasoning_content"] == THOUGHT, path
        assert sent["tool_calls"][0]["id"] == call_id, path
        assert json.loads(sent["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}, path


def test_complaint_02_a_history_without_reasoning_gets_an_empty_one(little_model):
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "call1"}
    history = [HumanMessage("?"), AIMessage("", tool_calls=[call]), ToolMessage("sunny", tool_call_id="call1")]
    made(little_model, "deepseek", model="deepseek-v4-flash", reasoning=True).bind_tools([weather]).invoke(history)
    assert little_model.bodies[-1]["messages"][1]["reasoning_content"] == ""


@pytest.mark.parametrize("provider", THINKERS)
def test_complaint_03_forced_tool_choice_breaks_thinking_models(little_model, provider):
    model = made(little_model, provider, **(thinking(provider) or {"reasoning": True}))
    joke = model.with_structured_output(Joke).invoke("Tell me a joke as JSON with setup and punchline")
    assert joke == Joke(setup="some setup", punchline="some punchline")
    body = little_model.bodies[-1]
    assert "tool_choice" not in {**body, **body.get("parameters", {})}


@pytest.mark.parametrize("provider", ["anthropic", "aliyun"])
def test_complaint_03_a_forced_tool_is_only_offered_where_thinking_forbids_force(little_model, provider):
    model = made(little_model, provider, **(thinking(provider) or {"reasoning": True}))
    answer = model.bind_tools([weather], tool_choice="weather").invoke("Use weather in Oslo")
    body = little_model.bodies[-1]
    choice = {**body, **body.get("parameters", {})}.get("tool_choice", "auto")
    assert choice in ("auto", {"type": "auto"})
    assert any(note["subject"] == "tool_choice" for note in answer.response_metadata["adaptations"])


def test_complaint_04_signed_thinking_is_lost_between_turns(little_model):
    model = made(little_model, "anthropic", **thinking("anthropic"))
    for path, answer in histories(model, "Use weather in Oslo").items():
        again = [HumanMessage("?"), answer, ToolMessage("sunny", tool_call_id=answer.tool_calls[0]["id"])]
        model.bind_tools([weather]).invoke(again)
        blocks = little_model.bodies[-1]["messages"][1]["content"]
        assert [block["type"] for block in blocks] == ["thinking", "tool_use"], path
        assert blocks[0] == {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}, path


INTERLEAVED: list[dict[str, Any]] = [
    {"type": "redacted_thinking", "data": "c2VjcmV0"},
    {"type": "thinking", "thinking": "First.", "signature": "c2lnMQ=="},
    {"type": "thinking", "thinking": "", "signature": "c2lnMg=="},
    {"type": "text", "text": "I shall look."},
    {"type": "thinking", "thinking": "Second.", "signature": "c2lnMw=="},
    {"type": "text", "text": "Now."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
]


def anthropic_stream(blocks: list[dict[str, Any]]) -> Stream:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**head, "usage": {"input_tokens": 9}}}]
    for index, block in enumerate(blocks):
        empty: dict[str, Any] = {
            "thinking": {"thinking": "", "signature": ""},
            "text": {"text": ""},
            "tool_use": {"input": {}},
        }
        start: dict[str, Any] = {**block, **empty.get(block["type"], {})}
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        pieces: list[dict[str, Any]] = []
        if block["type"] == "thinking":
            pieces += [{"type": "thinking_delta", "thinking": letter} for letter in block["thinking"]]
            pieces.append({"type": "signature_delta", "signature": block["signature"]})
        if block["type"] == "text":
            pieces += [{"type": "text_delta", "text": letter} for letter in block["text"]]
        if block["type"] == "tool_use":
            pieces.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
        events += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
        events.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}}
    return Stream(sse(*events, end, {"type": "message_stop"}, named=True, done=False))


SEARCHED: list[dict[str, Any]] = [
    {"type": "text", "text": "I shall search."},
    {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "Oslo"}},
    {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
    {"type": "text", "text": "It is sunny."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
]


@pytest.mark.parametrize("path", ["invoke", "stream", "invoke v1", "stream v1", "stream v3", "v1 blocks alone"])
@pytest.mark.parametrize("said", [INTERLEAVED, SEARCHED], ids=["thoughts", "searches"])
def test_complaint_04_interleaved_thinking_is_mangled(little_model, path, said):
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": said}
    usage = {"input_tokens": 9, "output_tokens": 3}
    model = made(little_model, "anthropic", **({"output_version": "v1"} if "v1" in path else {}))
    streamed = "stream" in path
    little_model.script(
        anthropic_stream(said) if streamed else Answer.json({**whole, "stop_reason": "tool_use", "usage": usage})
    )
    if path == "stream v3":
        events = model.stream_events("?", version="v3")
        list(events)
        answer: Any = events.output
    else:
        answer = merged(model.stream("?")) if streamed else model.invoke("?")
    if path == "v1 blocks alone":
        kept = {"output_version": "v1", "model_provider": "llm_connector", "provider": "anthropic"}
        answer = AIMessage(content=answer.content, tool_calls=answer.tool_calls, response_metadata=kept)
    model.bind_tools([weather]).invoke([HumanMessage("?"), answer, ToolMessage("ok", tool_call_id="toolu_1")])
    assert little_model.bodies[-1]["messages"][1]["content"] == said
    blocks: list[Any] = answer.content_blocks
    shown = {block["type"] for block in blocks if block.get("reasoning") or block["type"] != "reasoning"}
    assert shown == {"text", "tool_call", "reasoning" if said is INTERLEAVED else "non_standard"}


def test_complaint_04_a_foreign_signature_is_sent_to_nobody_else(little_model):
    answer = made(little_model, "anthropic", **thinking("anthropic")).invoke("Hello")
    made(little_model, "deepseek", model="m").invoke([HumanMessage("Hello"), answer, HumanMessage("And?")])
    assert SIGNATURE not in json.dumps(little_model.bodies[-1])
    assert little_model.bodies[-1]["messages"][1] == {"role": "assistant", "content": "Hello there, how are you?"}


@pytest.mark.parametrize("provider", ["moonshot", "aliyun", "zhipu", "deepseek", "ollama"])
def test_complaint_05_community_models_have_broken_tools(little_model, provider):
    @tool
    def news(topic: str) -> str:
        """News about a topic."""
        return topic

    model = made(little_model, provider, model="m").bind_tools([weather, news])
    question = "Use weather and news in Oslo"
    for answer in (model.invoke(question), merged(model.stream(question))):
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
            ("weather", {"city": "Oslo"}),
            ("news", {"topic": "Oslo"}),
        ]
        ids = [call["id"] for call in answer.tool_calls]
        assert len(set(ids)) == 2
        results = [ToolMessage(text, tool_call_id=i) for text, i in zip(["sun", "calm"], ids, strict=True)]
        assert model.invoke([HumanMessage(question), answer, *results]).content == "I looked it up: sun; calm"


FRAGMENTS: dict[str, list[dict[str, Any]]] = {
    "ids and names repeated on each piece": [
        call_delta(piece('{"ci', "weather", id="c1", index=0)),
        call_delta(piece('ty": "Oslo"}', "weather", id="c1", index=0)),
        call_delta(piece('{"city": "Rome"}', "weather", id="c2", index=1)),
    ],
    "empty instead of absent ids": [
        call_delta(piece('{"ci', "weather", id="c1", index=0)),
        call_delta(piece('ty": "Oslo"}', "", id="", index=0)),
        call_delta(piece('{"city": "Rome"}', "weather", id="c2", index=1)),
    ],
    "every call at index 0": [
        call_delta(piece('{"city": "Oslo"}', "weather", id="c1", index=0)),
        call_delta(piece('{"city": "Rome"}', "weather", id="c2", index=0)),
    ],
    "no index": [
        call_delta(piece('{"city": ', "weather", id="c1")),
        call_delta(piece('"Oslo"}')),
        call_delta(piece('{"city": "Rome"}', "weather", id="c2")),
    ],
    "no ids": [
        call_delta(piece('{"city": "Oslo"}', "weather", index=0)),
        call_delta(piece('{"city": "Rome"}', "weather", index=1)),
    ],
    "both in one delta, as objects": [
        call_delta(piece({"city": "Oslo"}, "weather", id="c1"), piece({"city": "Rome"}, "weather", id="c2")),
    ],
    "interleaved": [
        call_delta(piece('{"city"', "weather", id="c1", index=0), piece('{"city"', "weather", id="c2", index=1)),
        call_delta(piece(': "Oslo"}', index=0), piece(': "Rome"}', index=1)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("fragments", FRAGMENTS.values(), ids=FRAGMENTS)
def test_complaint_06_streamed_calls_fall_apart(little_model, fragments, version):
    little_model.script(Stream(sse(delta(reasoning_content="Hm."), *fragments, delta("tool_calls"))))
    model = made(little_model, "openai_compatible", model="m", output_version=version)
    chunks = list(model.bind_tools([weather]).stream("?"))
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert all(isinstance(piece["index"], int) for piece in pieces)
    assert sum(piece["name"] is not None for piece in pieces) == 2
    whole = merged(chunks)
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("weather", {"city": "Oslo"}),
        ("weather", {"city": "Rome"}),
    ]
    ids = {call["id"] for call in whole.tool_calls}
    assert len(ids) == 2
    assert all(ids)
    blocks = [block for block in whole.content_blocks if block["type"] == "tool_call"]
    assert [block["args"] for block in blocks] == [{"city": "Oslo"}, {"city": "Rome"}]
    first: Any = whole.content_blocks[0]
    assert (first["type"], first["reasoning"]) == ("reasoning", "Hm.")


def test_complaint_07_finish_reason_stopstop(little_model):
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    twice = [delta(content="Hi"), {**delta("stop"), "usage": usage}, {**delta("stop"), "usage": usage}]
    little_model.script(Stream(sse(*({**event, "system_fingerprint": "fp", "created": 5} for event in twice))))
    whole = merged(made(little_model, "openai_compatible", model="m").stream("?"))
    known = whole.response_metadata
    assert (known["finish_reason"], known["model_name"], known["system_fingerprint"]) == ("stop", "m1", "fp")
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 3


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openai_compatible", {"input_token_details": {"cache_read": 5}, "output_token_details": {"reasoning": 4}}),
        ("zhipu", {"input_token_details": {"cache_read": 5}, "output_token_details": {"reasoning": 4}}),
        ("aliyun", {"input_token_details": {"cache_read": 5}, "output_token_details": {"reasoning": 4}}),
        ("anthropic", {"input_token_details": {"cache_read": 5, "cache_creation": 6}}),
        ("ollama", {}),
    ],
)
def test_complaint_08_no_usage_in_streams_on_custom_endpoints(little_model, provider, expected):
    chunks = list(made(little_model, provider, model="m").stream("Hello"))
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    counts = {"input_tokens": 21, "output_tokens": 12, "total_tokens": 33}
    assert chunks[-1].usage_metadata == {**counts, **expected}


def test_complaint_09_event_loop_is_closed(little_model):
    model = made(little_model, "openai_compatible", model="m")

    async def both() -> None:
        assert (await model.ainvoke("Hello")).content.startswith("Hello")
        assert [chunk async for chunk in model.astream("Hello")]

    for _ in range(3):
        asyncio.run(both())
    failures: list[BaseException] = []

    def other() -> None:
        try:
            asyncio.run(both())
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    asyncio.run(model.aclose())


def test_complaint_09_clients_leak(little_model):
    for _ in range(20):
        made(little_model, "openai_compatible", model="m").invoke("Hello")
    gc.collect()
    assert little_model.wait_closed(but=1)


@pytest.mark.parametrize("used", [False, True])
def test_complaint_10_models_cannot_be_pickled_or_copied(little_model, used):
    model = made(little_model, "anthropic", model="m", temperature=0)
    if used:
        model.invoke("Hello")
        asyncio.run(model.ainvoke("Hello"))
        dumps(model)
    chain = model.bind_tools([weather])
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model), model.model_copy()):
        assert twin.asdict() == model.asdict()
        assert twin.invoke("Hello").content == "Hello there, how are you?"
    assert copy.deepcopy(chain).invoke("Use weather in Oslo").tool_calls


def test_complaint_11_keys_are_in_reprs_and_traces(little_model, caplog):
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {KEY}", "X-Team": "blue"}
    model = ChatLlmConnector(
        **settings(little_model, "openai_compatible", model="m", default_headers=headers) | {"api_key": KEY}
    )
    runs: list[Run] = []

    class Keeper(BaseTracer):
        def _persist_run(self, run: Run) -> None:
            runs.append(run)

    model.invoke("Hello", config={"callbacks": [Keeper()]})
    little_model.script(Answer.json({"error": {"message": f"bad key {KEY}"}}, 401))
    with pytest.raises(Exception, match="bad key") as failed:
        model.invoke("Hello", config={"callbacks": [Keeper()]})
    seen = [repr(model), str(model), str(vars(model)), str(model.client), dumps(model), str(model.asdict())]
    seen += [str(vars(run)) for run in runs]
    seen += [str(failed.value), repr(failed.value), caplog.text, str(model._get_llm_string())]
    assert len(runs) == 2
    assert not [text for text in seen if KEY in text]
    assert little_model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert little_model.requests[0].headers["x-team"] == "blue"


def test_complaint_11_a_mistaken_argument_does_not_print_the_key():
    with pytest.raises(ValueError, match="did you mean 'model'") as failed:
        ChatLlmConnector(provider="openai", modle="m", api_key=KEY)
    assert KEY not in str(failed.value)


def test_complaint_12_imports_take_seconds():
    code = (
        "import sys, langchain_core.language_models.chat_models, pydantic\n"
        "before = set(sys.modules)\n"
        "from langchain_llm_connector import ChatLlmConnector\n"
        "ChatLlmConnector(provider='openai', model='m', api_key='k')\n"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))\n"
        "print('httpx' in set(sys.modules) - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("openai", "anthropic", "tiktoken", "transformers", "litellm", "numpy", "langgraph", "botocore"):
        assert f"'{heavy}'" not in found
    assert found.splitlines()[-1] == "False"


@pytest.mark.parametrize("provider", THINKERS)
def test_complaint_13_finish_reason_is_missing_in_streams(little_model, provider):
    model = made(little_model, provider, model="m")
    ends = [chunk.response_metadata.get("finish_reason") for chunk in model.stream("Hello")]
    assert [end for end in ends if end] == [model.invoke("Hello").response_metadata["finish_reason"]]
    called = merged(model.bind_tools([weather]).stream("Use weather in Oslo"))
    assert called.response_metadata["normalized_finish_reason"] == "tool_calls"


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize("provider", ["openai_compatible", "anthropic", "ollama", "zhipu"])
@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ],
    ids=["v1", "openai"],
)
def test_complaint_14_images_of_tools_are_rejected_or_stringified(little_model, provider, block):
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "call1"}
    result = ToolMessage([{"type": "text", "text": "a map"}, block], tool_call_id="call1")
    made(little_model, provider, model="m").invoke([HumanMessage("?"), AIMessage("", tool_calls=[call]), result])
    sent = little_model.bodies[-1]["messages"]
    if provider == "anthropic":
        inside = sent[2]["content"][0]["content"]
        assert inside[1]["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    elif provider == "ollama":
        assert PNG in next(message["images"] for message in sent[2:] if "images" in message)
    else:
        assert PNG not in json.dumps(sent[2])
        shown = [part for part in sent[3]["content"] if part["type"] == "image_url"]
        assert (sent[3]["role"], shown[0]["image_url"]["url"]) == ("user", f"data:image/png;base64,{PNG}")


def test_complaint_15_embeddings_send_token_ids(little_model):
    texts = [f"text {number}" for number in range(23)]
    embeddings = LlmConnectorEmbeddings(**settings(little_model, "openai_compatible", model="e"))
    vectors = embeddings.embed_documents(texts)
    assert little_model.bodies[0]["input"] == texts
    assert [vector[0] for vector in vectors] == [float(len(text)) for text in texts]


def test_complaint_15_dashscope_takes_ten_texts_at_a_time(little_model):
    texts = [f"text {number}" for number in range(23)]
    embeddings = LlmConnectorEmbeddings(**settings(little_model, "aliyun", model="text-embedding-v4"))
    vectors = embeddings.embed_documents(texts)
    assert [len(body["input"]["texts"]) for body in little_model.bodies] == [10, 10, 3]
    assert asyncio.run(embeddings.aembed_documents(texts)) == vectors
    assert [vector[0] for vector in vectors] == [float(len(text)) for text in texts]
