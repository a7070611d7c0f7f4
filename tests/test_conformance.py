"""Every recorded exchange whose wire format we speak, read as the clients read it, whole and cut.

A body is cut at every place of the cut law by its framing, whose events are all that a decoder sees; cuts that give it
the same events in the same portions are one cut to it, and it is decoded anew for one of each kind. Of bodies above
4 KB, a fixed sample of the kinds is decoded. See `support.cuts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest

from llm_connector import operations
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    NotFoundError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.operations import ChatDecoder, RenderedChat
from llm_connector.protocols import tool_calls
from llm_connector.types import ChatRequest, ChatResponse, Embeddings, Opaque, Reasoning, Tool, tool_result, user
from llm_connector.wire import HttpResponse
from tests.support.answers import (
    KEY,
    MAX_EVENT_BYTES,
    NO_RETRY,
    Reading,
    ask,
    decode,
    endpoint,
    finished,
    outline,
    streamed,
    whole,
)
from tests.support.corpus import Exchange, exchange_ids, exchanges
from tests.support.cuts import SMALL, ends_of_events, places, sample, single_bytes, split_at

ROWS = {
    "openai_chat": "openai_compatible",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "bedrock_converse": "bedrock",
    "bedrock_invoke": "anthropic_bedrock",
    "dashscope": "aliyun",
    "gemini": "gemini",
    "vertex_anthropic": "anthropic_vertex",
    "ollama": "ollama",
}
OWN_ROWS = {
    **{("openai_chat", row): row for row in ("cerebras", "deepseek", "groq", "huggingface", "mistral", "moonshot")},
    **{
        ("openai_chat", row): row for row in ("openai", "openrouter", "perplexity", "tencent", "together", "volcengine")
    },
    ("openai_chat", "dashscope"): "aliyun_openai_compatible",
    ("gemini", "vertex_gemini"): "gemini_vertex",
    ("openai_chat", "xai"): "xai",
    ("openai_chat", "azure"): "azure_openai",
    ("openai_responses", "azure"): "azure_openai_responses",
    ("openai_chat", "zhipu"): "zhipu",
    ("anthropic", "azure_anthropic"): "anthropic_azure",
}
OTHER_FORMATS: set[str] = set()
"""Providers whose lists, vectors and counts come in a wire format that is not here."""

SIGNED_TEXT = {"text", "thoughtSignature"}
"""Keys of Gemini's signatures that stand in a part of their own."""

ITEMS_READ = {"message", "reasoning", "function_call"}
"""Items of Responses that are not opaque."""

DECODED_CUTS = 40
MADE_UP = "made0up00"

NEVER_REPLAYED = {"openai", "azure_openai", "aliyun_openai_compatible", "xai"}
"""Rows that send no thoughts back."""

DIFFERENT: dict[str, tuple[set[str], str]] = {
    "bedrock-bedrock_converse-d86c8c8157": ({"signatures"}, "the corpus does not count those of this wire format"),
    **{
        f"dashscope-dashscope-{number}": (
            {"model", "text"},
            "the request is missing: it names the model, and the events hold pieces, not all text so far",
        )
        for number in ("4e368e9b20", "e9d09d657f")
    },
    "gemini-openai_chat-62d8e85021": ({"ids"}, "the id is empty: one is made up, since a result must name its call"),
    "ollama-ollama-1cb9bd98ef": ({"ids"}, "there is no id: one is made up, since a result must name its call"),
    "groq-openai_chat-f31f5e96eb": ({"arguments"}, "the arguments are the text `null`, which means none (TC-12)"),
    "mistral-openai_chat-95a112560f": ({"cached"}, "`num_cached_tokens` counts as cached"),
    **{
        f"xai-openai_chat-{number}": ({"output"}, "thoughts are counted beside the answer; to us they are output")
        for number in ("2a08c5282d", "3585ff1bf8", "7290140c77", "a6000ae449", "b1a0aa282a", "e7c9484a7c", "fd7807a20e")
    },
    "openrouter-openai_chat-f59fa0cb91": (
        {"input", "output", "cached", "thinking"},
        "the usage comes after the error that ends the stream, and is not read",
    ),
}
"""What we read otherwise than the corpus, by exchange: the facts that differ, and why that is right."""

REFUSALS: dict[str, type[APIError]] = {
    "anthropic-anthropic-20fb8ac193": AuthenticationError,
    "anthropic-anthropic-2e22612d41": BadRequestError,
    "anthropic-anthropic-687467bca8": ModelNotFoundError,
    "azure-openai_chat-19979bbd8d": ModelNotFoundError,  # Azure's deployments are models to us
    "azure-openai_chat-774dfc47cb": BadRequestError,
    "azure-openai_chat-c1297a0f17": RateLimitError,
    "dashscope-dashscope-045aea512f": AuthenticationError,
    "bedrock-bedrock_converse-758122ed3e": BadRequestError,
    "bedrock-bedrock_converse-e7c50c2fd8": AuthenticationError,
    "bedrock-bedrock_converse-f5ef51af42": ModelNotFoundError,
    "bedrock-bedrock_invoke-9dc1f153c6": BadRequestError,
    "dashscope-openai_chat-3b9504bd0a": AuthenticationError,
    "deepseek-openai_chat-69414b5880": BadRequestError,
    "deepseek-openai_chat-e7167e9af0": AuthenticationError,
    "gemini-embeddings-5b480e410a": ModelNotFoundError,
    "gemini-gemini-097415fd7d": ModelNotFoundError,
    "gemini-gemini-f7a610e2c1": RateLimitError,
    "groq-models_list-8d8e994049": AuthenticationError,
    "groq-openai_chat-3382a8b6ea": BadRequestError,
    "groq-openai_chat-7e65f40820": ModelNotFoundError,
    "mistral-embeddings-f20fda2285": ModelNotFoundError,
    "mistral-openai_chat-1e9d994734": AuthenticationError,
    "mistral-openai_chat-1edd44122f": ModelNotFoundError,
    "ollama-ollama-f4532407e7": ModelNotFoundError,
    "ollama-openai_chat-3fe39be5ae": ContextLengthError,
    "openai-embeddings-2b789dca3a": ModelNotFoundError,
    "openai-openai_responses-790f95e139": AuthenticationError,
    "openai-openai_responses-df8bdc9ecf": BadRequestError,
    "xai-openai_responses-d1ec07c71b": ModelNotFoundError,
    "openai-embeddings-7859c60809": ModelNotFoundError,
    "openai-openai_chat-2162bb08be": ModelNotFoundError,
    "openai-openai_chat-53a9ee8d51": BadRequestError,
    "openai-openai_chat-7c6907fca8": AuthenticationError,
    "openrouter-embeddings-1644e664ae": ModelNotFoundError,
    "openrouter-openai_chat-1be8731809": NotFoundError,  # the model exists, but no endpoint of it takes tools
    "openrouter-openai_chat-48b195275a": RateLimitError,
    "openrouter-openai_chat-53bb7f9849": AuthenticationError,
    "openrouter-openai_chat-5c340faa92": BadRequestError,
    "perplexity-openai_chat-5c0954d7df": ContextLengthError,
    "together-openai_chat-b15b7e9337": AuthenticationError,
    "vertex_gemini-gemini-5977fc436c": ContextLengthError,
    "xai-openai_chat-ed4689814c": BadRequestError,
    # inside a stream
    "groq-openai_chat-4648dd3b37": BadRequestError,
    "openrouter-openai_chat-2082a38dd9": BadRequestError,
    "openrouter-openai_chat-f59fa0cb91": ServerError,
}
"""The class of each recorded error, judged by hand from its status, code and message."""


def chats(exchange: Exchange) -> bool:
    return exchange.protocol in ROWS


def blanked_ids(exchange: Exchange) -> bool:
    """Whether the corpus took out ids that Mistral would not take back."""
    return exchange.provider == "mistral" and b'"call_REDACTED' in exchange.body


def lists(protocol: str) -> list[Any]:
    return exchange_ids(lambda exchange: exchange.protocol == protocol and exchange.provider not in OTHER_FORMATS)


@pytest.fixture(autouse=True)
def _same_made_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are made up differ from reading to reading; here they are equal, so that readings compare."""
    monkeypatch.setattr(tool_calls, "made_up_id", lambda: MADE_UP)


@pytest.fixture
def exchange(shared: Any, request: pytest.FixtureRequest) -> Exchange:
    return exchanges()[request.param]


def asked(exchange: Exchange) -> RenderedChat:
    """The request as far as reading its answer depends on it: the tools, and how many answers."""
    body = exchange.request["body"] or {}
    listed = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or ()
    tools = [tool.get("function") or tool.get("toolSpec") or tool for tool in listed]
    return ask(
        provider=OWN_ROWS.get((exchange.protocol, exchange.provider)) or ROWS[exchange.protocol],
        stream=exchange.streamed,
        model=body.get("model") or "m",
        tools=[Tool(tool["name"]) for tool in tools if "name" in tool],
        n=body.get("n"),
        think_tags=False,  # the corpus leaves them in the text
        strict=exchange.failed,  # or a refusal may be learned from, and another request be sent
    )


def read(exchange: Exchange) -> ChatResponse:
    """The answer; of a stream that reports an error, what had arrived."""
    if not exchange.streamed:
        return whole(exchange.body, asked(exchange), headers=exchange.headers)
    reading = streamed(exchange.body, asked(exchange))
    return reading.partial if "in_stream_error" in exchange.expected else reading.answer


def found_facts(answer: ChatResponse, exchange: Exchange) -> dict[str, Any]:
    """The answer in the words of the corpus."""
    usage, given = answer.usage, answer.usage.input_tokens
    if ROWS[exchange.protocol].startswith(("anthropic", "bedrock")) and given is not None:
        given -= (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    parts, output = answer.message.parts, usage.output_tokens
    if exchange.protocol == "gemini" and output is not None:
        output -= usage.reasoning_tokens or 0  # the wire counts thoughts beside the answer; to us they are output
    facts = {
        "text": answer.text,
        # An encrypted thought without a summary is one to us, and none to the corpus.
        "reasoning": answer.reasoning or (None if exchange.protocol == "openai_responses" else answer.reasoning),
        "ids": [call.id for call in answer.tool_calls],
        "names": [call.name for call in answer.tool_calls],
        "arguments": [call.arguments if call.error is None else call.arguments_raw for call in answer.tool_calls],
        "finish_reason_raw": answer.finish_reason_raw,
        "model": answer.model,
        "refusal": answer.refusal,
        "choices": len(answer.choices),
        "input": given,
        "output": output,
        "cached": usage.cached_tokens,
        "thinking": usage.reasoning_tokens,
        "signatures": len([part for part in parts if isinstance(part, Reasoning) and part.signature]),
        "other_blocks": [
            part.data.get("type")
            for part in parts
            if isinstance(part, Opaque) and not part.data.keys() <= SIGNED_TEXT and part.data.get("type") != "message"
        ],
    }
    return facts | ({"cache_write": usage.cache_write_tokens} if "cache_write" in _usage(exchange) else {})


def expected_facts(exchange: Exchange) -> dict[str, Any]:
    expected, usage, calls = exchange.expected, _usage(exchange), exchange.expected["tool_calls"]
    facts = {
        "text": expected["text"],
        "reasoning": expected["reasoning"],
        "ids": [call["id"] or (MADE_UP if exchange.protocol == "gemini" else None) for call in calls],
        "names": [call["name"] for call in calls],
        "arguments": [call["arguments"] if "arguments_raw" not in call else call["arguments_raw"] for call in calls],
        "finish_reason_raw": expected["finish_reason_raw"],
        "model": expected["model"],
        "refusal": expected.get("refusal"),
        "choices": expected.get("choices", 1),
        "input": usage.get("input"),
        "output": usage.get("output"),
        "cached": usage.get("cached"),
        "thinking": usage.get("reasoning"),
        "signatures": expected.get("signatures", 0),
        "other_blocks": expected.get("other_blocks", []),
    }
    if exchange.protocol == "openai_responses":
        facts["other_blocks"] = [item["type"] for item in output_of(exchange) if item["type"] not in ITEMS_READ]
    return facts | ({"cache_write": usage["cache_write"]} if "cache_write" in usage else {})


def output_of(exchange: Exchange) -> list[dict[str, Any]]:
    """The output items of a Responses answer, as its end lists them."""
    if not exchange.streamed:
        output: list[dict[str, Any]] = json.loads(exchange.body)["output"]
        return output
    lines = [line[6:] for line in exchange.body.splitlines() if line.startswith(b"data: {")]
    return output_of(
        replace(exchange, features=frozenset(), body=json.dumps(json.loads(lines[-1])["response"]).encode())
    )


def _usage(exchange: Exchange) -> Mapping[str, Any]:
    usage: Mapping[str, Any] = exchange.expected.get("usage") or {}
    return usage


def check_refusal(error: APIError, exchange: Exchange, told: Mapping[str, Any]) -> None:
    """`told` is what the corpus found in the body: message, code and type."""
    assert type(error) is REFUSALS[exchange.id] or type(error).__bases__[0] is REFUSALS[exchange.id]
    assert error.message.startswith(told["message"].strip())
    code = told.get("code") if told.get("code") is not None else told.get("type")
    code = code or exchange.headers.get("x-amzn-errortype", "").partition(":")[0] or None
    assert error.code == (None if code is None else str(code))
    assert error.body, "the body is kept"
    assert error.provider == endpoint_of(exchange).spec.name
    assert KEY not in f"{error!r} {error}"


def endpoint_of(exchange: Exchange) -> Any:
    if exchange.protocol in ROWS:
        return asked(exchange).endpoint
    if exchange.provider in ("anthropic", "gemini"):
        return endpoint(exchange.provider)
    native = exchange.provider == "ollama" and "/api/" in exchange.request["url"]
    own = OWN_ROWS.get(("openai_chat", exchange.provider), "openai_compatible")
    return endpoint("ollama" if native else own)


def test_the_table_of_differences_names_exchanges_of_the_corpus(shared):
    assert {*DIFFERENT, *REFUSALS} <= set(exchanges())


@pytest.mark.parametrize("exchange", exchange_ids(lambda item: chats(item) and not item.failed), indirect=True)
def test_an_answer_holds_what_was_recorded(exchange):
    different, _ = DIFFERENT.get(exchange.id, (set(), ""))
    found, expected = found_facts(read(exchange), exchange), expected_facts(exchange)

    assert {fact: value for fact, value in found.items() if fact not in different} == {
        fact: value for fact, value in expected.items() if fact not in different
    }
    assert {fact for fact in different if found[fact] != expected[fact]} == different, "remove it from DIFFERENT"


@pytest.mark.parametrize(
    "exchange",
    exchange_ids(lambda item: chats(item) and not (item.failed or item.streamed or blanked_ids(item))),
    indirect=True,
)
def test_an_answer_goes_back_as_it_came(exchange):
    body, message = json.loads(exchange.body), read(exchange).message
    results = [tool_result(call, "done") for call in message.tool_calls]
    rendered = ask([user("?"), message, *results, user("!")], provider=asked(exchange).endpoint.spec.name)
    if exchange.protocol == "gemini":
        check_contents(rendered, body)
        return
    if exchange.protocol == "bedrock_converse":
        check_blocks(rendered, body)
        return
    if exchange.protocol == "openai_responses":
        check_items(rendered, body["output"], len(results))
        return
    turn = rendered.body.get("input", rendered.body)["messages"][1] if message.parts else {}

    if not message.parts:
        assert not exchange.expected["text"]
    elif ROWS[exchange.protocol].startswith("anthropic"):
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks == [
            {key: value for key, value in block.items() if value is not None} for block in body["content"]
        ]
    else:
        recorded = body["message"] if "message" in body else body["choices"][0]["message"] if "choices" in body else {}
        assert (turn["content"] or "") == exchange.expected["text"]
        assert comparable(turn.get("tool_calls")) == comparable(recorded.get("tool_calls"))
        thoughts = {"reasoning", "reasoning_content", "reasoning_details", "thinking"}
        if "tool_calls" in turn and rendered.endpoint.spec.name not in NEVER_REPLAYED:
            assert {name: turn[name] for name in thoughts & turn.keys() if turn[name]} == {
                name: recorded[name] for name in thoughts & recorded.keys() if recorded[name]
            }
    assert rendered.adaptations == []


def check_contents(rendered: RenderedChat, body: Any) -> None:
    """Each part goes back as it came, signatures in place; the pieces of a streamed text in one."""
    events = body if isinstance(body, list) else [body]
    recorded: list[dict[str, Any]]
    recorded = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    if isinstance(body, list):
        recorded = [{"text": "".join(part["text"] for part in recorded)}]
    contents: list[dict[str, Any]] = rendered.body["contents"]
    turn = contents[1]
    for part in turn["parts"]:
        if part.get("functionCall", {}).get("id") == MADE_UP:
            del part["functionCall"]["id"]
    assert turn == {"role": "model", "parts": recorded}
    results = [part["functionResponse"]["name"] for part in contents[2]["parts"][:-1]]
    assert results == [part["functionCall"]["name"] for part in recorded if "functionCall" in part]
    assert rendered.adaptations == []


def check_blocks(rendered: RenderedChat, body: Any) -> None:
    """Each block goes back as it came, but for the type of a call, which requests do not have."""
    content = body["output"]["message"]["content"]
    for block in content:
        block.get("toolUse", {}).pop("type", None)
    assert rendered.body["messages"][1] == {"role": "assistant", "content": content}
    assert {note.subject for note in rendered.adaptations} <= {"tools"}  # they were not passed here


def check_items(rendered: RenderedChat, output: Any, results: int) -> None:
    """Each item goes back as it came, but for ids and states; a thought only with what the server can read again."""
    told = [item for item in output if item["type"] != "message" or item["content"][0]["type"] == "output_text"]
    wire = [
        item for item in told if item["type"] != "reasoning" or item.get("encrypted_content") or item.get("content")
    ]
    while wire and wire[-1]["type"] == "reasoning":
        wire.pop()
    expected = []
    for item in wire:
        if item["type"] == "message":
            phase = {"phase": item["phase"]} if "phase" in item else {}
            item = {"role": "assistant", "content": "".join(part["text"] for part in item["content"]), **phase}
        elif item["type"] == "function_call":
            item = {key: value for key, value in item.items() if key not in ("id", "status")}
        elif item["type"] == "reasoning":
            item = {key: value for key, value in item.items() if key != "status" and (value or key == "summary")}
        expected.append(item)
    sent = rendered.body["input"][1 : -1 - results]
    assert sent == (expected or [{"role": "assistant", "content": ""}])
    assert [note.subject for note in rendered.adaptations] == ["reasoning"] * (len(told) > len(wire))


def comparable(calls: Any) -> list[dict[str, Any]]:
    """Calls without what is known to differ: their numbers, ids that were empty, and the text `null`."""
    found = []
    for call in calls or ():
        function = {key: value for key, value in call["function"].items() if key != "index"}
        function["arguments"] = {"null": "{}"}.get(str(function["arguments"]), function["arguments"])
        kept = {key: value for key, value in call.items() if value and key != "index" and value != MADE_UP}
        found.append({**kept, "function": function})
    return found


@pytest.mark.parametrize("exchange", exchange_ids(lambda item: chats(item) and item.failed), indirect=True)
def test_a_refusal_says_what_was_recorded(exchange):
    with pytest.raises(APIError) as raised:
        whole(exchange.body, asked(exchange), status=exchange.status, headers=exchange.headers)

    check_refusal(raised.value, exchange, exchange.expected)
    assert raised.value.status == exchange.status
    assert raised.value.retryable == (exchange.status == 429 and exchange.headers.get("x-should-retry") != "false")
    known = {value for name, value in exchange.headers.items() if name in REQUEST_IDS} | _ids_in_body(exchange)
    assert raised.value.request_id in (known or {None})


@pytest.mark.parametrize(
    "exchange", exchange_ids(lambda item: "in_stream_error" in item.expected and chats(item)), indirect=True
)
def test_an_error_inside_a_stream_is_raised_with_what_had_arrived(exchange):
    reading = streamed(exchange.body, asked(exchange))

    assert isinstance(reading.error, StreamError)
    assert isinstance(reading.error, APIError)
    check_refusal(reading.error, exchange, exchange.expected["in_stream_error"])
    assert reading.text == reading.partial.text == exchange.expected["text"]
    assert reading.partial.finish_reason is None


@pytest.mark.parametrize("exchange", exchange_ids(lambda item: chats(item) and item.streamed), indirect=True)
def test_a_stream_may_be_cut_anywhere(exchange):
    rendered, body = asked(exchange), exchange.body
    uncut = outline(cut(rendered, [body]))
    framing = rendered.endpoint.spec.protocol.framing
    events = list(chain.from_iterable(_portions(framing(), [body])))
    kinds: dict[Any, int] = {}
    for place in places(body):
        portions = list(_portions(framing(), split_at(body, place)))
        assert list(chain.from_iterable(portions)) == events, f"cut at {place}"
        kinds.setdefault(tuple((type(portion), len(portion)) for portion in portions), place)

    assert outline(cut(rendered, single_bytes(body))) == uncut
    assert outline(cut(rendered, split_at(body, *ends_of_events(body)))) == uncut
    for place in sample(body, DECODED_CUTS, of=sorted(kinds.values())) if len(body) > SMALL else kinds.values():
        assert outline(cut(rendered, split_at(body, place))) == uncut, f"cut at {place}"


@pytest.mark.parametrize("exchange", lists("embeddings"), indirect=True)
def test_vectors_are_those_recorded(exchange):
    body: dict[str, Any] = exchange.request["body"]
    if "requests" in body:
        body = {"input": [item["content"]["parts"][0]["text"] for item in body["requests"]], "model": "m"}
    inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
    steps = operations.embed(endpoint_of(exchange), inputs, body["model"], NO_RETRY)
    response = HttpResponse(exchange.status, exchange.headers, exchange.body)

    if exchange.failed:
        with pytest.raises(APIError) as raised:
            finished(steps, response)
        check_refusal(raised.value, exchange, exchange.expected)
        return
    embeddings: Embeddings = finished(steps, response)
    expected = exchange.expected
    assert len(embeddings.vectors) == expected["count"]
    assert [len(vector) for vector in embeddings.vectors] == expected["dimensions"]
    assert embeddings.usage.input_tokens == expected["usage"]["input"]
    assert embeddings.model == expected["model"]


@pytest.mark.parametrize("exchange", lists("models_list"), indirect=True)
def test_models_are_those_recorded(exchange):
    steps = operations.list_models(endpoint_of(exchange), NO_RETRY)
    response = HttpResponse(exchange.status, exchange.headers, exchange.body)

    if exchange.failed:
        with pytest.raises(APIError) as raised:
            finished(steps, response)
        check_refusal(raised.value, exchange, exchange.expected)
        return
    models = finished(steps, response)
    assert len(models) == exchange.expected["count"]
    assert [model.id for model in models] == [name.removeprefix("models/") for name in exchange.expected["ids"]]


@pytest.mark.parametrize("exchange", lists("count_tokens"), indirect=True)
def test_tokens_are_counted_as_recorded(exchange):
    request = ChatRequest(messages=[user("Hello")], model="m")
    steps = operations.count_tokens(endpoint_of(exchange), request, NO_RETRY)

    assert finished(steps, HttpResponse(200, exchange.headers, exchange.body)) == exchange.expected["input"]


REQUEST_IDS = {
    "x-amzn-requestid",
    "request-id",
    "x-request-id",
    "apim-request-id",
    "mistral-correlation-id",
    "x-ds-trace-id",
}


def _ids_in_body(exchange: Exchange) -> set[str]:
    body = json.loads(exchange.body)
    return {body["request_id"]} if isinstance(body, dict) and "request_id" in body else set()


def _portions(framing: Any, blocks: Any) -> Any:
    """The events that each block completes, and those of the end; one alone in a tuple is read in a way of its own."""
    for block in blocks:
        events = framing.feed(block)
        yield events if type(events) is tuple else list(events)
    yield list(framing.close())


def cut(rendered: RenderedChat, blocks: Any) -> Reading:
    return decode(ChatDecoder(rendered, HttpResponse(200), MAX_EVENT_BYTES), blocks)
