"""Messages as ordered parts, the same types in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from llm_connector.errors import ConfigurationError
from llm_connector.types.media import Audio, Document, Image, Video
from llm_connector.types.part import CacheMark, Part, Unmarked

__all__ = [
    "AnyPart",
    "Message",
    "Opaque",
    "PlainTurn",
    "Reasoning",
    "Role",
    "Text",
    "ToolCall",
    "ToolResult",
    "assistant",
    "system",
    "tool_result",
    "user",
]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class Text(Part):
    """Visible text. `cache` marks the prompt up to here for caching where the wire has it.

    `citations` are the provider's own objects and come with an answer only.
    """

    type: Literal["text"] = "text"
    text: str
    cache: CacheMark = None
    citations: list[dict[str, Any]] | None = None

    def __init__(self, text: str, **fields: Any) -> None:
        BaseModel.__init__(self, text=text, **fields)


class Reasoning(Unmarked):
    """Thinking of a model.

    `signature` and `encrypted` must go back unchanged to the provider they came from, and to no other. `field` is
    the wire's name for the text where servers differ, `details` its structured form, kept as it came.
    """

    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    provider: str | None = None
    signature: str | None = Field(default=None, repr=False)
    encrypted: str | None = Field(default=None, repr=False)
    id: str | None = None
    field: str | None = None
    details: list[dict[str, Any]] | None = Field(default=None, repr=False)

    def __init__(self, text: str = "", **fields: Any) -> None:
        BaseModel.__init__(self, text=text, **fields)

    @property
    def state(self) -> dict[str, Any]:
        """What must go back with the text, by the names of fields, as plain data."""
        return self.model_dump(exclude={"type", "text"}, exclude_none=True)


class ToolCall(Unmarked):
    """A request to run a tool.

    `arguments` is the parsed object, `{}` when the model sent none. JSON that is not an object gives `{}`, the text
    in `arguments_raw` and the reason in `error`. `extra` holds the provider's other fields of the call, for replay.
    """

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    arguments_raw: str = ""
    error: str | None = None
    provider: str | None = None
    extra: dict[str, Any] | None = None


class ToolResult(Part):
    """What a tool returned, as text and images; `error` says that it failed."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str | None = None
    parts: list[Annotated[Text | Image | Document, Field(discriminator="type")]] = Field(default_factory=list)
    error: bool = False
    cache: CacheMark = None

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Opaque(Unmarked):
    """A block this library does not interpret, such as a server tool's result; it goes back only where it came from."""

    type: Literal["opaque"] = "opaque"
    provider: str | None = None
    data: dict[str, Any]


AnyPart: TypeAlias = Annotated[
    Text | Image | Document | Audio | Video | Reasoning | ToolCall | ToolResult | Opaque, Field(discriminator="type")
]


class Message(BaseModel):
    """One turn: a role and its parts in order. `name` tells participants of one role apart."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    role: Role
    parts: list[AnyPart]
    name: str | None = None

    @property
    def text(self) -> str:
        """The visible text, `""` if there is none."""
        return "".join([part.text for part in self.parts if isinstance(part, Text)])

    @property
    def reasoning(self) -> str | None:
        """The thinking, None if there is none."""
        texts = [part.text for part in self.parts if isinstance(part, Reasoning)]
        return "".join(texts) if texts else None

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls in order."""
        return [part for part in self.parts if isinstance(part, ToolCall)]


if TYPE_CHECKING:

    class PlainTurn(Message):
        """Wherever a message is read, this one does as well."""

        def __init__(self, role: Role, text: str) -> None: ...
        def message(self) -> Message: ...

else:

    class PlainTurn:
        """A turn of one text, inside a request.

        It reads like a `Message` and becomes one where it is changed. Histories are long and most of their turns are
        this: two pydantic objects for each would take as long as all the rest of a request.
        """

        __slots__ = ("role", "text")

        name = None

        def __init__(self, role: Role, text: str) -> None:
            self.role = role
            self.text = text

        @property
        def parts(self) -> list[AnyPart]:
            return [Text(self.text)]

        def message(self) -> Message:
            return Message(role=self.role, parts=self.parts)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(self.message(), name)

        def __eq__(self, other: object) -> bool:
            return self.message() == (other.message() if isinstance(other, PlainTurn) else other)

        __hash__ = None

        def __repr__(self) -> str:
            return repr(self.message())


def system(*parts: str | AnyPart) -> Message:
    """Instructions for the model."""
    return Message(role="system", parts=_parts(parts))


def user(*parts: str | AnyPart, name: str | None = None) -> Message:
    """What the user says and shows."""
    return Message(role="user", parts=_parts(parts), name=name)


def assistant(*parts: str | AnyPart) -> Message:
    """What the model said, thought and called."""
    return Message(role="assistant", parts=_parts(parts))


def tool_result(
    call: ToolCall | str,
    *parts: str | Text | Image | Document,
    error: bool = False,
    name: str | None = None,
) -> Message:
    """The answer to one tool call, given as the call or its id. `error=True` tells the model that the tool failed."""
    call_id, call_name = (call.id, call.name) if isinstance(call, ToolCall) else (call, None)
    content: list[Any] = _parts(parts)
    return Message(
        role="tool",
        parts=[ToolResult(call_id=call_id, name=name or call_name, parts=content, error=error)],
    )


def _parts(values: tuple[str | AnyPart, ...]) -> list[AnyPart]:
    for value in values:
        if not isinstance(value, str | Part):
            raise ConfigurationError(
                f"{type(value).__name__!r} is not a part; give a string (json.dumps makes one), a Text, an Image…"
            )
    return [Text(value) if isinstance(value, str) else value for value in values]
