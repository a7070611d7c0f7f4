"""`RateLimit`: no more requests and tokens in a minute than an account has, whoever shares it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable

from llm_connector.errors import APIError, ConfigurationError, StreamError
from llm_connector.observing import Outcome, Watch, usage_of
from llm_connector.types import ChatRequest
from llm_connector.types.size import estimated_tokens, text_tokens
from llm_connector.wire import Send

__all__ = ["RateLimit", "Turn"]

MINUTE = 60.0


class Spending:
    """One amount, and the moment that it counts from."""

    __slots__ = ("amount", "at")

    def __init__(self, at: float, amount: float) -> None:
        self.at = at
        self.amount = amount


class Window:
    """What is spent in any minute: never more than `limit`. Knows no clock; turns are taken in order."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Spending] = deque()
        self._sum = 0.0

    def earliest(self, now: float, amount: float) -> float:
        """The first moment at which `amount` fits; more than the limit takes a whole minute."""
        entries = self._entries
        while entries and entries[0].at + MINUTE <= now:
            self._sum -= entries.popleft().amount
        start = max(now, entries[-1].at) if entries else now
        free = self._limit - min(amount, self._limit)
        if self._sum <= free:
            return start
        newer = 0.0
        for entry in reversed(entries):
            newer += entry.amount
            if newer > free:  # it has to be a minute old
                return max(start, entry.at + MINUTE)
        return start

    def spend(self, at: float, amount: float) -> Spending:
        """Count an amount from a moment that `earliest` gave."""
        entry = Spending(at, amount)
        self._entries.append(entry)
        self._sum += amount
        return entry

    def correct(self, entry: Spending, amount: float) -> None:
        """Count another amount instead, for what still counts. A last turn of nothing is as if it were not taken."""
        entries = self._entries
        if entries and entries[0].at <= entry.at:
            self._sum += amount - entry.amount
            entry.amount = amount
            while entries and not entries[-1].amount:
                entries.pop().at = float("-inf")


class RateLimit:
    """How much may be sent in any minute, by all clients that are given the same object, in all threads and loops.

    A call beyond it waits for its turn, in order; its `timeout.total` bounds the wait, too. Each request counts, those
    that are tried again as well. Tokens are estimated before (a token for four bytes of text, a thousand for a picture
    or a file, and `max_tokens`) and corrected by what the server counted.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        for name, limit in limits.items():
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
                raise ConfigurationError(f"{name} is {limit!r}; give a whole number above 0")
        if requests_per_minute is None and tokens_per_minute is None:
            raise ConfigurationError("RateLimit: give requests_per_minute=, tokens_per_minute= or both")
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self._requests = None if requests_per_minute is None else Window(requests_per_minute)
        self._tokens = None if tokens_per_minute is None else Window(tokens_per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        _LIMITS.add(self)

    def __repr__(self) -> str:
        return (
            f"RateLimit(requests_per_minute={self.requests_per_minute!r}, tokens_per_minute={self.tokens_per_minute!r})"
        )

    def take(self, tokens: int) -> tuple[float, list[tuple[Window, Spending]]]:
        """Take a turn: the seconds until it comes, and what it spends."""
        with self._lock:
            now = at = self._clock()
            wanted = [(window, amount) for window, amount in ((self._requests, 1), (self._tokens, tokens)) if window]
            for window, amount in wanted:
                at = window.earliest(at, amount)
            return at - now, [(window, window.spend(at, amount)) for window, amount in wanted]

    def correct(self, spent: list[tuple[Window, Spending]], *, tokens: int, requests: int = 1) -> None:
        """Count what a turn has cost, now that it is known."""
        with self._lock:
            for window, entry in spent:
                window.correct(entry, tokens if window is self._tokens else requests)


class Turn(Watch):
    """The turns of one call: one for each request that it sends."""

    def __init__(self, limit: RateLimit, request: ChatRequest | None, texts: Iterable[str] = ()) -> None:
        self._limit = limit
        if limit.tokens_per_minute is None:
            self._estimate = 0
        else:
            self._estimate = text_tokens(texts) if request is None else estimated_tokens(request)
        self._spent: list[tuple[Window, Spending]] = []
        self._sent = False

    def turn(self) -> float:
        """Seconds until the next request may go. One that had to be sent again has cost no tokens, or never went."""
        self._limit.correct(self._spent, tokens=0, requests=int(self._sent))
        self._sent = False
        seconds, self._spent = self._limit.take(self._estimate)
        return seconds

    def sent(self, step: Send) -> None:
        """The turn was used."""
        self._sent = True

    def ended(self, outcome: Outcome) -> None:
        """Give back what was not used, or count what the server has counted."""
        usage = usage_of(outcome.result)
        known = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        used = usage.total_tokens or known
        refused = isinstance(outcome.error, APIError) and not isinstance(outcome.error, StreamError)
        if not self._sent:
            self._limit.correct(self._spent, tokens=0, requests=0)
        elif used or refused:
            self._limit.correct(self._spent, tokens=used)


_LIMITS: weakref.WeakSet[RateLimit] = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: a thread that held a lock is not there to give it back."""
    for limit in _LIMITS:
        limit._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
