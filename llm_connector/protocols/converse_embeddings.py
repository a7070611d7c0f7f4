"""Texts to vectors on Bedrock: bodies of the Titan and Cohere families for InvokeModel.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_connector.errors import ParseError, UnsupportedError, excerpt
from llm_connector.types import Embeddings, Usage
from llm_connector.wire import Json

__all__ = ["parse_vectors", "render_texts"]


def render_texts(inputs: Sequence[str], model: str) -> dict[str, Any]:
    """The body for these texts. Raises UnsupportedError for families of another form, and for too many texts."""
    if "cohere." in model:
        return {"texts": list(inputs), "input_type": "search_document", "embedding_types": ["float"]}
    if "titan-embed" not in model:
        raise UnsupportedError(f"how {model!r} wants its texts is not known; use a Titan or Cohere model")
    if len(inputs) != 1:
        raise UnsupportedError("Titan takes one text per request; embed them one by one, or use a Cohere model")
    return {"inputText": inputs[0]}


def parse_vectors(body: Json) -> Embeddings:
    """The vectors of either family."""
    if isinstance(body, Mapping) and isinstance(body.get("embedding"), list):
        tokens = body.get("inputTextTokenCount")
        return Embeddings(vectors=[body["embedding"]], usage=Usage(input_tokens=tokens, total_tokens=tokens), raw=body)
    vectors = body.get("embeddings") if isinstance(body, Mapping) else None
    if isinstance(vectors, Mapping):
        vectors = vectors.get("float")
    if not isinstance(vectors, list):
        raise ParseError("the answer holds no vectors", body=excerpt(str(body)))
    return Embeddings(vectors=vectors, raw=body)
