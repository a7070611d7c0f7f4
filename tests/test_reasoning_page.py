"""`docs/reasoning.md` says how each row spells `reasoning=`: every line of its tables is rendered and compared.

To add a line, put the row and a model in its table and run this: the failure shows the line as it must read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_connector.operations import RenderedChat
from llm_connector.providers import PROVIDERS
from llm_connector.types.request import ReasoningOption
from tests.support.answers import ask

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reasoning.md"
VALUES: tuple[ReasoningOption, ...] = (False, True, "minimal", "low", "medium", "high", "max", 2000)
HEAD = ["Row", "Model", "`False`", "`True`", '`"minimal"`', '`"low"`', '`"medium"`', '`"high"`', '`"max"`', "`2000`"]
HOMES = ("additionalModelRequestFields.", "generationConfig.thinkingConfig.", "parameters.")
"""Objects of the body that hold all of a wire format's settings for thinking; the page says so above its table."""
NOT_SETTINGS = {"messages", "stream", "include_usage", "incremental_output"}
NOTHING = "-"
REPORTED = " ¹"


def lines() -> dict[tuple[str, str], str]:
    """The lines of the tables by row and model."""
    found = [match.groups() for match in re.finditer(_LINE, PAGE.read_text("utf-8"))]
    keys = [(row, model) for _, row, model in found]
    assert len(set(keys)) == len(keys), "a row and model stands there twice"
    return {(row, model): text for text, row, model in found}


def asked(row: str, model: str, reasoning: ReasoningOption) -> RenderedChat:
    options: dict[str, Any] = {} if reasoning is None else {"reasoning": reasoning}
    return ask(provider=row, model=model, **options)


def line(row: str, model: str) -> str:
    """The line as it must read."""
    unset = dict(leaves(asked(row, model, None).body))
    return f"| `{row}` | `{model}` | {' | '.join(cell(asked(row, model, value), unset) for value in VALUES)} |"


def cell(rendered: RenderedChat, unset: Mapping[str, Any]) -> str:
    """What a request says beyond one that leaves thinking to the server."""
    added = [f"`{_below_home(name)}={text}`" for name, text in leaves(rendered.body) if unset.get(name) != text]
    reported = REPORTED if any(note.subject == "reasoning" for note in rendered.adaptations) else ""
    return (" ".join(added) or NOTHING) + reported


def leaves(body: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{name}.")
        elif name not in NOT_SETTINGS:
            yield f"{above}{name}", value if isinstance(value, str) else json.dumps(value)


def _below_home(name: str) -> str:
    return next((name.removeprefix(home) for home in HOMES if name.startswith(home)), name)


_LINE = re.compile(r"^(\| `(\w+)` \| `(\S+)` \|.*\|)$", re.MULTILINE)


@pytest.mark.parametrize(("row", "model"), [pytest.param(*key, id="-".join(key)) for key in lines()])
def test_a_line_is_what_is_sent(row: str, model: str) -> None:
    assert lines()[row, model] == line(row, model)


def test_the_tables_have_the_columns_that_are_compared() -> None:
    heads = re.findall(r"^\| Row \|.*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert heads
    assert all([word.strip() for word in head.strip("|").split(" | ")] == HEAD for head in heads)


@pytest.mark.parametrize(("row", "model"), [pytest.param(*key, id="-".join(key)) for key in lines()])
def test_unset_sends_nothing(row: str, model: str) -> None:
    """What the page says in words."""
    sent = {name for name, _ in leaves(asked(row, model, None).body)}
    assert not {name for name in sent if re.search(r"think|effort", name)}


def test_every_row_that_thinks_is_listed() -> None:
    rows = {row.name for row in PROVIDERS.values() if "reasoning" in row.supports}
    assert rows == {row for row, _ in lines()}


@pytest.mark.parametrize("home", HOMES)
def test_what_the_cells_leave_out_is_said(home: str) -> None:
    assert f"`{home.rstrip('.')}`" in PAGE.read_text("utf-8")


def test_rows_stand_under_the_name_of_their_wire_format() -> None:
    page = PAGE.read_text("utf-8")
    for heading, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        for _, row, _ in re.findall(_LINE, section):
            named = PROVIDERS[row].protocol.name
            assert heading in (named, FAMILIES.get(named)), f"{row} stands under {heading}"


FAMILIES = {
    **dict.fromkeys(("Anthropic on Bedrock", "Anthropic Messages on Vertex AI"), "Anthropic Messages"),
    "Gemini on Vertex AI": "Gemini",
}
"""Wire formats that spell thinking as another one does."""
