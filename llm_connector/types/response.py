"""A whole answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_connector.errors import ParseError, excerpt
from llm_connector.types.adaptations import Adaptation
from llm_connector.types.json_text import json_candidates
from llm_connector.types.messages import Message, ToolCall
from llm_connector.types.usage import Usage

__all__ = ["ChatResponse", "Choice", "FinishReason"]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error"]

Model = TypeVar("Model", bound=BaseModel)


class Choice(BaseModel):
    """One of the `n` answers."""

    model_config = ConfigDict(defer_build=True)

    index: int = 0
    message: Message
    finish_reason: FinishReason | None = None
    finish_reason_raw: str | None = None
    refusal: str | None = None
    logprobs: Any = None


class ChatResponse(BaseModel):
    """A whole answer, the same from `chat()` and at the end of a stream.

    `message` and what belongs to it describe the first choice. `finish_reason` None means that the server gave none, or
    one that is not known (`finish_reason_raw` has it). `created` is a Unix time in seconds. `adaptations` lists what
    was not sent as asked. `raw` is the decoded body; for a stream, the last value of each top-level field without
    deltas.
    """

    model_config = ConfigDict(defer_build=True)

    choices: list[Choice]
    usage: Usage = Field(default_factory=Usage)
    model: str | None = None
    id: str | None = None
    created: int | None = None
    request_id: str | None = None
    citations: list[dict[str, Any]] = Field(default_factory=list)
    adaptations: list[Adaptation] = Field(default_factory=list)
    extra: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    raw: Any = Field(default=None, repr=False)

    @property
    def message(self) -> Message:
        """The answer as a message, to be appended to the conversation."""
        return self.choices[0].message

    @property
    def text(self) -> str:
        """The visible text, `""` if there is none."""
        return self.message.text

    @property
    def reasoning(self) -> str | None:
        """The thinking, None if there is none."""
        return self.message.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls the model asks for."""
        return self.message.tool_calls

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended."""
        return self.choices[0].finish_reason

    @property
    def finish_reason_raw(self) -> str | None:
        """Why the answer ended, in the provider's word."""
        return self.choices[0].finish_reason_raw

    @property
    def refusal(self) -> str | None:
        """The model's own refusal, where the wire tells it apart from text."""
        return self.choices[0].refusal

    @property
    def logprobs(self) -> Any:
        """Token log probabilities as the server sent them, None if there are none."""
        return self.choices[0].logprobs

    def parse(self, model: type[Model]) -> Model:
        """The answer as an instance of `model`; a fence or words around the JSON are left out.

        Raises ParseError that carries the text and says what does not fit.
        """
        candidates = list(json_candidates(self.text))
        if not candidates[0]:
            said = self.refusal or f"finish_reason is {self.finish_reason!r}"
            raise ParseError(f"the answer has no text to read as {model.__name__}: {said}", body=excerpt(self.text))
        problems: list[ValidationError] = []
        for candidate in candidates:
            try:
                return model.model_validate_json(candidate)
            except ValidationError as error:
                problems.append(error)
                if error.errors()[0]["type"] != "json_invalid":
                    break
        details = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'JSON'}: {item['msg']}" for item in problems[-1].errors()[:3]
        )
        cut = " (it was cut: raise max_tokens)" if self.finish_reason == "length" else ""
        message = f"the answer is not a {model.__name__}{cut}: {details}"
        raise ParseError(message, body=excerpt(self.text)) from problems[-1]
