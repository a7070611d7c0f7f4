"""Formats by name; the module of each is imported when it is first asked for."""

from __future__ import annotations

import importlib

from llm_connector.errors import ConfigurationError
from llm_connector.formats.base import Format
from llm_connector.formats.framings import FRAMINGS

__all__ = ["FORMATS", "checked", "find_format"]

# Each is the name of a module here. In one string, since some are names of rows as well, which no wire format names.
_NAMES = "anthropic, ollama, ollama_embedded, openai, openai_responses, unified"
FORMATS: tuple[str, ...] = tuple(_NAMES.split(", "))
"""The names of the formats."""


def find_format(name: str) -> Format:
    """The format of that name. Raises ConfigurationError that lists them."""
    if name not in FORMATS:
        raise ConfigurationError(f"unknown format {name!r}; give one of {_NAMES}")
    made: Format = importlib.import_module(f".{name}", __package__).FORMAT
    return made


def checked(format: str | Format, framing: str | None = None) -> Format:
    """A format that was named or given, beside a framing that exists. Raises ConfigurationError."""
    if framing is not None and framing not in FRAMINGS:
        raise ConfigurationError(f"unknown framing {framing!r}; give one of {', '.join(FRAMINGS)}")
    return find_format(format) if isinstance(format, str) else format
