"""The Python in README.md and docs/ runs as it stands there, each block as a program of its own.

A block below `<!-- not run: reason -->` needs what tests do not have, such as a key: type checkers read it, like all
others, but it is not run.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import llm_connector
from llm_connector import LlmClient

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("integrations/*/README.md"))]
FENCE = re.compile(
    r"^(?P<mark><!-- not run: (?P<reason>.+?) -->\n)?```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One fenced block of Python, and why it is not run."""

    page: Path
    line: int
    code: str
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def write(self, folder: Path) -> Path:
        """The block as a file whose lines have the numbers of the page."""
        path = folder / f"{re.sub(r'[^a-z0-9]+', '_', self.name.lower())}.py"
        path.write_text("\n" * (self.line - 1) + self.code, "utf-8")
        return path


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start("code")) + 1
            found.append(Block(page, line, match["code"], match["reason"]))
    return found


BLOCKS = blocks()
each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)


def test_every_fence_of_python_is_found():
    marked = sum(len(re.findall(r"^ *```py", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)
    assert len(BLOCKS) == marked
    assert any(block.reason is None for block in BLOCKS if block.page.name == "README.md")


@each_block
def test_a_block_uses_names_that_exist(block):
    for node in ast.walk(ast.parse(block.code, block.name)):
        if isinstance(node, ast.ImportFrom) and node.module == "llm_connector":
            assert {alias.name for alias in node.names} <= set(llm_connector.__all__)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
            assert hasattr(LlmClient, node.attr)


def test_type_checkers_accept_all_blocks(tmp_path):
    files = [str(block.write(tmp_path)) for block in BLOCKS]
    command = [sys.executable, "-m", "mypy", "--check-untyped-defs", "--follow-imports=silent", "--no-error-summary"]
    cache = ROOT / ".mypy_cache" / "readme"
    run = subprocess.run(
        [*command, f"--cache-dir={cache}", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.returncode) == ("", 0)


@pytest.mark.local
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp")
@pytest.mark.parametrize("block", [block for block in BLOCKS if not block.reason], ids=lambda block: block.name)
def test_a_block_runs(block, tmp_path):
    program = block.write(tmp_path)
    run = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() or "print(" not in block.code
