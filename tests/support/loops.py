"""Event loops that others leave open."""

from __future__ import annotations

import asyncio
import contextlib
import warnings


def close_left_loop() -> None:
    """Close the event loop of this thread, if something made one and left it: its warning would fail another test.

    LlamaIndex's blocking functions do so; in a program of its own the loop ends with the process.
    """
    with contextlib.suppress(RuntimeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is none, asking for it makes one, with a warning
        asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)
