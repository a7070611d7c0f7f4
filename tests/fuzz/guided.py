"""One target, fuzzed by atheris: `python -m tests.fuzz.guided TARGET SECONDS`. It is libFuzzer that ends the process.

Half of the inputs are changed by the target's own mutation, half by libFuzzer's. A defect does not end the run: it is
made small and written to `found/TARGET`, once per place in the code.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

atheris: Any = importlib.import_module("atheris")  # optional, and without types

with atheris.instrument_imports(include=["llm_connector"]):
    from tests.fuzz.targets import TARGETS, Target

FOUND = Path(__file__).parent / "found"
CORPUS = Path(__file__).parents[2] / ".fuzz"
LONGEST = 16 << 10
_SHRINKING = 400
"""How often a defect is tried again to make its input smaller."""


def run(name: str, seconds: int) -> None:
    """Fuzz a target."""
    target, corpus = TARGETS[name], CORPUS / name
    for folder in (corpus, FOUND / name):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=20", "-verbosity=0"]
    artifacts = f"-artifact_prefix={FOUND / name}/"  # what a hang or the memory limit leaves behind
    atheris.Setup(
        [sys.argv[0], *options, artifacts, "-print_final_stats=1", str(corpus)],
        Reporter(name, target),
        custom_mutator=_mutator(target),
    )
    atheris.Fuzz()


class Reporter:
    """The law of a target, that keeps the inputs that break it."""

    def __init__(self, name: str, target: Target) -> None:
        self._law = target.law
        self._folder = FOUND / name
        self._known: set[str] = set()

    def __call__(self, data: bytes) -> None:
        broken = self._broken(data)
        if broken is not None and broken not in self._known:
            self._known.add(broken)
            small = shrunk(data, lambda less: self._broken(less) == broken)
            path = self._folder / sha256(small).hexdigest()[:12]
            path.write_bytes(small)
            sys.stderr.write(f"DEFECT {path}: {broken}\n")

    def _broken(self, data: bytes) -> str | None:
        """Where and how the law is broken."""
        try:
            self._law(data)
        except Exception as error:  # noqa: BLE001  # any that is not ours is what is looked for
            frames = [
                f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
            ]
            return f"{type(error).__name__} at {' '.join(frames[-3:])}"
        return None


def shrunk(data: bytes, still: Callable[[bytes], bool]) -> bytes:
    """A smaller input that breaks the law in the same way."""
    size, tries = max(len(data) // 2, 1), _SHRINKING
    while size and tries:
        at = 0
        while at < len(data) and tries:
            less, tries = data[:at] + data[at + size :], tries - 1
            if still(less):
                data = less
            else:
                at += size
        size //= 2
    return data


def _mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        changed = target.mutate(random, data) if random.random() < 0.5 else atheris.Mutate(data, len(data) + 64)
        return changed[:most]

    return mutate


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
