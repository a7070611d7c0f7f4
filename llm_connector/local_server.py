"""The program of the child process that holds an embedded model: llama.cpp's server, for as long as its owner lives.

Run as a file by `local`, with one line of JSON on standard input, which then stays open. It prints the address it
listens on, and imports nothing of this package, so that it starts at once.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
import time
from typing import Any

CONTEXT_TOKENS = 4096
SLOTS = 2  # requests that are worked on at the same time; others wait
LONGEST_EMBEDDED_TOKENS = 2048
OWNER_POLL_SECONDS = 1.0
LOG_DELAY_SECONDS = 0.2  # a thread of the engine's writes what went wrong


def main() -> None:
    """Serve the model described by standard input until the owner is gone."""
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        settings = json.loads(standard_input.readline())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    output = os.dup(1)
    os.dup2(2, 1)
    # The engine holds the interpreter's lock while it loads: no thread of ours would see the owner end.
    faulthandler.dump_traceback_later(settings["timeout_seconds"], exit=True)
    try:
        server = _serve(settings)
    except (ImportError, RuntimeError) as error:
        time.sleep(LOG_DELAY_SECONDS)
        sys.exit(f"{type(error).__name__}: {error}")
    faulthandler.cancel_dump_traceback_later()
    _silence()
    with open(output, "wb") as pipe:
        pipe.write(f"{server.listening_address}\n".encode())
    _end_with_parent(settings["parent"])


def _serve(settings: dict[str, Any]) -> Any:
    """A server that listens, and does so as long as the returned object exists."""
    sys.path.append(settings["site"])
    xllamacpp: Any = importlib.import_module("xllamacpp")  # it has no types

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["model"]
    parameters.model_alias = {settings["alias"]}
    parameters.verbosity = 1  # errors
    parameters.offline = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings["api_key"]]
    parameters.cors_origins = "none"  # no page has this origin
    parameters.cors_credentials = False
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.cache_ram_mib = 0  # 8 GB otherwise
    parameters.n_parallel = SLOTS
    if settings["purpose"] == "embedding":
        parameters.embedding = True
        parameters.n_ctx = CONTEXT_TOKENS
        parameters.n_batch = parameters.n_ubatch = LONGEST_EMBEDDED_TOKENS  # an input must fit into one batch
        parameters.kv_unified = True  # vectors of inputs in one batch are wrong otherwise
        if not _declares_pooling(settings["model"]):
            parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    else:
        parameters.n_ctx = (
            SLOTS * CONTEXT_TOKENS
        )  # divided among the slots; if they shared it, long requests would fail
    return xllamacpp.Server(parameters)


def _declares_pooling(model: str) -> bool:
    """Whether a GGUF file says how to pool. What it says of its architecture stands before its vocabulary."""
    with open(model, "rb") as file:
        return b".pooling_type" in file.read(1 << 20)


def _silence() -> None:
    """Send all output to nowhere: a server runs for long, and nobody empties its log."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _end_with_standard_input() -> None:
    """End this process when the owner, the only writer, has closed the pipe or is gone."""
    while os.read(0, 1024):
        pass
    os._exit(0)


def _end_with_parent(parent: int) -> None:
    """End this process once its parent is gone: a process which that one forked may still hold the pipe open."""
    while sys.platform == "win32" or os.getppid() == parent:
        time.sleep(OWNER_POLL_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
