"""Token counts as Anthropic gives them: the provider's, or an estimate that says so.

https://platform.claude.com/docs/en/api/messages-count-tokens (checked 2026-11)
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from llm_connector.errors import LlmConnectorError
from llm_connector.server.answers import JsonAnswer, told
from llm_connector.server.backends import blamed
from llm_connector.server.calls import Call
from llm_connector.server.chat import prepared
from llm_connector.types import Adaptation, AnyPart, ChatRequest, Reasoning, Text, ToolCall, ToolResult
from llm_connector.wire import encode_json

__all__ = ["count_tokens", "estimated"]

BYTES_PER_TOKEN: Final = 4
TOKENS_PER_TURN: Final = 4
TOKENS_PER_FILE: Final = 1500
"""What a picture costs at most models, and about a page of a document."""


async def count_tokens(call: Call) -> Response:
    """`POST /v1/messages/count_tokens`."""
    asked = call.format.parse_request(await call.body())
    target = call.backends.find(asked.request.model)
    adaptations = prepared(asked, target, call.request.headers)
    request, backend = asked.request, target.backend
    if "count_tokens" in backend.spec.supports:
        try:
            counting = backend.client.count_tokens(request.messages, tools=request.tools, model=request.model)
            tokens = await call.attended(counting)
        except LlmConnectorError as error:
            raise blamed(error) from error
    else:
        reason = f"{backend.spec.name} counts no tokens; estimated by the length of the text"
        adaptations.append(Adaptation(action="converted", subject="input_tokens", detail=reason))
        tokens = estimated(request)
    return JsonAnswer({"input_tokens": tokens}, headers=told(adaptations))


def estimated(request: ChatRequest) -> int:
    """About how many tokens a prompt has."""
    size = sum(len(encode_json(tool.parameters)) + len(tool.description) + len(tool.name) for tool in request.tools)
    files = 0
    for message in request.messages:
        for part in message.parts:
            length = _length(part)
            files += length is None
            size += length or 0
    turns = len(request.messages) + len(request.tools)
    return -(-size // BYTES_PER_TOKEN) + turns * TOKENS_PER_TURN + files * TOKENS_PER_FILE


def _length(part: AnyPart) -> int | None:
    """Bytes of what is text; None for what is none."""
    match part:
        case Text(text=text) | Reasoning(text=text):
            return len(text.encode("utf-8", "replace"))
        case ToolCall():
            return len(part.name) + len(encode_json(part.arguments))
        case ToolResult():
            lengths = map(_length, part.parts)
            return sum(TOKENS_PER_FILE * BYTES_PER_TOKEN if length is None else length for length in lengths)
        case _:
            return None
