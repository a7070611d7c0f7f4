"""Requests as Chat Completions bodies, each against a body written from the providers' documentation."""

from __future__ import annotations

import pytest

from tests.support.golden import golden_cases


@pytest.mark.parametrize("case", golden_cases("chat_completions"))
def test_a_request_becomes_its_body(case):
    case.check()
