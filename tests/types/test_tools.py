"""Tools from functions, classes and dicts, and the schema of what they take."""

from __future__ import annotations

import copy
import enum
import functools
import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import pytest
from pydantic import BaseModel, Field

from llm_connector import ConfigurationError, Tool
from llm_connector import schema as schema_module
from tests.support.names import shown


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    """Somewhere."""

    city: str = Field(description="Its name")
    country: str = "NO"


PLACE = {
    "title": "Place",
    "description": "Somewhere.",
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Its name"},
        "country": {"type": "string", "default": "NO"},
    },
    "required": ["city"],
}


def search(
    query: str,
    places: list[Place],
    unit: Unit = Unit.CELSIUS,
    mode: Literal["fast", "good"] = "fast",
    limit: int | None = None,
    since: Optional[date] = None,  # noqa: UP045  # callers write it
    tags: dict[str, int] | None = None,
    ratio: float = 0.5,
    exact: bool = False,
    path: Path = Path("/tmp"),
) -> str:
    """Look something up.

    It may take a while.

    Args:
        query: What to look for, for example
            "weather".
        places (list[Place]): Where to look: nowhere else.
        unit: The unit
        nothing: not a parameter

    Returns:
        A text: what was found.
    """
    return query


def reply(text: str, count: int, silent: bool = True) -> None:
    """Answer.

    :param text: What to say,
        in full.
    :param int count: How often.
    :returns: Nothing: it is said.
    """


async def fetch(url: str) -> str:
    """Get a page."""
    return url


def bare(a, b=1):
    return a


class Weather:
    """Forecasts."""

    token: str = "secret"

    def now(self, city: str) -> str:
        """The weather now."""
        return city

    @classmethod
    def of(cls, city: str) -> str:
        """The weather of a class."""
        return city

    @staticmethod
    def at(city: str) -> str:
        """The weather of nobody."""
        return city

    def __call__(self, city: str, days: int = 1) -> str:
        """Ask.

        Args:
            city: The place
        """
        return city


class Undocumented:
    def __call__(self, city: str) -> str:
        """Only this says something."""
        return city


@dataclass(eq=True)
class Unhashable:
    """Cannot be a key."""

    times: int

    def __call__(self, city: str) -> str:
        return city * self.times


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Node(BaseModel):
    children: list[Node] = []


def walk(tree: Node) -> None:
    """Walk."""


STRING = {"type": "string"}
ONE_CITY = {"type": "object", "properties": {"city": STRING}, "required": ["city"]}


class TestFunctions:
    def test_hints_defaults_and_docstring(self):
        tool = Tool.of(search)
        assert (tool.name, tool.strict, tool.cache, tool.native) == ("search", None, None, None)
        assert tool.description == "Look something up.\n\nIt may take a while."
        assert tool.parameters == {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": 'What to look for, for example "weather".'},
                "places": {"type": "array", "items": PLACE, "description": "Where to look: nowhere else."},
                "unit": {
                    "title": "Unit",
                    "type": "string",
                    "enum": ["celsius", "kelvin"],
                    "default": "celsius",
                    "description": "The unit",
                },
                "mode": {"type": "string", "enum": ["fast", "good"], "default": "fast"},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                "since": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
                "tags": {
                    "anyOf": [{"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "null"}],
                    "default": None,
                },
                "ratio": {"type": "number", "default": 0.5},
                "exact": {"type": "boolean", "default": False},
                "path": {"type": "string", "format": "path", "default": "/tmp"},
            },
            "required": ["query", "places"],
        }

    def test_docstrings_in_restructured_text(self):
        tool = Tool.of(reply)
        assert tool.description == "Answer."
        assert tool.parameters["properties"] == {
            "text": {"type": "string", "description": "What to say, in full."},
            "count": {"type": "integer", "description": "How often."},
            "silent": {"type": "boolean", "default": True},
        }

    def test_coroutine_functions(self):
        assert Tool.of(fetch).parameters["properties"] == {"url": STRING}

    def test_functions_without_hints(self):
        tool = Tool.of(bare)
        assert (tool.description, tool.parameters["properties"]) == ("", {"a": {}, "b": {"default": 1}})

    def test_no_parameters(self):
        def clock():
            """Tell the time."""

        assert Tool.of(clock).parameters == {"type": "object", "properties": {}}

    def test_private_and_variadic_parameters_are_not_the_models_business(self):
        def f(city: str, /, *rest: str, _context: object = None, **more: int) -> None:
            """Do."""

        assert Tool.of(f).parameters == ONE_CITY

    def test_parameters_may_be_called_like_methods_of_pydantic(self):
        def f(json: str, copy: bool = False, schema: int = 1, model_config: str = "", model_dump: str = "") -> None:
            """Do."""

        assert list(Tool.of(f).parameters["properties"]) == ["json", "copy", "schema", "model_config", "model_dump"]

    def test_annotations_with_fields(self):
        def f(
            city: Annotated[str, Field(description="The place", min_length=2)],
            days: Annotated[int, "ignored"] = 1,
            unit: str = Field("C", description="The unit"),
            note: str = Field(description="A note"),
        ) -> None:
            """Do."""

        assert Tool.of(f).parameters == {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The place", "minLength": 2},
                "days": {"type": "integer", "default": 1},
                "unit": {"type": "string", "default": "C", "description": "The unit"},
                "note": {"type": "string", "description": "A note"},
            },
            "required": ["city", "note"],
        }

    def test_a_default_that_json_cannot_hold_is_left_out(self):
        def f(city: str, session: Any = object()) -> None:  # noqa: B008  # the default is the point
            """Do."""

        assert Tool.of(f).parameters["properties"] == {"city": STRING, "session": {}}

    @pytest.mark.parametrize(
        ("make", "name", "description"),
        [
            (lambda: Weather().now, "now", "The weather now."),
            (lambda: Weather.now, "now", "The weather now."),
            (lambda: Weather.of, "of", "The weather of a class."),
            (lambda: Weather().at, "at", "The weather of nobody."),
        ],
    )
    def test_methods(self, make, name, description):
        tool = Tool.of(make())
        assert (tool.name, tool.description, tool.parameters) == (name, description, ONE_CITY)

    def test_objects_that_can_be_called(self):
        tool = Tool.of(Weather())
        assert (tool.name, tool.description) == ("Weather", "Forecasts.")
        assert tool.parameters["properties"] == {
            "city": {"type": "string", "description": "The place"},
            "days": {"type": "integer", "default": 1},
        }
        assert Tool.of(Undocumented()).description == "Only this says something."
        assert Tool.of(Unhashable(2)).parameters == ONE_CITY

    def test_partials_leave_out_what_they_fill_by_position(self):
        tool = Tool.of(functools.partial(reply, "hello", silent=False))
        assert (tool.name, tool.description) == ("reply", "Answer.")
        assert tool.parameters == {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "description": "How often."},
                "silent": {"type": "boolean", "default": False},
            },
            "required": ["count"],
        }
        assert Tool.of(functools.partial(functools.partial(Weather().now))).parameters == ONE_CITY

    def test_decorated_functions(self):
        @functools.lru_cache
        @functools.wraps(fetch)
        def cached(*arguments: Any) -> Any:
            return arguments

        tool = Tool.of(cached)
        assert (tool.name, tool.description, tool.parameters["required"]) == ("fetch", "Get a page.", ["url"])

    def test_recursive_classes_keep_their_reference(self):
        tool = Tool.of(walk)
        child = {"type": "array", "items": {"$ref": "#/$defs/Node"}, "default": []}
        assert tool.parameters["properties"] == {"tree": {"$ref": "#/$defs/Node"}}
        assert tool.parameters["$defs"]["Node"]["properties"] == {"children": child}


class TestClasses:
    def test_a_pydantic_class(self):
        tool = Tool.of(Place)
        assert (tool.name, tool.description) == ("Place", "Somewhere.")
        assert tool.parameters == {key: PLACE[key] for key in ("type", "properties", "required")}

    def test_the_documentation_of_a_parent_is_not_its_own(self):
        class Other(Place):
            pass

        assert Tool.of(Other).description == ""

    def test_generic_classes(self):
        assert Tool.of(Page[int]).name == "Page[int]"  # the wire format renames it, and reports that
        assert Tool.of(Page[int]).parameters["properties"]["items"]["items"] == {"type": "integer"}

    def test_classes_without_a_schema_are_refused(self):
        class Odd(BaseModel):
            call: Callable[[], int]

        with pytest.raises(ConfigurationError, match=r"^Odd: a part of it has no JSON Schema"):
            Tool.of(Odd)


class TestDicts:
    @pytest.mark.parametrize(
        "source",
        [
            {"type": "function", "function": {"name": "f", "description": "Do.", "parameters": ONE_CITY}},
            {"function": {"name": "f", "description": "Do.", "parameters": ONE_CITY}},
            {"type": "function", "name": "f", "description": "Do.", "parameters": ONE_CITY},
            {"name": "f", "description": "Do.", "input_schema": ONE_CITY},
            {"type": "custom", "name": "f", "description": "Do.", "input_schema": ONE_CITY},
            {"name": "f", "description": "Do.", "parameters": ONE_CITY},
            Tool("f", "Do.", ONE_CITY).model_dump(),
        ],
        ids=["OpenAI's", "without type", "Responses'", "Anthropic's", "Anthropic's custom", "own", "dumped"],
    )
    def test_shapes(self, source):
        assert Tool.of(source) == Tool("f", "Do.", ONE_CITY)

    def test_strict_and_cache_marks(self):
        function = {"name": "f", "strict": True, "parameters": ONE_CITY}
        assert Tool.of({"type": "function", "function": function}).strict is True
        assert Tool.of({"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}).cache is True
        assert Tool.of({"name": "f", "input_schema": ONE_CITY, "cache_control": {"ttl": "1h"}}).cache == "1h"

    @pytest.mark.parametrize(
        "source",
        [
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"type": "custom", "custom": {"name": "sql"}},
            {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "…"}},
            {"type": "custom", "name": "sql", "description": "A query."},
            {"type": "file_search"},
        ],
    )
    def test_the_tools_of_a_provider_go_as_they_are(self, source):
        tool = Tool.of(source)
        assert tool.native == source
        assert tool.name == source.get("name", source["type"])
        assert Tool.of(tool.model_dump()) == tool

    @pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}, {"type": "null"}, {"properties": {}}])
    def test_no_parameters_are_an_empty_object(self, parameters):
        assert Tool("f", parameters=parameters).parameters == {"type": "object", "properties": {}}
        assert Tool.of({"name": "f", "parameters": parameters}).parameters == {"type": "object", "properties": {}}

    def test_a_union_at_the_top_stays(self):
        either = {"anyOf": [ONE_CITY, {"type": "object", "properties": {}}]}
        assert Tool("f", parameters=either).parameters == {"type": "object", "properties": {}, **either}

    def test_references_are_inlined_and_the_callers_dict_stays_as_it_was(self):
        source = {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {"to": {"$ref": "#/$defs/Place"}},
                "$defs": {"Place": ONE_CITY},
            },
        }
        before = copy.deepcopy(source)
        assert Tool.of(source).parameters == {"type": "object", "properties": {"to": ONE_CITY}}
        assert source == before


class TestMistakes:
    def test_lambdas_have_no_name(self):
        with pytest.raises(ConfigurationError, match=r"a lambda has no name; define a function, or give Tool\(name, …"):
            Tool.of(lambda city: city)
        with pytest.raises(ConfigurationError, match="a lambda has no name"):
            Tool.of(functools.partial(lambda city: city))

    def test_hints_without_a_schema(self):
        def f(call: Callable[[], int]) -> None: ...

        with pytest.raises(ConfigurationError, match=r"^tool 'f': a part of it has no JSON Schema"):
            Tool.of(f)

    def test_hints_that_do_not_resolve(self):
        def f(city): ...

        f.__annotations__["city"] = "Nowhere"
        with pytest.raises(ConfigurationError, match=r"^tool 'f': its type hints cannot be resolved: .*'Nowhere'"):
            Tool.of(f)

    def test_builtins_without_a_signature(self):
        with pytest.raises(ConfigurationError, match=r"^tool 'int': "):
            Tool.of(int)

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            (5, "tools: 'int' is not a tool; give a Tool, a function, a pydantic class or a dict"),
            ("weather", "tools: 'str' is not a tool"),
            (None, "tools: 'NoneType' is not a tool"),
            ({}, 'tools: a dict needs {"type": "function", "function": {"name": …'),
            ({"function": {"description": "x"}}, "this one has the keys ['function']"),
            ({"name": "f", "description": "x"}, "this one has the keys ['description', 'name']"),
            ({"name": 5, "parameters": {}}, "tools: name: Input should be a valid string"),
            ({"name": "f", "parameters": "x"}, "tool 'f': parameters must be a JSON Schema object, not a str"),
            ({"name": "f", "parameters": {"type": "string"}}, "tool 'f': parameters must be a JSON Schema object"),
        ],
        ids=shown,
    )
    def test_what_is_no_tool(self, source, problem):
        with pytest.raises(ConfigurationError) as failure:
            Tool.of(source)
        assert problem in str(failure.value)


class TestOnce:
    @pytest.mark.parametrize(
        "make",
        [lambda: search, lambda: Place, lambda: Weather.now, lambda: Weather().now, lambda: Weather.of],
        ids=["function", "class", "plain method", "bound method", "class method"],
    )
    def test_a_schema_is_made_once(self, make, monkeypatch):
        first = Tool.of(make())
        for maker in ("function_schema", "model_schema"):
            monkeypatch.setattr(f"llm_connector.types.tools.{maker}", None)
        assert Tool.of(make()) is first

    def test_a_tool_is_itself(self):
        tool = Tool("f")
        assert Tool.of(tool) is tool

    def test_two_functions_of_one_name_are_two_tools(self):
        def make(kind: type) -> Any:
            def f(value) -> None: ...

            f.__annotations__["value"] = kind
            return f

        one, other = Tool.of(make(int)), Tool.of(make(str))
        assert one.parameters != other.parameters

    def test_what_is_kept_goes_with_its_function(self):
        def f(city: str) -> None: ...

        gc.collect()  # functions of other tests may be waiting for it
        made = len(schema_of_tools())
        Tool.of(f)
        assert len(schema_of_tools()) == made + 1
        del f
        gc.collect()
        assert len(schema_of_tools()) == made

    def test_the_schema_of_a_class_is_made_once(self):
        assert schema_module.model_schema(Place) is schema_module.model_schema(Place)


def schema_of_tools() -> Any:
    from llm_connector.types import tools

    return tools._MADE


def test_tools_survive_json():
    for tool in (Tool.of(search), Tool("f", "Do.", ONE_CITY, True, cache="5m"), Tool.of({"type": "file_search"})):
        assert Tool.model_validate_json(tool.model_dump_json()) == tool
