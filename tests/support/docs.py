"""Pages as programs: each fenced block of Python, how it is to be run, and what it must print.

A line above a block may say how:

    <!-- server: NAME -->       every host is a loopback server that plays the scene NAME of tests/test_docs.py
    <!-- not run: REASON -->    it needs what tests do not have; names and types are checked all the same

A block without such a line runs with the embedded model. A `text` fence below a block is what it prints, where `…`
stands for anything. A block that uses `client` without making one continues what every page begins with, `PRELUDE`.
"""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.loops import close_left_loop

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    *(ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))),
    *(ROOT / "examples" / "README.md", *sorted(ROOT.glob("integrations/*/README.md"))),
]
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>not run|server): (?P<detail>.+?) -->\n)?```python\n(?P<code>.*?)^```$"
    r"(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
PRELUDE = 'from llm_connector import LlmClient; client = LlmClient("local")'
ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """One fenced block of Python: where it stands, how it is run, what it prints."""

    page: Path
    line: int
    code: str
    scene: str | None = None
    reason: str | None = None
    output: str | None = None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def write(self, folder: Path) -> Path:
        """The block as a file whose lines have the numbers of the page."""
        path = folder / f"{re.sub(r'[^a-z0-9]+', '_', self.name.lower())}.py"
        before = "\n" * (self.line - 2)
        path.write_text(f"{PRELUDE if self._continues else ''}\n{before}{self.code}", "utf-8")
        return path

    @property
    def _continues(self) -> bool:
        names = [node for node in ast.walk(ast.parse(self.code, self.name)) if isinstance(node, ast.Name)]
        clients = [node.ctx for node in names if node.id == "client"]
        return bool(clients) and all(isinstance(context, ast.Load) for context in clients)


def blocks() -> list[Block]:
    """Every block of every page."""
    return [block for page in PAGES if page.exists() for block in _blocks(page)]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        mark, detail = match["mark"], match["detail"]
        yield Block(
            page,
            text.count("\n", 0, match.start("code")) + 1,
            match["code"],
            detail if mark == "server" else None,
            detail if mark == "not run" else None,
            match["output"],
        )


def printed(program: Path) -> str:
    """What a program prints, run in this process, whose log it leaves as it was."""
    logger = logging.getLogger("llm_connector")
    handlers, level = [*logger.handlers], logger.level
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            runpy.run_path(str(program), run_name="__main__")
    finally:
        close_left_loop()
        logger.handlers[:] = handlers
        logger.setLevel(level)
    return output.getvalue()


def matches(expected: str, output: str) -> bool:
    """Whether the output is as expected, line breaks at its end aside."""
    pattern = ".*".join(map(re.escape, expected.rstrip("\n").split(ANYTHING)))
    return re.fullmatch(pattern, output.rstrip("\n"), re.DOTALL) is not None
