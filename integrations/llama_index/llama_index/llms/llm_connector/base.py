"""`LlmConnector`: the LLM of LlamaIndex for every provider."""

# LlamaIndex's decorators say nothing of the functions that they wrap.
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from llama_index.core.base.llms import types as llama
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import ToolSelection
from llama_index.llms.llm_connector.messages import aresponses, completion_of, response_of, responses, to_core, turn_of
from llama_index.llms.llm_connector.structured import StructuredPrediction

from llm_connector import ConfigurationError, ModelInfo, partial_json
from llm_connector.client.connected import Connected
from llm_connector.types import PlainTurn

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

__all__ = ["DEFAULT_WINDOW", "LlmConnector"]

Result = TypeVar("Result")

DEFAULT_WINDOW = 32_768
"""The context window of a model that nothing is known of."""


class LlmConnector(Connected, StructuredPrediction, init=False):
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
    reasoning: bool | int | str | dict[str, Any] | None = Field(
        default=None, description="Whether, how hard (minimal … max) or for how many tokens the model thinks."
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

    spellings: ClassVar[Mapping[str, str]] = {
        "api_base": "base_url",
        "model_name": "model",
        "reasoning_effort": "reasoning",
    }
    shared: ClassVar[tuple[str, ...]] = ("callback_manager", "rate_limiter")
    extra_field: ClassVar[str] = "additional_kwargs"

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnector"

    @property
    def metadata(self) -> llama.LLMMetadata:
        """What prompt helpers and agents want to know; nothing is sent to find it out."""
        info = ModelInfo(id=self.model or self.row.default_model or "unknown")
        with suppress(ConfigurationError):  # without the package of facts, or without a key: a request will say it
            info = self.client.model_info(info)
        calls = self.is_function_calling_model
        if calls is None:
            calls = "tools" in self.row.supports and (info.capabilities is None or "tools" in info.capabilities)
        return llama.LLMMetadata(
            context_window=self.context_window or info.context_window or DEFAULT_WINDOW,
            num_output=self.num_output or self.max_tokens or -1,
            is_chat_model=self.is_chat_model,
            is_function_calling_model=calls,
            model_name=info.id,
        )

    def to_payload(self) -> dict[str, Any]:
        """What events and tracers see: no secrets."""
        known = self.metadata.model_dump()
        sampling = {"temperature": self.temperature, "max_tokens": self.max_tokens, "reasoning": self.reasoning}
        own = {"class_name": self.class_name(), "provider": self.provider, "model": known["model_name"]}
        return {**own, **known, **sampling}

    # chat: nothing is sent before the first step of a stream

    @llm_chat_callback()
    def chat(self, messages: Sequence[llama.ChatMessage], **kwargs: Any) -> llama.ChatResponse:
        return response_of(self._ask(self.client.chat, messages, kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[llama.ChatMessage], **kwargs: Any) -> llama.ChatResponseGen:
        return responses(self._ask(self.client.stream, messages, kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[llama.ChatMessage], **kwargs: Any) -> llama.ChatResponse:
        return response_of(await self._ask(self.async_client.chat, messages, kwargs))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[llama.ChatMessage], **kwargs: Any) -> llama.ChatResponseAsyncGen:
        return aresponses(self._ask(self.async_client.stream, messages, kwargs))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> llama.CompletionResponse:
        return completion_of(response_of(self._ask(self.client.chat, prompt, kwargs)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> llama.CompletionResponseGen:
        return (completion_of(it) for it in responses(self._ask(self.client.stream, prompt, kwargs)))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> llama.CompletionResponse:
        return completion_of(response_of(await self._ask(self.async_client.chat, prompt, kwargs)))

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> llama.CompletionResponseAsyncGen:
        return (completion_of(it) async for it in aresponses(self._ask(self.async_client.stream, prompt, kwargs)))

    def _ask(
        self, method: Callable[..., Result], messages: str | Sequence[llama.ChatMessage], kwargs: Mapping[str, Any]
    ) -> Result:
        """What a client's method says to the conversation, with the options of this object and then of the call.

        Where the conversation has no instructions, `system_prompt` gives them, whatever the path.
        """
        turns = to_core([llama.ChatMessage(messages)] if isinstance(messages, str) else messages)
        if self.system_prompt and not any(turn.role == "system" for turn in turns):
            turns.insert(0, PlainTurn("system", self.system_prompt))
        own = {name: getattr(self, name) for name in ("model", "temperature", "max_tokens", "reasoning")}
        options = self.call_options({**own, "strict_schema": self.strict}, self.additional_kwargs, kwargs)
        if not options.get("tools"):
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                options.pop(name, None)
        return method(turns, **options)

    # tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | llama.ChatMessage | None = None,
        chat_history: list[llama.ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or [])
        if user_msg:
            messages.append(llama.ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)
        if not tools:
            return {"messages": messages, "tools": None, **kwargs}
        if strict is not None:
            kwargs["strict_schema"] = strict
        return {
            "messages": messages,
            "tools": [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
            "tool_choice": tool_choice or ("required" if tool_required else "auto"),
            "parallel_tool_calls": allow_parallel_tool_calls,
            **kwargs,
        }

    def _validate_chat_with_tools_response(
        self,
        response: llama.ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> llama.ChatResponse:
        """Without further calls where one was asked for: not every server knows such a limit."""
        message = response.message
        calls = [block for block in message.blocks if isinstance(block, llama.ToolCallBlock)]
        if len(calls) > 1 and not allow_parallel_tool_calls:
            message.blocks = [it for it in message.blocks if it is calls[0] or not isinstance(it, llama.ToolCallBlock)]
            message.additional_kwargs["tool_calls"] = message.additional_kwargs.get("tool_calls", [])[:1]
        return response

    def get_tool_calls_from_response(
        self, response: llama.ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls, also of an answer that is not whole yet. Raises ValueError if there must be one and is none.

        Arguments that were cut are read as far as they have come while the answer grows. At its end they are none: a
        tool that runs on half of them does something else than what was asked.
        """
        calls = turn_of("assistant", response.message).tool_calls
        if not calls and error_on_no_tool_call:
            said = response.message.content
            raise ValueError(f"Expected at least one tool call, but got 0 tool calls; the answer is {said!r}.")
        over = "finish_reason" in response.additional_kwargs
        selections: list[ToolSelection] = []
        for call in calls:
            known = call.arguments if over or call.error is None else partial_json(call.arguments_raw)
            selections.append(ToolSelection(tool_id=call.id, tool_name=call.name, tool_kwargs=known))
        return selections
