"""ER: what servers say when they refuse, and what is worth another try."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    InsufficientBalanceError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.operations import chat
from llm_connector.retry import Retry, retry_after
from llm_connector.types import Image, user
from llm_connector.wire import Send, Sleep
from tests.support.answers import ask, completion, delta, json_answer, sse, streamed, whole

NOW = 1_800_000_000.0


def refused(body: Any, status: int = 400, **headers: str) -> APIError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(APIError) as raised:
        whole(body, status=status, headers=named)
    assert raised.value.status == status
    return raised.value


def test_ER_01_a_list_with_one_error_is_that_error():
    body = [{"error": {"code": 400, "message": "Bad field", "status": "INVALID_ARGUMENT", "details": []}}]

    error = refused(body)

    assert (type(error), error.message, error.code) == (BadRequestError, "Bad field", "400")
    assert error.body == body
    with pytest.raises(BadRequestError, match="Bad field"):
        whole(body)


BOOM = {"message": "Boom", "code": "c"}
SHAPES: dict[str, tuple[Any, str, str | None]] = {
    "openai": ({"error": {"message": "Boom", "type": "t", "param": None, "code": "c"}}, "Boom", "c"),
    "openai without code": ({"error": {"message": "Boom", "type": "t", "code": None}}, "Boom", "t"),
    "mistral, vllm": ({"object": "error", "message": "Boom", "type": "t", "code": "3280"}, "Boom", "3280"),
    "bedrock": ({"message": "Boom"}, "Boom", None),
    "fastapi": ({"detail": [{"loc": ["body", "n"], "msg": "too big", "type": "t"}]}, "body.n: too big", None),
    "fastapi, plain": ({"detail": "Boom"}, "Boom", None),
    "ollama": ({"error": "Boom"}, "Boom", None),
    "anthropic": ({"type": "error", "error": {"type": "t", "message": "Boom"}, "request_id": "req_9"}, "Boom", "t"),
    "dashscope": ({"code": "InvalidParameter", "message": "Boom", "request_id": "req_9"}, "Boom", "InvalidParameter"),
    "siliconflow": ({"code": 20024, "message": "Boom", "data": None}, "Boom", "20024"),
    "relay": ({"error": {"type": "request_fail", "upstream_error": {"error": BOOM}}}, "Boom", "c"),
    "escaped": ({"error": {"message": json.dumps({"error": {"message": "Boom"}}), "code": "c"}}, "Boom", "c"),
    "escaped whole": ({"error": json.dumps({"error": BOOM})}, "Boom", "c"),
    "text": ("Boom", "Boom", None),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_ER_02_every_shape_of_an_error_gives_its_message(shape):
    body, message, code = SHAPES[shape]

    error = refused(body, status=418)

    assert (error.message, error.code) == (message, code)
    assert error.request_id == ("req_9" if "req_9" in str(body) else None)


def test_ER_02_text_that_cannot_be_taken_apart_is_shown_up_to_a_length():
    error = refused("x" * 10_000, status=500)

    assert error.message.startswith("xxx")
    assert len(error.message) < 600


@pytest.mark.parametrize(
    "body", [{"error": {}}, {"error": None}, {}, [], "null", [None], {"error": [1]}, {"error": {"message": {"a": 1}}}]
)
def test_ER_02_bodies_that_say_nothing_still_give_the_status(body):
    error = refused(body, status=500)

    assert isinstance(error, ServerError)
    assert "500" in str(error)


@pytest.mark.parametrize("status", [403, 404, 422, 502])
def test_ER_03_empty_and_html_pages_keep_their_status(status):
    empty = refused(b"", status=status)
    page = refused(b"<html><head><title>502 Bad Gateway</title></head></html>", status, content_type="text/html")

    assert f"HTTP {status}" in str(empty)
    assert "Bad Gateway" in str(page)
    assert type(empty) is type(page)


def test_ER_03_a_web_page_with_status_200_points_at_the_base_url():
    with pytest.raises(APIError, match="base_url") as raised:
        whole(b"<!DOCTYPE html><html><body>Welcome</body></html>", headers={"content-type": "text/html"})

    assert not raised.value.retryable
    assert "Welcome" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"Response": {"Error": {"Code": "AuthFailure", "Message": "Boom"}, "RequestId": "r"}}, APIError),
        ({"error": {"message": "Boom", "code": 401}}, AuthenticationError),
        ({"code": 401, "msg": "Boom", "success": False}, AuthenticationError),
        ({"error": {"message": "Boom", "code": "insufficient_quota"}, "choices": None}, InsufficientBalanceError),
    ],
)
def test_ER_04_an_error_with_status_200_is_an_error(body, kind):
    with pytest.raises(kind, match="Boom"):
        whole(body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 42, UTC), usegmt=True)}, 42),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW - 42, UTC), usegmt=True)}, 0),
        ({"retry-after": str(int(NOW) + 9)}, 9),
        ({"retry-after": "-5"}, 0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "99"}, 1.5),
        ({"retry-after": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 360),
        ({"x-ratelimit-reset-tokens": "120ms", "x-ratelimit-remaining-tokens": "0"}, 0.12),
        ({"x-ratelimit-reset": str(int(NOW + 8) * 1000), "x-ratelimit-remaining": "0"}, 8),
        ({"x-ratelimit-reset-requests": "1h2m3s", "x-ratelimit-remaining-requests": "0"}, 3723),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "17"}, None),
        ({"retry-after": datetime.fromtimestamp(NOW + 12, UTC).isoformat()}, 12),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_ER_05_every_form_of_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == (None if seconds is None else pytest.approx(seconds, abs=1e-3))


@pytest.mark.parametrize("limit", ["requests", "tokens", "input-tokens", "output-tokens"])
def test_ER_05_anthropic_gives_the_time_of_its_limits(limit):
    moment = datetime.fromtimestamp(NOW + 12, UTC).isoformat().replace("+00:00", "Z")
    headers = {f"anthropic-ratelimit-{limit}-reset": moment, f"anthropic-ratelimit-{limit}-remaining": "0"}

    assert retry_after(headers, NOW) == pytest.approx(12)


def test_ER_05_the_hint_is_a_floor_and_is_on_the_error():
    error = refused({"error": {"message": "Slow down"}}, 429, retry_after="30")

    assert error.retry_after == 30
    assert Retry(jitter=lambda: 1.0).delay(1, 30) == 30
    assert Retry(jitter=lambda: 0.0).delay(3, 0.1) == 2.0


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *[(status, True) for status in (408, 409, 429, 500, 502, 503, 504, 520, 524, 529)],
        *[(status, False) for status in (400, 401, 402, 403, 404, 405, 413, 422, 501)],
    ],
)
def test_ER_06_ER_07_what_is_worth_another_try(status, retryable):
    assert refused({"error": {"message": "Boom"}}, status).retryable == retryable


@pytest.mark.parametrize(
    "body",
    [
        {
            "error": {
                "message": "You exceeded your current quota",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            }
        },
        {"error": {"message": "Insufficient Balance"}},
        {"type": "error", "error": {"type": "billing_error", "message": "Pay"}},
    ],
)
def test_ER_06_an_empty_account_is_not_worth_another_try(body):
    error = refused(body, 429)

    assert isinstance(error, InsufficientBalanceError)
    assert not error.retryable


def test_ER_07_a_400_is_sent_once():
    steps = chat(ask(), Retry(retries=5))
    assert isinstance(next(steps), Send)

    with pytest.raises(BadRequestError):
        steps.send(json_answer({"error": {"message": "messages[3]: no"}}, 400))


def test_ER_08_retries_end_where_the_answer_begins():
    steps = chat(ask(), Retry(retries=1, jitter=lambda: 0.0))
    assert isinstance(next(steps), Send)
    assert steps.send(json_answer({"error": {"message": "Busy"}}, 529)) == Sleep(0.5)
    assert isinstance(steps.send(None), Send)
    with pytest.raises(StopIteration) as done:
        steps.send(json_answer(completion(content="Hi")))
    assert done.value.value.text == "Hi"

    reading = streamed(sse(delta(content="Hi"), {"error": {"message": "Busy", "code": 529}}))
    assert isinstance(reading.error, ServerError)
    assert isinstance(reading.error, StreamError)
    assert reading.partial.text == "Hi"


OVERFLOWS = [
    {"message": "…", "code": "context_length_exceeded"},
    {"message": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"},
    {"message": "prompt is too long: 205371 tokens > 200000 maximum"},
    {"message": "Input is too long for requested model."},
    {"message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"},
    {"message": "Input length 131073 exceeds the maximum allowed input length 131072", "code": "400"},
    {"message": "the request exceeds the available context size"},
]
OTHERS = [
    {"message": "max_tokens must be less than or equal to 4096"},
    {"message": "`max_tokens` is too large: 9999. This model supports at most 4096 completion tokens"},
    {"message": "You exceeded your current quota"},
    {"message": "Rate limit exceeded: too many tokens per minute"},
    {"message": "image exceeds 5 MB maximum"},
    {"message": "stop: list too long. Maximum is 4"},
]


@pytest.mark.parametrize("error", OVERFLOWS)
def test_ER_09_a_prompt_that_does_not_fit(error):
    assert type(refused({"error": error})) is ContextLengthError


@pytest.mark.parametrize("error", OTHERS)
def test_ER_09_limits_of_parameters_are_something_else(error):
    assert type(refused({"error": error})) in (BadRequestError, InsufficientBalanceError)


def test_ER_09_a_limit_per_minute_is_a_rate_limit():
    error = refused({"error": {"message": "Limit of context tokens per minute exceeded"}}, 429)

    assert type(error) is RateLimitError


def test_ER_10_images_never_reach_a_row_that_cannot_read_them():
    wording = "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`"
    rendered = ask([user("Look", Image("https://example.com/cat.png"))], provider="deepseek")

    assert "image_url" not in json.dumps(rendered.body)
    assert [note.action for note in rendered.adaptations] == ["converted"]
    error = refused({"error": {"message": wording}})
    assert type(error) is BadRequestError
    assert error.message == f"{wording}; this model reads text only: leave out images, or use a model that sees"
