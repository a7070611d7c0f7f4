"""Every recorded answer through LangChain's messages, and back to the provider as it came."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, messages_from_dict, messages_to_dict

from langchain_llm_connector.answers import Pieces, result_of
from langchain_llm_connector.messages import to_core
from llm_connector.types import conversation
from tests.support.answers import streamed
from tests.support.corpus import Exchange, exchange_ids, exchanges
from tests.test_conformance import asked, chats, read


def answered(exchange: Exchange) -> bool:
    return chats(exchange) and not exchange.failed and "in_stream_error" not in exchange.expected


def facts(exchange: Exchange) -> dict[str, Any]:
    return {"provider": asked(exchange).endpoint.spec.name, "model": "m", "headers": False}


def dumped(parts: Any) -> list[Any]:
    """What must go back. The reason why arguments are no JSON is found anew, and citations stand elsewhere."""
    return [part.model_dump(exclude={"arguments_raw", "citations", "error"}) for part in parts]


def sent_back(message: BaseMessage) -> list[Any]:
    [turn] = conversation(to_core([message]))
    return dumped(turn.parts)


@pytest.mark.parametrize("name", exchange_ids(answered))
def test_a_recorded_answer_goes_back_as_it_came(name):
    exchange = exchanges()[name]
    response = read(exchange)
    message: Any = result_of(response, facts(exchange)).generations[0].message
    calls = {"tool_calls": message.tool_calls, "invalid_tool_calls": message.invalid_tool_calls}
    blocks = AIMessage(
        content=message.content_blocks,
        response_metadata={**message.response_metadata, "output_version": "v1"},
        **calls,
    )
    [stored] = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    for form in (message, blocks, stored):
        assert sent_back(form) == dumped(response.message.parts)


@pytest.mark.parametrize("name", exchange_ids(lambda exchange: exchange.streamed and answered(exchange)))
def test_the_chunks_of_a_recorded_answer_add_up_to_it(name):
    exchange = exchanges()[name]
    reading = streamed(exchange.body, asked(exchange))
    pieces = Pieces(facts(exchange))
    chunks = [chunk for event in reading.chunks if (chunk := pieces.feed(event)) is not None]
    message: Any = reduce(add, [*chunks, pieces.last(reading.answer)]).message
    said = reading.answer.message
    assert message.text == said.text
    assert [call["id"] for call in message.tool_calls] == [call.id for call in said.tool_calls if call.error is None]
    assert [call["id"] for call in message.invalid_tool_calls] == [call.id for call in said.tool_calls if call.error]
    assert sent_back(message) == dumped(said.parts)
