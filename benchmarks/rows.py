"""What is compared with what, and the target of each comparison. A row of a table is a row here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.payloads import PATHS, Wire
from benchmarks.runner import Job

NAMES: dict[Wire, str] = {"chat_completions": "Chat Completions", "anthropic": "Anthropic", "ollama": "Ollama"}
PEER_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Target:
    """At most this: a ratio to the base, a number of our own, or a difference from the base."""

    ratio: float | None = None
    stretch: float | None = None
    absolute: float | None = None
    difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    label: str
    metric: str
    ours: Job
    base: Job | None = None
    peers: tuple[Job, ...] = ()
    target: Target | None = None
    slow: bool = False  # left out by --quick

    def without_peers(self) -> Row:
        return replace(self, peers=())

    @property
    def jobs(self) -> list[Job]:
        return [job for job in (self.base, self.ours, *self.peers) if job is not None]


@dataclass(frozen=True)
class Group:
    name: str
    title: str
    note: str
    rows: tuple[Row, ...]
    most_rounds: int = 99


def job(contestant: str, wire: Wire, measure: str, *, fresh: bool = False, rounds: int = 99, **arguments: Any) -> Job:
    if contestant == "peer":
        rounds = min(rounds, PEER_ROUNDS)
    return Job(contestant, wire, measure, tuple(arguments.items()), fresh, rounds)


def row(
    label: str,
    wire: Wire,
    measure: str,
    *,
    metric: str = "cpu",
    target: Target | None = None,
    ours: str = "ours",
    base: str = "httpx",
    peer_rounds: int = PEER_ROUNDS,
    rounds: int = 99,
    fresh: bool = False,
    slow: bool = False,
    **arguments: Any,
) -> Row:
    """The usual row: one measure of ours, of the base and of the wire's official SDK.

    Async rows, and those with objects, of one wire format stand for the others when it must be quick.
    """
    repeats = wire != "chat_completions" and ("asynchronous" in arguments or ours != "ours")
    peers = (job("peer", wire, measure, fresh=fresh, rounds=peer_rounds, **arguments),) if peer_rounds else ()
    return Row(
        label=label,
        metric=metric,
        ours=job(ours, wire, measure, fresh=fresh, rounds=rounds, **arguments),
        base=job(base, wire, measure, fresh=fresh, rounds=rounds, **arguments),
        peers=peers,
        target=target,
        slow=slow or repeats,
    )


IMPORTS = {"httpx": "import httpx, pydantic", "ours": "from llm_connector import LlmClient"}
PEER_IMPORTS: dict[Wire, str] = {
    "chat_completions": "from openai import OpenAI",
    "anthropic": "from anthropic import Anthropic",
    "ollama": "from ollama import Client",
}
CREATED = {
    "httpx": "import httpx; client = httpx.Client()",
    "ours": "from llm_connector import LlmClient\n"
    'client = LlmClient("openai_compatible", base_url="http://127.0.0.1:1/v1", api_key="x")',
}
PEER_CREATED: dict[Wire, str] = {
    "chat_completions": 'from openai import OpenAI; client = OpenAI(api_key="x")',
    "anthropic": 'from anthropic import Anthropic; client = Anthropic(api_key="x")',
    "ollama": "from ollama import Client; client = Client()",
}


def import_row(label: str, metric: str, target: Target, *, created: bool = False) -> Row:
    own, peers = (CREATED, PEER_CREATED) if created else (IMPORTS, PEER_IMPORTS)
    return Row(
        label=label,
        metric=metric,
        ours=job("httpx", "chat_completions", "importing", code=own["ours"]),
        base=job("httpx", "chat_completions", "importing", code=own["httpx"]),
        peers=tuple(job("httpx", wire, "importing", code=code, rounds=PEER_ROUNDS) for wire, code in peers.items()),
        target=target,
    )


def imports() -> Group:
    rows = (
        import_row("processor time", "cpu", Target(ratio=1.0)),
        import_row("memory above the interpreter", "megabytes", Target(absolute=28)),
        import_row("memory once a client exists", "megabytes", Target(absolute=32), created=True),
        import_row("modules loaded", "modules", Target(absolute=400)),
    )
    note = "`from llm_connector import LlmClient` against `import httpx, pydantic`, each in a fresh interpreter."
    return Group("import", "Import", note, rows)


def clients() -> Group:
    rows: list[Row] = []
    columns = (
        ("first of a process, with one-time work", "first", None),
        ("next", "next", Target(absolute=7)),
        ("Python memory", "bytes", Target(absolute=1024)),
        ("reads, sockets, imports of ten more", "effects", Target(absolute=0)),
    )
    for wire, name in NAMES.items():
        for label, metric, target in columns:
            usual = row(f"{name}: {label}", wire, "creation", metric=metric, fresh=True, target=target)
            rows.append(usual if wire == "chat_completions" else replace(usual, base=None))
        usual = row(f"{name}: client and request; base: our warm one", wire, "fresh", target=Target(ratio=1.3))
        rows.append(replace(usual, base=job("ours", wire, "whole", size=1)))
    note = "Per client. `httpx.Client()` reads the CA bundle each time, and so do the SDKs."
    return Group("client", "Client creation", note, tuple(rows), most_rounds=5)


def responses() -> Group:
    rows = []
    for wire, name in NAMES.items():
        for size, target in ((1, Target(ratio=0.9, stretch=0.6)), (200, Target(ratio=1.05))):
            rows.append(row(f"{name}, {size} KB, sync", wire, "whole", size=size, target=target))
            rows.append(row(f"{name}, {size} KB, async", wire, "whole", size=size, asynchronous=True, target=target))
    return Group("response", "Whole responses", "Processor time per request with a warm client.", tuple(rows))


def streams() -> Group:
    rows = []
    burst: dict[str, Any] = {"scenario": "burst-5000", "chunks": 5000}
    long: dict[str, Any] = {"scenario": "burst-50000", "chunks": 50000}
    drip: dict[str, Any] = {"scenario": "drip-500-1", "chunks": 500}
    even, own = Target(ratio=1.0), Target(difference=6)
    for wire, name in NAMES.items():
        for colour in ("sync", "async"):
            flag: dict[str, Any] = {"asynchronous": True} if colour == "async" else {}
            rows += [
                row(f"{name}, 5,000 chunks at once, {colour}", wire, "stream", target=even, **burst, **flag),
                row(
                    f"{name}, our own part; base: bytes only, {colour}",
                    wire,
                    "stream",
                    base="transport",
                    peer_rounds=0,
                    target=own,
                    **burst,
                    **flag,
                ),
            ]
            if wire == "chat_completions":
                label = f"{name}, 50,000 chunks at once, {colour}"
                rows.append(row(label, wire, "stream", target=even, peer_rounds=1, slow=True, **long, **flag))
            if wire == "chat_completions" or colour == "sync":
                label = f"{name}, 500 chunks, a read each, {colour}"
                rows.append(row(label, wire, "stream", target=Target(ratio=1.05), peer_rounds=2, **drip, **flag))
            label = f"{name}, first token, clock, {colour}"
            rows.append(row(label, wire, "first_token", metric="wall", target=even, **flag))
    note = "Processor time per chunk; the first token by the clock, from the call to the first text."
    return Group("stream", "Streams", note, tuple(rows))


def tool_calls() -> Group:
    rows = []
    for wire in ("chat_completions", "anthropic"):
        name, limit = NAMES[wire], Target(ratio=1.2)
        for count in (500, 2000, 8000):
            target, rounds = (limit, 1) if count > 500 else (None, PEER_ROUNDS)
            label = f"{name}, {count:,} pieces"
            rows.append(row(label, wire, "tool_deltas", target=target, peer_rounds=rounds, count=count))
        growth = row(
            f"{name}, 8,000 pieces; base: ours at 500", wire, "tool_deltas", target=limit, peer_rounds=0, count=8000
        )
        rows.append(replace(growth, base=job("ours", wire, "tool_deltas", count=500)))
    note = "Processor time per piece of one tool call's arguments, joined and parsed. Ollama sends calls whole."
    return Group("tools", "Streamed tool calls", note, tuple(rows))


def requests() -> Group:
    rows = []
    for wire, name in NAMES.items():
        for count, target in ((1, None), (1000, Target(ratio=1.5, stretch=0.7))):
            label = f"{name}, {count:,} message{'s' * (count > 1)}"
            rows.append(row(f"{label}, dicts", wire, "whole", target=target, message_count=count))
            contestant = "ours with objects"
            rows.append(row(f"{label}, objects", wire, "whole", ours=contestant, target=target, message_count=count))
        for count, target in ((1, None), (100, Target(ratio=1.2))):
            label = f"{name}, {count} tool{'s' * (count > 1)}"
            rows.append(row(f"{label}, dicts", wire, "whole", target=target, tool_count=count))
            contestant = "ours with objects"
            rows.append(row(f"{label}, objects", wire, "whole", ours=contestant, target=target, tool_count=count))
    note = "Processor time per request with an answer of 1 KB. Objects are `Message` and `Tool` made beforehand."
    return Group("request", "Request size", note, tuple(rows), most_rounds=5)


def concurrency() -> Group:
    rows: list[Row] = []
    paced: dict[str, Any] = {"scenario": "drip-100-50", "streams": 200, "chunks": 100}
    burst: dict[str, Any] = {"scenario": "burst-100", "streams": 1000, "chunks": 100}
    waves: dict[str, Any] = {"scenario": "waves-100-300", "streams": 400, "chunks": 100}
    cases: list[tuple[str, Wire, dict[str, Any], int]] = [
        ("1,000 at once", "chat_completions", burst, 3),
        ("1,000 at once, Anthropic", "anthropic", burst, 1),
        ("200 paced, a chunk per 50 ms", "chat_completions", paced, 2),
        ("400 alive together, ten chunks per 300 ms", "chat_completions", waves, 1),
    ]
    for label, wire, arguments, rounds in cases:
        limits = (Target(ratio=1.0), Target(absolute=20), Target(ratio=0.4)) if arguments is burst else (None,) * 3
        usual = row(label, wire, "concurrent", fresh=True, slow=rounds < 3, rounds=rounds, peer_rounds=1, **arguments)
        rows += [
            replace(usual, label=f"{label}: processor time", target=limits[0]),
            replace(usual, label=f"{label}: clock", metric="wall"),
            replace(usual, label=f"{label}: memory per stream", metric="kilobytes", target=limits[1]),
        ]
        if wire == "chat_completions":
            over = replace(usual, ours=replace(usual.ours, contestant="ours over aiohttp"), peers=())
            rows.append(replace(over, label=f"{label}: processor time over aiohttp", target=limits[2]))
            rows.append(replace(over, label=f"{label}: memory per stream over aiohttp", metric="kilobytes"))
    note = (
        "Async streams of 100 chunks from one client in a fresh process; memory is the peak above the level before. "
        "Of the 1,000, whose answers come in one write each, few are ever open together; of the paced ones, all are."
    )
    return Group("concurrency", "Concurrent streams", note, tuple(rows), most_rounds=3)


GROUPS = (imports(), clients(), responses(), streams(), tool_calls(), requests(), concurrency())
assert set(NAMES) == set(PATHS)
