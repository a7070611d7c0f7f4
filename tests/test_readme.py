"""The Python in README.md runs as it stands there, each block as a program; tests/test_docs.py checks more."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs import ROOT, Block, blocks

BLOCKS = [block for block in blocks() if block.page == ROOT / "README.md" and not (block.scene or block.reason)]


def test_there_is_something_to_run():
    assert BLOCKS


@pytest.mark.local
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_block_runs(block: Block, tmp_path: Path):
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
