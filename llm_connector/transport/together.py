"""Several coroutines at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["together"]

T = TypeVar("T")


async def together(jobs: Iterable[Callable[[], Awaitable[T]]], *, most: int) -> list[T]:
    """The results of the jobs, in order, at most so many of them at a time; the first that fails ends the others."""
    gate = asyncio.Semaphore(most)

    async def done(job: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await job()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(done(job)) for job in jobs]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [task.result() for task in tasks]
