"""Cancellation at a chosen place."""

from __future__ import annotations

import asyncio
from typing import Any


class Interrupting:
    """Awaits a coroutine and cancels its task as it is about to wait for the `at`-th time."""

    def __init__(self, coroutine: Any, at: int) -> None:
        self._coroutine = coroutine
        self._at = at
        self.waits = 0

    def __await__(self) -> Any:
        step, value = self._coroutine.send, None
        while True:
            try:
                future = step(value)
            except StopIteration as stop:
                return stop.value
            self.waits += 1
            if self.waits == self._at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                step, value = self._coroutine.send, (yield future)
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  goes on into the coroutine
                step, value = self._coroutine.throw, error
