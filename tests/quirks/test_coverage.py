"""Every entry of the catalogue is tested under its id, or `docs/compatibility.md` says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ID = re.compile(r"\b[A-Z]{2}-\d\d\b")


@pytest.fixture(scope="module")
def catalogue(shared: Path) -> set[str]:
    page = shared / "wire" / "quirks.md"
    if not page.is_file():
        pytest.skip(f"no catalogue of quirks: {page} is not a file")
    return set(re.findall(r"^\*\*([A-Z]{2}-\d\d) ", page.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def tested() -> set[str]:
    names = [
        name for path in ROOT.glob("tests/**/test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    ]
    return {f"{kind}-{number}" for name in names for kind, number in re.findall(r"_([A-Z]{2})_(\d\d)(?=_|$)", name)}


def listed(heading: str) -> set[str]:
    """The ids in the table under a heading of the page."""
    page = (ROOT / "docs" / "compatibility.md").read_text()
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(ID.findall(section))


def test_every_quirk_id_is_covered_or_listed(catalogue, tested):
    assert len(catalogue) > 100, "the catalogue has another form"
    assert sorted(catalogue - tested - listed("Not covered yet")) == []


def test_the_lists_name_what_they_say(catalogue, tested):
    missing, partly = listed("Not covered yet"), listed("Covered in part")

    assert partly
    assert sorted((missing | partly | tested) - catalogue) == [], "no such entry"
    assert sorted(missing & tested) == [], "it is covered now: take it off the list"
    assert sorted(partly - tested) == [], "it is not covered at all"
