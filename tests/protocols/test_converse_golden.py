"""Requests of Converse and of InvokeModel, and the bodies they become, from the documentation."""

from __future__ import annotations

import pytest

from tests.support.golden import Golden, golden_cases


@pytest.mark.parametrize("golden", golden_cases("converse"))
def test_golden_requests_of_converse(golden: Golden):
    golden.check()


@pytest.mark.parametrize("golden", golden_cases("anthropic_bedrock"))
def test_golden_requests_of_invoke_model(golden: Golden):
    golden.check()
