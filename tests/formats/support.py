"""Answers of any provider, written in a format and read again by our own protocol of that format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llm_connector.formats import Format, StreamWriter, find_format
from llm_connector.formats.ollama import Ollama
from llm_connector.operations import RenderedChat, open_stream
from llm_connector.protocols import Protocol
from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.ollama import OllamaChat
from llm_connector.protocols.responses import Responses
from llm_connector.types import ChatResponse, Usage
from llm_connector.wire import HttpResponse, decode_json, encode_json
from tests.support.answers import MAX_EVENT_BYTES, NO_RETRY, ask, finished, streamed, whole
from tests.support.generated import Written


@dataclass(frozen=True)
class Pair:
    """A format, and how our own client reads it: the row, and the protocol that renders its requests."""

    format: Format
    row: str
    protocol: Protocol


PAIRS: dict[str, Pair] = {
    "openai": Pair(find_format("openai"), "openai_compatible", ChatCompletions(replay="always", cache_control=True)),
    "openai_responses": Pair(find_format("openai_responses"), "openai_responses", Responses()),
    "anthropic": Pair(find_format("anthropic"), "anthropic", AnthropicMessages()),
    "ollama": Pair(Ollama(ids=True), "ollama", OllamaChat()),
}


def encoded(body: bytes | Iterable[bytes], rendered: RenderedChat, format: Format) -> tuple[bytes, ChatResponse]:
    """The stream of an answer in a format, written while it is read; and the answer."""
    response = HttpResponse(200, {"content-type": "text/event-stream"})
    decoder = finished(open_stream(rendered, NO_RETRY, MAX_EVENT_BYTES), response).decoder
    writer = StreamWriter(format.encoder("m", assembly=decoder._parser.assembly))
    written: list[bytes] = []
    for block in [body] if isinstance(body, bytes) else body:
        written.extend(writer.feed(chunk) for chunk in decoder.feed(block))
        if decoder.done:
            break
    written.extend(writer.feed(chunk) for chunk in decoder.close())
    written.append(writer.finish(decoder.response()))
    return b"".join(written), decoder.response()


def through_stream(answer: Written, pair: Pair) -> tuple[ChatResponse, ChatResponse]:
    """A streamed answer, and what our client reads of it after it was written in the format."""
    rendered = ask(provider=answer.provider, stream=True, **answer.options)
    body, response = encoded(answer.blocks(), rendered, pair.format)
    return response, streamed(body, ask(provider=pair.row, stream=True, **answer.options)).answer


def through_whole(answer: Written, pair: Pair) -> tuple[ChatResponse, ChatResponse]:
    """The same with whole answers."""
    response = whole(answer.whole, ask(provider=answer.provider))
    body = decode_json(encode_json(pair.format.render_response(response, "m")))
    return response, whole(body, ask(provider=pair.row))


def through_one_block(answer: Written, pair: Pair) -> tuple[ChatResponse, ChatResponse]:
    """A server that gives a whole answer where a stream was asked for."""
    rendered = ask(provider=answer.provider, stream=True, **answer.options)
    body, response = encoded(encode_json(answer.whole), rendered, pair.format)
    return response, streamed(body, ask(provider=pair.row, stream=True)).answer


def counts(usage: Usage) -> dict[str, int]:
    """What all formats can count."""
    return {"input": usage.input_tokens or 0, "output": usage.output_tokens or 0}


def told(response: ChatResponse) -> dict[str, Any]:
    """What every format can say of an answer."""
    return {
        "text": response.text,
        "reasoning": response.reasoning or "",
        "calls": sorted(
            ((call.id, call.name, call.arguments) for call in response.tool_calls), key=lambda call: call[0]
        ),
        "finish": response.finish_reason,
        "usage": counts(response.usage),
    }
