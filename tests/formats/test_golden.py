"""Requests of real clients, and what they mean.

One JSON file per client in `golden/`, written from the pages of its wire: `body` is what is sent, `request` the
`ChatRequest` without defaults, `rest` what has no place in one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_connector.formats import find_format
from llm_connector.operations import render
from llm_connector.types import ChatRequest
from tests.support.answers import endpoint

CASES = sorted((Path(__file__).parent / "golden").glob("*.json"))
KEYS = {"about", "format", "body", "stream", "rest", "request"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_request_means_what_its_client_means(path: Path):
    case = json.loads(path.read_text("utf-8"))
    assert case.keys() == KEYS
    incoming = find_format(case["format"]).parse_request(case["body"])

    expected = ChatRequest.of(
        case["request"]["messages"], {k: v for k, v in case["request"].items() if k != "messages"}
    )
    assert incoming.request.model_dump() == expected.model_dump()
    assert (incoming.stream, incoming.rest) == (case["stream"], case["rest"])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("provider", ["openai", "openai_responses", "anthropic", "ollama", "gemini", "deepseek"])
def test_it_can_be_sent_to_any_provider(path: Path, provider: str):
    case = json.loads(path.read_text("utf-8"))
    request = find_format(case["format"]).parse_request(case["body"]).request

    rendered = render(endpoint(provider), request.model_copy(update={"model": "m"}), stream=True)
    assert rendered.body
