"""Tests of code that talks to models: answers from a script, from a recording, or from a server that misbehaves.

    from llm_connector.testing import FakeTransport, tool_call

    def test_my_agent():
        fake = FakeTransport(tool_call("weather", city="Oslo"), "It is 7 degrees.")
        assert my_agent(fake.client()) == "It is 7 degrees."
        assert fake.requests[1].text == "7 degrees"

`FakeTransport` and `Replay` answer without sockets, `WireSimulator` is a server on loopback. Each works with both
clients, with both adapters, and with pytest, unittest and plain scripts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_connector.testing import faults
    from llm_connector.testing.faults import FAULTS, Fault
    from llm_connector.testing.model import ReceivedRequest, ScriptedModel, UnscriptedRequest
    from llm_connector.testing.quirks import QUIRKS
    from llm_connector.testing.replay import Replay
    from llm_connector.testing.replies import Reply, reply, tool_call
    from llm_connector.testing.script import Answer, Pause, Raw, Refuse, Stream
    from llm_connector.testing.simulator import WireSimulator
    from llm_connector.testing.transport import FakeTransport

__all__ = [
    "FAULTS",
    "QUIRKS",
    "Answer",
    "FakeTransport",
    "Fault",
    "Pause",
    "Raw",
    "ReceivedRequest",
    "Refuse",
    "Replay",
    "Reply",
    "ScriptedModel",
    "Stream",
    "UnscriptedRequest",
    "WireSimulator",
    "faults",
    "reply",
    "tool_call",
]

_MODULES = {
    "faults": "FAULTS Fault",
    "model": "ReceivedRequest ScriptedModel UnscriptedRequest",
    "quirks": "QUIRKS",
    "replay": "Replay",
    "replies": "Reply reply tool_call",
    "script": "Answer Pause Raw Refuse Stream",
    "simulator": "WireSimulator",
    "transport": "FakeTransport",
}
_HOME_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is not None:
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
