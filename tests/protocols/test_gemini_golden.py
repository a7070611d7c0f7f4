"""Requests of Gemini's wire format and of Claude on Vertex AI, and the bodies they become, from the documentation."""

from __future__ import annotations

import pytest

from tests.support.golden import Golden, golden_cases


@pytest.mark.parametrize("golden", [*golden_cases("gemini"), *golden_cases("anthropic_vertex")])
def test_golden_requests(golden: Golden):
    golden.check()
