"""docs/testing.md: its programs run, its tests pass, and its table is that of the faults."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

from llm_connector.testing import FAULTS
from tests.conftest import ROOT
from tests.support.docs import Block, blocks, matches, printed

PAGE = ROOT / "docs" / "testing.md"
BLOCKS = [block for block in blocks() if block.page == PAGE]
TESTS = [block for block in BLOCKS if "def test_" in block.code]
PROGRAMS = [block for block in BLOCKS if "def test_" not in block.code]


@pytest.mark.parametrize("block", TESTS, ids=lambda block: block.name)
def test_a_test_of_the_page_passes(block: Block, request: pytest.FixtureRequest, tmp_path: Path):
    defined = runpy.run_path(str(block.write(tmp_path)))
    tests = [function for name, function in defined.items() if name.startswith("test_")]

    assert tests
    for function in tests:
        given = next((mark.args[1] for mark in getattr(function, "pytestmark", ())), [None])
        for value in given:
            names = [name for name in inspect.signature(function).parameters if name != "name"]
            wanted = {name: request.getfixturevalue(name) for name in names}
            function(**wanted, **({} if value is None else {"name": value}))


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_a_program_of_the_page_prints_what_it_says(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(ROOT)
    output = printed(block.write(tmp_path))

    assert block.output is not None
    assert matches(block.output, output), output


def test_the_table_has_every_fault():
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert dict(rows) == {name: fault.about for name, fault in FAULTS.items()}
