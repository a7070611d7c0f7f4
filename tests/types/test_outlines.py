"""An answer in the fields that other libraries have for it, put together again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import ConfigurationError
from llm_connector.types import AnyPart, Image, Opaque, Reasoning, Text, ToolCall, conversation
from llm_connector.types.outlines import arranged, is_outline, outline

URL = "https://example.com/a.png"
WORDS = st.text(min_size=1, max_size=9)
STATES = st.fixed_dictionaries(
    {}, optional={"signature": WORDS, "encrypted": WORDS, "id": WORDS, "field": WORDS, "details": st.just([{"a": 1}])}
)
PARTS = st.lists(
    st.one_of(
        st.builds(Text, st.text(max_size=9)),
        st.builds(lambda text, state: Reasoning(text, provider="p", **state), st.text(max_size=9), STATES),
        st.builds(lambda data: Opaque(provider="p", data={"x": data}), WORDS),
        st.builds(lambda extra: ("call", extra), st.one_of(st.none(), st.fixed_dictionaries({"sig": WORDS}))),
        st.just(Image(URL)),
    ),
    max_size=6,
)


def numbered(parts: list[Any]) -> list[Any]:
    return [
        ToolCall(id=f"c{at}", name="f", provider="p" if part[1] else None, extra=part[1])
        if isinstance(part, tuple)
        else part
        for at, part in enumerate(parts)
    ]


def elsewhere(parts: list[Any]) -> list[Any]:
    """The same as other libraries keep it: joined texts, bare calls, media; nothing that is opaque."""
    thoughts = "".join(part.text for part in parts if isinstance(part, Reasoning))
    text = "".join(part.text for part in parts if isinstance(part, Text))
    calls = [ToolCall(id=part.id, name=part.name) for part in parts if isinstance(part, ToolCall)]
    media = [part for part in parts if isinstance(part, Image)]
    return [Reasoning(thoughts), Text(text), *media, *calls]


@given(PARTS)
def test_parts_come_together_as_they_were(drawn: list[Any]):
    parts = numbered(drawn)
    details = json.loads(json.dumps(outline(parts)))
    if details:
        assert is_outline(details)
        assert arranged(details, elsewhere(parts)) == parts
        assert arranged(details, parts) == parts
    else:
        joined = "".join(part.text for part in parts if isinstance(part, Text))
        assert [part for part in elsewhere(parts) if part not in (Reasoning(""), Text(joined))] == [
            part for part in parts if not isinstance(part, Text)
        ]


@pytest.mark.parametrize(
    "parts", [[], [Text("a")], [Text("a"), ToolCall(id="c", name="f")], [ToolCall(id="c", name="f")]]
)
def test_what_the_fields_say_needs_no_outline(parts: list[Any]):
    assert outline(parts) == []


def test_an_outline_repeats_no_text():
    parts: list[AnyPart] = [
        Reasoning("a secret thought", signature="s", provider="p"),
        Text("words"),
        ToolCall(id="c", name="f"),
    ]
    assert outline(parts) == [
        {"index": 0, "type": "reasoning", "length": 16, "signature": "s", "provider": "p"},
        {"index": 1, "type": "text", "length": 5},
        {"index": 2, "type": "tool_call", "id": "c"},
    ]


def test_what_was_edited_loses_its_state_and_keeps_its_place():
    details = outline([Text("Hello"), Reasoning("Hm.", signature="s"), ToolCall(id="c", name="f", extra={"a": 1})])
    assert arranged(details, [Reasoning("Other."), Text("Hello, edited"), ToolCall(id="d", name="f")]) == [
        Text("Hello, edited"),
        Reasoning("Other."),
        ToolCall(id="d", name="f"),
    ]
    assert arranged(details, [Reasoning("Hm."), Text("Hi")]) == [Text("Hi"), Reasoning("Hm.", signature="s")]
    assert arranged(outline([Image(URL)]), [Reasoning("Hm."), Text("Hi")]) == [Reasoning("Hm."), Text("Hi")]


@pytest.mark.parametrize(
    "details", [None, [], "text", {}, [{"type": "reasoning.text", "text": "a", "index": 0}], [{"index": 0}], [1]]
)
def test_other_structures_are_no_outline(details: Any):
    assert not is_outline(details)


def test_a_conversation_reads_it():
    parts: list[AnyPart] = [
        Reasoning("Hm.", signature="s", provider="p"),
        Text("Hi"),
        Reasoning(encrypted="e", provider="p"),
    ]
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "reasoning_details": outline(parts)}
    assert conversation([message])[0].parts == parts
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0}]
    (turn,) = conversation([{"role": "assistant", "content": "Hi", "reasoning": "Hm.", "reasoning_details": details}])
    assert turn.parts == [Reasoning("Hm.", field="reasoning", details=details), Text("Hi")]


def test_a_broken_outline_is_a_mistake_with_its_position():
    message = {"role": "assistant", "content": "", "reasoning_details": [{"index": 0, "type": "opaque"}]}
    with pytest.raises(ValueError, match=r"messages\[0\]: data: Field required"):
        conversation([message])


@pytest.mark.parametrize("state", [{"extra": "abc"}, {"extra": {}, "provider": 5}])
def test_an_outline_that_was_damaged_is_a_mistake_with_its_position(state: dict[str, Any]):
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    details = [{"index": 0, "type": "tool_call", "id": "a", **state}]
    with pytest.raises(ConfigurationError, match=r"messages\[0\]"):
        conversation([{"role": "assistant", "tool_calls": [call], "reasoning_details": details}])
