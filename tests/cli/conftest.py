"""Fixtures of the command line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from llm_connector.cli import main
from tests.cli.console import Outcome, at
from tests.support.wire_server import WireServer


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LLM_CONNECTOR_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def cli(capsys, monkeypatch):
    def run(*argv: str, piped: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="utf-8"))
        code = main(argv)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def chat(cli: Callable[..., Outcome], wire_server: WireServer) -> Callable[..., Outcome]:
    def run(*argv: str, piped: bytes = b"") -> Outcome:
        return cli("chat", *at(wire_server), *argv, piped=piped)

    return run
