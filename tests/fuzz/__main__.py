"""Fuzz with coverage as the guide: `python -m tests.fuzz sse --seconds 60`; without a name, every target in turn.

Inputs that break a law are written to `tests/fuzz/found`, where the test suite replays them, and end in status 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the targets that are named."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        parser.exit(2, "atheris is not installed: pip install atheris (on Linux, for Python 3.11 and newer)\n")
    before = set(FOUND.rglob("*"))
    failed = []
    for name in given.targets or TARGETS:
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(given.seconds)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    new = [path for path in sorted(set(FOUND.rglob("*")) - before) if path.is_file()]
    sys.stdout.writelines(f"{path.relative_to(ROOT)}\n" for path in new)
    sys.stdout.write(f"{len(new)} defects{f'; ended early: {failed}' if failed else ''}\n")
    return bool(new or failed)


if __name__ == "__main__":
    sys.exit(main())
