"""Instances that pydantic was not asked about are those that it would have made."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llm_connector import ChatRequest, ChatResponse, Message, Text, Usage, user
from llm_connector.types import Choice
from llm_connector.types.unchecked import unchecked

HI = Message(role="assistant", parts=[Text("Hi")])
MADE: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Text, {"text": "Hi"}),
    (Message, {"role": "assistant", "parts": [Text("Hi")]}),
    (Usage, {"input_tokens": 1, "details": {"a": 1}}),
    (Choice, {"message": HI, "finish_reason": "stop"}),
    (ChatResponse, {"choices": [Choice(message=HI)], "model": "m"}),
    (ChatRequest, {"messages": [user("Hi")], "temperature": 0.5}),
]
over_all_kinds = pytest.mark.parametrize(("kind", "fields"), MADE, ids=[kind.__name__ for kind, _ in MADE])


@over_all_kinds
def test_it_is_what_the_class_makes(kind, fields):
    made, checked = unchecked(kind, **fields), kind(**fields)

    assert made == checked
    assert repr(made) == repr(checked)
    assert made.model_fields_set == checked.model_fields_set
    assert made.model_dump_json(exclude_unset=True) == checked.model_dump_json(exclude_unset=True)
    assert list(vars(made)) == list(vars(checked))


@over_all_kinds
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_it_can_be_copied(kind, fields, copied):
    made = unchecked(kind, **fields)

    assert copied(made) == made
    assert copied(made).model_dump() == made.model_dump()


@over_all_kinds
def test_what_it_was_made_of_is_its_own(kind, fields):
    first, second = unchecked(kind, **fields), unchecked(kind, **fields)

    assert vars(first) is not vars(second)
    for name, default in vars(first).items():
        assert name in fields or default is not getattr(second, name) or not isinstance(default, list | dict)


def test_frozen_ones_stay_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        unchecked(Text, text="Hi").text = "Ho"
    assert hash(unchecked(Text, text="Hi")) == hash(Text("Hi"))
