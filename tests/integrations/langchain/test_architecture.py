"""The adapter translates and does nothing else: rules that a reader of its imports and names can check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from llm_connector.providers import PROVIDERS
from tests.support.docs import ROOT

PACKAGE = ROOT / "integrations" / "langchain" / "langchain_llm_connector"
FILES = sorted(PACKAGE.glob("*.py"))
ALLOWED = {"__future__", "asyncio", "collections", "contextlib", "dataclasses", "functools", "importlib"} | {
    *("json", "operator", "os", "re", "types", "typing"),
    *("langchain_core", "langchain_llm_connector", "llm_connector", "pydantic"),
}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

in_every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@in_every_file
def test_it_imports_the_core_and_langchain_core_only(path):
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module).partition(".")[0])
    assert found <= ALLOWED | ({"langchain"} if path.name == "__init__.py" else set())


@in_every_file
def test_it_names_no_provider(path):
    strings = {node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant)}
    assert not strings & set(PROVIDERS)


@in_every_file
def test_files_and_functions_are_short_and_said(path):
    tree = tree_of(path)
    assert path.read_text("utf-8").count("\n") <= LONGEST_FILE
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@in_every_file
def test_every_module_says_what_it_exports(path):
    named = [
        node
        for node in tree_of(path).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert len(named) == 1
