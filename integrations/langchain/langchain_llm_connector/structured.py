"""Parsers that say why an answer does not fit, instead of giving None."""

from __future__ import annotations

import json
import re
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGeneration

__all__ = ["json_parser", "json_prompt", "tool_parser"]

_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


class _Checked:
    """Looks at how an answer ended before it is parsed."""

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """The object. Raises OutputParserException with the answer's text."""
        message: BaseMessage = result[0].message
        if "</think>" in message.text:
            text = _THOUGHT.sub("", message.text)
            result = [ChatGeneration(message=message.model_copy(update={"content": text}))]
        if partial:
            return super().parse_result(result, partial=True)  # type: ignore[misc]  # of the parser beside this class
        refusal = message.additional_kwargs.get("refusal")
        if refusal:
            raise OutputParserException(f"the model refused: {refusal}", llm_output=message.text)
        if message.response_metadata.get("normalized_finish_reason") == "length":
            raise OutputParserException("the answer was cut off at max_tokens", llm_output=message.text)
        parsed = super().parse_result(result)  # type: ignore[misc]  # of the parser beside this class
        if parsed is None:
            raise OutputParserException("the answer holds no such object or call", llm_output=message.text)
        return parsed


class _Json(_Checked, JsonOutputParser):
    pass


class _Pydantic(_Checked, PydanticOutputParser[Any]):
    pass


class _Tool(_Checked, JsonOutputKeyToolsParser):
    pass


class _PydanticTool(_Checked, PydanticToolsParser):
    pass


def json_parser(schema: Any, *, as_object: bool) -> Any:
    """Reads the object from the answer's text."""
    return _Pydantic(pydantic_object=schema) if as_object else _Json()


def tool_parser(schema: Any, name: str, *, as_object: bool) -> Any:
    """Reads the object from the arguments of a call."""
    if as_object:
        return _PydanticTool(tools=[schema], first_tool_only=True)
    return _Tool(key_name=name, first_tool_only=True)


def json_prompt(messages: list[BaseMessage], schema: dict[str, Any]) -> str | None:
    """What to add to a prompt that asks for JSON; None where the prompt names every property itself."""
    text = "".join(message.text for message in messages)
    if "json" in text.lower() and all(name in text for name in schema.get("properties", {})):
        return None
    return f"Answer with a JSON object that follows this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
