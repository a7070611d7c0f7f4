"""`python -m benchmarks`: see `--help`."""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.gateway import parted
from benchmarks.langchain_rows import langchain
from benchmarks.llama_index_rows import llama_index
from benchmarks.report import page, table
from benchmarks.rows import GROUPS as CORE_GROUPS
from benchmarks.runner import ROOT, run, server

GROUPS = (*CORE_GROUPS, langchain(), llama_index())


def arguments() -> argparse.Namespace:
    names = ", ".join(group.name for group in GROUPS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare with raw httpx and the SDKs.")
    parser.add_argument("--quick", action="store_true", help="two rounds, no SDKs, no long rows: under a minute")
    parser.add_argument("--only", metavar="GROUPS", help=f"comma-separated, of: {names}")
    parser.add_argument("--rounds", type=int, help="default 5, or 2 with --quick; some groups take fewer")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    unknown = set(options.only.split(",") if options.only else ()) - {group.name for group in GROUPS}
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}; there are {names}")
    return options


def main() -> None:
    options = arguments()
    chosen = options.only.split(",") if options.only else [group.name for group in GROUPS]
    rounds = options.rounds or (2 if options.quick else 5)
    tables = []
    with server() as url:
        for group in GROUPS:
            if group.name not in chosen:
                continue
            start = time.monotonic()
            rows = list(group.rows)
            if options.quick:
                rows = [row.without_peers() for row in rows if not row.slow]
            jobs = dict.fromkeys(job for row in rows for job in row.jobs)
            most = 1 if options.quick and group.most_rounds < 5 else group.most_rounds
            results = run(jobs, min(rounds, most), url)
            tables.append(table(group, rows, results))
            print(tables[-1], flush=True)
            print(f"{group.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    if options.write:
        (ROOT / "docs").mkdir(exist_ok=True)
        path = ROOT / "docs" / "performance.md"
        path.write_text(page(tables, rounds) + parted(path)[1])


if __name__ == "__main__":
    main()
