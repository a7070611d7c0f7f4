"""The Python on all pages uses names that exist, passes type checkers, runs, and prints what the page says.

How a block is run stands above it: see tests/support/docs.py.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import llm_connector
from llm_connector import LlmClient, Timeout
from llm_connector.providers import PROVIDERS
from llm_connector.transport.settings import Deadline, failure
from llm_connector.wire import HttpRequest
from tests.support.docs import PAGES, ROOT, Block, blocks, matches, printed
from tests.support.hosts import everywhere
from tests.support.scenes import SCENES
from tests.support.wire_server import WireServer

BLOCKS = blocks()
PLAYED = [block for block in BLOCKS if block.scene]
PLAIN = [block for block in BLOCKS if not (block.scene or block.reason or block.page == ROOT / "README.md")]


def test_every_fence_of_python_is_found():
    marked = sum(len(re.findall(r"^ *```py", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)
    assert len(BLOCKS) == marked


def test_every_scene_is_on_a_page():
    assert {block.scene for block in PLAYED} | {"anybody"} == set(SCENES)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_block_uses_names_that_exist(block: Block):
    for node in ast.walk(ast.parse(block.code, block.name)):
        if isinstance(node, ast.ImportFrom) and node.module == "llm_connector":
            assert {alias.name for alias in node.names} <= set(llm_connector.__all__)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
            assert hasattr(LlmClient, node.attr)


def test_type_checkers_accept_all_blocks(tmp_path: Path):
    files = [str(block.write(tmp_path)) for block in BLOCKS]
    command = [sys.executable, "-m", "mypy", "--check-untyped-defs", "--follow-imports=silent", "--no-error-summary"]
    cache = ROOT / ".mypy_cache" / "docs"
    run = subprocess.run(
        [*command, f"--cache-dir={cache}", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.returncode) == ("", 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if urlsplit(target).scheme:
            continue
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every provider has a key, as the environment of a reader may have."""
    for spec in PROVIDERS.values():
        for name in (*spec.api_key_env[:1], *spec.optional_key_env[:1]):
            monkeypatch.setenv(name, "sk-test-0123456789")


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of AWS or Google: none of files, or of a machine in their clouds."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.parametrize("block", PLAYED, ids=lambda block: f"{block.name}, {block.scene}")
def test_a_block_prints_what_the_page_says(
    block: Block, request: pytest.FixtureRequest, wire_server: WireServer, tmp_path: Path
):
    scene = SCENES[block.scene or ""]
    request.getfixturevalue("keys" if scene.keys else "no_keys")
    wire_server.script(*scene.answers)
    program = block.write(tmp_path)
    if scene.moved:
        with everywhere(wire_server) as world:
            output = world.named(printed(program))
    else:
        output = printed(program)

    assert block.output is None or matches(block.output, output), output
    assert output.strip() or "print(" not in block.code
    if block.scene != "anybody":
        assert len(wire_server.requests) == len(scene.answers), "the scene was not played to its end"


@pytest.mark.local
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp")
@pytest.mark.parametrize("block", PLAIN, ids=lambda block: block.name)
def test_a_block_runs_with_the_embedded_model(block: Block, tmp_path: Path):
    output = printed(block.write(tmp_path))
    assert block.output is None or matches(block.output, output), output
    assert output.strip() or "print(" not in block.code


# docs/errors.md

ERRORS = (ROOT / "docs" / "errors.md").read_text("utf-8")


def test_the_tree_of_errors_is_that_of_the_classes():
    tree = re.search(r"```text\n(LlmConnectorError.*?)```", ERRORS, re.DOTALL)
    assert tree
    above: list[str] = []
    drawn: list[str] = []
    for line in tree[1].splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found, line
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        kind = getattr(llm_connector, found[2])
        assert kind.__mro__[1].__name__ == (above[depth - 1] if depth else "Exception")
        drawn.append(found[2])
    assert sorted(drawn) == sorted(name for name in llm_connector.__all__ if name.endswith("Error"))


def test_the_table_of_timeouts_quotes_their_messages():
    limits = Timeout(connect=5, first_byte=60, idle=30)
    request = HttpRequest("POST", "https://api.example.com/v1")

    def said(error: httpx.TimeoutException, *, begun: bool) -> str:
        return str(failure(error, request, limits, Deadline(limits), begun=begun))

    with pytest.raises(llm_connector.TimeoutError) as over:
        Deadline(Timeout(total=1)).check(ahead=1)
    messages = {
        "connect": said(httpx.ConnectTimeout(""), begun=False),
        "first_byte": said(httpx.ReadTimeout(""), begun=False),
        "idle": said(httpx.ReadTimeout(""), begun=True),
        "total": str(over.value),
    }
    rows = re.findall(r"^\| `(.+?)` \| `(\w+)` \| (\w+) \|", ERRORS, re.MULTILINE)
    assert {limit for _, limit, _ in rows} == set(messages)
    for words, limit, default in rows:
        assert all(word in messages[limit] for word in words.split("…"))
        value = getattr(Timeout(), limit)
        assert default == ("none" if value is None else f"{value:g}")
