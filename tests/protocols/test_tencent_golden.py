"""Requests of Tencent Cloud's wire format and the bodies they become, from the documentation."""

from __future__ import annotations

import pytest

from tests.support.golden import Golden, golden_cases


@pytest.mark.parametrize("golden", golden_cases("tencent"))
def test_golden_requests(golden: Golden):
    golden.check()
