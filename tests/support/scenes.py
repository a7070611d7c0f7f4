"""What the servers do in the blocks of the pages: `<!-- server: NAME -->` plays the scene of that name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.answers import completion, delta
from tests.support.anybody import anybody
from tests.support.wire_server import Answer, Answering, Stream, sse


@dataclass(frozen=True)
class Scene:
    """Answers in the order of the requests; whether the environment has keys, and whether hosts are on loopback."""

    answers: tuple[Answering, ...] = ()
    keys: bool = True
    moved: bool = True


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None, **error: Any) -> Answer:
    """An error in the shape of OpenAI."""
    return Answer.json({"error": {"message": message, **error}}, status, headers)


BUSY = refusal(429, "Rate limit reached.", {"retry-after": "20"}, code="rate_limit_exceeded")
SHORTLY = refusal(429, "Rate limit reached.", {"retry-after-ms": "1"}, code="rate_limit_exceeded")
PAGE = Answer(body=b"<!doctype html><title>Welcome to our gateway</title>", headers={"content-type": "text/html"})
THINKING = completion("length", content="", reasoning_content="91 is odd. Let me try 3, then 7")
THINKING["usage"] = {
    "prompt_tokens": 12,
    "completion_tokens": 50,
    "completion_tokens_details": {"reasoning_tokens": 50},
}
NUMBERS = sse(delta(content="One, "), delta(content="two"))
OVERLOADED = sse(
    {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "One, two"}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    named=True,
    done=False,
)
FILTERED = refusal(
    400, "The prompt was filtered.", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}
)
REFUSED_FIELD = refusal(
    400,
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    param="max_tokens",
    code="unsupported_parameter",
)
CUT_PROMPT = Answer.json(
    {
        "model": "llama3.2",
        "message": {"role": "assistant", "content": "It is about the end."},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 2050,
        "eval_count": 6,
    }
)

SCENES: dict[str, Scene] = {
    "anybody": Scene((anybody,) * 100),
    "nobody": Scene(),
    "no keys": Scene(keys=False),
    "down": Scene(moved=False),
    "busy": Scene((BUSY,)),
    "busy, then free": Scene((SHORTLY, SHORTLY, anybody)),
    "busy, then another": Scene((BUSY, anybody)),
    "one": Scene((anybody,)),
    "three": Scene((anybody,) * 3),
    "one that learns": Scene((REFUSED_FIELD, anybody, anybody)),
    "cut prompt": Scene((CUT_PROMPT,)),
    "wrong key": Scene((refusal(401, "Incorrect API key provided", code="invalid_api_key"),)),
    "key of another region": Scene((refusal(401, "Invalid Authentication"), anybody)),
    "no balance": Scene((refusal(402, "Insufficient Balance"),)),
    "silent": Scene((Stream([], delay=5),)),
    "no such model": Scene((refusal(404, "The model `gpt-4-mini` does not exist", code="model_not_found"), anybody)),
    "a web page": Scene((PAGE,)),
    "cut stream": Scene((Stream(NUMBERS[:2], end="cut"),)),
    "error in a stream": Scene((Stream(OVERLOADED),)),
    "length": Scene((Answer.json(THINKING),)),
    "too long": Scene((refusal(400, "The prompt is too long.", code="context_length_exceeded"), anybody)),
    "filtered": Scene((Answer.json(completion("content_filter", content="Once upon")), FILTERED)),
    "not a person": Scene((Answer.json(completion(content='{"name": "Ada"}')),)),
    "server error": Scene((refusal(500, "Something broke.", {"x-request-id": "req_123"}, code="server_error"),)),
}
