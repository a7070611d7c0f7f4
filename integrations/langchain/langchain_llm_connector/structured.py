"""Tools, the choice among them, and answers that are objects of a schema."""

from __future__ import annotations

import re
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool

from llm_connector.protocols.structured import json_instruction

__all__ = ["parser_of", "prompted", "tool_dict", "with_raw"]

_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


def tool_dict(tool: Any, strict: bool | None = None) -> dict[str, Any]:
    """A tool as a dict of OpenAI's shape; a provider's own tools and Anthropic's shape stay as they are."""
    if isinstance(tool, dict) and (
        "input_schema" in tool or tool.get("type", "function") not in ("function", "object")
    ):
        return tool
    made = convert_to_openai_tool(tool, strict=strict)
    if control := (getattr(tool, "extras", None) or {}).get("cache_control"):
        made["cache_control"] = control
    return made


class _Checked:
    """Looks at how an answer ended before it is parsed, so that an error says why there is no object."""

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """The object. Raises OutputParserException with the answer's text."""
        message: BaseMessage = result[0].message
        partial = partial and getattr(message, "chunk_position", None) != "last"  # streams never say that they are over
        text = _THOUGHT.sub("", message.text)
        if text != message.text:
            result = [ChatGeneration(message=message.model_copy(update={"content": text}))]
        problem = None
        if refusal := message.additional_kwargs.get("refusal"):
            problem = f"the model refused: {refusal}"
        elif message.response_metadata.get("normalized_finish_reason") == "length":
            problem = "the answer was cut off at max_tokens"
        parsed = None if problem and not partial else super().parse_result(result, partial=partial)  # type: ignore[misc]
        if parsed is None and not partial:
            problem = problem or "the answer holds no such object or call"
            raise OutputParserException(problem, llm_output=message.text)
        return parsed


class _Json(_Checked, JsonOutputParser):
    pass


class _Pydantic(_Checked, PydanticOutputParser[Any]):
    pass


class _Tool(_Checked, JsonOutputKeyToolsParser):
    pass


class _PydanticTool(_Checked, PydanticToolsParser):
    pass


def parser_of(schema: Any, name: str, *, as_object: bool, called: bool) -> Any:
    """Reads the object from the arguments of a call, or from the answer's text."""
    if called:
        given: dict[str, Any] = {"first_tool_only": True}
        return _PydanticTool(tools=[schema], **given) if as_object else _Tool(key_name=name, **given)
    return _Pydantic(pydantic_object=schema) if as_object else _Json()


def with_raw(parser: Any) -> Runnable[Any, dict[str, Any]]:
    """The answer, the object in it, and the error where there is none."""

    def read(raw: BaseMessage) -> dict[str, Any]:
        try:
            return {"raw": raw, "parsed": parser.invoke(raw), "parsing_error": None}
        except Exception as error:  # noqa: BLE001  validators of the schema may raise anything
            return {"raw": raw, "parsed": None, "parsing_error": error}

    return RunnableLambda(read)


def prompted(messages: list[BaseMessage], schema: dict[str, Any] | None) -> list[BaseMessage]:
    """Messages that ask for JSON with the properties of a schema, if they do not name all of them themselves."""
    text = "".join(message.text for message in messages)
    if schema is None or ("json" in text.lower() and all(name in text for name in schema.get("properties", {}))):
        return messages
    return [SystemMessage(json_instruction(schema)), *messages]
