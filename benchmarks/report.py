"""Markdown from samples: one table per group, and the page around them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks.rows import Group, Row, Target
from benchmarks.runner import ROOT, Job, Samples

PACKAGES = (
    *("httpx", "pydantic", "aiohttp", "openai", "anthropic", "ollama"),
    *("langchain-core", "langchain-openai", "llama-index-core", "llama-index-llms-openai"),
)
PEERS = {"chat_completions": "openai", "anthropic": "anthropic", "ollama": "ollama"}
COLUMNS = ["", "raw httpx, or base", "llm-connector", "ratio [lowest, highest]", "target", "", "official SDK"]
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def quantity(value: float, metric: str) -> str:
    """A value in the unit its metric implies; processor time and clock come in microseconds."""
    if metric in ("modules", "effects"):
        return f"{value:.0f}"
    if metric == "megabytes":
        return f"{value:.1f} MB"
    if metric == "kilobytes":
        return f"{value:.1f} KB"
    if metric == "bytes":
        return f"{value:,.0f} B"
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} µs"


def values(samples: Samples, metric: str) -> list[float]:
    return [numbers[metric] for numbers in samples.numbers]


def times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.01 or not ratio else f"{ratio:.0e}"


def ratios(samples: Samples, base: Samples, metric: str) -> list[float]:
    """Round by round, so that a slow minute weighs on both sides."""
    return [a / b for a, b in zip(values(samples, metric), values(base, metric), strict=False) if b]


def cell(samples: Samples, metric: str) -> str:
    if samples.numbers:
        return quantity(median(values(samples, metric)), metric)
    return f"not available ({samples.error or 'not run'})".replace("|", "/").replace("\n", " ")[:90]


def wanted(target: Target, metric: str) -> str:
    if target.difference is not None:
        return f"≤ {quantity(target.difference, metric)} above the base"
    if target.absolute is not None:
        return f"≤ {quantity(target.absolute, metric)}"
    stretch = f" (stretch {target.stretch:g})" if target.stretch else ""
    return f"≤ {target.ratio:g} x{stretch}"


def verdict(target: Target, ours: list[float], base: list[float]) -> str:
    if target.absolute is not None:
        return "met" if median(ours) <= target.absolute else "**missed**"
    if target.difference is not None:
        above = median(a - b for a, b in zip(ours, base, strict=False))
        return f"met ({above:.2g})" if above <= target.difference else f"**missed** ({above:.2g})"
    ratio = median(a / b for a, b in zip(ours, base, strict=False))
    assert target.ratio is not None
    if target.stretch and ratio <= target.stretch:
        return "met, stretch too"
    return "met" if ratio <= target.ratio else "**missed**"


def peer_cell(job: Job, base: Samples | None, results: dict[Job, Samples], metric: str) -> str:
    samples = results[job]
    text = f"{PEERS[job.wire]} {cell(samples, metric)}"
    compared = ratios(samples, base, metric) if base else []
    return f"{text} ({median(compared):.3g} x)" if compared else text


def line(row: Row, results: dict[Job, Samples]) -> str:
    ours, base = results[row.ours], results[row.base] if row.base else None
    compared = ratios(ours, base, row.metric) if base else []
    ratio = f"{times(median(compared))} [{times(min(compared))}, {times(max(compared))}]" if compared else ""
    target = wanted(row.target, row.metric) if row.target else ""
    judged = ""
    if row.target and ours.numbers and (row.target.absolute is not None or (base and base.numbers)):
        judged = verdict(row.target, values(ours, row.metric), values(base, row.metric) if base else [])
    cells = [row.label, cell(base, row.metric) if base else "", cell(ours, row.metric), ratio, target, judged]
    peers = ", ".join(text for job in row.peers if (text := peer_cell(job, base, results, row.metric)))
    return f"| {' | '.join([*cells, peers])} |"


def table(group: Group, rows: list[Row], results: dict[Job, Samples]) -> str:
    return "\n".join([f"## {group.title}", "", group.note, "", HEAD, *(line(row, results) for row in rows), ""])


def version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} not installed"


def own_version() -> str:
    """The checkout's, whether or not it is installed."""
    name_and_version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"{name_and_version['name']} {name_and_version['version']}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), platform.machine())


def conditions(rounds: int) -> Iterator[str]:
    yield f"- {date.today().isoformat()}, {processor()}, {os.cpu_count()} cores, {platform.system()},"
    yield f"  load average at the end {os.getloadavg()[0]:.1f}."
    yield f"- CPython {platform.python_version()}; {', '.join([own_version(), *map(version, PACKAGES)])}."
    yield f"- Medians over up to {rounds} interleaved rounds. Times are processor time (user and system) of the"
    yield "  client's process, unless a row says clock. The server is another process on loopback that sends bytes made"
    yield "  beforehand: no TLS, no network."
    yield "- A ratio is taken round by round against raw `httpx` with `json.loads` doing the same work over the same"
    yield "  wire format, or against what the row names as its base. Compare ratios, not microseconds: the machine is"
    yield "  shared."
    yield "- SDKs run in fewer rounds, with the defaults of their clients. Lower is better everywhere."


def page(tables: list[str], rounds: int) -> str:
    head = [
        "# Performance",
        "",
        "What a call costs next to raw httpx and the official SDKs. `python -m benchmarks --write` writes this page.",
        "",
        *conditions(rounds),
        "",
    ]
    return "\n".join([*head, *tables]).rstrip() + "\n"
