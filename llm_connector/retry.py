"""When to try again, and how long to wait before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Retry", "retry_after"]

LONGEST_WAIT = 120.0
"""Seconds. A server that asks for more is not waited for: the caller decides, with `error.retry_after` at hand."""

LONGEST_VALUE = 100
"""Characters of a header that can be a time."""

_RESETS = (
    *("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-reset"),
    *(f"anthropic-ratelimit-{kind}-reset" for kind in ("requests", "tokens", "input-tokens", "output-tokens")),
)
"""Headers that count only when the `remaining` one beside them is 0."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def _random() -> float:
    import random

    share: float = random.random()
    return share


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with jitter; `retries` are the attempts after the first."""

    retries: int = 2
    first_delay: float = 0.5
    max_delay: float = 8.0
    jitter: Callable[[], float] = _random

    def delay(self, attempt: int, wanted: float | None, *, stale: bool = False) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1.

        What the server wants is the least; up to a quarter is taken off the backoff so that clients spread. A `stale`
        connection, closed by the server while it was idle, says nothing about the server: the first retry is at once.
        """
        if stale and attempt == 1:
            return 0.0
        backoff = min(self.first_delay * 2.0 ** min(attempt - 1, 60), self.max_delay) * (1 - 0.25 * self.jitter())
        return max(backoff, wanted or 0.0)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the server asks to wait, from any of the forms seen; None if it does not say. `now` is the Unix time.

    Reads `retry-after-ms`, `retry-after` (seconds, a date, a Unix time by mistake) and rate-limit reset headers.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    wanted = _seconds(headers.get("retry-after"), now)
    if wanted is not None:
        return wanted
    used_up = [name for name in _RESETS if headers.get(name.replace("reset", "remaining")) == "0"]
    resets = [_seconds(headers.get(name), now) for name in used_up]
    return max((seconds for seconds in resets if seconds is not None), default=None)


def _seconds(value: str | None, now: float) -> float | None:
    if not value or len(value) > LONGEST_VALUE:
        return None
    value = value.strip()
    number = _number(value)
    if number is not None and number > 1e9:  # a moment, in seconds or milliseconds
        return max((number / 1000 if number > 1e12 else number) - now, 0.0)
    if number is not None:
        return max(number, 0.0)
    match = _DURATION.fullmatch(value)
    if match and any(match.groups()):
        hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
        return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    return _until(value, now)


def _until(date: str, now: float) -> float | None:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(date)
            if moment.tzinfo is None:  # neither form means the local time of whoever reads it
                moment = moment.replace(tzinfo=UTC)
            return max(moment.timestamp() - now, 0.0)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and number == number and abs(number) != float("inf") else None
