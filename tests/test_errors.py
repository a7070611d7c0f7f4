from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re

import pytest

import llm_connector
from llm_connector import errors
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    LlmConnectorError,
    ModelNotFoundError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TransportError,
    UnsupportedError,
    excerpt,
    streamed,
)
from llm_connector.types import ChatResponse, Choice, Message, Text, Usage

CLASSES = [getattr(errors, name) for name in errors.__all__ if inspect.isclass(getattr(errors, name))]
STREAMED = [streamed(kind) for kind in CLASSES if issubclass(kind, APIError | TransportError | ParseError)]


def partial() -> ChatResponse:
    response = ChatResponse(choices=[Choice(message=Message(role="assistant", parts=[Text("Hel")]))])
    response.usage = Usage(input_tokens=3)
    response.headers = {"x-request-id": "r1"}
    return response


def example(kind: type[LlmConnectorError]) -> LlmConnectorError:
    """An error of that class with every field set."""
    error: LlmConnectorError
    if issubclass(kind, APIError):
        error = kind(
            "it said no",
            provider="openai",
            status=429,
            code="slow_down",
            request_id="r1",
            retry_after=2.5,
            body={"error": {"message": "it said no"}},
            retryable=True,
        )
    elif issubclass(kind, ParseError):
        error = kind("not JSON", provider="openai", body="<html>")
    else:
        error = kind("it failed", provider="openai")
    if isinstance(error, StreamError):
        error.partial = partial()
    return error


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (ConfigurationError, (LlmConnectorError, ValueError)),
        (UnsupportedError, (LlmConnectorError,)),
        (TransportError, (LlmConnectorError,)),
        (TimeoutError, (TransportError, builtins.TimeoutError, OSError)),
        (APIError, (LlmConnectorError,)),
        (BadRequestError, (APIError,)),
        (ContextLengthError, (BadRequestError,)),
        (ContentFilterError, (BadRequestError,)),
        (AuthenticationError, (APIError,)),
        (InsufficientBalanceError, (APIError,)),
        (PermissionDeniedError, (APIError,)),
        (NotFoundError, (APIError,)),
        (ModelNotFoundError, (NotFoundError,)),
        (RateLimitError, (APIError,)),
        (ServerError, (APIError,)),
        (StreamError, (LlmConnectorError,)),
        (ParseError, (LlmConnectorError,)),
    ],
)
def test_the_tree_is_the_documented_one(kind, parents):
    for parent in parents:
        assert issubclass(kind, parent)
    assert re.search(rf"^[│ ]*[├└]── {kind.__name__}\b", errors.__doc__ or "", re.MULTILINE)


def test_the_tree_in_the_docstring_has_no_other_class():
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")

    assert sorted([*drawn, "LlmConnectorError"]) == sorted(kind.__name__ for kind in CLASSES)


def test_setup_mistakes_are_not_answers_of_a_server():
    for kind in (ConfigurationError, UnsupportedError, TransportError, StreamError, ParseError):
        assert not issubclass(kind, APIError)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_public_documented_and_carries_its_provider(kind):
    assert getattr(llm_connector, kind.__name__) is kind
    assert kind.__doc__
    assert example(kind).provider == "openai"
    assert kind("alone").provider == ""


@pytest.mark.parametrize("kind", [*CLASSES, *STREAMED], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "again",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_an_error_survives_being_pickled_and_copied(kind, again):
    error = example(kind)
    error.add_note("seen twice")

    other = again(error)

    assert type(other) is type(error)
    assert (str(other), other.args, other.__notes__) == (str(error), error.args, error.__notes__)
    fields = {name: value for name, value in vars(error).items() if name != "partial"}
    assert {name: value for name, value in vars(other).items() if name != "partial"} == fields
    if isinstance(other, StreamError):
        assert other.partial is not None
        assert other.partial.text == "Hel"
        assert other.partial.usage == Usage(input_tokens=3)
        assert other.partial.headers == {"x-request-id": "r1"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_will_do(protocol):
    error = example(streamed(RateLimitError))

    assert pickle.loads(pickle.dumps(error, protocol)).retry_after == 2.5


@pytest.mark.parametrize("kind", STREAMED, ids=lambda kind: kind.__name__)
def test_an_error_inside_a_stream_is_of_both_classes(kind):
    error = example(kind)

    assert isinstance(error, StreamError)
    assert kind.__name__ == f"Stream{kind.__bases__[0].__name__}"
    assert isinstance(error, kind.__bases__[0])
    assert kind.__doc__ == kind.__bases__[0].__doc__
    assert streamed(kind.__bases__[0]) is kind
    assert error.partial is not None


def test_a_class_of_the_user_survives_too():
    error = pickle.loads(pickle.dumps(Refused("no", reason="mood")))

    assert (type(error), str(error), error.reason, error.provider) == (Refused, "mine: no", "mood", "mine")


class Refused(LlmConnectorError):
    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, provider="mine")
        self.reason = reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LlmConnectorError("it failed"), "it failed"),
        (LlmConnectorError("it failed", provider="openai"), "openai: it failed"),
        (APIError("no", provider="openai"), "openai: no"),
        (APIError("no", provider="openai", status=429), "openai: no [HTTP 429]"),
        (APIError("no", provider="openai", code="slow_down"), "openai: no [slow_down]"),
        (APIError("no", status=429, code="slow_down"), "no [HTTP 429 slow_down]"),
        (
            APIError("no", provider="openai", status=429, code="slow_down", request_id="r1"),
            "openai: no [HTTP 429 slow_down] (request r1)",
        ),
        (APIError("no", request_id="r1"), "no (request r1)"),
        (ParseError("not JSON", provider="openai", body="<html>"), "openai: not JSON"),
        (TimeoutError("silent", provider="openai"), "openai: silent"),
        (streamed(ServerError)("down", provider="openai", status=503), "openai: down [HTTP 503]"),
    ],
)
def test_the_text_gives_the_fact_and_where_it_comes_from(error, text):
    assert str(error) == text
    assert error.message in text


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [(kind, issubclass(kind, TransportError)) for kind in CLASSES],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_only_failures_of_the_network_are_worth_a_retry_by_themselves(kind, retryable):
    assert kind("x").retryable is retryable


@pytest.mark.parametrize(
    ("body", "length", "text"),
    [
        ("", 10, ""),
        (" a\n\n b\t", 10, "a b"),
        (b"caf\xc3\xa9", 10, "café"),
        (b"\xff\xfe\x00ok", 10, "\ufffd\ufffd ok"),
        ("\x1b[2Jcleared", 20, "[2Jcleared"),
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abcdefghij…"),
        ("é" * 600, 500, "é" * 500 + "…"),
    ],
)
def test_an_excerpt_is_one_printable_line(body, length, text):
    assert excerpt(body, length) == text


def test_an_excerpt_of_a_large_body_looks_at_its_beginning_only():
    assert excerpt(b"a" * (64 << 20), 10) == "a" * 10 + "…"
