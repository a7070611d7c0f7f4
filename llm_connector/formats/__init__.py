"""Protocols seen from the other side: somebody's request read, our answers written as theirs."""

from llm_connector.formats.base import Encoder, Format, Incoming, Output
from llm_connector.formats.framings import FRAMINGS, StreamWriter
from llm_connector.formats.names import FORMATS, checked, find_format

__all__ = ["FORMATS", "FRAMINGS", "Encoder", "Format", "Incoming", "Output", "StreamWriter", "checked", "find_format"]
