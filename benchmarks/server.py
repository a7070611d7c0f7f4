"""The loopback server: `python -m benchmarks.server` prints its port and answers until its standard input closes.

It finds the scenario in the request's model name and the wire format in its path, and writes bytes made beforehand, so
that it is never what a measurement waits for.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator

from benchmarks.payloads import Wire, writes

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
SCENARIO = re.compile(rb'"model": ?"([a-z]+)-(\d+)(?:-(\d+))?"')


def wire_of(request_line: bytes) -> Wire:
    if b"/chat/completions" in request_line:
        return "chat_completions"
    return "anthropic" if b"/messages" in request_line else "ollama"


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self.received, 0, head + 2)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self.received) < end:
            return
        request = bytes(self.received)
        self.received.clear()
        scenario = SCENARIO.search(request, head, end)
        if scenario is None:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return
        blocks = writes(wire_of(request.partition(b"\r\n")[0]), scenario[1].decode(), int(scenario[2]))
        if len(blocks) == 1:
            self.transport.write(blocks[0])
        else:
            self.trickle(iter(blocks), int(scenario[3] or 1) / 1000)

    def trickle(self, blocks: Iterator[bytes], pause: float) -> None:
        block = next(blocks, None)
        if block is not None and not self.transport.is_closing():
            self.transport.write(block)
            asyncio.get_running_loop().call_later(pause, self.trickle, blocks, pause)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
