"""JSON that is still being written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from llm_connector import partial_json
from tests.support.generated import OBJECTS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("Here you are:", None),
        ("{", {}),
        ('{"city', {}),
        ('{"city": "Os', {"city": "Os"}),
        ('{"city": "Oslo", "people": 70', {"city": "Oslo", "people": 70}),
        ('```json\n{"tags": ["port", "cap', {"tags": ["port", "cap"]}),
        ('Here: {"city": "Oslo"}\n```', {"city": "Oslo"}),
        ('["Oslo", "Ro', ["Oslo", "Ro"]),
        ("{city", None),
        ("[" * 10_000, None),
    ],
)
def test_json_is_read_as_far_as_it_goes(text: str, value: Any):
    assert partial_json(text) == value


@given(value=OBJECTS)
def test_an_object_grows_to_itself(value: dict[str, Any]):
    text = json.dumps(value)
    read = [partial_json(text[:end]) for end in range(len(text) + 1)]
    assert read[-1] == value
    assert all(it.keys() <= value.keys() for it in read[1:])
