"""What to do about refusals that rows share."""

from __future__ import annotations

__all__ = ["NO_PREFILL"]

_LAST_WORD = "end messages with a user turn, which may say how the answer should begin"
NO_PREFILL = {
    "assistant message prefill": _LAST_WORD,
    "must end with a user message": _LAST_WORD,
    "last turn in the conversation to be a user message": _LAST_WORD,
}
"""Claude from 4.6 on, and most models of Bedrock, continue no answer that the assistant has begun."""
