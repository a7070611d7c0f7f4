"""Keys of every kind, planted in clients that have them, and a server that sends back whatever it is sent.

What was planted, what was made of it on its way to the server, and what each looks like in another guise must not be
found in anything that a caller, a log or a file gets to see.
"""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from tests.support.answers import completion
from tests.support.wire_server import Answer, Pause, Refuse, Request, Scripted, Stream

__all__ = ["FAULTS", "OK", "SCHEMES", "Planted", "Scheme", "chain_of", "echo", "planted", "succeeds", "texts_of"]

TELLING = 12
"""Characters of a secret that give it away."""


def planted(extra: str = "") -> str:
    """A secret that nobody else has. `extra` are characters that look otherwise in a URL."""
    return f"pl{token_hex(10)}{extra}{token_hex(10)}"


@dataclass
class Planted:
    """The settings of one client, the options of its calls, and the secrets in them."""

    settings: dict[str, Any]
    secrets: list[str]
    options: dict[str, Any] = field(default_factory=dict)

    def forbidden(self, requests: Iterable[Request]) -> set[str]:
        """What may be found nowhere: the secrets, what was sent of them, and both as URLs and base64 show them."""
        sent = {part for request in requests for part in _authorising(request)}
        guises = {guise for secret in self.secrets for guise in (quote(secret, safe=""), _base64(secret))}
        return {text[:TELLING] for text in (*self.secrets, *sent)} | guises


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _authorising(request: Request) -> Iterator[str]:
    """The tokens and signatures of a request as it arrived."""
    for name, value in request.headers.items():
        if re.search("auth|key|token|cookie", name):
            words = [word for word in re.split(r"[\s,]|SignedHeaders=\S+|\w+=", value) if len(word) >= 30]
            yield from words
            yield from (part for word in words for part in word.split(".")[1:])  # of a signed token


@dataclass(frozen=True)
class Scheme:
    """One way to authorise: a row, and what to plant for a server at an address."""

    provider: str
    plant: Callable[[str], Planted]
    proof: str
    """The header that must arrive, or `?` for the query."""


def _key(**more: Any) -> Callable[[str], Planted]:
    def plant(url: str) -> Planted:
        secret = planted()
        return Planted({"api_key": secret, "base_url": url, **more}, [secret])

    return plant


def _called(name: str, **more: Any) -> Callable[[str], Planted]:
    """A function that gives the secret."""

    def plant(url: str) -> Planted:
        secret = planted()
        return Planted({name: lambda: secret, "base_url": url, **more}, [secret])

    return plant


def _token(name: str, **more: Any) -> Callable[[str], Planted]:
    def plant(url: str) -> Planted:
        secret = planted()
        return Planted({name: secret, "base_url": url, **more}, [secret])

    return plant


def _query(url: str) -> Planted:
    secret = planted("+%2F")
    return Planted({"base_url": f"{url}/v1?key={secret}"}, [secret])


def _jwt(url: str) -> Planted:
    key_id, secret = planted(), planted()
    return Planted({"api_key": f"{key_id}.{secret}", "auth": "jwt", "base_url": url}, [key_id, secret])


def _tc3(url: str) -> Planted:
    secret_id, secret_key = planted(), planted()
    return Planted({"secret_id": secret_id, "secret_key": secret_key, "base_url": url}, [secret_id, secret_key])


def _sigv4(url: str) -> Planted:
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = dict(zip(names, (planted(), planted("/+"), planted("/+=")), strict=True))
    return Planted({**keys, "region": "us-east-1", "base_url": url}, list(keys.values()))


def _google(url: str) -> Planted:
    from google.oauth2.credentials import Credentials

    token, refresh, secret = planted(), planted(), planted()
    make: Any = Credentials
    given = make(token, refresh_token=refresh, client_id="me", client_secret=secret, token_uri=f"{url}/token")
    return Planted({"google_credentials": given, "project": "p", "base_url": url}, [token, refresh, secret])


def _proxy(url: str) -> Planted:
    secret = planted("%2B")
    proxy = url.replace("://", f"://somebody:{secret}@")
    told = _base64(f"somebody:{secret.replace('%2B', '+')}")
    return Planted({"proxy": proxy, "base_url": "http://api.test/v1", "api_key": "k"}, [secret, told])


def _headers(url: str) -> Planted:
    secrets = [planted() for _ in range(4)]
    headers = {
        "authorization": f"Bearer {secrets[0]}",
        "x-subscription-key": secrets[1],
        "cookie": f"session={secrets[2]}",
        "x-goog-iap-token": secrets[3],
    }
    return Planted({"headers": headers, "base_url": url}, secrets)


def _extra_headers(url: str) -> Planted:
    secrets = [planted(), planted()]
    headers = {"x-api-key": secrets[0], "authorization": f"Basic {secrets[1]}"}
    return Planted({"base_url": url}, secrets, {"extra_headers": headers})


SCHEMES: Mapping[str, Scheme] = {
    "bearer": Scheme("openai_compatible", _key(), "authorization"),
    "a function": Scheme("deepseek", _called("api_key"), "authorization"),
    "x-api-key": Scheme("anthropic", _key(), "x-api-key"),
    "x-goog-api-key": Scheme("gemini", _key(), "x-goog-api-key"),
    "api-key": Scheme("azure_openai", _key(), "api-key"),
    "a token of Entra ID": Scheme("azure_openai", _token("azure_ad_token"), "authorization"),
    "tokens of Entra ID": Scheme("azure_openai_responses", _called("azure_ad_token"), "authorization"),
    "a query": Scheme("openai_compatible", _query, "?"),
    "a signed token": Scheme("zhipu", _jwt, "authorization"),
    "tc3": Scheme("tencent_native", _tc3, "authorization"),
    "sigv4": Scheme("bedrock", _sigv4, "authorization"),
    "sigv4 of messages": Scheme("anthropic_bedrock", _sigv4, "x-amz-security-token"),
    "a bearer of bedrock": Scheme("bedrock", _key(region="us-east-1"), "authorization"),
    "a token of google": Scheme("gemini_vertex", _token("access_token", project="p"), "authorization"),
    "tokens of google": Scheme("anthropic_vertex", _called("access_token", project="p"), "authorization"),
    "credentials of google": Scheme("gemini_vertex", _google, "authorization"),
    "a proxy": Scheme("openai_compatible", _proxy, "proxy-authorization"),
    "headers": Scheme("openai_compatible", _headers, "x-goog-iap-token"),
    "headers of a call": Scheme("openai_compatible", _extra_headers, "x-api-key"),
}

# the server


def echo(request: Request) -> tuple[str, dict[str, str]]:
    """Everything that reaches a server but the body, as a text and as headers of an answer."""
    arrived = {name: value for name, value in request.headers.items() if name != "proxy-authorization"}
    headers = {f"x-echo-{name}": value for name, value in arrived.items()}
    text = " ".join([request.path, *(f"{name}: {value}" for name, value in arrived.items())])
    return text, {
        **headers,
        "x-request-id": request.headers.get("authorization", request.path),
        "x-echo-path": request.path,
    }


_CLAUDE = {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": {}}
_GEMINI = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
OK: Mapping[str, Any] = {
    **dict.fromkeys(("anthropic", "anthropic_vertex", "anthropic_bedrock"), _CLAUDE),
    **dict.fromkeys(("gemini", "gemini_vertex"), _GEMINI),
    "bedrock": {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn", "usage": {}},
    "tencent_native": {"Response": {"Choices": [{"FinishReason": "stop", "Message": {"Content": "Hi"}}]}},
    "azure_openai_responses": {
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
    },
}
"""A whole answer, which is one of a stream as well; of the rows that are not named, in Chat Completions."""


def succeeds(provider: str) -> Callable[[Request], Scripted]:
    return lambda request: Answer.json(OK.get(provider, completion(content="Hi")), headers=echo(request)[1])


def _refused(status: int) -> Callable[[Request], Scripted]:
    def answer(request: Request) -> Scripted:
        text, headers = echo(request)
        error = {"message": text, "code": text, "type": text, "param": text, "headers": headers}
        body = {"error": error, "message": text, "Response": {"Error": {"Code": text, "Message": text}}, "detail": text}
        return Answer.json(body, status, headers)

    return answer


def _page(request: Request) -> Scripted:
    text, headers = echo(request)
    return Answer(200, {**headers, "content-type": f"text/html; x={text}"}, f"<html>{text}</html>".encode())


def _text(request: Request) -> Scripted:
    text, headers = echo(request)
    return Answer(200, headers, text.encode())


def _redirect(request: Request) -> Scripted:
    text, headers = echo(request)
    return Answer(307, {**headers, "location": f"https://evil.test/{quote(text)}?{text}"})


def _events(request: Request) -> Scripted:
    text, headers = echo(request)
    error = json.dumps({"error": {"message": text, "code": text}, "type": "error", "message": text})
    blocks = [f"event: error\ndata: {error}\n\n".encode()]
    return Stream(blocks, {**headers, "content-type": "text/event-stream"})


def _garbage(request: Request) -> Scripted:
    text, headers = echo(request)
    return Stream([f"data: {text}\n\n".encode()], {**headers, "content-type": "text/event-stream"}, end="cut")


FAULTS: Mapping[str, Callable[[Request], Scripted]] = {
    "401": _refused(401),
    "400": _refused(400),
    "429": _refused(429),
    "500": _refused(500),
    "200 with an error": _refused(200),
    "a page": _page,
    "a text": _text,
    "a redirect": _redirect,
    "an error in the stream": _events,
    "garbage": _garbage,
    "a reset": lambda request: Stream([b"data: {", Pause(0.01)], echo(request)[1], end="reset"),
    "no answer": lambda request: Refuse(),
    "silence": lambda request: Stream([], echo(request)[1], end="hold"),
}

# what shows values


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all that stand behind it, shown by a traceback or not."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__]


def texts_of(value: object) -> Iterator[str]:
    """Everything that shows a value; of an exception, also all that stand behind it."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    if isinstance(value, BaseException):
        yield "".join(traceback.format_exception(value))
        for error in chain_of(value):
            yield from (repr(error), str(error), repr(error.args), repr(vars(error)))
            yield repr(getattr(error, "__notes__", ""))
