"""Recorded exchanges instead of a server: a VCR cassette, or a file of one exchange as JSON."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from llm_connector.errors import ConfigurationError
from llm_connector.testing.model import ReceivedRequest, UnscriptedRequest
from llm_connector.testing.script import Answer, Request, Scripted, Stream
from llm_connector.testing.transport import InProcess

__all__ = ["Recorded", "Replay"]

_NOT_REPLAYED = frozenset({"connection", "content-length", "transfer-encoding"})
_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange. `body` is the decoded JSON of the request, None if the recording does not have it."""

    method: str
    path: str
    body: Any
    answer: Answer

    @classmethod
    def of(cls, exchange: Mapping[str, Any]) -> Self:
        """An interaction of a cassette, or an exchange with the keys `request` and `response`."""
        asked, got = exchange["request"], exchange["response"]
        parts = urlsplit(asked.get("uri") or asked["url"])
        status = got["status"]["code"] if isinstance(got["status"], Mapping) else got["status"]
        headers = {
            name.lower(): value if isinstance(value, str) else ", ".join(value)
            for name, value in got["headers"].items()
        }
        kept = {name: value for name, value in headers.items() if name not in _NOT_REPLAYED}
        return cls(asked["method"], parts.path, _asked(asked.get("body")), Answer(status, kept, _content(got)))


class Replay(InProcess):
    """Answers what was recorded, each exchange once: give `http_client` to a client or an adapter, or take `client()`.

        replay = Replay("cassettes/openai/chat.yaml")
        assert replay.client("openai", model="gpt-5-mini").chat("Hi").text == "Hello!"

    A request is answered by the first exchange that is left with its method, path and JSON body; `match_body=False`
    leaves out the body. Any other raises UnscriptedRequest, which names the difference. Cassettes need PyYAML. A stream
    comes in one block, or in blocks of `block_size` bytes.
    """

    def __init__(
        self,
        recording: str | Path | Iterable[Mapping[str, Any]] | Mapping[str, Any],
        *,
        match_body: bool = True,
        block_size: int | None = None,
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self._left = [_recorded(exchange, number) for number, exchange in enumerate(_exchanges(recording), 1)]
        self._match_body = match_body
        self._block_size = block_size
        self._taking = threading.Lock()

    @property
    def left(self) -> int:
        """Exchanges that nobody has asked for yet."""
        return len(self._left)

    def _answer_to(self, request: Request) -> Scripted:
        with self._taking:
            self.requests.append(ReceivedRequest.of(request))
            found = next((recorded for recorded in self._left if self._difference(recorded, request) is None), None)
            if found is None:
                raise UnscriptedRequest(self._missing(request))
            self._left.remove(found)
        return found.answer if self._block_size is None else _blocks(found.answer, self._block_size)

    def _difference(self, recorded: Recorded, request: Request) -> str | None:
        """What keeps a request from being the recorded one."""
        path = request.path.partition("?")[0]
        if (recorded.method, recorded.path) != (request.method, path):
            return f"recorded is {recorded.method} {recorded.path}"
        if not self._match_body or recorded.body is None:
            return None
        return _difference(recorded.body, _asked(request.body), "the body")

    def _missing(self, request: Request) -> str:
        differences = [self._difference(recorded, request) for recorded in self._left]
        known = "\n".join(f"  {number}. {difference}" for number, difference in enumerate(differences, 1))
        left = f"differs from each of the {len(differences)} exchanges that are left:\n{known}" if known else (
            "comes when no exchange is left"
        )  # fmt: skip
        return f"{request.method} {request.path.partition('?')[0]} {left}"


def _recorded(exchange: Any, number: int) -> Recorded:
    try:
        return Recorded.of(exchange)
    except _UNREADABLE as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"exchange {number} of the recording cannot be read: {reason}") from None


def _exchanges(recording: str | Path | Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    read: Any = _read(Path(recording)) if isinstance(recording, str | Path) else recording
    if isinstance(read, Mapping):
        read = read.get("interactions", [read] if "response" in read else None)
    if read is None:
        raise ConfigurationError("the recording has neither interactions nor a response")
    if not isinstance(read, Iterable) or isinstance(read, str):
        raise ConfigurationError(f"the recording is a {type(read).__name__}; give a list of exchanges")
    return list(read)


def _read(path: Path) -> Any:
    load, failures = _loader(path)
    try:
        return load(path.read_text("utf-8"))
    except failures as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _loader(path: Path) -> tuple[Callable[[str], Any], tuple[type[Exception], ...]]:
    """What reads such a file, and what it raises for another one."""
    if path.suffix == ".json":
        return json.loads, _UNREADABLE
    try:
        import yaml
    except ImportError:
        raise ConfigurationError("cassettes are YAML: pip install pyyaml") from None
    return yaml.safe_load, (*_UNREADABLE, yaml.YAMLError)


def _asked(body: Any) -> Any:
    """The body of a request, decoded; None if there is none."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body


def _content(got: Mapping[str, Any]) -> bytes:
    body = got["body"]
    encoded = got.get("body_encoding") == "base64"
    if isinstance(body, Mapping):
        encoded = "base64_string" in body
        body = body.get("base64_string", body.get("string", ""))
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    return base64.b64decode(body) if encoded else bytes(body)


def _blocks(answer: Answer, size: int) -> Stream:
    blocks = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    return Stream(blocks, answer.headers, status=answer.status)


def _difference(recorded: Any, sent: Any, place: str) -> str | None:
    """The first place at which two JSON values differ."""
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for key in {**recorded, **sent}:
            if key not in sent or key not in recorded:
                return f"{place}: {key!r} is {'recorded and not sent' if key in recorded else 'sent and not recorded'}"
            if found := _difference(recorded[key], sent[key], f"{place}.{key}"):
                return found
        return None
    if isinstance(recorded, list) and isinstance(sent, list) and len(recorded) == len(sent):
        pairs = enumerate(zip(recorded, sent, strict=True))
        return next((found for at, pair in pairs if (found := _difference(*pair, f"{place}[{at}]"))), None)
    return None if recorded == sent else f"{place}: recorded is {_shown(recorded)}, sent {_shown(sent)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"
