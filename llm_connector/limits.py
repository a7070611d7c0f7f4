"""Limits that a client has unless it is told others."""

__all__ = ["DEFAULT_MAX_BODY_BYTES", "DEFAULT_MAX_EVENT_BYTES", "DEFAULT_RETRIES"]

DEFAULT_RETRIES = 2

DEFAULT_MAX_BODY_BYTES = 64 << 20
"""Bytes of a whole answer."""

DEFAULT_MAX_EVENT_BYTES = 8 << 20
"""Bytes of one event of a stream."""
