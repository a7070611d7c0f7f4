"""Structured prediction: the schema itself is asked for, in the best way that the provider has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.bridge.pydantic import BaseModel, ValidationError
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import dispatcher
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import create_flexible_model
from llama_index.core.types import PydanticProgramMode

from llm_connector import ChatResponse as Answer
from llm_connector import Choice, ParseError, assistant, partial_json
from llm_connector.schema import model_schema

if TYPE_CHECKING:
    from llama_index.core.prompts import PromptTemplate

__all__ = ["StructuredPrediction"]

Options: TypeAlias = dict[str, Any] | None


class StructuredPrediction(FunctionCallingLLM):
    """An LLM that is asked for objects.

    In mode `default` it answers in JSON, in mode `function` it must call a tool; other modes are LlamaIndex's own.
    What is no such object is a ValueError that shows the answer.
    """

    def structured_predict(
        self, output_cls: type[Any], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Any:
        """An object of `output_cls`."""
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        if question is None:
            return super().structured_predict(output_cls, prompt, _wishes(llm_kwargs), **prompt_args)
        dispatcher.event(question.started)
        result = question.read(self.chat(**question.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    async def astructured_predict(
        self, output_cls: type[Any], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Any:
        """An object of `output_cls`."""
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        if question is None:
            return await super().astructured_predict(output_cls, prompt, _wishes(llm_kwargs), **prompt_args)
        dispatcher.event(question.started)
        result = question.read(await self.achat(**question.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    def _structured_stream_call(
        self, output_cls: type[Any], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Generator[Any, None, None]:
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        if question is None:
            return super()._structured_stream_call(output_cls, prompt, _wishes(llm_kwargs), **prompt_args)
        responses = self.stream_chat(**question.arguments)
        return (found for response in responses if (found := question.grown(response)) is not None)

    async def _structured_astream_call(
        self, output_cls: type[Any], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> AsyncGenerator[Any, None]:
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        if question is None:
            return await super()._structured_astream_call(output_cls, prompt, _wishes(llm_kwargs), **prompt_args)
        responses = await self.astream_chat(**question.arguments)
        return (found async for response in responses if (found := question.grown(response)) is not None)

    def _question(
        self, output_cls: type[BaseModel], prompt: PromptTemplate, llm_kwargs: Options, prompt_args: dict[str, Any]
    ) -> _Question | None:
        """What to ask; None in modes that are LlamaIndex's own."""
        if self.pydantic_program_mode not in (PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION):
            return None
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        wishes = _wishes(llm_kwargs)
        if self.pydantic_program_mode is PydanticProgramMode.FUNCTION:
            tool = get_function_tool(output_cls)
            arguments = self._prepare_chat_with_tools([tool], chat_history=messages, tool_required=True, **wishes)
        else:  # plain data, since arguments of a call appear in events
            schema = {"name": output_cls.__name__, "schema": model_schema(output_cls)}
            asked = {"type": "json_schema", "json_schema": schema}
            arguments = {"messages": messages, "response_format": asked, **wishes}
        started = LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        return _Question(output_cls, arguments, started)


@dataclass
class _Question:
    """One prediction: the arguments of `chat`, and the reading of answers to it."""

    output_cls: type[BaseModel]
    arguments: dict[str, Any]
    started: LLMStructuredPredictStartEvent
    last: BaseModel | None = None

    def read(self, response: ChatResponse) -> BaseModel:
        """The object of a whole answer."""
        text, known = _json_of(response), response.additional_kwargs
        refusal = response.message.additional_kwargs.get("refusal")
        choice = Choice(message=assistant(text), finish_reason=known.get("finish_reason"), refusal=refusal)
        try:
            return Answer(choices=[choice]).parse(self.output_cls)
        except ParseError as error:
            raise ValueError(f"{error.message}. It says: {text!r}") from error

    def grown(self, response: ChatResponse) -> BaseModel | None:
        """The object so far, with fields that may be missing, at the end the whole one; None if it is as it was."""
        if "finish_reason" in response.additional_kwargs:
            found = self.read(response)
        elif isinstance(value := partial_json(_json_of(response)), dict):
            try:
                found = self.output_cls.model_validate(value)
            except ValidationError:
                found = self._flexible.model_validate(value)
        else:
            return None
        same = self.last is not None and type(found) is type(self.last) and found == self.last
        self.last = found
        return None if same else found

    @cached_property
    def _flexible(self) -> type[BaseModel]:
        return create_flexible_model(self.output_cls)


def _json_of(response: ChatResponse) -> str:
    """The arguments of the call, or what a model says that did not call."""
    calls = response.message.additional_kwargs.get("tool_calls")
    return str(calls[0]["function"]["arguments"]) if calls else response.message.content or ""


def _wishes(llm_kwargs: Options) -> dict[str, Any]:
    """What the caller wants of the model; how the object is asked for is not the caller's business."""
    ours = ("tool_choice", "tool_required", "allow_parallel_tool_calls")
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in ours}
