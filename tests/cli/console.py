"""What the tests of the command line share: answers to script, processes and terminals to run it in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.wire_server import Stream, sse

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-not-to-be-seen-123456"
USAGE = {"prompt_tokens": 1200, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 3}}

# Under a shell's `&` the signal would be ignored, and children inherit that.
START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from llm_connector.cli import main
sys.exit(main())
"""
IN_TERMINAL = f"""
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
{START}
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals of POSIX")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def piece(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def said(*texts: str) -> list[bytes]:
    return sse(*(json.dumps(piece({"content": text})) for text in texts), done=False)


def ending(finish: str = "stop") -> list[bytes]:
    return sse(piece({}, finish), {"id": "c1", "model": "m-1", "choices": [], "usage": USAGE})


def answering(*texts: str, reasoning: str = "", finish: str = "stop") -> Stream:
    thoughts = sse(piece({"reasoning_content": reasoning}), done=False) if reasoning else []
    return Stream([*thoughts, *said(*texts), *ending(finish)])


def at(server) -> tuple[str, ...]:
    return ("-p", "openai_compatible", "-m", "m-1", "--base-url", server.url)


class Running(subprocess.Popen[bytes]):
    """A process with pipes; it is killed if a test fails while it runs."""

    @property
    def out(self) -> IO[bytes]:
        assert self.stdout is not None
        return self.stdout

    @property
    def err(self) -> IO[bytes]:
        assert self.stderr is not None
        return self.stderr

    def expect(self, text: bytes) -> None:
        """Read exactly this."""
        found = b""
        while len(found) < len(text) and (block := self.out.read(len(text) - len(found))):
            found += block
        assert found == text

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *error)


def started(program: str, *argv: str, stdin: int = subprocess.DEVNULL) -> Running:
    command = [sys.executable, "-c", program, *argv]
    return Running(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, bufsize=0)


def wait_until(happened, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Screen:
    """The command line in a pseudo-terminal of 100 columns; `seen` is what it has shown, without styles."""

    def __init__(self, *argv: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(slave)
        self._bytes = b""
        self._from = 0

    @property
    def seen(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._bytes.decode("utf-8", "replace"))

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def enter(self, line: str) -> None:
        """Wait for the prompt and type a line."""
        self.until("> ")
        self.type(f"{line}\r")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, *texts: str, seconds: float = 30) -> None:
        """Read until the screen has shown one of the texts, after what earlier calls waited for."""
        end = time.monotonic() + seconds
        while not (found := [text for text in texts if text in self.seen[self._from :]]):
            assert time.monotonic() < end, f"none of {texts} in {self.seen[self._from :]!r}"
            assert self._read(), f"it ended with {self.seen[self._from :]!r}"
        self._from = self.seen.index(found[0], self._from) + len(found[0])

    def leave(self, key: str) -> int:
        """Press a key at the prompt until the process ends; the exit code.

        Once may not be enough: the interpreter misses a signal that arrives just before readline waits for input.
        """
        self.until("> ")
        for _ in range(10):
            self.type(key)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(2)
        raise AssertionError(f"it goes on: {self.seen!r}")

    def code(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self._process.wait(20)

    def _read(self) -> bool:
        import select

        if select.select([self._master], [], [], 20)[0]:
            with contextlib.suppress(OSError):  # Linux reports the end of a terminal so
                block = os.read(self._master, 65536)
                self._bytes += block
                return bool(block)
        return False
