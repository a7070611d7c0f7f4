"""Bodies and paths of Converse, checked against the service model that comes with botocore."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector.errors import LlmConnectorError
from llm_connector.operations import RenderedChat
from llm_connector.types import Message
from llm_connector.wire import decode_json, encode_json
from tests.support.answers import ask
from tests.support.golden import Golden, golden_cases
from tests.test_laws import OPTIONS, PARTS

session: Any = pytest.importorskip("botocore.session")

MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-opus-5-5",
    "amazon.nova-lite-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "mistral.mistral-large-2407-v1:0",
    "us.meta.llama4-scout-17b-instruct-v1:0",
    "moonshot.kimi-k2-thinking",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
]
SERVICE = session.Session().get_service_model("bedrock-runtime")


def accepted(rendered: RenderedChat) -> None:
    """The body is valid, and botocore would send the same one to the same path."""
    from botocore.serialize import create_serializer
    from botocore.validate import ParamValidator

    model = SERVICE.operation_model("ConverseStream" if rendered.path.endswith("-stream") else "Converse")
    body = decode_json(encode_json(rendered.body))
    parameters = {**typed(body, model.input_shape), "modelId": rendered.request.model}

    report = ParamValidator().validate(parameters, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    serialized: Any = create_serializer("rest-json").serialize_to_request(parameters, model)
    assert json.loads(serialized["body"]) == body
    assert serialized["url_path"] == f"/{rendered.path}"
    assert serialized["method"] == "POST"


def typed(value: Any, shape: Any) -> Any:
    """The parameters as botocore takes them: bytes where the wire has base64. Fields that it does not know fail."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        assert value.keys() <= shape.members.keys(), f"{shape.name} has no {value.keys() - shape.members.keys()}"
        if shape.is_tagged_union:
            assert len(value) == 1, f"{shape.name} is one of its members"
        return {name: typed(item, shape.members[name]) for name, item in value.items()}
    if shape.type_name == "list":
        return [typed(item, shape.member) for item in value]
    if shape.type_name == "map":
        return {name: typed(item, shape.value) for name, item in value.items()}
    return base64.b64decode(value, validate=True) if shape.type_name == "blob" else value


@pytest.mark.parametrize("golden", golden_cases("converse"))
def test_golden_bodies_are_what_aws_takes(golden: Golden):
    if golden.error is None:
        accepted(golden.render())


@pytest.mark.parametrize("case", PARTS)
@pytest.mark.parametrize("model", MODELS)
def test_every_part_of_a_message_is_what_aws_takes(case: str, model: str):
    messages, _ = PARTS[case]
    messages = [own(message) for message in messages]

    for stream in (False, True):
        accepted(ask(messages, provider="bedrock", model=model, stream=stream))


@given(data=st.data())
def test_options_in_any_combination_are_what_aws_takes(data: st.DataObject):
    messages, _ = PARTS[data.draw(st.sampled_from(sorted(PARTS)))]
    options: dict[str, Any] = {"model": data.draw(st.sampled_from(MODELS))}
    for case in data.draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3)):
        options |= OPTIONS[case]

    with contextlib.suppress(LlmConnectorError):
        accepted(ask([own(message) for message in messages], provider="bedrock", **options))


def own(message: Message) -> Message:
    """The message with blocks that are not interpreted taken for this wire's."""
    parts = [
        part.model_copy(update={"data": {"guardContent": {"text": {"text": "x"}}}}) if part.type == "opaque" else part
        for part in message.parts
    ]
    return message.model_copy(update={"parts": parts})


def test_the_oracle_refuses_what_aws_does():
    rendered = ask(provider="bedrock", model=MODELS[0])

    for wrong in ({"inferenceConfig": {"maxTokens": 0}}, {"messages": [{"role": "tool", "content": []}]}, {"topK": 1}):
        rendered.body.update(wrong)
        with pytest.raises((AssertionError, AttributeError)):
            accepted(rendered)


def test_formats_are_those_of_the_service():
    from llm_connector.protocols.converse_messages import _FORMATS

    shape = SERVICE.shape_for("ContentBlock")
    known = {name: set(shape.members[name].members["format"].enum) for name in ("image", "document", "video", "audio")}

    for name, formats in _FORMATS.items():
        assert set(formats.values()) <= known[name]


def test_a_token_count_is_what_aws_takes():
    from botocore.validate import ParamValidator

    from llm_connector.protocols.anthropic_bedrock import AnthropicBedrock
    from llm_connector.protocols.converse import Converse
    from llm_connector.types import ChatRequest, system, user

    shape = SERVICE.operation_model("CountTokens").input_shape
    request = ChatRequest(messages=[system("Be terse."), user("Hi")], model=MODELS[0])
    for protocol in (Converse(), AnthropicBedrock()):
        body = typed(protocol.render_count(request), shape)
        assert not ParamValidator().validate({**body, "modelId": "m"}, shape).has_errors()


def test_names_of_exceptions_are_those_of_the_service():
    from llm_connector.protocols.converse_failures import _KINDS

    for operation in ("Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"):
        for shape in SERVICE.operation_model(operation).error_shapes:
            status = shape.metadata["error"]["httpStatusCode"]
            assert _KINDS[shape.name][0] == status, shape.name


def test_events_of_a_stream_are_those_that_the_service_sends():
    shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    events = {name for name, member in shape.members.items() if not member.metadata.get("exception")}

    known = {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
    assert known <= events
