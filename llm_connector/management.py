"""The operations of Ollama's model management, as generators like those of `operations`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from llm_connector.errors import ModelNotFoundError, ParseError, StreamError
from llm_connector.framing import NDJSONDecoder
from llm_connector.ollama import ManagementCall, ProgressCall, ProgressReader, PullProgress
from llm_connector.protocols import ErrorEvent
from llm_connector.providers.spec import Endpoint
from llm_connector.refusals import api_error, name_provider, seal
from llm_connector.retry import Retry
from llm_connector.sending import attempts, exchange
from llm_connector.wire import Event, HttpRequest, HttpResponse, Steps

__all__ = ["ProgressDecoder", "manage", "open_progress"]

T = TypeVar("T")


def manage(endpoint: Endpoint, call: ManagementCall[T], retry: Retry) -> Steps[T]:
    """One call of Ollama's model management."""
    try:
        return (yield from exchange(endpoint, call.path, call.parse, retry, body=call.body, method=call.method))
    except ModelNotFoundError:
        if call.if_missing is None:
            raise
        return call.if_missing


def open_progress(
    endpoint: Endpoint, call: ProgressCall, retry: Retry, max_event_bytes: int
) -> Steps[tuple[Any, ProgressDecoder]]:
    """The open body of a pull, push or create, and the decoder that reads its progress."""

    def make(ready: Endpoint) -> HttpRequest:
        return ready.request(call.path, call.body)

    def read(ready: Endpoint, response: HttpResponse) -> tuple[Any, ProgressDecoder]:
        return response.source, ProgressDecoder(ready, response, max_event_bytes)

    return (yield from attempts(endpoint, make, read, retry, stream=True))


class ProgressDecoder:
    """Byte blocks to the progress of a pull, push or create."""

    __slots__ = ("_endpoint", "_framing", "_reader", "_response")

    def __init__(self, endpoint: Endpoint, response: HttpResponse, max_event_bytes: int) -> None:
        self._endpoint = endpoint
        self._response = response
        self._framing = NDJSONDecoder(max_event_bytes)
        self._reader = ProgressReader()

    def feed(self, block: bytes) -> Iterator[PullProgress]:
        """Yield the steps that `block` completes. Raises the class that an error line maps to."""
        return self._read(self._framing.feed(block))

    def close(self) -> Iterator[PullProgress]:
        """Yield the last steps. Raises StreamError if the server never reported success."""
        yield from self._read(self._framing.close())
        try:
            yield from self._reader.close()
        except StreamError as error:
            name_provider(error, self._endpoint.spec.name)
            raise

    def _read(self, events: Iterable[Event]) -> Iterator[PullProgress]:
        try:
            for event in events:
                yield from self._reader.feed(event)
        except ErrorEvent as event:
            failure = api_error(self._endpoint, self._response, event.body, in_stream=True)
        except ParseError as error:
            seal(error, self._endpoint)
            raise
        else:
            return
        raise failure
