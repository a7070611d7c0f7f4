"""Deviations of real servers by their ids in the catalogue of wire quirks: which are simulated, and why others are not.

    reply(tool_call("clock"), fault="TC-12")

An id names a group (TC tool calls, RS reasoning, US usage, FR finish reasons, SF server-sent events, ND lines of JSON,
CT content, ER errors, UR transport, MS messages, SC schemas, PM parameters) and a number. What deviates is the answer,
or what the server refuses: then the answer depends on the request.
"""

from __future__ import annotations

from collections.abc import Mapping

from llm_connector.errors import ConfigurationError
from llm_connector.testing.faults import FAULTS, Fault
from llm_connector.testing.quirk_answers import ANSWERS
from llm_connector.testing.quirk_calls import CALLS
from llm_connector.testing.quirk_refusals import REFUSALS
from llm_connector.testing.quirk_streams import STREAMS

__all__ = ["QUIRKS", "UNSIMULATED", "find_quirk"]

QUIRKS: Mapping[str, Fault] = {quirk.name: quirk for quirk in (*CALLS, *ANSWERS, *STREAMS, *REFUSALS)}
"""The quirks that are simulated, by id."""

_CLIENT = "what a client does, not a server"
_GATEWAY = "what a gateway sends to its own clients"
_REQUEST = "how a request is spelled; no server answers differently"
_ADDRESS = "where a request is sent, which is decided before a server sees it"

UNSIMULATED: Mapping[str, str] = {
    "TC-25": _CLIENT,
    "RS-10": "text that quotes tags: script it as the text",
    "RS-20": _CLIENT,
    "RS-25": _REQUEST,
    "ND-05": _REQUEST,
    "ND-07": "a question for a model's capabilities, which is no chat: script a dict",
    "CT-05": "several answers at once: script a ChatResponse with several choices",
    **dict.fromkeys(("UR-01", "UR-02", "UR-03", "UR-04", "UR-08", "UR-09", "UR-10"), _ADDRESS),
    "MS-15": _CLIENT,
    "SC-10": "an empty text: script it",
    **{f"CX-{number:02}": _CLIENT for number in range(1, 11)},
    **{f"GW-{number:02}": _GATEWAY for number in range(1, 7)},
}
"""Ids of the catalogue that no server can be told by, with the reason."""


def find_quirk(name: str) -> Fault:
    """A quirk by id. Raises ConfigurationError, with the reason for one that is not simulated."""
    if name in QUIRKS:
        return QUIRKS[name]
    if name in UNSIMULATED:
        raise ConfigurationError(f"{name} is not simulated: {UNSIMULATED[name]}")
    raise ConfigurationError(f"unknown fault {name!r}; give an id such as 'TC-03', or one of {', '.join(FAULTS)}")
