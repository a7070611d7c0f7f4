"""Whole answers: JSON, what headers say beside it, and errors in the client's dialect."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from llm_connector.errors import APIError, LlmConnectorError
from llm_connector.formats import Format
from llm_connector.types import Adaptation
from llm_connector.wire import encode_json

__all__ = ["JsonAnswer", "refusal", "told"]

_ADAPTATIONS = "x-llm-connector-adaptations"
_PROVIDER = "x-llm-connector-provider"
_LONGEST_HEADER = 4096


class JsonAnswer(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return encode_json(content)


def told(adaptations: Sequence[Adaptation], provider: str | None = None) -> dict[str, str]:
    """Headers that say who answers, and what is not sent as it was asked for.

    The latter is a JSON list, which what does not fit is left out of.
    """
    headers = {} if provider is None else {_PROVIDER: provider.encode("latin-1", "replace").decode("latin-1")}
    listed = [adaptation.model_dump() for adaptation in adaptations]
    while len(json.dumps(listed)) > _LONGEST_HEADER:
        listed.pop()
    return {**headers, _ADAPTATIONS: json.dumps(listed)} if listed else headers


def refusal(error: LlmConnectorError, format: Format) -> JsonAnswer:
    """An error, in the client's dialect."""
    body, status = format.render_error(error)
    headers: dict[str, str] = {}
    wait = error.retry_after if isinstance(error, APIError) else None
    if wait is not None:
        headers["retry-after"] = str(math.ceil(wait))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status >= 500 and not error.retryable:
        headers["x-should-retry"] = "false"  # the official clients of two formats read it
    return JsonAnswer(body, status, headers)
