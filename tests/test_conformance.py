"""Every recorded exchange whose wire format we speak, read as the clients read it, whole and cut.

A body of up to 4 KB is decoded anew for a cut at every byte. A longer one is cut at every place of the cut law by its
framing, whose events are all that a parser sees, and decoded for a fixed sample of those places. See `support.cuts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    "anthropic": "anthropic",
    "vertex_anthropic": "anthropic",
    "ollama": "ollama",
}
OWN_ROWS = {("openai_chat", "openai"): "openai", ("openai_chat", "deepseek"): "deepseek"}
OTHER_FORMATS = {"gemini"}
"""Providers whose lists, vectors and counts come in a wire format that is not here."""

DECODED_CUTS = 40

DIFFERENT: dict[str, tuple[set[str], str]] = {
    "gemini-openai_chat-62d8e85021": ({"ids"}, "the id is empty: one is made up, since a result must name its call"),
    "ollama-ollama-1cb9bd98ef": ({"ids"}, "there is no id: one is made up, since a result must name its call"),
    "groq-openai_chat-f31f5e96eb": ({"arguments"}, "the arguments are the text `null`, which means none (TC-12)"),
    "mistral-openai_chat-95a112560f": ({"cached"}, "`num_cached_tokens` counts as cached"),
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
    "dashscope-openai_chat-3b9504bd0a": AuthenticationError,
    "deepseek-openai_chat-69414b5880": BadRequestError,
    "deepseek-openai_chat-e7167e9af0": AuthenticationError,
    "groq-models_list-8d8e994049": AuthenticationError,
    "groq-openai_chat-3382a8b6ea": BadRequestError,
    "groq-openai_chat-7e65f40820": ModelNotFoundError,
    "mistral-embeddings-f20fda2285": ModelNotFoundError,
    "mistral-openai_chat-1e9d994734": AuthenticationError,
    "mistral-openai_chat-1edd44122f": ModelNotFoundError,
    "ollama-ollama-f4532407e7": ModelNotFoundError,
    "ollama-openai_chat-3fe39be5ae": ContextLengthError,
    "openai-embeddings-2b789dca3a": ModelNotFoundError,
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
    "xai-openai_chat-ed4689814c": BadRequestError,
    # inside a stream
    "groq-openai_chat-4648dd3b37": BadRequestError,
    "openrouter-openai_chat-2082a38dd9": BadRequestError,
    "openrouter-openai_chat-f59fa0cb91": ServerError,
}
"""The class of each recorded error, judged by hand from its status, code and message."""


def chats(exchange: Exchange) -> bool:
    return exchange.protocol in ROWS


def lists(protocol: str) -> list[Any]:
    return exchange_ids(lambda exchange: exchange.protocol == protocol and exchange.provider not in OTHER_FORMATS)


@pytest.fixture(autouse=True)
def _same_made_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are made up differ from reading to reading; here they are equal, so that readings compare."""
    monkeypatch.setattr(tool_calls, "made_up_id", lambda: "made-up")


@pytest.fixture
def exchange(shared: Any, request: pytest.FixtureRequest) -> Exchange:
    return exchanges()[request.param]


def asked(exchange: Exchange) -> RenderedChat:
    """The request as far as reading its answer depends on it: the tools, and how many answers."""
    body = exchange.request["body"] or {}
    tools = [tool.get("function") or tool for tool in body.get("tools") or ()]
    return ask(
        provider=OWN_ROWS.get((exchange.protocol, exchange.provider)) or ROWS[exchange.protocol],
        stream=exchange.streamed,
        model=body.get("model") or "m",
        tools=[Tool(tool["name"]) for tool in tools if "name" in tool],
        n=body.get("n"),
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
    if ROWS[exchange.protocol] == "anthropic" and given is not None:
        given -= (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    parts = answer.message.parts
    facts = {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "ids": [call.id for call in answer.tool_calls],
        "names": [call.name for call in answer.tool_calls],
        "arguments": [call.arguments if call.error is None else call.arguments_raw for call in answer.tool_calls],
        "finish_reason_raw": answer.finish_reason_raw,
        "model": answer.model,
        "refusal": answer.refusal,
        "choices": len(answer.choices),
        "input": given,
        "output": usage.output_tokens,
        "cached": usage.cached_tokens,
        "thinking": usage.reasoning_tokens,
        "signatures": len([part for part in parts if isinstance(part, Reasoning) and part.signature]),
        "other_blocks": [part.data.get("type") for part in parts if isinstance(part, Opaque)],
    }
    return facts | ({"cache_write": usage.cache_write_tokens} if "cache_write" in _usage(exchange) else {})


def expected_facts(exchange: Exchange) -> dict[str, Any]:
    expected, usage, calls = exchange.expected, _usage(exchange), exchange.expected["tool_calls"]
    facts = {
        "text": expected["text"],
        "reasoning": expected["reasoning"],
        "ids": [call["id"] for call in calls],
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
    return facts | ({"cache_write": usage["cache_write"]} if "cache_write" in usage else {})


def _usage(exchange: Exchange) -> Mapping[str, Any]:
    usage: Mapping[str, Any] = exchange.expected.get("usage") or {}
    return usage


def check_refusal(error: APIError, exchange: Exchange, told: Mapping[str, Any]) -> None:
    """`told` is what the corpus found in the body: message, code and type."""
    assert type(error) is REFUSALS[exchange.id] or type(error).__bases__[0] is REFUSALS[exchange.id]
    assert error.message.startswith(told["message"].strip())
    code = told.get("code") if told.get("code") is not None else told.get("type")
    assert error.code == (None if code is None else str(code))
    assert error.body, "the body is kept"
    assert error.provider == endpoint_of(exchange).spec.name
    assert KEY not in f"{error!r} {error}"


def endpoint_of(exchange: Exchange) -> Any:
    if exchange.protocol in ROWS:
        return asked(exchange).endpoint
    if exchange.provider == "anthropic":
        return endpoint("anthropic")
    native = exchange.provider == "ollama" and "/api/" in exchange.request["url"]
    return endpoint("ollama" if native else "openai_compatible")


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
    "exchange", exchange_ids(lambda item: chats(item) and not (item.failed or item.streamed)), indirect=True
)
def test_an_answer_goes_back_as_it_came(exchange):
    body, message = json.loads(exchange.body), read(exchange).message
    results = [tool_result(call, "done") for call in message.tool_calls]
    rendered = ask([user("?"), message, *results, user("!")], provider=asked(exchange).endpoint.spec.name)
    turn = rendered.body["messages"][1] if message.parts else {}

    if not message.parts:
        assert not exchange.expected["text"]
    elif ROWS[exchange.protocol] == "anthropic":
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
        if "tool_calls" in turn and rendered.endpoint.spec.name != "openai":
            assert {name: turn[name] for name in thoughts & turn.keys() if turn[name]} == {
                name: recorded[name] for name in thoughts & recorded.keys() if recorded[name]
            }
    assert rendered.adaptations == []


def comparable(calls: Any) -> list[dict[str, Any]]:
    """Calls without what is known to differ: their numbers, ids that were empty, and the text `null`."""
    found = []
    for call in calls or ():
        function = {key: value for key, value in call["function"].items() if key != "index"}
        function["arguments"] = {"null": "{}"}.get(str(function["arguments"]), function["arguments"])
        kept = {key: value for key, value in call.items() if value and key != "index" and value != "made-up"}
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
    events = list(_events(framing(), [body]))

    assert outline(cut(rendered, single_bytes(body))) == uncut
    assert outline(cut(rendered, split_at(body, *ends_of_events(body)))) == uncut
    if len(body) > SMALL:
        for place in places(body):
            assert list(_events(framing(), split_at(body, place))) == events, f"cut at {place}"
    for place in places(body) if len(body) <= SMALL else sample(body, DECODED_CUTS):
        assert outline(cut(rendered, split_at(body, place))) == uncut, f"cut at {place}"


@pytest.mark.parametrize("exchange", lists("embeddings"), indirect=True)
def test_vectors_are_those_recorded(exchange):
    body = exchange.request["body"]
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
    assert [model.id for model in models] == exchange.expected["ids"]


@pytest.mark.parametrize("exchange", lists("count_tokens"), indirect=True)
def test_tokens_are_counted_as_recorded(exchange):
    request = ChatRequest(messages=[user("Hello")], model="m")
    steps = operations.count_tokens(endpoint_of(exchange), request, NO_RETRY)

    assert finished(steps, HttpResponse(200, exchange.headers, exchange.body)) == exchange.expected["input"]


REQUEST_IDS = {"request-id", "x-request-id", "apim-request-id", "mistral-correlation-id", "x-ds-trace-id"}


def _ids_in_body(exchange: Exchange) -> set[str]:
    body = json.loads(exchange.body)
    return {body["request_id"]} if isinstance(body, dict) and "request_id" in body else set()


def _events(framing: Any, blocks: Any) -> Any:
    for block in blocks:
        yield from framing.feed(block)
    yield from framing.close()


def cut(rendered: RenderedChat, blocks: Any) -> Reading:
    return decode(ChatDecoder(rendered, HttpResponse(200), MAX_EVENT_BYTES), blocks)
