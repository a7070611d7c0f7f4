"""The models of one publisher on Vertex AI, as its Model Garden lists them.

https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list (checked 2026-11)
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from llm_connector.errors import ParseError, excerpt
from llm_connector.types import ModelInfo
from llm_connector.wire import Json

__all__ = ["publisher_models", "publisher_page"]

_DATE = re.compile(r"20\d{6}").fullmatch


def publisher_page(models: str, cursor: str | None) -> str:
    """Path of a page of `publishers/PUBLISHER/models`, below the version of the API: it belongs to no project."""
    more = f"&pageToken={quote(cursor, safe='')}" if cursor else ""
    return f"{models}?pageSize=100{more}"


def publisher_models(body: Json) -> tuple[list[ModelInfo], str | None]:
    """The models of one page, and the cursor of the next; an empty page is an empty object."""
    items = body.get("publisherModels", []) if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise ParseError("the model list has no 'publisherModels'", body=excerpt(str(body)))
    models = [_model_info(item) for item in items if isinstance(item, dict) and item.get("name")]
    return models, str(body["nextPageToken"]) if body.get("nextPageToken") else None


def _model_info(item: dict[str, Any]) -> ModelInfo:
    """A model by the name that calls it: Claude's are told apart by the date behind the `@`."""
    publisher, _, name = str(item["name"]).removeprefix("publishers/").partition("/models/")
    version = item.get("versionId")
    dated = isinstance(version, str) and _DATE(version) and "@" not in name
    return ModelInfo(id=f"{name}@{version}" if dated else name or publisher, owner=publisher, raw=item)
