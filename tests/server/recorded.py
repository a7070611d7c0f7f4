"""Sessions of programs that talk to a gateway: what they send, from `sessions/*.yaml`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

FOLDER = Path(__file__).with_name("sessions")


@dataclass(frozen=True)
class Session:
    """One program, at one gateway."""

    url: str
    requests: dict[str, Any]

    @classmethod
    def of(cls, program: str, url: str, **headers: str) -> Session:
        """The session in a file; `headers` take the place of its own."""
        requests = yaml.safe_load((FOLDER / f"{program}.yaml").read_text("utf-8"))
        requests["headers"] |= headers
        return cls(url, requests)

    def body(self, name: str) -> Any:
        """What the program sends."""
        return self.requests[name]["body"]

    def send(self, name: str, model: str | None = None) -> httpx.Response:
        """The answer to a request of the session; `model` takes the place of the one it names."""
        request = self.requests[name]
        body = request.get("body")
        if model is not None:
            body = {**body, "model": model}
        content = None if body is None else json.dumps(body).encode()
        address, headers = f"{self.url}{request['path']}", self.requests["headers"]
        return httpx.request(request["method"], address, content=content, headers=headers)


def changes(answer: httpx.Response) -> set[tuple[str, str]]:
    """What the gateway says that it changed: the action and the subject of each adaptation."""
    told = json.loads(answer.headers.get("x-llm-connector-adaptations", "[]"))
    return {(change["action"], change["subject"]) for change in told}


def texts(value: Any) -> list[str]:
    """Every string in a body."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []
