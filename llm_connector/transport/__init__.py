"""The only place that waits: performs the steps of operations with httpx, which loads at the first request."""

from llm_connector.transport.asynchronous import AsyncBody, AsyncTransport
from llm_connector.transport.settings import TransportSettings
from llm_connector.transport.synchronous import SyncBody, SyncTransport

__all__ = ["AsyncBody", "AsyncTransport", "SyncBody", "SyncTransport", "TransportSettings"]
