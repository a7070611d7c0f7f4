"""Many calls of which many go wrong, and what they leave behind.

    python -m tests.soak                        10,000 mixed calls, 1,000 streams at once
    python -m tests.soak --calls 1000 --streams 100
    python -m tests.soak --aiohttp              coroutines over aiohttp's pool

Both clients call a simulator in this process, in every wire format, with every fault. What is measured is the process:
memory, descriptors and threads, after a tenth of the calls and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_connector import AsyncLlmClient, LlmClient, LlmConnectorError, Timeout
from llm_connector.testing import FAULTS, ReceivedRequest, Reply, WireSimulator, reply
from tests.testing.support import ROWS

TEXT = "one two three four five six"
LIMIT = 1 << 16
THREADS = 8
SETTINGS: dict[str, Any] = {"max_retries": 1, "max_body_bytes": LIMIT, "max_event_bytes": LIMIT}
NONE = "none"


@dataclass
class Figures:
    """What happened, and what the process held: `early` after a tenth of the calls, `late` at the end."""

    calls: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    early: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        answers = self.outcomes["answer"]
        held = ", ".join(f"{name} {self.early[name]} to {self.late[name]}" for name in self.late)
        return f"{self.calls} calls in {self.seconds:.1f} s, {answers} answers, {self.calls - answers} errors; {held}"


def measured() -> dict[str, int]:
    """Memory in MB, descriptors, threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return {
        "MB": pages * resource.getpagesize() >> 20,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def scripted(request: ReceivedRequest) -> Reply:
    """The question names the fault."""
    return reply(TEXT, fault=None if request.text == NONE else request.text)


def timeout(fault: str) -> Timeout:
    first, idle = (0.05 if fault == silent else 30 for silent in ("silence", "stall"))
    return Timeout(connect=30, first_byte=first, idle=idle)


def cases() -> Iterator[tuple[str, str, bool]]:
    """Wire formats, faults, and whether it is a stream; every second call goes well."""
    faults, wires = itertools.cycle(sorted(FAULTS)), list(ROWS)
    for number in itertools.count():
        wire = wires[(number + number // len(wires)) % len(wires)]  # each gets faults in its turn
        yield wire, NONE if number % 2 else next(faults), number % 3 > 0


def blocking(client: LlmClient, fault: str, *, stream: bool) -> str:
    """How one call ended."""
    try:
        if stream:
            for _ in client.stream(fault, timeout=timeout(fault)):
                pass
        else:
            client.chat(fault, timeout=timeout(fault))
    except LlmConnectorError as error:
        return type(error).__name__
    return "answer"


async def awaited(client: AsyncLlmClient, fault: str, *, stream: bool) -> str:
    """The same for the client of coroutines."""
    try:
        if stream:
            async for _ in client.stream(fault, timeout=timeout(fault)):
                pass
        else:
            await client.chat(fault, timeout=timeout(fault))
    except LlmConnectorError as error:
        return type(error).__name__
    return "answer"


def together(threads: ThreadPoolExecutor, client: LlmClient) -> None:
    """All threads hold a stream at once: afterwards the pool has a connection for each, whatever came before."""
    held = threading.Barrier(THREADS)

    def one(_: int) -> None:
        with client.stream(NONE) as chunks:
            next(chunks)
            held.wait(60)
            for _chunk in chunks:
                pass

    for _ in threads.map(one, range(THREADS)):
        pass


def mixed(calls: int, http_client: str | None = None) -> Figures:
    """Half of the calls from threads, half from tasks, in ten rounds."""
    figures = Figures(calls=calls)
    work = itertools.islice(cases(), calls)
    begun = time.monotonic()
    with WireSimulator() as simulator, ThreadPoolExecutor(THREADS) as threads, ExitStack() as open_clients:
        simulator.otherwise(scripted)
        clients = {wire: open_clients.enter_context(simulator.client(row, **SETTINGS)) for wire, row in ROWS.items()}

        async def tasks(share: list[tuple[str, str, bool]]) -> list[str]:
            own = {wire: simulator.async_client(row, http_client=http_client, **SETTINGS) for wire, row in ROWS.items()}
            queue = iter(share)

            async def worker() -> list[str]:
                return [await awaited(own[wire], fault, stream=stream) for wire, fault, stream in queue]

            done = await asyncio.gather(*(worker() for _ in range(THREADS)))
            for client in own.values():
                await client.close()
            return [outcome for outcomes in done for outcome in outcomes]

        for number in range(10):
            share = list(itertools.islice(work, calls // 10))
            half = len(share) // 2
            ended = threads.map(lambda case: blocking(clients[case[0]], case[1], stream=case[2]), share[:half])
            figures.outcomes.update(ended)
            figures.outcomes.update(asyncio.run(tasks(share[half:])))
            simulator.requests.clear()
            if number == 0:
                together(threads, clients["anthropic"])
                simulator.wait_closed(but=THREADS)
                figures.early = measured()
        together(threads, clients["anthropic"])
        simulator.wait_closed(but=THREADS)
        figures.late = measured()
    figures.seconds = time.monotonic() - begun
    return figures


def at_once(streams: int, http_client: str | None = None) -> Figures:
    """So many streams at the same time, of which every tenth fails; a first round makes what stays."""
    figures = Figures(calls=streams)

    async def one(client: AsyncLlmClient, number: int) -> str:
        fault = ("cut", "reset", "error_midstream")[number % 3] if number % 10 == 0 else NONE
        return await awaited(client, fault, stream=True)

    async def all_of_them(simulator: WireSimulator) -> list[str]:
        async with simulator.async_client("anthropic", http_client=http_client, **SETTINGS) as client:
            return await asyncio.gather(*(one(client, number) for number in range(streams)))

    with WireSimulator() as simulator:
        simulator.otherwise(scripted)
        asyncio.run(all_of_them(simulator))
        simulator.wait_closed()
        figures.early = measured()
        begun = time.monotonic()
        figures.outcomes.update(asyncio.run(all_of_them(simulator)))
        figures.seconds = time.monotonic() - begun
        simulator.wait_closed()
        simulator.requests.clear()
        figures.late = measured()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--aiohttp", dest="http_client", action="store_const", const="aiohttp")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rounds = {"mixed": mixed(given.calls, given.http_client), "at once": at_once(given.streams, given.http_client)}
    for name, figures in rounds.items():
        print(f"{name}: {figures}")  # noqa: T201  it is a command
        print(f"  {dict(figures.outcomes.most_common())}")  # noqa: T201
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak {peak} MB")  # noqa: T201


if __name__ == "__main__":
    main()
