"""Embeddings as OpenAI and Ollama give them.

https://platform.openai.com/docs/api-reference/embeddings, https://docs.ollama.com/api/embed (checked 2026-11)
"""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from llm_connector.errors import ConfigurationError, LlmConnectorError, UnsupportedError
from llm_connector.formats.reading import INTEGER, required_text, rest_of, settings, the_object
from llm_connector.server.answers import JsonAnswer, told
from llm_connector.server.backends import Target, blamed
from llm_connector.server.calls import Call
from llm_connector.types import Adaptation, Embeddings, Usage

__all__ = ["embed", "embed_one", "embeddings"]

_READ = ("model", "input", "prompt", "dimensions", "encoding_format")


async def embeddings(call: Call) -> Response:
    """`POST /v1/embeddings`."""
    body = the_object(await call.body())
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise ConfigurationError(f"encoding_format: give float or base64, not {form!r}")
    found, target, headers = await _embed(call, body, _texts(body, "input"))
    pack = _base64 if form == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": pack(vector)} for index, vector in enumerate(found.vectors)
    ]
    tokens = _tokens(found.usage)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    listed = {"object": "list", "data": data, "model": found.model or target.asked, "usage": usage}
    return JsonAnswer(listed, headers=headers)


async def embed(call: Call) -> Response:
    """`POST /api/embed`."""
    begun = time.monotonic()
    body = the_object(await call.body())
    found, target, headers = await _embed(call, body, _texts(body, "input"))
    took = int((time.monotonic() - begun) * 1e9)
    about = {"total_duration": took, "load_duration": 0, "prompt_eval_count": _tokens(found.usage)}
    whole = {"model": found.model or target.asked, "embeddings": found.vectors, **about}
    return JsonAnswer(whole, headers=headers)


async def embed_one(call: Call) -> Response:
    """`POST /api/embeddings`, which Ollama keeps for old clients: one text, one vector."""
    body = the_object(await call.body())
    found, _, headers = await _embed(call, body, [required_text(body, "prompt")])
    return JsonAnswer({"embedding": found.vectors[0]}, headers=headers)


async def _embed(call: Call, body: Mapping[str, Any], texts: list[str]) -> tuple[Embeddings, Target, dict[str, str]]:
    """The vectors, who made them, and the headers that tell what was left out."""
    target = call.backends.find(required_text(body, "model"))
    dimensions = settings(body, {"dimensions": ("dimensions", INTEGER)}).get("dimensions")
    reason = "embeddings are asked for without it"
    dropped = [Adaptation(action="dropped", subject=name, detail=reason) for name in rest_of(body, _READ)]
    try:
        embedding = target.backend.client.embed(texts, model=target.name, dimensions=dimensions)
        return await call.attended(embedding), target, told(dropped)
    except LlmConnectorError as error:
        raise blamed(error) from error


def _texts(body: Mapping[str, Any], field: str) -> list[str]:
    """One text or several. Raises UnsupportedError for tokens, which mean something to one model only."""
    value = body.get(field)
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given:
        raise ConfigurationError(f"{field}: give a string or a list of strings")
    if all(isinstance(item, int | list) for item in given):
        raise UnsupportedError(f"{field}: tokens are not taken here; send the text itself")
    for position, item in enumerate(given):
        if not isinstance(item, str) or not item:
            raise ConfigurationError(f"{field}[{position}]: give a string that is not empty")
    return given


def _base64(vector: list[float]) -> str:
    """32-bit numbers, little end first, as the official client asks for them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _tokens(usage: Usage) -> int:
    return usage.input_tokens or usage.total_tokens or 0
