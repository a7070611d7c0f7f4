"""Lists of models, vectors and ranks, in the forms that servers of Chat Completions give them.

https://platform.openai.com/docs/api-reference/embeddings and https://docs.cohere.com/reference/rerank, which the
others follow (checked 2026-11)
"""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Mapping
from typing import Any

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.assembly import count_in
from llm_connector.protocols.base import ErrorEvent
from llm_connector.protocols.completion_chunks import completion_usage
from llm_connector.types import Embeddings, ModelInfo, Usage
from llm_connector.wire import Json

__all__ = ["embeddings_of", "models_of", "ranks_of"]


def models_of(body: Json) -> tuple[list[ModelInfo], str | None]:
    """The models, from an object with `data` or a bare list, and the cursor of the next page."""
    items = body if isinstance(body, list) else None
    if isinstance(body, dict):
        items = body.get("data") if isinstance(body.get("data"), list) else body.get("models")
    if not isinstance(items, list):
        raise ParseError("the model list has no 'data'", body=excerpt(str(body)))
    last = body.get("last_id") if isinstance(body, dict) and body.get("has_more") is True else None
    models = [_model_info(item) for item in items if isinstance(item, dict) and (item.get("id") or item.get("name"))]
    return models, str(last) if last else None


def embeddings_of(body: Json) -> Embeddings:
    """The vectors by index, from lists of numbers or base64 of little-endian float32."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or (isinstance(body, dict) and body.get("error")):
        raise ErrorEvent(body)
    ordered = sorted(data, key=lambda item: item.get("index") or 0)
    usage = body.get("usage")
    return Embeddings(
        vectors=[_vector(item.get("embedding")) for item in ordered],
        usage=completion_usage(usage) if isinstance(usage, dict) else Usage(),
        model=body.get("model"),
        raw=body,
    )


def ranks_of(body: Json) -> list[tuple[int, float]]:
    """Index and score of each ranked document, from an object with `results` or `data`, or a bare list."""
    items = body if isinstance(body, list) else None
    if isinstance(body, dict):
        items = next((body[name] for name in ("results", "data") if isinstance(body.get(name), list)), None)
    if items is None:
        raise ErrorEvent(body)
    return [(int(item["index"]), float(item.get("relevance_score", item.get("score")))) for item in items]


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=str(item.get("id") or item.get("name")),
        name=item.get("name") or item.get("display_name"),
        created=count_in(item, "created"),
        owner=item.get("owned_by"),
        context_window=count_in(item, "context_length", "context_window", "max_model_len") or None,
        raw=dict(item),
    )


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):
        with contextlib.suppress(ValueError, struct.error):
            content = base64.b64decode(value, validate=True)
            return list(struct.unpack(f"<{len(content) // 4}f", content))
    if not isinstance(value, list):
        raise ParseError("an embedding is neither a list of numbers nor base64", body=excerpt(str(value)))
    return value
