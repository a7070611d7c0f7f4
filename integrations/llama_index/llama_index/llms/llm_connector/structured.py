"""Structured prediction: what is asked, and how its answers become objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.bridge.pydantic import BaseModel, ValidationError
from llama_index.core.output_parsers.utils import extract_json_str
from llama_index.core.program.utils import create_flexible_model
from pydantic_core import from_json

from llm_connector.schema import model_schema

__all__ = ["Question", "partial_json", "response_format"]


def response_format(output_cls: type[BaseModel]) -> dict[str, Any]:
    """The schema of a class as plain data, since arguments of a call appear in events."""
    return {"type": "json_schema", "json_schema": {"name": output_cls.__name__, "schema": model_schema(output_cls)}}


def partial_json(text: str) -> Any:
    """The beginning of a JSON text as far as it can be read, without what stands before it; None if it cannot."""
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=0)
    try:
        return from_json(text[start:], allow_partial="trailing-strings")
    except ValueError:
        return None


@dataclass
class Question:
    """One prediction: the arguments of `chat`, and the reading of answers to it.

    `tool` is the name of a tool that the model must call; without one it answers in JSON.
    """

    output_cls: type[BaseModel]
    arguments: dict[str, Any]
    tool: str | None = None
    _last: BaseModel | None = field(default=None, init=False)

    def read(self, response: ChatResponse) -> Any:
        """The object. Raises ValueError with the answer's text, and says so if a limit cut it."""
        text = self._text(response)
        for candidate in (text, _inner_json(text)):
            try:
                return self.output_cls.model_validate_json(candidate)
            except ValidationError as error:
                problem = error
        reason = response.additional_kwargs.get("finish_reason")
        cut = "; it was cut by the limit of tokens (max_tokens)" if reason == "length" else ""
        said = text or response.message.additional_kwargs.get("refusal") or response.message.content or ""
        details = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'JSON'}: {item['msg']}" for item in problem.errors())
        raise ValueError(f"the answer is no {self.output_cls.__name__}{cut}: {details}. It says: {said!r}")

    def partial(self, response: ChatResponse) -> Any:
        """The object so far, with fields that may be missing; None if it has not changed."""
        value = partial_json(self._text(response))
        if not isinstance(value, dict):
            return None
        found: BaseModel
        try:
            found = self.output_cls.model_validate(value)
        except ValidationError:
            found = create_flexible_model(self.output_cls).model_validate(value)
        if self._last is not None and found.model_dump() == self._last.model_dump():
            return None
        self._last = found
        return found

    def objects(self, responses: Iterator[ChatResponse]) -> Generator[Any, None, None]:
        """Objects that grow; the last is whole."""
        last = None
        for response in responses:
            last = response
            if (found := self.partial(response)) is not None:
                yield found
        if last is not None and (whole := self.read(last)) != self._last:
            yield whole

    async def aobjects(self, responses: AsyncIterator[ChatResponse]) -> AsyncGenerator[Any, None]:
        """The same from a coroutine."""
        last = None
        async for response in responses:
            last = response
            if (found := self.partial(response)) is not None:
                yield found
        if last is not None and (whole := self.read(last)) != self._last:
            yield whole

    def _text(self, response: ChatResponse) -> str:
        """The JSON text of the answer: the arguments of the call, or what a model says that did not call."""
        calls = response.message.additional_kwargs.get("tool_calls") or ()
        if self.tool and calls:
            return str(calls[0]["function"]["arguments"])
        return (response.message.content or "").strip()


def _inner_json(text: str) -> str:
    """The JSON between fences or words."""
    try:
        return str(extract_json_str(text))
    except ValueError:
        return text
