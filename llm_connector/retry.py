"""When to try again, and how long to wait before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Retry", "retry_after"]

LONGEST_WAIT = 120.0
"""Seconds. A server that asks for more is not waited for: the caller decides, with `error.retry_after` at hand."""

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

    def delay(self, attempt: int, wanted: float | None) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1.

        What the server wants is the least; up to a quarter is taken off the backoff so that clients spread.
        """
        backoff = min(self.first_delay * 2.0 ** (attempt - 1), self.max_delay) * (1 - 0.25 * self.jitter())
        return max(backoff, wanted or 0.0)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the server asks to wait, from any of the forms seen; None if it does not say. `now` is the Unix time.

    Reads `retry-after-ms`, `retry-after` (seconds, a date, a Unix time by mistake) and rate-limit reset headers.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    for name in ("retry-after", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"):
        value = headers.get(name)
        if value and (name == "retry-after" or headers.get(name.replace("reset", "remaining")) == "0"):
            seconds = _seconds(value.strip(), now)
            if seconds is not None:
                return seconds
    return None


def _seconds(value: str, now: float) -> float | None:
    number = _number(value)
    if number is not None:
        return max(number - now if number > 1e9 else number, 0.0)
    match = _DURATION.fullmatch(value)
    if match and any(match.groups()):
        hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
        return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    return _until(value, now)


def _until(date: str, now: float) -> float | None:
    from datetime import datetime
    from email.utils import parsedate_to_datetime

    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return max(parse(date).timestamp() - now, 0.0)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and number == number and abs(number) != float("inf") else None
