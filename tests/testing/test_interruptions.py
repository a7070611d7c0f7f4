"""Calls that go wrong and are cancelled wherever they wait, and loops that Ctrl-C ends: no connection stays open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmConnectorError
from llm_connector.testing import WireSimulator, faults, reply
from tests.support.interrupting import Interrupting

TEXT = "one two three four five six"
TRIES = 400
"""More than any of these calls waits."""

pytestmark = pytest.mark.timeout(60)


async def whole(client: AsyncLlmClient) -> None:
    await client.chat("Hi")


async def streamed(client: AsyncLlmClient) -> None:
    async for _ in client.stream("Hi"):
        pass


async def entered(client: AsyncLlmClient) -> None:
    async with client.stream("Hi") as stream:
        async for _ in stream:
            pass


async def left_early(client: AsyncLlmClient) -> None:
    async with client.stream("Hi") as stream:
        async for chunk in stream:
            if chunk.text:
                break


async def failed(client: AsyncLlmClient) -> None:
    with pytest.raises(LlmConnectorError):
        await client.chat("Hi")


async def failed_midway(client: AsyncLlmClient) -> None:
    with pytest.raises(LlmConnectorError):
        await streamed(client)


CALLS: dict[str, tuple[Callable[[AsyncLlmClient], Coroutine[Any, Any, None]], list[Any]]] = {
    "chat": (whole, [TEXT]),
    "slow chat": (whole, [reply(TEXT, fault=faults.drip(50))]),
    "retried chat": (whole, [reply(fault="503"), reply(fault="close"), TEXT]),
    "stream": (streamed, [reply(TEXT, fault=faults.drip(200))]),
    "entered stream": (entered, [TEXT]),
    "stream that is left": (left_early, [TEXT]),
    "refused": (failed, [reply(fault="400")]),
    "reset": (failed_midway, [reply(TEXT, fault="reset")]),
    "cut": (failed_midway, [reply(TEXT, fault="cut")]),
}


async def cancelled(call: str, place: int, simulator: WireSimulator) -> bool:
    """Cancel one call there; whether it waited so often. Its connection is closed, or the next call uses it."""
    method, answers = CALLS[call]
    simulator.says(*answers)
    simulator.otherwise("still here")
    async with simulator.async_client(timeout=20) as client:
        task = asyncio.current_task()
        assert task is not None
        try:
            await Interrupting(method(client), place)
            reached = task.cancelling() > 0  # it may end well before the cancellation arrives
        except asyncio.CancelledError:
            reached = True
        while task.cancelling():
            task.uncancel()
        assert await waited(partial(simulator.wait_closed, 20, but=1))
        simulator._queue.clear()
        assert (await client.chat("Again")).text == "still here"
        assert await waited(partial(simulator.wait_closed, 20, but=1))
    assert await waited(partial(simulator.wait_closed, 20))
    return reached


def waited(function: Callable[[], bool]) -> Awaitable[bool]:
    return asyncio.to_thread(function)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_may_be_cancelled_wherever_it_waits(call, wire_simulator):
    async def everywhere() -> int:
        for place in range(1, TRIES):
            if not await cancelled(call, place, wire_simulator):
                return place - 1
        raise AssertionError("it waits without end")

    assert asyncio.run(everywhere()) >= 3


@pytest.mark.parametrize("place", [0, 3, 5])
@pytest.mark.parametrize("inside", [True, False], ids=["with", "without with"])
def test_ctrl_c_in_the_loop(wire_simulator, place, inside):
    wire_simulator.says(reply(TEXT, fault=faults.stall(at=10_000)), "still here")
    client = wire_simulator.client()

    def work() -> None:
        said = 0
        stream = client.stream("Hi")
        if inside:
            stream.__enter__()
        try:
            for chunk in stream:
                if chunk.text:
                    if said == place:
                        raise KeyboardInterrupt
                    said += 1
        finally:
            if inside:
                stream.__exit__(None, None, None)

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    del caught
    gc.collect(1)  # without `with`, the stream ends with the last reference to it, the traceback's
    assert wire_simulator.wait_closed()
    assert client.chat("Again").text == "still here"
