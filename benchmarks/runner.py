"""Runs jobs in rounds, each contestant in a process of its own, so that ratios compare runs made close in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

from benchmarks.payloads import Wire

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)
PATIENCE = 120.0  # seconds for one measure


@dataclass(frozen=True)
class Job:
    """One measure of one contestant; `fresh` asks for a process that has done nothing before."""

    contestant: str
    wire: Wire
    measure: str
    arguments: tuple[tuple[str, Any], ...] = ()
    fresh: bool = False
    rounds: int = 99


@dataclass
class Samples:
    """A dictionary of numbers for each round in which the job ran, or why there are none."""

    numbers: list[dict[str, float]] = field(default_factory=list)
    error: str | None = None


class Worker:
    def __init__(self, contestant: str, wire: Wire, url: str) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", contestant, wire, url]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=ENVIRONMENT,
        )

    def ask(self, job: Job) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        timer = Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            print(
                json.dumps({"measure": job.measure, "arguments": dict(job.arguments)}),
                file=self.process.stdin,
                flush=True,
            )
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        answer: dict[str, Any] = json.loads(line or '{"error": "the process ended or took too long"}')
        return answer

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def server() -> Iterator[str]:
    """The loopback server's URL, while it runs."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def run(jobs: Iterable[Job], rounds: int, url: str) -> dict[Job, Samples]:
    """Every job once per round, there and back. A job that fails is not tried again."""
    results = {job: Samples() for job in jobs}
    workers: dict[tuple[str, Wire], Worker] = {}
    try:
        for round_number in range(rounds):
            order = list(results.items())
            for job, samples in order if round_number % 2 == 0 else reversed(order):
                if samples.error is not None or round_number >= job.rounds:
                    continue
                key = (job.contestant, job.wire)
                if job.fresh:
                    worker = Worker(*key, url)
                else:
                    worker = workers.get(key) or workers.setdefault(key, Worker(*key, url))
                answer = worker.ask(job)
                if job.fresh:
                    worker.close()
                if "numbers" in answer:
                    samples.numbers.append(answer["numbers"])
                else:
                    samples.error = answer["error"]
    finally:
        for worker in workers.values():
            worker.close()
    return results
