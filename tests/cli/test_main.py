"""The entry point."""

from __future__ import annotations

import sys

import pytest

from llm_connector.cli import main
from tests.cli.console import started


def test_a_missing_extra_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)

    assert main(["--help"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "error: the command line needs typer: pip install 'llm-connector-core[cli]'" in err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_client(option):
    program = """
import sys
from llm_connector.cli import main
main([sys.argv[1]])
print({"httpx", "pydantic", "llm_connector.types"} & set(sys.modules))
"""

    with started(program, option) as process:
        out, err = process.communicate(timeout=60)

    assert (err, out.decode().splitlines()[-1]) == (b"", "set()")
    assert b"llm-connector" in out


def test_closed_outputs_are_no_failure():
    program = """
import sys
sys.stdout = sys.stderr = None
from llm_connector.cli import main
code = main(["providers"])
sys.exit(code or main(["chat", "-p", "openai", "Hi"]))
"""

    with started(program) as process:
        assert process.communicate(timeout=60) == (b"", b"")

    assert process.returncode == 2
