"""One contestant in a process of its own: `python -m benchmarks.worker NAME WIRE URL`.

Reads a measure per line of standard input, as JSON, and answers each with a line: `{"numbers": …}` or `{"error": …}`.
"""

from __future__ import annotations

import json
import os
import resource
import sys

from benchmarks.contestants import Contestant, Httpx, Ours, OursOverAiohttp, OursWithObjects, Transport
from benchmarks.langchain_contestants import LANGCHAIN, converting
from benchmarks.llama_index_contestants import LLAMA_INDEX, llama_index_converting
from benchmarks.measures import MEASURES, Session
from benchmarks.payloads import PATHS, Wire
from benchmarks.sdks import PEERS

CONTESTANTS: dict[str, type[Contestant]] = {
    "httpx": Httpx,
    "transport": Transport,
    "ours": Ours,
    "ours with objects": OursWithObjects,
    "ours over aiohttp": OursOverAiohttp,
    **LANGCHAIN,
    **LLAMA_INDEX,
}
MEASURES["converting"] = converting
MEASURES["llama_index_converting"] = llama_index_converting


def contestant(name: str, wire: Wire) -> type[Contestant]:
    return PEERS[wire] if name == "peer" else CONTESTANTS[name]


def main(name: str, wire_name: str, url: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wire = next(wire for wire in PATHS if wire == wire_name)
    session = None
    for line in sys.stdin:
        task = json.loads(line)
        answer: dict[str, object]
        try:
            session = session or Session(contestant(name, wire)(url, wire))
            answer = {"numbers": MEASURES[task["measure"]](session, **task["arguments"])}
        except Exception as error:  # noqa: BLE001 - whatever a contestant raises becomes a cell of the table
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
