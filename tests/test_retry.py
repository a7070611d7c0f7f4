from __future__ import annotations

import os
import time
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_connector.retry import LONGEST_WAIT, Retry, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def exact(retries: int = 2, jitter: float = 0.0) -> Retry:
    return Retry(retries, jitter=lambda: jitter)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (60, 8.0)]
)
def test_the_wait_doubles_up_to_a_limit(attempt, seconds):
    assert exact().delay(attempt, None) == seconds


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 1.0), (0.5, 0.875), (1.0, 0.75)])
def test_up_to_a_quarter_of_the_wait_is_taken_off(jitter, seconds):
    assert exact(jitter=jitter).delay(2, None) == seconds


def test_clients_spread_by_themselves():
    waits = {Retry().delay(3, None) for _ in range(20)}

    assert len(waits) > 1
    assert all(1.5 <= wait <= 2.0 for wait in waits)


@pytest.mark.parametrize(
    ("wanted", "seconds"), [(None, 1.0), (0.0, 1.0), (0.2, 1.0), (3.0, 3.0), (LONGEST_WAIT, LONGEST_WAIT)]
)
def test_what_the_server_wants_is_the_least(wanted, seconds):
    assert exact().delay(2, wanted) == seconds


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.0), (2, 1.0), (3, 2.0)])
def test_after_a_stale_connection_the_first_retry_is_at_once(attempt, seconds):
    assert exact().delay(attempt, None, stale=True) == seconds


def test_the_thousandth_attempt_does_not_overflow():
    assert exact(5000).delay(5000, None) == 8.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "9" * 400 + "h"}, None),
        ({"retry-after": "99999999999"}, 99999999999 - NOW),
        ({"retry-after": str(int(NOW) + 45)}, 45.0),
        ({"retry-after": str((int(NOW) + 45) * 1000)}, 45.0),
        ({"retry-after": str(int(NOW) - 3600)}, 0.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 -0000"}, 60.0),
        ({"retry-after": "Wed, 15 Nov 2023 00:14:20 +0200"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 99999 22:14:20 GMT"}, None),
        ({"retry-after": "2023-11-14T22:14:20Z"}, 60.0),
        ({"retry-after": "2023-11-14T22:14:20"}, 60.0),
        ({"retry-after": "1s"}, 1.0),
        ({"retry-after": "6m0s"}, 360.0),
        ({"retry-after": "1h2m3.5s"}, 3723.5),
        ({"retry-after": "120ms"}, 0.12),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "-5"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "3"}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 360.0),
        ({"x-ratelimit-reset-tokens": "120ms", "x-ratelimit-remaining-tokens": "0"}, 0.12),
        ({"x-ratelimit-reset": str((int(NOW) + 20) * 1000), "x-ratelimit-remaining": "0"}, 20.0),
        (
            {
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:50Z",
                "anthropic-ratelimit-tokens-remaining": "0",
            },
            30.0,
        ),
        ({"retry-after": "3", "x-ratelimit-reset-requests": "1h", "x-ratelimit-remaining-requests": "0"}, 3.0),
    ],
)
def test_every_form_of_retry_after_is_read(headers, seconds):
    found = retry_after(headers, NOW)

    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_date_without_a_zone_does_not_mean_local_time(monkeypatch):
    try:
        monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
        time.tzset()
        assert retry_after({"retry-after": "2023-11-14T22:14:20"}, NOW) == pytest.approx(60.0)
        assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:14:20 -0000"}, NOW) == pytest.approx(60.0)
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.sampled_from(["retry-after", "retry-after-ms"]),
    st.one_of(st.text(max_size=40), st.from_regex(r"[0-9 :+,.hmsGMTonNvZ-]{0,40}", fullmatch=True)),
)
@example("retry-after", "Mon, 1 Jan 0001 00:00:00 +2359")
@example("retry-after", "1" * 5000)
@example("retry-after", "²")
def test_no_header_makes_it_fail_or_wait_backwards(name, value):
    found = retry_after({name: value}, NOW)

    assert found is None or 0.0 <= found < float("inf")
