"""`python -m benchmarks.gateway`: the gateway beside `litellm[proxy]`, one worker each, before one scripted provider.

litellm is installed in an environment of its own, whose folder `--litellm` names: it asks for other versions of what
this project is tested with. Without it, the column stays empty.

    python -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]'
    python -m benchmarks.gateway --litellm /tmp/litellm --write
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.runner import ENVIRONMENT, ROOT, server

PATH = "/v1/chat/completions"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TITLE = "## Gateway"
PEER_SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # ours asks for no key on loopback either
}


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float  # from the start to the first answer

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ours(upstream: str, port: int, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "llm_connector.cli", "serve", "-p", "openai_compatible"),
        *("--base-url", f"{upstream}/v1", "--port", str(port)),
    ]


def litellm(environment: str) -> Callable[[str, int, Path], list[str]]:
    def command(upstream: str, port: int, folder: Path) -> list[str]:
        config = folder / "litellm.yaml"
        parameters = {"model": "openai/*", "api_base": f"{upstream}/v1", "api_key": "x"}
        config.write_text(json.dumps({"model_list": [{"model_name": "*", "litellm_params": parameters}]}))
        own = ("--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1")
        return [f"{environment}/bin/litellm", *own]

    return command


@contextmanager
def serving(command: Callable[[str, int, Path], list[str]], upstream: str) -> Iterator[Served]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**ENVIRONMENT, **PEER_SETTINGS}
        arguments = command(upstream, port, Path(folder))
        begun = time.monotonic()
        process = subprocess.Popen(
            arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while time.monotonic() - begun < 120 and process.poll() is None:
                try:
                    asyncio.run(whole(port, "whole-1"))
                except (OSError, AssertionError):
                    time.sleep(0.03)
                    continue
                break
            else:
                raise RuntimeError("it does not start")
            yield Served(process, port, time.monotonic() - begun)
        finally:
            process.terminate()
            process.wait(30)


class Connection:
    """One kept connection of a client that does as little as possible."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, model: str, *, stream: bool) -> Body:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = json.dumps(
            {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        ).encode()
        head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}authorization: Bearer x\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content)
        head_read = await reader.readuntil(b"\r\n\r\n")
        assert head_read.startswith(b"HTTP/1.1 200"), head_read
        return Body(reader, head_read)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Body:
    def __init__(self, reader: asyncio.StreamReader, head: bytes) -> None:
        self._reader = reader
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        self._length = int(length[1]) if length else None

    async def blocks(self) -> AsyncIterator[bytes]:
        """The body, as it comes."""
        if self._length is not None:
            yield await self._reader.readexactly(self._length)
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


async def whole(port: int, model: str) -> None:
    connection = Connection(port)
    async for _ in (await connection.ask(model, stream=False)).blocks():
        pass
    connection.close()


async def requests(port: int, count: int, connections: int) -> float:
    """Seconds for `count` whole answers over so many connections."""
    left = iter(range(count))

    async def client() -> None:
        connection = Connection(port)
        for _ in left:
            async for _ in (await connection.ask("whole-1", stream=False)).blocks():
                pass
        connection.close()

    begun = time.monotonic()
    await asyncio.gather(*(client() for _ in range(connections)))
    return time.monotonic() - begun


async def first_tokens(ports: list[int], count: int) -> list[float]:
    """Median seconds to the first piece of a stream at each port, asked in turn."""
    connections = [Connection(port) for port in ports]
    found: list[list[float]] = [[] for _ in ports]
    for _ in range(count):
        for connection, times in zip(connections, found, strict=True):
            begun = time.perf_counter()
            body = await connection.ask("drip-3-1", stream=True)
            times.append(0.0)
            async for block in body.blocks():
                if not times[-1] and b'"content":"' in block.replace(b'"content":""', b"").replace(b": ", b":"):
                    times[-1] = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    return [median(times) for times in found]


async def streams(port: int, model: str, count: int, pieces: int) -> tuple[int, int]:
    """How many of `count` streams at once were whole, and how many pieces came."""

    async def one() -> int:
        connection = Connection(port)
        try:
            content = b"".join([block async for block in (await connection.ask(model, stream=True)).blocks()])
            return content.count(b'"content":') if b"[DONE]" in content else 0
        except (OSError, AssertionError, asyncio.IncompleteReadError):
            return 0
        finally:
            connection.close()

    found = await asyncio.gather(*(one() for _ in range(count)))
    return sum(got >= pieces for got in found), sum(found)


def measure(served: Served, upstream: int, *, peer: bool, quick: bool) -> dict[str, float]:
    """All figures of one gateway."""
    port = served.port
    numbers: dict[str, float] = {"start": served.seconds}
    asyncio.run(requests(port, 50, 8))
    count = 300 if peer or quick else 3000
    before = served.cpu
    seconds = asyncio.run(requests(port, count, 16))
    numbers |= {"per second": count / seconds, "cpu per request": (served.cpu - before) / count}
    numbers["memory"] = served.megabytes
    direct, through = asyncio.run(first_tokens([upstream, port], 20 if quick else 100))
    numbers["first token"] = through - direct
    for name, model, together, pieces in (("paced", "drip-200-10", 20, 200), ("burst", "burst-2000", 4, 2000)):
        found: list[float] = []
        for _ in range(1 if quick else 5):
            before = served.cpu
            complete, came = asyncio.run(streams(port, model, together, pieces))
            assert complete == together, f"{name}: {complete} of {together} streams are whole"
            found.append((served.cpu - before) / came)
        numbers[f"cpu per chunk, {name}"] = median(found)
    for turn in (1,) if peer else (1, 2, 3):
        complete, _ = asyncio.run(streams(port, "drip-100-50", 500, 100))
        numbers[f"whole of 500, {turn}"] = complete
        numbers[f"memory after 500, {turn}"] = served.megabytes
    return numbers


ROWS: tuple[tuple[str, str, str, float, str], ...] = (
    ("requests per second, 16 at a time", "per second", "{:,.0f}", 10.0, "≥ 10 x"),
    ("processor time per request", "cpu per request", "{:.2f} ms", 0.1, ""),
    ("processor time per chunk, a chunk per 10 ms, 20 streams", "cpu per chunk, paced", "{:.3f} ms", 0.1, "≤ 0.1 x"),
    ("processor time per chunk, 2,000 at once, 4 streams", "cpu per chunk, burst", "{:.3f} ms", 0.1, "≤ 0.1 x"),
    ("first token, clock, above the provider's own", "first token", "{:.2f} ms", 0.0, "≤ 2 ms"),
    ("memory after the requests", "memory", "{:.0f} MB", 0.25, "≤ 0.25 x"),
    ("start to the first answer", "start", "{:.2f} s", 0.0, "≤ 1 s"),
    ("500 streams of 100 chunks at once: whole", "whole of 500, 1", "{:.0f}", 0.0, "500"),
    ("memory after them", "memory after 500, 1", "{:.0f} MB", 0.0, ""),
    ("again: whole", "whole of 500, 2", "{:.0f}", 0.0, "500"),
    ("memory after them", "memory after 500, 2", "{:.0f} MB", 0.0, ""),
    ("and again: whole", "whole of 500, 3", "{:.0f}", 0.0, "500"),
    ("memory after them", "memory after 500, 3", "{:.0f} MB", 0.0, "flat"),
)


def table(own: dict[str, float], peer: dict[str, float] | None, version: str) -> str:
    lines = [
        TITLE,
        "",
        f"`llm-connector serve` beside {version}, one worker each, before the same scripted provider.",
        "Processor time is that of the gateway's process.",
        "",
        "| | llm-connector | litellm | ratio | target |",
        "|---|---|---|---|---|",
    ]
    for label, key, form, _, target in ROWS:
        scale = 1000 if form.endswith("ms") else 1
        cells = [form.format(numbers[key] * scale) if numbers and key in numbers else "" for numbers in (own, peer)]
        ratio = f"{own[key] / peer[key]:.3g}" if peer and peer.get(key) else ""
        lines.append(f"| {label} | {cells[0]} | {cells[1]} | {ratio} | {target} |")
    return "\n".join(lines) + "\n"


def parted(page: Path) -> tuple[str, str]:
    """What a page says before the section of the gateway, and that section, which is empty where there is none."""
    text = page.read_text() if page.exists() else ""
    head, mark, section = text.partition(f"\n{TITLE}\n")
    return head.rstrip() + "\n", mark + section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description="The gateway and a peer.")
    parser.add_argument("--litellm", metavar="FOLDER", help="an environment that has litellm[proxy]")
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    peer, version = None, "no peer"
    with server() as upstream:
        with serving(ours, upstream) as served:
            own = measure(served, port_of(upstream), peer=False, quick=options.quick)
        print(json.dumps(own, indent=1), file=sys.stderr)
        if options.litellm:
            with serving(litellm(options.litellm), upstream) as served:
                peer = measure(served, port_of(upstream), peer=True, quick=options.quick)
            code = "import importlib.metadata as m; print(m.version('litellm'))"
            found = subprocess.run(
                [f"{options.litellm}/bin/python", "-c", code], capture_output=True, text=True, check=True
            )
            version = f"litellm[proxy] {found.stdout.strip()}"
    section = table(own, peer, version)
    print(section)
    if options.write:
        page = ROOT / "docs" / "performance.md"
        page.write_text(f"{parted(page)[0]}\n{section}")


if __name__ == "__main__":
    main()
