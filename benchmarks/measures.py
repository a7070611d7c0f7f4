"""What is timed. A measure takes a session and its arguments and returns named numbers.

Processor time is user plus system of this process, in microseconds (`cpu`), next to the clock's (`wall`); memory is in
the unit that its name says. A session outlives many calls, so all is warm unless the measure makes something fresh.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.payloads import messages, tools

Numbers = dict[str, float]


class Session:
    """A contestant with its warm clients and the event loop that the async one lives on."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.runner = asyncio.Runner()

    @cached_property
    def client(self) -> Any:
        client = self.contestant.create()
        for _ in self.contestant.stream(client, self.request("burst-10")):
            pass
        return client

    @cached_property
    def async_client(self) -> Any:
        async def create() -> Any:
            client = self.contestant.create_async()
            await length(self.contestant.astream(client, self.request("burst-10")))
            return client

        return self.runner.run(create())

    def request(self, scenario: str, message_count: int = 1, tool_count: int = 0) -> Any:
        return self.contestant.prepare(scenario, messages(message_count), tools(tool_count))


class Clock:
    def __init__(self) -> None:
        gc.collect()
        self.wall, self.cpu = perf_counter(), process_time()

    def elapsed(self, units: float) -> Numbers:
        cpu, wall = process_time() - self.cpu, perf_counter() - self.wall
        return {"cpu": cpu / units * 1e6, "wall": wall / units * 1e6}


def repeated(work: Callable[[], object], seconds: float) -> Numbers:
    """Per call, over as many calls as fit into `seconds`; at least three, after one that is not counted."""
    work()
    clock, calls = Clock(), 0
    while calls < 3 or perf_counter() - clock.wall < seconds:
        work()
        calls += 1
    return clock.elapsed(calls)


def whole(
    session: Session,
    *,
    size: int = 1,
    message_count: int = 1,
    tool_count: int = 0,
    asynchronous: bool = False,
    seconds: float = 0.3,
) -> Numbers:
    """One request and its complete response of `size` KB."""
    contestant, request = session.contestant, session.request(f"whole-{size}", message_count, tool_count)
    if not asynchronous:
        client = session.client
        assert len(contestant.chat(client, request)) > size * 600
        return repeated(lambda: contestant.chat(client, request), seconds)
    client = session.async_client

    async def calls() -> Numbers:
        await contestant.achat(client, request)
        clock, count = Clock(), 0
        while count < 3 or perf_counter() - clock.wall < seconds:
            await contestant.achat(client, request)
            count += 1
        return clock.elapsed(count)

    return session.runner.run(calls())


def fresh(session: Session, *, seconds: float = 0.1) -> Numbers:
    """A new client and one request of 1 KB with it, after others in this process have done the one-time work."""
    contestant, request = session.contestant, session.request("whole-1")
    return repeated(lambda: contestant.chat(contestant.create(), request), seconds)


def stream(session: Session, *, scenario: str, chunks: int, asynchronous: bool = False) -> Numbers:
    """Per chunk of one stream."""
    contestant, request = session.contestant, session.request(scenario)
    if asynchronous:
        client = session.async_client

        async def drained() -> tuple[int, Clock]:
            clock = Clock()
            return await length(contestant.astream(client, request)), clock

        size, clock = session.runner.run(drained())
    else:
        client, clock = session.client, Clock()
        size = sum(map(len, contestant.stream(client, request)))
    numbers = clock.elapsed(chunks)
    assert size >= chunks * 7, f"{size} characters in {chunks} chunks"
    return numbers


async def length(texts: AsyncIterator[str]) -> int:
    size = 0
    async for text in texts:
        size += len(text)
    return size


def first_token(session: Session, *, asynchronous: bool = False, streams: int = 40) -> Numbers:
    """From the call to the first text of a short stream."""
    contestant, request, times = session.contestant, session.request("burst-10"), []
    if asynchronous:

        async def measured() -> None:
            for _ in range(streams):
                start, seen = perf_counter(), False
                async for text in contestant.astream(client, request):
                    if text and not seen:
                        seen = True
                        times.append(perf_counter() - start)

        client = session.async_client
        session.runner.run(measured())
    else:
        client = session.client
        for _ in range(streams):
            start, seen = perf_counter(), False
            for text in contestant.stream(client, request):
                if text and not seen:
                    seen = True
                    times.append(perf_counter() - start)
    return {"wall": median(times) * 1e6}


def tool_deltas(session: Session, *, count: int) -> Numbers:
    """Per piece of a tool call's arguments, with assembling and parsing them."""
    contestant, request, client = session.contestant, session.request(f"tools-{count}", 1, 1), session.client
    clock = Clock()
    arguments = contestant.tool_arguments(client, request)
    numbers = clock.elapsed(count)
    assert len(arguments["note"]) == 7 * (count - 2)
    return numbers


def creation(session: Session, *, clients: int = 1000, seconds: float = 0.6) -> Numbers:
    """The first client of a process, then the next ones. To be run in a fresh process, once."""
    create = session.contestant.create
    clock = Clock()
    kept = [create()]
    numbers = {"first": clock.elapsed(1)["cpu"]}
    batches: list[float] = []
    while len(batches) < 10 and (not batches or perf_counter() - clock.wall < seconds):
        size = clients // 10 if batches and batches[0] < 1000 else 3
        batch = Clock()
        kept += [create() for _ in range(size)]
        batches.append(batch.elapsed(size)["cpu"])
    numbers["next"] = median(batches)
    kept.clear()
    if numbers["next"] > 1000:
        clients = 10
    numbers["effects"] = side_effects(lambda: [create() for _ in range(10)])
    kept.clear()
    gc.collect()
    tracemalloc.start()
    kept = [create() for _ in range(clients)]
    numbers["bytes"] = tracemalloc.get_traced_memory()[0] / clients
    tracemalloc.stop()
    return numbers


def side_effects(work: Callable[[], object]) -> int:
    """How many sockets and imports Python announces during `work`, and reads the kernel counts (OpenSSL's too)."""
    seen: list[str] = []
    active = True

    def hook(event: str, _: object) -> None:
        if active and event.startswith(("socket", "import")):
            seen.append(event)

    sys.addaudithook(hook)  # there is no way to remove it, hence the flag
    idle = -reads() + reads()
    before = reads()
    work()
    after, active = reads(), False
    return len(seen) + after - before - idle


def concurrent(session: Session, *, scenario: str, streams: int, chunks: int) -> Numbers:
    """Many async streams of one client at once: totals, and the peak of memory above what it was before, per stream."""
    contestant, request = session.contestant, session.request(scenario)
    client = session.async_client

    async def everyone() -> tuple[Numbers, float]:
        await length(contestant.astream(client, request))
        clock, before = Clock(), memory("VmRSS")
        reset_peak()
        sizes = await asyncio.gather(*(length(contestant.astream(client, request)) for _ in range(streams)))
        numbers = clock.elapsed(1)
        assert min(sizes) >= chunks * 7
        await contestant.close(client)
        return numbers, before

    numbers, before = session.runner.run(everyone())
    return numbers | {"kilobytes": (memory("VmHWM") - before) / streams}


def memory(field: str) -> float:
    """Kilobytes, as /proc tells them of this process."""
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) for line in status if line.startswith(field))


def reads() -> int:
    """Read calls of this process so far."""
    with open("/proc/self/io") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("syscr"))


def reset_peak() -> None:
    with open("/proc/self/clear_refs", "w") as control:
        control.write("5")


PROBE = """
import sys; before = len(sys.modules)
{code}
with open("/proc/self/status") as status:
    size = next(line.split()[1] for line in status if line.startswith("VmRSS"))
print(size, len(sys.modules) - before)
"""


def importing(session: Session, *, code: str) -> Numbers:
    """A fresh interpreter running `code`, less one that runs nothing: processor time, memory, modules."""
    with_code, bare = probe(code), probe("pass")
    return {name: with_code[name] - bare[name] for name in bare}


def probe(code: str) -> Numbers:
    command = [sys.executable, "-c", PROBE.format(code=code)]
    start = perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        answer = child.stdout.read().split()
        _, child.returncode, usage = os.wait4(child.pid, 0)
    assert child.returncode == 0 and len(answer) == 2, f"{code!r} failed"
    size, modules = answer
    cpu = usage.ru_utime + usage.ru_stime
    wall = perf_counter() - start
    return {"cpu": cpu * 1e6, "wall": wall * 1e6, "megabytes": float(size) / 1024, "modules": float(modules)}


MEASURES: dict[str, Callable[..., Numbers]] = {
    measure.__name__: measure
    for measure in (whole, fresh, stream, first_token, tool_deltas, creation, concurrent, importing)
}
