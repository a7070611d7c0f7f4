"""The fixtures `fake_llm` and `wire_simulator` for pytest, which loads this in every run: it imports pytest alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llm_connector.testing.model import ScriptedModel
    from llm_connector.testing.simulator import WireSimulator
    from llm_connector.testing.transport import FakeTransport

__all__ = ["fake_llm", "wire_simulator"]


@pytest.fixture
def fake_llm() -> Iterator[FakeTransport]:
    """A scripted model without sockets. A request for which it had no answer fails the test, even if that was caught.

    `fake_llm.says(...)`, `fake_llm.client("anthropic")`, `fake_llm.http_client`, `fake_llm.requests`.
    """
    from llm_connector.testing.transport import FakeTransport

    fake = FakeTransport()
    yield fake
    _check(fake)


@pytest.fixture
def wire_simulator() -> Iterator[WireSimulator]:
    """A scripted model behind a socket on loopback, which speaks every wire format and misbehaves on demand.

    `wire_simulator.says(reply("Hi", fault="cut"))`, `wire_simulator.client("openai")`, `wire_simulator.url`.
    """
    from llm_connector.testing.simulator import WireSimulator

    with WireSimulator() as simulator:
        yield simulator
    _check(simulator)


def _check(model: ScriptedModel) -> None:
    if model.unscripted:
        asked = "\n".join(map(str, model.unscripted))
        pytest.fail(f"the script had no answer for:\n{asked}", pytrace=False)
