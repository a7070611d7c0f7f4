"""Where commands write: results to standard output, everything about them to standard error.

Whatever a server sent passes `clean` first. A terminal obeys what is written to it, and the server may be hostile.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["Terminal", "clean"]

_CONTROLS = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_UNSAFE = {**_CONTROLS, **dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")}
_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0xD800, 0xE000))}

_STATES = {"ok": "green", "note": "yellow", "broken": "bold red"}

PIPE_WIDTH = 1 << 16
"""Columns of what is not a terminal: a table keeps its rows whole for grep and awk."""


def clean(text: str) -> str:
    """The text without control characters other than line break and tab, lone surrogates replaced."""
    return text if text.isprintable() else text.translate(_UNSAFE)


class Terminal:
    """The two output streams of this process. NO_COLOR and pipes switch every style off."""

    def __init__(self) -> None:
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    @property
    def lively(self) -> bool:
        """Whether what moves (a spinner, a progress bar) is welcome on standard error."""
        return sys.stderr.isatty() and self.err.is_terminal and not self.err.is_dumb_terminal

    def write(self, text: str) -> None:
        """Part of the result, at once."""
        sys.stdout.write(clean(text))
        sys.stdout.flush()

    def aside(self, text: str, style: str = "dim", end: str = "\n") -> None:
        """Something about the result."""
        self.err.print(Text(clean(text), style=style), end=end, soft_wrap=True)

    def error(self, message: str) -> None:
        """One red line."""
        self.aside(f"error: {' '.join(message.split())}", style="red")

    def json(self, value: Any) -> None:
        """The value as indented JSON; characters that a terminal obeys are escaped."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2).translate(_ESCAPES) + "\n")

    def heading(self, text: str, *, first: bool = False) -> None:
        """The title of what follows."""
        if not first:
            sys.stdout.write("\n")
        self._print(Text(clean(text), style="bold"))

    def facts(self, facts: Mapping[str, str]) -> None:
        """Labels with what belongs to each; a label that is a state has its colour."""
        table = _table(show_header=False)
        for label, fact in facts.items():
            table.add_row(Text(clean(label), style=_STATES.get(label, "")), Text(clean(fact)))
        self._print(table)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table without frame. Columns that are empty in every row are left out; numbers stand to the right."""
        cells = [[clean(cell) for cell in row] for row in rows]
        shown = [place for place in range(len(columns)) if any(row[place] for row in cells)]
        table = _table(header_style="bold")
        for place in shown:
            numbers = all(row[place][:1].isdigit() or not row[place] for row in cells)
            table.add_column(columns[place], overflow="fold", justify="right" if numbers else "left")
        for row in cells:
            table.add_row(*(Text(row[place]) for place in shown))
        self._print(table)

    def _print(self, what: RenderableType) -> None:
        """Print without the blanks that a table puts after its last column."""
        with self.out.capture() as captured:
            self.out.print(what)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")


def _table(**style: Any) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), **style)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=None if stream.isatty() else PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
