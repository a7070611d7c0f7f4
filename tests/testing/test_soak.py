"""The soak in small: nothing that it counts grows. `python -m tests.soak` is the whole of it."""

from __future__ import annotations

import pytest

from tests.soak import Figures, at_once, mixed

MOST_GROWTH = 40
"""MB. A leak of one answer per call would be more in the whole soak; here it is a bound for what is outrageous."""


pools = pytest.mark.parametrize("http_client", [None, "aiohttp"], ids=["httpx", "aiohttp"])


@pools
@pytest.mark.timeout(120)
def test_mixed_calls_leave_nothing_behind(http_client):
    figures = mixed(200, http_client)

    assert sum(figures.outcomes.values()) == 200
    assert figures.outcomes["answer"] > 100
    flat(figures)


@pools
@pytest.mark.timeout(120)
def test_streams_at_once_end_each_in_its_own_way(http_client):
    figures = at_once(100, http_client)

    assert figures.outcomes == {"answer": 90, "StreamTransportError": 7, "StreamServerError": 3}
    flat(figures)


def flat(figures: Figures) -> None:
    assert figures.late["MB"] <= figures.early["MB"] + MOST_GROWTH
    assert figures.late["descriptors"] <= figures.early["descriptors"] + 4
    assert figures.late["threads"] <= figures.early["threads"] + 4
