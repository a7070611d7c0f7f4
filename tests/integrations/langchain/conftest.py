"""The server that the adapter's tests talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.langchain.little_model import LittleModel


@pytest.fixture
def little_model() -> Iterator[LittleModel]:
    with LittleModel() as server:
        yield server


@pytest.fixture(scope="session")
def vcr_cassette_dir() -> str:
    return str(Path(__file__).parent / "cassettes")
