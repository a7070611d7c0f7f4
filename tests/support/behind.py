"""Gateways in front of scripted providers of several wire formats, for clients of other formats.

    with serving() as (url, server):
        server.script(saying("Hello."))
        ...                                  # ask `url` for a model, by one of the names of `BEHIND`
        assert server.requests[0].path == ...

Everything is real but the models: the gateway listens on a socket, and so does the scripted server behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_connector.server import Model
from tests.support.gateway import gateway, upstream
from tests.support.wire_server import Answer, WireServer


@dataclass(frozen=True)
class Behind:
    """A provider behind a gateway: its row, its model, the path of its base URL, and how it refuses.

    `refusals` are answers by what they mean: a wrong key, too many requests, a prompt that is too long.
    """

    provider: str
    model: str
    path: str
    refusals: Mapping[str, Answer]


def _openai(status: int, message: str, kind: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer.json({"error": {"message": message, "type": kind, "param": None, "code": None}}, status, headers)


def _anthropic(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer.json({"type": "error", "error": {"type": kind, "message": message}}, status, headers)


def _google(status: int, code: str, message: str, **detail: Any) -> Answer:
    return Answer.json({"error": {"code": status, "message": message, "status": code, "details": [detail]}}, status)


def _aliyun(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer.json({"code": code, "message": message, "request_id": "r-1"}, status, headers)


WAIT = {"retry-after": "20"}

BEHIND: dict[str, Behind] = {
    "deepseek": Behind(
        "deepseek",
        "deepseek-v4-flash",
        "",
        {
            "key": _openai(401, "Authentication Fails", "authentication_error"),
            "rate": _openai(429, "Too many requests", "rate_limit_error", WAIT),
            "long": _openai(400, "This model's maximum context length is 131072 tokens.", "invalid_request_error"),
        },
    ),
    "anthropic": Behind(
        "anthropic",
        "claude-sonnet-4-5",
        "",
        {
            "key": _anthropic(401, "authentication_error", "invalid x-api-key"),
            "rate": _anthropic(429, "rate_limit_error", "Number of requests has exceeded your limit.", WAIT),
            "long": _anthropic(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        },
    ),
    "gemini": Behind(
        "gemini",
        "gemini-3.5-flash",
        "/v1beta",
        {
            "key": _google(400, "INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"),
            "rate": _google(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota. Please retry in 20s.",
                **{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"},
            ),
            "long": _google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ),
        },
    ),
    "aliyun": Behind(
        "aliyun",
        "qwen3-max",
        "/api/v1",
        {
            "key": _aliyun(401, "InvalidApiKey", "Invalid API-key provided."),
            "rate": _aliyun(429, "Throttling.RateQuota", "Requests rate limit exceeded.", WAIT),
            "long": _aliyun(400, "InvalidParameter", "Range of input length should be [1, 129024]"),
        },
    ),
    "ollama": Behind(
        "ollama",
        "qwen3:8b",
        "",
        {
            "key": Answer.json({"error": "unauthorized"}, 401),
            "rate": Answer.json({"error": "too many requests"}, 429, WAIT),
            "long": Answer.json({"error": "the input length exceeds the context length"}, 400),
        },
    ),
}


@contextlib.contextmanager
def serving(names: Iterable[str] = BEHIND, **settings: Any) -> Generator[tuple[str, WireServer]]:
    """The address of a gateway whose models are these providers by name, and the server that plays all of them."""
    with WireServer() as server:
        behind = {name: BEHIND[name] for name in names}
        models = tuple(
            Model(name, upstream(server.url + row.path, row.provider), row.model) for name, row in behind.items()
        )
        with gateway(models=models, **settings) as running:
            yield running.url, server
