"""The adapter's examples, run as they stand with the embedded model."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from tests.support.docs import ROOT, printed

FOLDER = ROOT / "integrations" / "langchain" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

PRINTS = {
    "01_chain.py": r".*\w.*\n.*\w.*\n.*\w.*\n",
    "02_streaming.py": r".*\w.*\n24 tokens, length\n.*\w.*\nsmollm2-135m-instruct\n.*\w.*\n",
    "03_tools_and_agent.py": r"weather \{'city': 'Oslo'\} -> It is sunny in Oslo\.\nhuman: .+\nai: \['weather'\]\n"
    r"tool: It is sunny in .+\n.*ai: .*\w.*\n",
    "04_structured_output.py": r"Ada Lovelace lives in London\n\{'name': 'Ada .+'\} None stop\n",
    "05_images.py": r".*\nconverted image\n",
    "06_switch_provider.py": r"local: .+\nlocal: .+\nlocal: .+\n6 messages\n",
    "07_rag.py": r"It rains in Oslo today\.\n.*\w.*\n",
}

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp"),
]


def test_every_example_is_run_and_short():
    assert [path.name for path in EXAMPLES] == list(PRINTS)
    for path in EXAMPLES:
        text = path.read_text("utf-8")
        assert text.count("\n") < 40
        assert re.fullmatch(r"[^\n]{20,}\.", ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_with_the_embedded_model(path: Path):
    output = printed(path)
    assert re.fullmatch(PRINTS[path.name], output, re.DOTALL), output
