"""What calls do, told to whoever wants to know: the seam, and the log that stands behind it.

A call that nobody watches is performed as if this module were not there, after one question: `wanted`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llm_connector.decoding import ChatDecoder, OpenStream
from llm_connector.errors import APIError, LlmConnectorError, TimeoutError, _base
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Embeddings, Usage
from llm_connector.wire import HttpResponse, Send, Sleep, Steps

if TYPE_CHECKING:
    from llm_connector.errors import TransportError
    from llm_connector.providers.spec import Endpoint

__all__ = ["OBSERVERS", "Observation", "Observer", "Operation", "Outcome", "Watch", "error_name", "usage_of", "wanted"]

T = TypeVar("T")

logger = logging.getLogger("llm_connector")
logger.addHandler(logging.NullHandler())

LONGEST_LINE = 20_000
"""Characters of what is said; pictures in it would fill a disk."""

LONGEST_VALUE = 500
"""Characters of a value in the line of a call."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is being done, by the name of the client's method: with whom, of which model.

    `content` says that the caller allows to log what is said.
    """

    name: str
    endpoint: Endpoint
    model: str | None = None
    request: ChatRequest | None = None
    dimensions: int | None = None
    content: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. `status` is `complete`, `error`, `interrupted` or `cancelled`; times are in seconds.

    `result` is what came back: of a stream that failed, what had arrived.
    """

    status: str
    seconds: float
    result: Any = None
    error: BaseException | None = None
    first_chunk: float | None = None
    chunks: int = 0


class Watch:
    """Told about one call as it goes. `left` comes when the answer is there, or its stream is open; `ended` is last."""

    def turn(self) -> float:
        """Asked before each request: the seconds that it has to wait."""
        return 0.0

    def sent(self, step: Send) -> None:
        """A request goes out; there are several where one is tried again. With a policy, it goes to somebody else."""

    def answered(self, response: HttpResponse) -> None:
        """An answer came, whichever its status."""

    def waits(self, seconds: float) -> None:
        """Before the next request."""

    def left(self) -> None:
        """The call gives control back to its caller."""

    def ended(self, outcome: Outcome) -> None:
        """Nothing more will come."""


Observer = Callable[[Operation], Watch | None]
"""Asked as each call begins; None where it does not want to know."""

OBSERVERS: list[Observer] = []
"""Those besides the log."""


def wanted() -> bool:
    """Whether anybody wants to know."""
    return bool(OBSERVERS) or logger.isEnabledFor(logging.INFO)


class Observation:
    """One call and those who watch it. It begins with its first step and ends once."""

    __slots__ = ("_begun", "_chunks", "_first_chunk", "_operation", "_own", "_watches")

    def __init__(self, operation: Operation, *own: Watch) -> None:
        self._operation = operation
        self._own = own
        self._watches: list[Watch] | None = None
        self._begun = 0.0
        self._first_chunk: float | None = None
        self._chunks = 0

    def steps(self, steps: Steps[T]) -> Steps[T]:
        """The same steps, told. A stream says itself how it ends."""
        watches = self._begin()
        whole = self._operation.name != "stream"
        try:
            result = yield from self._told(steps, watches)
            if whole:
                self.end("complete", result)
                return result
            opened = cast("OpenStream", result)
            return cast("T", OpenStream(opened.source, cast("ChatDecoder", ObservedDecoder(opened.decoder, self))))
        except GeneratorExit as closed:  # the driver lets go: its caller was cancelled or interrupted
            if whole:
                self.end("cancelled", error=closed.__context__ or closed)
            raise
        except BaseException as error:
            if whole:
                self.end("error", error=error)
            raise
        finally:
            steps.close()
            for watch in reversed(watches):
                _safely(watch.left)

    def _told(self, steps: Steps[T], watches: Iterable[Watch]) -> Steps[T]:
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Send):
                        if step.policy is None:
                            yield from _turn(watches)
                        for watch in watches:
                            _safely(watch.sent, step)
                    elif isinstance(step, Sleep):
                        _wait(step.seconds, watches)
                    outcome = yield step
                    if isinstance(outcome, HttpResponse):
                        for watch in watches:
                            _safely(watch.answered, outcome)
                except LlmConnectorError as error:
                    step = steps.throw(error)
                else:
                    step, outcome = steps.send(outcome), None  # a key must not stay where crash reporters look
        except StopIteration as done:
            result: T = done.value
            return result

    def chunk(self) -> None:
        """A chunk came."""
        if not self._chunks:
            self._first_chunk = time.perf_counter() - self._begun
        self._chunks += 1

    def end(self, status: str, result: Any = None, error: BaseException | None = None) -> None:
        """Tell how it ended; what comes after that, or before it began, says nothing."""
        watches, self._watches = self._watches, None
        if not watches:
            return
        seconds = time.perf_counter() - self._begun
        outcome = Outcome(status, seconds, result, error, self._first_chunk, self._chunks)
        for watch in reversed(watches):
            _safely(watch.ended, outcome)

    def _begin(self) -> list[Watch]:
        self._begun = time.perf_counter()
        watches = (_safely(observer, self._operation) for observer in (*OBSERVERS, CallLog.of))
        self._watches = [*(watch for watch in watches if watch is not None), *self._own]
        return self._watches


def _turn(watches: Iterable[Watch]) -> Steps[None]:
    """Wait until a request may go."""
    seconds = max((watch.turn() for watch in watches), default=0.0)
    if seconds:
        _wait(seconds, watches)
        try:
            yield Sleep(seconds)
        except TimeoutError as error:
            late = TimeoutError(f"the rate limit of this client wants a wait of {seconds:.1f} s, and {error.message}")
            late.retryable = False  # another turn comes later still
            raise late from None


def _wait(seconds: float, watches: Iterable[Watch]) -> None:
    if seconds:
        for watch in watches:
            _safely(watch.waits, seconds)


def _safely(tell: Callable[..., T], *facts: Any) -> T | None:
    """Tell an observer something. One that fails must not cost the caller the answer."""
    try:
        return tell(*facts)
    except Exception:
        logger.exception("an observer of the call failed")
        return None


class ObservedDecoder:
    """A decoder whose chunks are counted."""

    def __init__(self, decoder: ChatDecoder, observation: Observation) -> None:
        self._decoder = decoder
        self._observation = observation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    @property
    def begun(self) -> Iterator[ChatChunk]:
        """The chunks that were read ahead."""
        return self._counted(self._decoder.begun)

    def feed(self, block: bytes) -> Iterator[ChatChunk]:
        """The chunks that `block` completes."""
        return self._counted(self._decoder.feed(block))

    def close(self, cause: TransportError | None = None) -> Iterator[ChatChunk]:
        """The last chunks."""
        return self._counted(self._decoder.close(cause))

    def _counted(self, chunks: Iterable[ChatChunk]) -> Iterator[ChatChunk]:
        for chunk in chunks:
            self._observation.chunk()
            yield chunk


class CallLog(Watch):
    """One line per call at INFO; at DEBUG also each request, answer and wait. Content only if the caller allows it."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._endpoint = operation.endpoint
        self._debug = logger.isEnabledFor(logging.DEBUG)
        self._status: int | None = None

    @classmethod
    def of(cls, operation: Operation) -> CallLog | None:
        """A log of this call, where somebody reads it."""
        return cls(operation) if logger.isEnabledFor(logging.INFO) else None

    def sent(self, step: Send) -> None:
        """Address without query, names of headers, size; never a value."""
        request = step.request
        self._status = None
        self._endpoint = self._operation.endpoint.after(request)
        if self._debug:
            address, mark, _ = request.url.partition("?")
            names = ",".join(request.headers)
            place = address + ("?..." if mark else "")
            self._say("request %s %s headers=%s bytes=%d", request.method, place, names, len(request.content))
            if self._operation.content:
                self._say("request body %s", request.content.decode("utf-8", "replace"))

    def answered(self, response: HttpResponse) -> None:
        """Status, type and size."""
        self._status = response.status
        if self._debug:
            kind = response.headers.get("content-type", "none")
            size = "open" if response.source is not None else len(response.content)
            self._say("answer status=%d content-type=%s bytes=%s", response.status, kind, size)

    def waits(self, seconds: float) -> None:
        """Seconds."""
        if self._debug:
            self._say("wait %.3f s before the next request", seconds)

    def ended(self, outcome: Outcome) -> None:
        """The line of the call; its values are in the record's `llm_call`, too."""
        facts = {name: self._bounded(value) for name, value in self._facts(outcome).items() if value is not None}
        line = " ".join(f"{name}={_shown(value)}" for name, value in facts.items())
        logger.info("%s", line, extra={"llm_call": facts})
        if self._debug and outcome.chunks:
            self._say("stream of %d chunks, the first after %.3f s", outcome.chunks, outcome.first_chunk or 0.0)
        if self._debug and self._operation.content and isinstance(outcome.result, ChatResponse):
            self._say("answer body %s", outcome.result.message.model_dump_json(exclude_none=True))

    def _facts(self, outcome: Outcome) -> dict[str, Any]:
        operation, result, error = self._operation, outcome.result, outcome.error
        usage = usage_of(result)
        refused = error if isinstance(error, APIError) else None
        answered = result if isinstance(result, ChatResponse) else None
        return {
            "operation": operation.name,
            "provider": operation.endpoint.spec.name,
            "model": operation.model,
            "status": outcome.status,
            "error": error_name(error) if isinstance(error, Exception) else None,
            "http_status": refused.status if refused is not None else self._status,
            "duration": outcome.seconds,
            "first_chunk": outcome.first_chunk,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "finish_reason": answered.finish_reason if answered is not None else None,
            "adaptations": _changes(answered),
            "request_id": refused.request_id if refused is not None else answered and answered.request_id,
        }

    def _bounded(self, value: Any) -> Any:
        """A value that may be a server's own word: of bounded length, and no secret."""
        return self._endpoint.redact(value)[:LONGEST_VALUE] if isinstance(value, str) else value

    def _say(self, words: str, *values: object) -> None:
        operation = self._operation
        said = self._endpoint.redact(words % values)
        if len(said) > LONGEST_LINE:
            said = f"{said[:LONGEST_LINE]}… ({len(said)} characters)"
        line = f"{operation.endpoint.spec.name} {operation.model or operation.name}: {said}"
        logger.debug("%s", line if line.isprintable() else "".join(map(_printable, line)))


def _shown(value: Any) -> str:
    """A value as one word of one line, whatever a server wrote into it."""
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def _printable(char: str) -> str:
    """A character that neither ends a line nor commands a terminal."""
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def usage_of(result: Any) -> Usage:
    """The tokens of a result; none where it counts none."""
    return result.usage if isinstance(result, ChatResponse | Embeddings) else Usage()


def _changes(response: ChatResponse | None) -> str | None:
    """What was not done as asked, without the details."""
    found = () if response is None else response.adaptations
    return ",".join(f"{adaptation.action}:{adaptation.subject}" for adaptation in found) or None


def error_name(error: BaseException) -> str:
    """The importable class of an error."""
    kind = type(error)
    return (_base(kind) if issubclass(kind, LlmConnectorError) else kind).__name__
