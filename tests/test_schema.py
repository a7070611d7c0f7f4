"""JSON Schema: what is inlined, closed and left alone. What functions and classes give is in types/test_tools.py."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_connector.protocols.structured import closed_if_possible, strict_if_possible
from llm_connector.schema import closed, inlined, inner_schemas, mapped, model_schema, parameter_docs
from tests.support.names import shown

STRING = {"type": "string"}
KEYWORDS = ["default", "properties", "type", "$ref", "items", "city", "additionalProperties"]

leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [STRING, {"type": "integer", "default": 3}, {}, {"enum": [1, {"$ref": "#/$defs/a"}]}, {"$ref": "#/$defs/a"}]
)
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda properties, more: {"type": "object", "properties": properties, **more},
            st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=3),
            st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": STRING}]),
        ),
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(lambda items: {"anyOf": items}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda items: {"oneOf": items}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda item: {"not": item, "type": "object"}, inner),
    ),
    max_leaves=8,
)


@st.composite
def roots(draw: st.DrawFn) -> dict[str, Any]:
    """Schemas with definitions that may mention each other and themselves."""
    definitions = {name: draw(schemas) for name in ("a", "b")}
    definitions["b"] = {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{draw(st.sampled_from('ab'))}"}}}
    return {**draw(schemas), "$defs": definitions}


def every(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *(deeper for inner in inner_schemas(schema) for deeper in every(inner))]


class TestInlined:
    def test_definitions_are_put_in_their_place(self):
        schema = {
            "type": "object",
            "properties": {
                "from": {"$ref": "#/$defs/Place", "description": "Where from"},
                "to": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
                "way": {"anyOf": [{"$ref": "#/definitions/Way"}, {"type": "null"}]},
            },
            "$defs": {"Place": {"type": "object", "description": "A place", "properties": {"city": STRING}}},
            "definitions": {"Way": {"type": "object", "properties": {"over": {"$ref": "#/$defs/Place"}}}},
        }
        place = {"type": "object", "description": "A place", "properties": {"city": STRING}}
        assert inlined(schema) == {
            "type": "object",
            "properties": {
                "from": {**place, "description": "Where from"},
                "to": {"type": "array", "items": place},
                "way": {"anyOf": [{"type": "object", "properties": {"over": place}}, {"type": "null"}]},
            },
        }

    @pytest.mark.parametrize("home", ["$defs", "definitions"])
    def test_what_contains_itself_stays_with_its_definition(self, home):
        reference = {"$ref": f"#/{home}/Node"}
        node = {"type": "object", "properties": {"next": reference, "at": {"$ref": f"#/{home}/Place"}}}
        whole = {"type": "object", "properties": {"next": reference, "at": STRING}}
        definitions = {"Node": node, "Place": STRING, "Unused": {"type": "null"}}
        schema = {"type": "object", "properties": {"tree": reference}, home: definitions}
        assert inlined(schema) == {"type": "object", "properties": {"tree": reference}, home: {"Node": whole}}
        assert inlined({**reference, home: definitions}) == {**whole, home: {"Node": whole}}

    def test_two_that_contain_each_other(self):
        schema: dict[str, Any] = {
            "properties": {"a": {"$ref": "#/$defs/A"}, "c": {"$ref": "#/$defs/C"}},
            "$defs": {
                "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
                "B": {"properties": {"a": {"$ref": "#/$defs/A"}}},
                "C": {"properties": {"b": {"$ref": "#/$defs/B"}}},
            },
        }
        assert inlined(schema) == {
            "properties": {"a": {"$ref": "#/$defs/A"}, "c": {"properties": {"b": {"$ref": "#/$defs/B"}}}},
            "$defs": {name: schema["$defs"][name] for name in "AB"},
        }

    @pytest.mark.parametrize("reference", ["#/$defs/A/properties/x", "#", "#/$defs/Missing"])
    def test_references_to_other_places_keep_what_they_mention(self, reference):
        schema = {"properties": {"a": {"$ref": reference}}, "$defs": {"A": {"properties": {"x": STRING}}, "T": True}}
        assert inlined(schema) == schema

    def test_names_that_look_like_keywords_are_names(self):
        schema = {"properties": {"$ref": STRING, "$defs": {"$ref": "#/$defs/A"}}, "$defs": {"A": STRING}}
        assert inlined(schema) == {"properties": {"$ref": STRING, "$defs": STRING}}

    def test_values_are_not_schemas(self):
        value = {"$ref": "#/$defs/A"}
        schema: dict[str, Any] = {
            "properties": {"a": {"enum": [value], "const": value, "default": value}},
            "$defs": {"A": STRING},
        }
        assert inlined(schema) == {"properties": schema["properties"]}

    @given(roots())
    def test_nothing_is_lost_or_changed(self, schema):
        before = copy.deepcopy(schema)
        result = inlined(schema)
        assert schema == before
        assert inlined(result) == result
        kept = set(result.get("$defs", {}))
        assert {node["$ref"] for node in every(result) if "$ref" in node} <= {f"#/$defs/{name}" for name in kept}


class TestClosed:
    def test_objects_require_all_of_their_keys_and_no_others(self):
        schema = {
            "type": "object",
            "properties": {
                "a": {**STRING, "default": "x"},
                "b": {"type": "array", "items": {"properties": {"c": STRING}}},
                "d": {"anyOf": [{"type": ["object", "null"], "properties": {}}, {"type": "null"}]},
            },
            "required": ["a"],
        }
        assert closed(schema) == {
            "type": "object",
            "properties": {
                "a": STRING,
                "b": {
                    "type": "array",
                    "items": {"properties": {"c": STRING}, "required": ["c"], "additionalProperties": False},
                },
                "d": {
                    "anyOf": [
                        {
                            "type": ["object", "null"],
                            "properties": {},
                            "required": [],
                            "additionalProperties": False,
                        },
                        {"type": "null"},
                    ]
                },
            },
            "required": ["a", "b", "d"],
            "additionalProperties": False,
        }

    @pytest.mark.parametrize("home", ["$defs", "definitions", "dependentSchemas", "patternProperties"])
    def test_named_schemas_are_reached(self, home):
        schema = {"type": "object", "properties": {}, home: {"default": {"properties": {"a": STRING}}}}
        whole = {"properties": {"a": STRING}, "required": ["a"], "additionalProperties": False}
        assert closed(schema)[home] == {"default": whole}

    @given(roots())
    def test_nothing_else_is_changed(self, schema):
        before = copy.deepcopy(schema)
        result = closed(schema)
        assert schema == before
        assert closed(result) == result
        for node in every(result):
            assert "default" not in node
            if "properties" in node:
                assert node["required"] == list(node["properties"])
                assert node["additionalProperties"] is False
        names = [list(node["properties"]) for node in every(schema) if node.get("properties")]
        assert [list(node["properties"]) for node in every(result) if node.get("properties")] == names


class TestStrict:
    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "object"},
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": STRING}}},
            {"type": "object", "properties": {}, "additionalProperties": True},
            {"type": "object", "properties": {"a": {"type": ["object", "null"]}}},
            {"type": "object", "properties": {"default": {"type": "object"}}},
        ],
        ids=shown,
    )
    def test_free_keys_cannot_be_closed(self, schema):
        assert closed_if_possible(schema) == (schema, False)
        assert strict_if_possible(schema) == (schema, False)

    @pytest.mark.parametrize(
        "inner",
        [
            {},
            {"description": "anything"},
            {"allOf": [STRING]},
            {"type": "array", "prefixItems": [STRING]},
            {"type": "array", "items": STRING, "uniqueItems": True},
            {"not": STRING, "type": "string"},
            {"anyOf": [STRING], "oneOf": [STRING]},
            {"$ref": "#/$defs/Node", "description": "beside a reference"},
        ],
        ids=shown,
    )
    def test_what_strict_mode_refuses_stays_as_it_is(self, inner):
        schema = {"type": "object", "properties": {"a": inner}}
        assert strict_if_possible(schema) == (schema, False)

    @pytest.mark.parametrize("root", [STRING, {"anyOf": [STRING]}, {"type": "array", "items": STRING}, {}], ids=shown)
    def test_the_root_is_an_object(self, root):
        assert strict_if_possible(root) == (root, False)

    def test_recursive_schemas_can_be_strict(self):
        class_schema, strict = strict_if_possible(model_schema(Node))
        node = {
            "title": "Node",
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
            "required": ["children"],
            "additionalProperties": False,
        }
        assert strict
        assert class_schema == {**node, "$defs": {"Node": node}}

    @given(roots())
    def test_what_is_called_strict_keeps_the_rules(self, schema):
        result, strict = strict_if_possible(inlined(schema))
        for node in every(result) if strict else []:
            assert not node.keys() & {"oneOf", "allOf", "not", "default", "discriminator"}
            if "properties" in node or node.get("type") == "object":
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
            assert node.keys() & {"type", "anyOf", "$ref", "enum", "const"}


class Node(BaseModel):
    children: list[Node]


class Titled(BaseModel):
    """A class."""

    first_name: str = Field(title="Kept because it was written")
    last_name: str
    born: int = Field(alias="year of birth", default=0)


def test_titles_made_of_names_are_left_out():
    assert model_schema(Titled) == {
        "title": "Titled",
        "description": "A class.",
        "type": "object",
        "properties": {
            "first_name": {"type": "string", "title": "Kept because it was written"},
            "last_name": {"type": "string"},
            "year of birth": {"type": "integer", "default": 0},
        },
        "required": ["first_name", "last_name"],
    }


def test_changes_reach_schemas_but_not_names_and_values():
    schema = {
        "type": "object",
        "properties": {"enum": STRING, "free": True},
        "items": [STRING, False],
        "additionalProperties": False,
        "enum": [STRING],
        "required": ["enum"],
        "if": STRING,
    }
    assert mapped(schema, lambda inner: {"seen": inner}) == {
        "type": "object",
        "properties": {"enum": {"seen": STRING}, "free": True},
        "items": [{"seen": STRING}, False],
        "additionalProperties": False,
        "enum": [STRING],
        "required": ["enum"],
        "if": {"seen": STRING},
    }


class TestParameterDocs:
    def test_google_style(self):
        assert parameter_docs(
            "Do.\n\nArgs:\n    a: One\n        and more: of it.\n    b (str, optional): Two.\n\n    *rest: Three.\n"
            "Returns:\n    c: not a parameter"
        ) == {"a": "One and more: of it.", "b": "Two.", "*rest": "Three."}

    @pytest.mark.parametrize("heading", ["Args:", "Arguments:", "Parameters:"])
    def test_headings(self, heading):
        assert parameter_docs(f"{heading}\n  a: One") == {"a": "One"}

    def test_restructured_text(self):
        assert parameter_docs(
            "Do.\n\n:param a: One\n    and more.\n:param str b: Two\n:type b: str\n:raises E: never\n:return: x"
        ) == {"a": "One and more.", "b": "Two"}

    @given(st.text("aA:r g(s)\n :param*", max_size=60))
    def test_any_text_will_do(self, text):
        for name, value in parameter_docs(text).items():
            assert name == name.strip()
            assert value == value.strip()
