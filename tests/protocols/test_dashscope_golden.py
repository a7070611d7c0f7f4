"""Requests of the DashScope wire format and the bodies they become, from the documentation."""

from __future__ import annotations

import pytest

from tests.support.golden import Golden, golden_cases


@pytest.mark.parametrize("golden", golden_cases("dashscope"))
def test_golden_requests(golden: Golden):
    golden.check()
