"""The `llm-connector` command. Start with `main`; each command has a module and is loaded when it is called."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]

MISSING_EXTRA = (
    "error: the command line needs {}: pip install 'llm-connector-core[cli]' "
    "(from a checkout: pip install -e '.[cli]')\n"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, by default this process's; the exit code."""
    _open_outputs()
    missing = [package for package in ("typer", "rich") if find_spec(package) is None]
    if missing:
        sys.stderr.write(MISSING_EXTRA.format(" and ".join(missing)))
        return 2
    try:
        from typer.main import get_command

        from llm_connector.cli.app import app

        get_command(app).main(args=None if argv is None else list(argv), prog_name="llm-connector")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    return 0


def _open_outputs() -> None:
    """Have outputs even where the caller closed them, and no failure over a character that an encoding lacks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # until the process ends
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
