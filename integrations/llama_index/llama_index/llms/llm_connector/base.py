"""`LlmConnector`: the LLM of LlamaIndex for every provider."""

# LlamaIndex's decorators say nothing of the functions that they wrap.
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection, dispatcher
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.types import PydanticProgramMode
from llama_index.llms.llm_connector.answers import aresponses, completion_of, response_of, responses
from llama_index.llms.llm_connector.connection import Connection
from llama_index.llms.llm_connector.messages import call_id_of, to_core
from llama_index.llms.llm_connector.structured import Question, partial_json, response_format

from llm_connector import ChatOptions, ConfigurationError, Message, ModelInfo
from llm_connector.types import PlainTurn

if TYPE_CHECKING:
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.tools.types import BaseTool
    from llama_index.llms.llm_connector.connection import ApiKey

__all__ = ["DEFAULT_WINDOW", "LlmConnector"]

DEFAULT_WINDOW = 32_768
"""The context window of a model that nothing is known of."""

_OPTIONS = frozenset(ChatOptions.__annotations__)
_SPELLINGS: Mapping[str, str] = {"reasoning_effort": "reasoning", "strict": "strict_schema"}
_OWN_MODES = (PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION)


class LlmConnector(Connection, FunctionCallingLLM):
    """Any model of any provider.

    Examples:
        `pip install llama-index-llms-llm-connector`

        ```python
        from llama_index.llms.llm_connector import LlmConnector

        llm = LlmConnector(provider="deepseek", model="deepseek-chat")
        print(llm.complete("Why is the sky blue?"))
        ```
    """

    model: str | None = Field(default=None, description="Name of the model, where the provider has no default.")
    temperature: float | None = Field(default=None, ge=0, description="None leaves it to the server.")
    max_tokens: int | None = Field(default=None, gt=0, description="Limit of the answer, thoughts included.")
    reasoning: bool | int | str | None = Field(
        default=None,
        union_mode="left_to_right",
        description="Whether, how hard (minimal … max) or for how many tokens the model thinks.",
    )
    strict: bool | None = Field(default=None, description="Hold the model to the schemas of tools and answers.")
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of every request; what is no option goes into its body as it is.",
    )
    context_window: int | None = Field(default=None, gt=0, description="None looks it up.")
    num_output: int | None = Field(default=None, description="Tokens to keep free for an answer.")
    is_chat_model: bool = Field(default=True)
    is_function_calling_model: bool | None = Field(default=None, description="None looks it up.")

    if TYPE_CHECKING:

        def __init__(
            self, provider: str, *, model: str | None = None, api_key: ApiKey = None, **settings: Any
        ) -> None: ...

    spellings: ClassVar[Mapping[str, str]] = {
        **Connection.spellings,
        "model_name": "model",
        "reasoning_effort": "reasoning",
    }

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnector"

    @property
    def metadata(self) -> LLMMetadata:
        """What prompt helpers and agents want to know; nothing is sent to find it out."""
        info = self._info()
        calls = self.is_function_calling_model
        if calls is None:
            calls = "tools" in self.row.supports and (info.capabilities is None or "tools" in info.capabilities)
        return LLMMetadata(
            context_window=self.context_window or info.context_window or DEFAULT_WINDOW,
            num_output=self.num_output or self.max_tokens or -1,
            is_chat_model=self.is_chat_model,
            is_function_calling_model=calls,
            model_name=info.id,
        )

    def _info(self) -> ModelInfo:
        model = self.model or self.row.default_model or "unknown"
        try:
            return self.client.model_info(model)
        except ConfigurationError:  # without the package of facts, or without a key: a request will say it
            return ModelInfo(id=model)

    def to_payload(self) -> dict[str, Any]:
        """What events and tracers see: no secrets."""
        known = self.metadata
        sampling = {"temperature": self.temperature, "max_tokens": self.max_tokens, "reasoning": self.reasoning}
        own = {"class_name": self.class_name(), "provider": self.provider, "model": known.model_name}
        return {**own, **known.model_dump(), **sampling}

    # chat

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer."""
        return self._chat(messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer so far, after each piece of it."""
        return self._stream(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer."""
        return await self._achat(messages, kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The answer so far, after each piece of it; nothing is sent before the first step."""
        return self._astream(messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to a prompt."""
        return completion_of(self._chat([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a prompt so far, after each piece of it."""
        return (completion_of(response) for response in self._stream([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to a prompt."""
        return completion_of(await self._achat([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The answer to a prompt so far, after each piece of it."""
        return (completion_of(response) async for response in self._astream([ChatMessage(prompt)], kwargs))

    def _chat(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponse:
        return response_of(self.client.chat(self._turns(messages), **self._options(kwargs)))

    def _stream(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponseGen:
        return responses(self.client.stream(self._turns(messages), **self._options(kwargs)))

    async def _achat(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponse:
        return response_of(await self.async_client.chat(self._turns(messages), **self._options(kwargs)))

    def _astream(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponseAsyncGen:
        return aresponses(self.async_client.stream(self._turns(messages), **self._options(kwargs)))

    def _turns(self, messages: Sequence[ChatMessage]) -> list[Message]:
        """The conversation. Where it has no instructions, `system_prompt` gives them, whatever the path."""
        turns = to_core(messages)
        if self.system_prompt and not any(turn.role == "system" for turn in turns):
            turns.insert(0, PlainTurn("system", self.system_prompt))
        return turns

    def _options(self, kwargs: Mapping[str, Any]) -> Any:
        """The options of a call: this object's, `additional_kwargs`, then the call's own."""
        options: dict[str, Any] = {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning": self.reasoning,
            "strict_schema": self.strict,
        }
        body: dict[str, Any] = {}
        for given in (self.additional_kwargs, kwargs):
            for name, value in given.items():
                name = _SPELLINGS.get(name, name)
                if name == "extra_body":
                    body.update(value or {})
                elif name in _OPTIONS:
                    options[name] = value
                elif value is not None:
                    body[name] = value
        if body:
            options["extra_body"] = body
        if not options.get("tools"):
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                options.pop(name, None)
        return options

    # tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or [])
        if user_msg:
            messages.append(ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)
        specs = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        if not specs:
            return {"messages": messages, "tools": None, **kwargs}
        strict = self.strict if strict is None else strict
        if strict is not None:
            for spec in specs:
                spec["function"]["strict"] = strict
        return {
            "messages": messages,
            "tools": specs,
            "tool_choice": tool_choice or ("required" if tool_required else "auto"),
            "parallel_tool_calls": allow_parallel_tool_calls,
            **kwargs,
        }

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """Without further calls where one was asked for: not every server knows such a limit."""
        if not allow_parallel_tool_calls:
            message = response.message
            calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
            if len(calls) > 1:
                message.blocks = [block for block in message.blocks if block not in calls[1:]]
                message.additional_kwargs["tool_calls"] = message.additional_kwargs.get("tool_calls", [])[:1]
        return response

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls, also of an answer that is not whole yet. Raises ValueError if there must be one and is none."""
        found = [
            (call_id_of(block, position), block.tool_name, block.tool_kwargs)
            for position, block in enumerate(response.message.blocks)
            if isinstance(block, ToolCallBlock)
        ] or [
            (call.id, call.name, call.arguments_raw or call.arguments)
            for turn in to_core([response.message])
            for call in turn.tool_calls
        ]
        if not found and error_on_no_tool_call:
            said = response.message.content
            raise ValueError(f"Expected at least one tool call, but got 0 tool calls; the answer is {said!r}.")
        return [ToolSelection(tool_id=id_, tool_name=name, tool_kwargs=_object(given)) for id_, name, given in found]

    # structured prediction

    def structured_predict(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """An object of `output_cls`. Raises ValueError with the answer if it is none."""
        if self.pydantic_program_mode not in _OWN_MODES:
            return super().structured_predict(output_cls, prompt, _plain(llm_kwargs), **prompt_args)
        dispatcher.event(_started(output_cls, prompt, prompt_args))
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        result = question.read(self.chat(**question.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    async def astructured_predict(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """An object of `output_cls`. Raises ValueError with the answer if it is none."""
        if self.pydantic_program_mode not in _OWN_MODES:
            return await super().astructured_predict(output_cls, prompt, _plain(llm_kwargs), **prompt_args)
        dispatcher.event(_started(output_cls, prompt, prompt_args))
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        result = question.read(await self.achat(**question.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    def _structured_stream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        if self.pydantic_program_mode not in _OWN_MODES:
            return super()._structured_stream_call(output_cls, prompt, _plain(llm_kwargs), **prompt_args)
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        return question.objects(self.stream_chat(**question.arguments))

    async def _structured_astream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        if self.pydantic_program_mode not in _OWN_MODES:
            return await super()._structured_astream_call(output_cls, prompt, _plain(llm_kwargs), **prompt_args)
        question = self._question(output_cls, prompt, llm_kwargs, prompt_args)
        return question.aobjects(await self.astream_chat(**question.arguments))

    def _question(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> Question:
        """The schema itself is asked for, in the best way that the provider has; mode `function` asks for a call."""
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        kwargs = _plain(llm_kwargs)
        if self.pydantic_program_mode is PydanticProgramMode.FUNCTION:
            tool = get_function_tool(output_cls)
            arguments = self._prepare_chat_with_tools([tool], chat_history=messages, tool_required=True, **kwargs)
            return Question(output_cls, arguments, tool.metadata.name)
        return Question(output_cls, {"messages": messages, "response_format": response_format(output_cls), **kwargs})


def _object(given: Any) -> dict[str, Any]:
    value = partial_json(given) if isinstance(given, str) else given
    return value if isinstance(value, dict) else {}


def _plain(llm_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the caller wants of the model; how the object is asked for is not the caller's business."""
    ours = ("tool_choice", "tool_required", "allow_parallel_tool_calls")
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in ours}


def _started(
    output_cls: type[BaseModel], prompt: PromptTemplate, prompt_args: dict[str, Any]
) -> LLMStructuredPredictStartEvent:
    return LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
