"""Every recorded answer through LlamaIndex's messages, and back to the provider as it came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.llms.llm_connector.messages import response_of, responses, turn_of

from llm_connector import ChatChunk, ChatResponse, Message
from tests.support.answers import open_decoder
from tests.support.corpus import Exchange, exchange_ids, exchanges
from tests.test_conformance import asked, chats, read


def answered(exchange: Exchange) -> bool:
    return chats(exchange) and not exchange.failed and "in_stream_error" not in exchange.expected


def dumped(message: Message) -> list[Any]:
    """What must go back; citations stand elsewhere. Texts that follow each other are one block."""
    parts: list[Any] = []
    for part in message.parts:
        kept = part.model_dump(exclude={"arguments_raw", "citations"})
        if kept["type"] == "text" and parts and parts[-1]["type"] == "text":
            parts[-1]["text"] += kept["text"]
        else:
            parts.append(kept)
    return parts


class Replayed(AbstractContextManager[Any]):
    """A recorded stream, as a client would read it."""

    def __init__(self, exchange: Exchange) -> None:
        self._decoder, self._body = open_decoder(asked(exchange)), exchange.body

    def __exit__(self, *_error: object) -> None: ...

    def __iter__(self) -> Iterator[ChatChunk]:
        yield from self._decoder.feed(self._body)
        yield from self._decoder.close()

    @property
    def message(self) -> Message:
        return self._decoder.message()

    @property
    def response(self) -> ChatResponse:
        return self._decoder.response()


@pytest.mark.parametrize("name", exchange_ids(answered))
def test_a_recorded_answer_goes_back_as_it_came(name: str):
    response = read(exchanges()[name])
    stored = ChatMessage.model_validate_json(response_of(response).message.model_dump_json())
    assert dumped(turn_of("assistant", stored)) == dumped(response.message)


@pytest.mark.parametrize("name", exchange_ids(lambda exchange: exchange.streamed and answered(exchange)))
def test_a_recorded_answer_grows_to_its_end(name: str):
    replayed: Any = Replayed(exchanges()[name])
    seen = list(responses(replayed))
    assert "".join(response.delta or "" for response in seen) == (seen[-1].message.content or "")
    growing = [response.message.content or "" for response in seen]
    assert all(later.startswith(earlier) for earlier, later in pairwise(growing))
    assert dumped(turn_of("assistant", seen[-1].message)) == dumped(replayed.response.message)
