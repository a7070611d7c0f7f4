"""What every command has in common: failures as one line, exit codes, a clean end whatever happens."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from llm_connector.errors import ConfigurationError, LlmConnectorError, StreamError, UnsupportedError

__all__ = ["reported", "spoken"]

FAILED, MISUSED, INTERRUPTED, READER_GONE = 1, 2, 130, 141

P = ParamSpec("P")

_KEY_ARGUMENT = re.compile(r",? or pass api_key=")
_ARGUMENT = re.compile(r"\b(base_url|model|region|timeout|reasoning|temperature|max_tokens)=(['\"\d])?")


def reported(command: Callable[P, int | None]) -> Callable[P, None]:
    """The command, ending in an exit code (0 for None) and, should it fail, in one line on standard error.

    1: it failed. 2: it was misused or is not configured. 130: Ctrl-C. 141: the reader of a pipe has gone.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(_code(functools.partial(command, *args, **kwargs)))

    return run


def spoken(error: LlmConnectorError) -> str:
    """An error in the words of the command line, where the arguments that a message names are options."""
    text = _ARGUMENT.sub(_option, _KEY_ARGUMENT.sub("", str(error)))
    if isinstance(error, StreamError) and error.partial is not None and error.partial.text:
        text += "; the answer above is incomplete"
    return text


def _option(found: re.Match[str]) -> str:
    name = found[1].replace("_", "-")
    return f"--{name} {found[2]}" if found[2] else f"--{name}"


def _code(command: Callable[[], int | None]) -> int:
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return READER_GONE
    except LlmConnectorError as error:
        _say(spoken(error))
        return MISUSED if isinstance(error, ConfigurationError | UnsupportedError) else FAILED
    except OSError as error:
        _say(f"{error.filename or 'writing'}: {error.strerror or error}")
        return FAILED
    except Exception as error:
        if os.environ.get("LLM_CONNECTOR_DEBUG"):
            raise
        _say(f"{type(error).__name__}: {error}; this is a bug, LLM_CONNECTOR_DEBUG=1 shows where")
        return FAILED
    return code or 0


def _say(message: str) -> None:
    from llm_connector.cli.terminal import Terminal

    try:
        sys.stdout.flush()
        Terminal().error(message)
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    """Send what is still buffered nowhere: the interpreter would complain about it when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
