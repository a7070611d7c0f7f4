"""Fixtures of the tests of the LlamaIndex adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings, instrumentation
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.llms.llm_connector import LlmConnector

from tests.integrations.llama_index.wires import WIRES, Wire
from tests.support.loops import close_left_loop
from tests.support.wire_server import WireServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LlamaIndex calls what pydantic has deprecated."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"))


@pytest.fixture
def llm(wire_server: WireServer) -> LlmConnector:
    """An LLM of a Chat Completions server."""
    return WIRES["deepseek"].llm(wire_server)


@pytest.fixture(params=sorted(WIRES))
def wire(request: pytest.FixtureRequest) -> Wire:
    return WIRES[request.param]


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    """What a test puts into the global settings does not reach the next."""
    kept = dict(vars(Settings))
    yield
    vars(Settings).update(kept)


@pytest.fixture(autouse=True)
def _no_loop_left() -> Iterator[None]:
    yield
    close_left_loop()


class Recorder(BaseEventHandler):
    """Keeps every event."""

    seen: list[Any] = []

    @classmethod
    def class_name(cls) -> str:
        return "Recorder"

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.seen.append(event)


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """Events of LlamaIndex's instrumentation during the test."""
    recorder, root = Recorder(), instrumentation.get_dispatcher()  # type: ignore[attr-defined]  # theirs to export, and they do
    root.add_event_handler(recorder)
    yield recorder.seen
    root.event_handlers.remove(recorder)
