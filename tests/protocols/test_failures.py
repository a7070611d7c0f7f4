"""Which class of error a status, a code and a message make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from llm_connector.protocols.failures import ErrorDetail, error_class, error_detail
from tests.support.generated import JSON

STATUSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientBalanceError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: NotFoundError,
    408: APIError,
    409: APIError,
    413: BadRequestError,
    415: APIError,
    422: BadRequestError,
    429: RateLimitError,
    499: APIError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    529: ServerError,
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_a_status_alone_has_a_class(status, kind):
    assert error_class(status, ErrorDetail("Something happened")) is kind


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        # a code that says more than the status
        (400, ErrorDetail("…", code="context_length_exceeded"), ContextLengthError),
        (413, ErrorDetail("…", code="context_length_exceeded"), ContextLengthError),
        (400, ErrorDetail("…", code="content_filter"), ContentFilterError),
        (400, ErrorDetail("…", code="content_policy_violation"), ContentFilterError),
        (404, ErrorDetail("…", code="model_not_found"), ModelNotFoundError),
        (404, ErrorDetail("…", code="DeploymentNotFound"), ModelNotFoundError),
        (400, ErrorDetail("…", code="1500", type="invalid_model"), ModelNotFoundError),
        (400, ErrorDetail("…", code="400", type="too_many_prompt_tokens"), ContextLengthError),
        (429, ErrorDetail("…", code="insufficient_quota"), InsufficientBalanceError),
        (429, ErrorDetail("…", type="insufficient_quota"), InsufficientBalanceError),
        (400, ErrorDetail("…", type="billing_error"), InsufficientBalanceError),
        # a status that says more than a code
        (401, ErrorDetail("…", code="invalid_api_key", type="invalid_request_error"), AuthenticationError),
        (401, ErrorDetail("…", code="invalid_request_error"), AuthenticationError),
        (404, ErrorDetail("…", type="invalid_request_error"), NotFoundError),
        (429, ErrorDetail("…", type="invalid_request_error"), RateLimitError),
        (500, ErrorDetail("…", type="invalid_request_error"), ServerError),
        (500, ErrorDetail("…", code="404", status=404), ServerError),
        (404, ErrorDetail("…", code="500", status=500), NotFoundError),
        # a message that says more than both
        (400, ErrorDetail("This model's maximum context length is 8192 tokens"), ContextLengthError),
        (400, ErrorDetail("The model `x` does not exist"), ModelNotFoundError),
        (404, ErrorDetail('model "x" not found, try pulling it first'), ModelNotFoundError),
        (404, ErrorDetail("model: claude-none", type="not_found_error"), ModelNotFoundError),
        (404, ErrorDetail("File not found", type="not_found_error"), NotFoundError),
        (400, ErrorDetail("Insufficient Balance"), InsufficientBalanceError),
        (429, ErrorDetail("You exceeded your current quota, please check your plan"), InsufficientBalanceError),
        # an error inside a successful answer: by what it says
        (200, ErrorDetail("…", type="overloaded_error"), ServerError),
        (200, ErrorDetail("…", type="rate_limit_error"), RateLimitError),
        (200, ErrorDetail("…", type="invalid_request_error"), BadRequestError),
        (200, ErrorDetail("…", type="authentication_error"), AuthenticationError),
        (200, ErrorDetail("…", type="permission_error"), PermissionDeniedError),
        (200, ErrorDetail("…", type="not_found_error"), NotFoundError),
        (200, ErrorDetail("…", code="429", status=429), RateLimitError),
        (200, ErrorDetail("…", code="503", status=503), ServerError),
        (200, ErrorDetail("prompt is too long: 9 tokens > 8 maximum"), ContextLengthError),
        (200, ErrorDetail("…"), APIError),
    ],
)
def test_code_status_and_message_together(status, detail, kind):
    assert error_class(status, detail) is kind


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, ErrorDetail("m", "c", "t", "p")),
        ({"error": {"message": "m", "code": 404}}, ErrorDetail("m", "404", status=404)),
        ({"error": {"message": "m", "code": 20024}}, ErrorDetail("m", "20024")),
        ({"error": {"message": "m", "code": ""}}, ErrorDetail("m")),
        ({"error": {"message": "m", "code": None, "type": ""}}, ErrorDetail("m")),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, ErrorDetail("m", type="t")),
        ({"error": {"message": "m"}, "request_id": "r"}, ErrorDetail("m", request_id="r")),
        ({"Response": {"Error": {"Code": "C", "Message": "m"}}}, ErrorDetail("m", "C")),
        ({"Response": {"Error": {"Message": "m"}, "RequestId": "r"}}, ErrorDetail("m", request_id="r")),
        ({"error": "m"}, ErrorDetail("m")),
        ({"message": "m"}, ErrorDetail("m")),
        ("m", ErrorDetail("m")),
        (b"m", ErrorDetail("m")),
    ],
)  # fmt: skip
def test_a_body_is_taken_apart(body, detail):
    assert error_detail(body) == detail


def test_the_innermost_message_is_the_cause():
    cause = {"error": {"message": "The real reason", "code": "c"}}

    assert (
        error_detail({"error": {"message": "Provider returned error", "upstream_error": cause}}).message
        == "The real reason"
    )


@given(body=st.one_of(JSON, st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "type"]), JSON)))
def test_any_body_has_a_detail_and_a_class(body: Any):
    detail = error_detail(body)

    assert isinstance(detail.message, str)
    assert issubclass(error_class(400, detail), APIError)


def test_an_endless_message_is_not_read_to_its_end():
    detail = error_detail({"error": {"message": "the model " * 100_000}})

    assert detail.message.startswith("the model the model")
    assert len(detail.message) < 20_000


def test_endless_nesting_is_not_followed():
    body: Any = {"message": "m"}
    for _ in range(100):
        body = {"error": body}

    assert isinstance(error_detail(body).message, str)


def test_a_code_of_digits_that_are_no_number_is_a_word():
    assert error_detail({"error": {"message": "no", "code": "\u00b2"}}).status is None
