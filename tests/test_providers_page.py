"""`docs/providers.md`: facts are those of the rows, every row is explained, every client shown can be made."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml

from llm_connector import LlmClient
from llm_connector.providers import PROVIDERS, ProviderSpec
from llm_connector.transport import SyncTransport
from tests.support import docs
from tests.support.cassettes import CASSETTES
from tests.support.providers_page import CAPABILITIES, INDEX, PAGE, facts, index, rendered, sections, written

SECTIONS = sections(PAGE.read_text("utf-8"))
GENERAL = [name for name in SECTIONS if name not in PROVIDERS and name != INDEX]
WITHOUT_CASSETTES = {"openai_compatible": "vllm"}
"""Rows that stand for servers of other rows."""

each_row = pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a block of the page sends something")

    monkeypatch.setattr(SyncTransport, "run", refuse)


@pytest.fixture(autouse=True)
def _rows_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PROVIDERS, "_own", dict(PROVIDERS._own))


@pytest.fixture(autouse=True)
def _dummy_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in PROVIDERS.values():
        for name in row.api_key_env[:1]:
            monkeypatch.setenv(name, f"key-of-{row.name}")
    for name in ("ACME_API_KEY", "AZURE_OPENAI_API_KEY", "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"):
        monkeypatch.setenv(name, "test-key")


def programs(section: str) -> list[str]:
    """The blocks of Python in a section."""
    return [match["code"] for match in docs.FENCE.finditer(SECTIONS[section])]


def prose(section: str) -> str:
    """What a section says in words, on one line."""
    text = re.sub(r"<!--.*?-->|```.*?```", " ", written(SECTIONS[section]), flags=re.DOTALL)
    return " ".join(text.split())


def clients(program: str) -> list[LlmClient]:
    """The clients that a program makes."""
    names: dict[str, Any] = {}
    exec(compile(program, PAGE.name, "exec"), names)
    return [value for value in names.values() if isinstance(value, LlmClient)]


@cache
def recorded(provider: str) -> frozenset[str]:
    """The models that the cassettes of a row use: those of clients and calls, and those in requests."""
    found: set[str] = set()
    for path in (CASSETTES / provider).glob("*.yaml"):
        cassette = yaml.safe_load(path.read_text("utf-8"))
        settings = [{**(call.get("client") or {}), **call.get("with", {})} for call in cassette.get("calls", ())]
        found |= {setting["model"] for setting in settings if "model" in setting}
        bodies = [str(entry["request"].get("body")) for entry in cassette["interactions"]]
        found |= {model for body in bodies for model in re.findall(r'"model": ?"([^"]+)"', body)}
    return frozenset(found)


def variables(row: ProviderSpec) -> set[str]:
    others = {name for names in row.credential_env.values() for name in names}
    return {*row.api_key_env, *row.optional_key_env, *row.base_url_env} | others


# the generated parts


def test_the_page_is_what_the_rows_say():
    page = PAGE.read_text("utf-8")
    assert page == rendered(page), "run `make docs`"


def test_rows_are_sections_in_the_order_of_the_table():
    assert [name for name in SECTIONS if name in PROVIDERS] == list(PROVIDERS)
    assert list(SECTIONS)[: len(GENERAL) + 1] == [*GENERAL, INDEX]


def test_a_row_that_is_new_gets_its_facts_and_what_was_written_stays():
    page = PAGE.read_text("utf-8")
    without = re.sub(r"^## zhipu\n.*?(?=^## )", "", page, flags=re.DOTALL | re.MULTILINE)
    assert "## zhipu\n" not in without
    anew = sections(rendered(without))
    assert anew["zhipu"] == "\n".join(facts(PROVIDERS["zhipu"])) + "\n"
    assert {name: text for name, text in anew.items() if name != "zhipu"} == {
        name: text for name, text in SECTIONS.items() if name != "zhipu"
    }


def test_facts_that_were_changed_are_made_anew():
    page = PAGE.read_text("utf-8")
    assert rendered(page.replace("`ZAI_API_KEY`", "`WRONG`").replace("- DashScope: ", "- ")) == page


def test_a_section_that_somebody_wrote_is_not_thrown_away():
    with pytest.raises(ValueError, match="no row is called gone: rename the section"):
        rendered(PAGE.read_text("utf-8") + "\n## gone\n\nWords.\n")


@each_row
def test_facts_name_all_that_can_be_set(row):
    text = "\n".join(facts(row))
    assert variables(row) <= set(re.findall(r"`([A-Z][A-Z0-9_]+)`", text))
    assert all(f"`{name}=`" in text for name in row.credentials)
    urls = [row.base_url] if isinstance(row.base_url, str) else list((row.base_url or {}).values())
    assert all(f"`{url}`" in text for url in urls)
    (offers,) = re.findall(r"^- Offers: (.+)$", text, re.MULTILINE)
    assert len(offers.split(", ")) == len(row.supports)


def test_every_capability_is_explained():
    words = re.findall(r"^\| ([a-z, ]+) \|", SECTIONS["What the words mean"], re.MULTILINE)
    assert ", ".join(words) == ", ".join(word.replace("_", " ") for word in CAPABILITIES)


def test_the_index_has_every_row_once():
    linked = re.findall(r"\[`(\w+)`\]\(#(\w+)\)", "\n".join(index()))
    assert sorted(linked) == sorted((name, name) for name in PROVIDERS)


# what people write


@each_row
def test_every_row_is_explained_in_a_few_sentences(row):
    sentences = re.findall(r"[.:!](?= |$)", prose(row.name))
    assert prose(row.name)
    assert 1 <= len(sentences) <= 8
    assert prose(row.name).endswith(".")


@each_row
def test_every_row_has_an_example_that_names_it(row):
    made = [client for program in programs(row.name) for client in clients(program)]
    assert made
    for client in made:
        assert client.provider == row.name
        assert client.model == row.default_model or client.model in recorded(WITHOUT_CASSETTES.get(row.name, row.name))


@pytest.mark.parametrize("section", GENERAL, ids=lambda name: name or "head")
def test_examples_of_all_rows_can_be_made(section):
    for program in programs(section):
        for client in clients(program):
            assert client.provider == "acme" or client.model in recorded(client.provider)


def test_the_row_of_the_example_is_short():
    (program,) = [program for program in programs("Address, key and settings") if "register_provider(" in program]
    (row,) = re.findall(r"    ProviderSpec\(\n.*?\n    \)", program, re.DOTALL)
    assert len(row.splitlines()) < 10


@each_row
def test_words_name_variables_regions_and_rows_that_exist(row):
    text = prose(row.name)
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", text))
    assert named <= variables(row)
    regions = set(re.findall(r'`region="([\w-]+)"', text))
    assert not regions or isinstance(row.base_url, dict)
    assert regions <= set(row.base_url or ())
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= set(PROVIDERS)
    arguments = set(re.findall(r"`(\w+)=", text))
    assert arguments <= OPTIONS | set(row.credentials)


OPTIONS = {
    *("api_key", "base_url", "cache", "extra_body", "extra_headers", "fetch_media", "headers", "model", "reasoning"),
    *("region", "response_format", "think_tags", "tools"),
}
