"""The wire corpus beside the checkout: recorded exchanges with what a correct client finds in them."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED

ABSENT = f"no wire corpus: {SHARED / 'corpus'} is not a folder"


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange; `expected` was computed from the recording alone. See the README of the corpus."""

    id: str
    provider: str
    protocol: str
    features: frozenset[str]
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes
    expected: dict[str, Any]

    @property
    def streamed(self) -> bool:
        return "stream" in self.features

    @property
    def failed(self) -> bool:
        return self.status >= 400


@functools.cache
def exchanges() -> dict[str, Exchange]:
    """All exchanges by id; none where the corpus is absent. Read when a test module asks for them."""
    return {path.stem: _load(path) for path in sorted(SHARED.glob("corpus/*/*.json"))}


def exchange_ids(wanted: Callable[[Exchange], bool]) -> list[Any]:
    """Parameters: one id per exchange that is wanted, or one skipped test that says why there are none."""
    ids = [pytest.param(exchange.id, id=exchange.id) for exchange in exchanges().values() if wanted(exchange)]
    return ids or [pytest.param("", id="absent", marks=pytest.mark.skip(ABSENT))]


def _load(path: Path) -> Exchange:
    recorded = json.loads(path.read_bytes())
    response = recorded["response"]
    body = response["body"].encode("utf-8", "surrogatepass")
    return Exchange(
        id=recorded["id"],
        provider=recorded["provider"],
        protocol=recorded["protocol"],
        features=frozenset(recorded["features"]),
        request=recorded["request"],
        status=response["status"],
        headers={name.lower(): value for name, value in response["headers"].items()},
        body=base64.b64decode(body) if response.get("body_encoding") == "base64" else body,
        expected=recorded["expected"],
    )
