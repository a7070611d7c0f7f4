"""What requests have in common when they are read: fields of the right kind, or an error that names them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from pydantic import ValidationError

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.types import EFFORTS, CacheMark, ChatRequest, Message, ReasoningOption, Text, Tool, ToolCall
from llm_connector.types.part import mark_of
from llm_connector.wire import Json, encode_json

__all__ = [
    "BOOLEAN",
    "INTEGER",
    "NUMBER",
    "OBJECT",
    "STRING",
    "STRINGS",
    "Table",
    "cache_mark",
    "call_of",
    "choice_asked",
    "each",
    "effort_asked",
    "flag",
    "items",
    "logprobs_asked",
    "named",
    "only_texts",
    "refuse",
    "request_of",
    "required_text",
    "rest_of",
    "schema_asked",
    "settings",
    "the_object",
    "tool_list",
]

GivenT = TypeVar("GivenT")
MadeT = TypeVar("MadeT")

Kind: TypeAlias = tuple[Callable[[Any], bool], str]
"""A test, and what to give."""
Table: TypeAlias = Mapping[str, tuple[str, Kind]]
"""The wire's field, and which of ours it is."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text_or_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


NUMBER: Kind = (_is_number, "a number")
INTEGER: Kind = (lambda value: _is_number(value) and value % 1 == 0, "a whole number")
BOOLEAN: Kind = (lambda value: isinstance(value, bool), "true or false")
STRING: Kind = (lambda value: isinstance(value, str), "a string")
STRINGS: Kind = (_is_text_or_texts, "a string or a list of them")
OBJECT: Kind = (lambda value: isinstance(value, dict), "an object")


def the_object(body: Json, place: str = "the request") -> dict[str, Any]:
    """The value, which has to be an object."""
    if not isinstance(body, dict):
        raise ConfigurationError(f"{place}: give a JSON object, not {_named(body)}")
    return body


def required_text(body: Mapping[str, Any], field: str, place: str = "") -> str:
    """A field that has to be a text of at least one character."""
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{place}{field}: give a string, not {_named(value)}")
    return value


def items(body: Mapping[str, Any], field: str, place: str = "") -> list[dict[str, Any]]:
    """A field that is a list of objects; empty where it is missing."""
    value = body.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigurationError(f"{place}{field}: give a list, not {_named(value)}")
    return [the_object(item, f"{place}{field}[{position}]") for position, item in enumerate(value)]


def flag(body: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """A field that is true or false."""
    value = body.get(field)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ConfigurationError(f"{field}: give true or false, not {_named(value)}")
    return value


def settings(body: Mapping[str, Any], table: Table, place: str = "") -> dict[str, Any]:
    """Our options for the wire's fields; null means that a field is not there, and the first of two names wins."""
    found: dict[str, Any] = {}
    for field, (name, (test, wanted)) in table.items():
        value = body.get(field)
        if value is None:
            continue
        if not test(value):
            raise ConfigurationError(f"{place}{field}: give {wanted}, not {_named(value)}")
        found.setdefault(name, int(value) if wanted == INTEGER[1] else value)
    return found


def rest_of(body: Mapping[str, Any], *known: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """The fields that are not known, without nulls."""
    names = {name for group in known for name in group}
    return {name: value for name, value in body.items() if name not in names and value is not None}


def request_of(messages: Sequence[Message | Mapping[str, Any]], options: dict[str, Any]) -> ChatRequest:
    """The request. Raises ConfigurationError that names the position of a message, or the option."""
    return ChatRequest.of(list(messages), options)


def effort_asked(word: Any, place: str) -> ReasoningOption:
    """Our word for an effort."""
    if word is None:
        return None
    if not isinstance(word, str) or word not in EFFORTS:
        raise ConfigurationError(f"{place}: give one of {', '.join(EFFORTS)}, not {word!r}")
    return EFFORTS[word]


def logprobs_asked(body: Mapping[str, Any]) -> bool | int | None:
    """How many alternatives of each token are asked for: `logprobs` switches them on, `top_logprobs` counts them."""
    if not flag(body, "logprobs"):
        return None
    return settings(body, {"top_logprobs": ("logprobs", INTEGER)}).get("logprobs") or True


def choice_asked(word: Any) -> Any:
    """The word for how tools are chosen, where no object names them."""
    if word not in (None, "none", "auto", "required"):
        raise ConfigurationError(f"tool_choice: give none, auto, required or a function, not {word!r}")
    return word


def call_of(call_id: str, name: str, arguments: dict[str, Any], extra: dict[str, Any]) -> ToolCall:
    """A call whose arguments came as an object."""
    raw = encode_json(arguments).decode() if arguments else ""
    return ToolCall(id=call_id, name=name, arguments=arguments, arguments_raw=raw, extra=extra or None)


def cache_mark(item: Mapping[str, Any], place: str = "") -> CacheMark:
    """What a `cache_control` marks."""
    control = item.get("cache_control")
    return None if control is None else mark_of(the_object(control, f"{place}cache_control"))


@contextmanager
def named(place: str) -> Generator[None]:
    """Name the place of what goes wrong inside, unless that is named already."""
    try:
        yield
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(f"{place}.{field}: {problem['msg']}") from None
    except ConfigurationError as error:
        if error.message.startswith(place):
            raise
        raise ConfigurationError(f"{place}: {error.message}") from None


def each(values: Iterable[GivenT], place: str, read: Callable[[GivenT, str], MadeT]) -> list[MadeT]:
    """What `read` makes of each value at its place, which is named in what goes wrong."""
    made: list[MadeT] = []
    for position, value in enumerate(values):
        here = f"{place}[{position}]"
        with named(here):
            made.append(read(value, here))
    return made


def tool_list(wire: Sequence[Mapping[str, Any]], place: str = "tools") -> list[Tool]:
    """The tools. Raises ConfigurationError that names the position."""
    return each(wire, place, _tool)


def _tool(item: Mapping[str, Any], place: str) -> Tool:
    try:
        return Tool.of(item)
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{place}: {error}") from None


def schema_asked(form: Any, place: str) -> Any:
    """A form of answer, of any format, as `response_format` takes it; None for text."""
    if form is None:
        return None
    kind = the_object(form, place).get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise ConfigurationError(f"{place}.type: give text, json_object or json_schema, not {kind!r}")
    return None if kind == "text" else form


def only_texts(content: Any, place: str) -> list[Text]:
    """Content that holds text only, as one string or in parts."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise ConfigurationError(f"{place}: give a string or a list of text blocks, not {_named(content)}")
    return each(content, place, _text)


def _text(block: Any, place: str) -> Text:
    block = the_object(block, place)
    return Text(required_text(block, "text", f"{place}."), cache=cache_mark(block, f"{place}."))


def _named(value: Any) -> str:
    """A value of the wrong kind, as messages name it."""
    if value is None:
        return "nothing"
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__) if value != "" else "an empty string"


def refuse(body: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    """Raise UnsupportedError for the first of these fields that is asked for: leaving it out would change the sense."""
    for field, reason in fields.items():
        if body.get(field):
            raise UnsupportedError(f"{field}: {reason}")
