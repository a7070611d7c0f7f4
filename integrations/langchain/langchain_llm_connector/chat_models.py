"""`ChatLlmConnector`: LangChain's chat model for every provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.block_translators import register_translator
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from langchain_llm_connector.errors import both_trees
from langchain_llm_connector.settings import MODEL_PROVIDER, Settings, __version__
from llm_connector.errors import LlmConnectorError
from llm_connector.lazy import Lazy

if TYPE_CHECKING:
    import llm_connector
    from langchain_llm_connector import answers, messages, structured
    from llm_connector.types import size
else:  # loaded when they are needed: half of the time that importing all would take
    answers, messages, structured = (
        Lazy(f"langchain_llm_connector.{name}") for name in ("answers", "messages", "structured")
    )
    llm_connector, size = Lazy("llm_connector"), Lazy("llm_connector.types.size")

__all__ = ["ChatLlmConnector"]

Method = Literal["json_schema", "function_calling", "json_mode"]

_PER_CALL = {"default_headers": "extra_headers", "prompt_cache": "cache"}
"""Fields that calls may give as well, by the core's name."""
_MEDIA = {"image": "images", "pdf": "documents", "audio": "audio", "video": "video"}
_NOT_SENT = frozenset({"json_prompt_schema", "model_kwargs", "stream", "stream_options", "stream_usage", "streaming"})


class _Options(BaseModel):
    """Options of the core, by the same names."""

    model_config = ConfigDict(defer_build=True)

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: list[str] | str | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | int | None = None
    user: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning: bool | int | str | dict[str, Any] | None = None
    """True or False, an effort ("low", "high"…) or a budget in tokens; also as `reasoning_effort` or `thinking`."""
    think_tags: bool | None = None


class ChatLlmConnector(Settings, _Options, BaseChatModel, init=False):
    """A chat model of any provider that llm-connector speaks to.

    >>> model = ChatLlmConnector(provider="zhipu", model="glm-4.6")  # the key from ZHIPU_API_KEY
    >>> model.invoke("Why is the sky blue?").content
    """

    prompt_cache: bool | str | None = None
    """Prompt caching of system, tools and the last user turn, where the provider has it: True, "5m" or "1h"."""
    streaming: bool = False
    stream_usage: bool = True
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """The wire's own fields, merged into the body last."""
    include_response_headers: bool = False

    extra_field: ClassVar[str] = "extra_body"
    spellings: ClassVar[Mapping[str, str]] = {
        **Settings.spellings,
        "max_completion_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "reasoning_effort": "reasoning",
        "stop_sequences": "stop",
        "thinking": "reasoning",
    }

    @model_validator(mode="after")
    def _finish_construction(self) -> Self:
        if hasattr(self, "_add_version"):
            self._add_version("langchain-llm-connector", __version__)
        if vars(self).get("profile") is None:
            vars(self).pop("profile", None)  # looked up by whoever asks: see __getattr__
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The profile is looked up whenever somebody asks, and so is that of the model which is set then."""
            return _profile_of(self) if name == "profile" else super().__getattr__(name)

    # what LangChain wants to know

    @property
    def _llm_type(self) -> str:
        return "llm-connector-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("provider", "region", "base_url", *_Options.model_fields)}
        own |= {"model_kwargs": self.model_kwargs or None, "extra_body": self.extra_body or None}
        return {name: value for name, value in own.items() if not isinstance(value, SecretStr | None)}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `dumpd` and `load` work."""
        return True

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        own = [self.stop] if isinstance(self.stop, str) else self.stop
        params = super()._get_ls_params(stop or own, **kwargs)
        params["ls_provider"] = self.provider
        if "ls_model_name" not in params and self.row.default_model:
            params["ls_model_name"] = self.row.default_model
        return params

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """The model, and the tokens of all prompts together."""
        combined, total = dict[str, Any](), Counter[str]()
        for output in filter(None, llm_outputs):
            combined |= output
            total.update(output.get("token_usage"))
        return {**combined, "token_usage": dict(total)} if total else combined

    def get_token_ids(self, text: str) -> list[int]:
        """Numbers in place of tokens, about as many as there may be; `custom_get_token_ids` knows better."""
        known = self.custom_get_token_ids
        return list(range(size.text_tokens([text]))) if known is None else known(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """An estimate that needs no network."""
        described = (str(structured.tool_dict(tool)) for tool in tools or ())
        return super().get_num_tokens_from_messages(messages) + sum(map(self.get_num_tokens, described))

    # requests

    def _request(
        self, turns: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """Messages and options of a call, as the core takes them, and what metadata says of it."""
        own: dict[str, Any] = {name: getattr(self, name) for name in _Options.model_fields}
        given = {_PER_CALL.get(name, name): value for name, value in kwargs.items() if name not in _NOT_SENT}
        options = self.call_options(
            {**own, "cache": self.prompt_cache},
            {**self.model_kwargs, "extra_body": self.extra_body},
            kwargs.get("model_kwargs") or {},
            given if stop is None else {**given, "stop": stop},
        )
        if tools := options.get("tools"):
            options["tools"] = list(map(structured.tool_dict, tools))
        asked = {"provider": self.provider, "model": options.get("model"), "headers": self.include_response_headers}
        return messages.to_core(structured.prompted(turns, kwargs.get("json_prompt_schema"))), options, asked

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with both_trees():
            turns, options, asked = self._request(messages, stop, kwargs)
            return answers.result_of(self.client.chat(turns, **options), asked)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with both_trees():
            turns, options, asked = self._request(messages, stop, kwargs)
            return answers.result_of(await self.async_client.chat(turns, **options), asked)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        with both_trees():
            turns, options, asked = self._request(messages, stop, kwargs)
            pieces = answers.Pieces(asked, usage=kwargs.get("stream_usage", self.stream_usage))
            with self.client.stream(turns, **options) as stream:
                for chunk in stream:
                    if (piece := pieces.feed(chunk)) is not None:
                        if run_manager is not None:
                            run_manager.on_llm_new_token(piece.text, chunk=piece)
                        yield piece
            piece = pieces.last(stream.response)
            if run_manager is not None:
                run_manager.on_llm_new_token("", chunk=piece)
            yield piece

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        with both_trees():
            turns, options, asked = self._request(messages, stop, kwargs)
            pieces = answers.Pieces(asked, usage=kwargs.get("stream_usage", self.stream_usage))
            async with self.async_client.stream(turns, **options) as stream:
                async for chunk in stream:
                    if (piece := pieces.feed(chunk)) is not None:
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(piece.text, chunk=piece)
                        yield piece
            piece = pieces.last(stream.response)
            if run_manager is not None:
                await run_manager.on_llm_new_token("", chunk=piece)
            yield piece

    # tools and structured output

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools: LangChain's, functions, classes, schemas, or a provider's own as dicts.

        `tool_choice` is "auto", "none", "any" (also "required" and True) or a tool's name. Other arguments are options
        of the calls, such as `response_format`.
        """
        if made := [structured.tool_dict(tool, strict) for tool in tools]:
            chosen = {"tool_choice": "required" if tool_choice is True else tool_choice or None}
            asked = llm_connector.ChatRequest.of("?", {"tools": made, **chosen})  # mistakes are said here, not later
            given = {"tool_choice": asked.tool_choice, "parallel_tool_calls": parallel_tool_calls}
            kwargs |= {"tools": made, **{name: value for name, value in given.items() if value is not None}}
        return super().bind(**kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """A chain that answers with objects of a schema: a pydantic class, a TypedDict or a JSON Schema with a title.

        "json_schema" asks for it in the way that the provider has, without a forced tool, which thinking models refuse.
        """
        if method not in ("json_schema", "function_calling", "json_mode"):
            raise ValueError(f"method is {method!r}; it is 'json_schema', 'function_calling' or 'json_mode'")
        if method == "json_mode" and strict is not None:
            raise ValueError("strict= needs a schema that the server knows; method='json_mode' has none")
        as_object = isinstance(schema, type) and is_basemodel_subclass(schema)
        if method == "json_schema" and as_object and not issubclass(schema, BaseModel):  # type: ignore[arg-type]
            method = "function_calling"  # a class of pydantic 1
        function = structured.tool_dict(schema, strict)["function"]
        name, parameters = function["name"], function.get("parameters", {})
        kwargs["ls_structured_output_format"] = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        if method == "function_calling":
            kwargs.setdefault("parallel_tool_calls", False)
            llm = self.bind_tools([schema], tool_choice=name, strict=strict, **kwargs)
        elif method == "json_schema":
            described = {"name": name, "schema": {"title": name, **parameters}, "strict": strict}
            llm = super().bind(response_format={"type": method, "json_schema": described}, **kwargs)
        else:
            llm = super().bind(response_format={"type": "json_object"}, json_prompt_schema=parameters, **kwargs)
        parser = structured.parser_of(schema, name, as_object=as_object, called=method == "function_calling")
        chain: Runnable[LanguageModelInput, Any] = llm | (structured.with_raw(parser) if include_raw else parser)
        return chain


def _profile_of(model: Settings) -> Any:
    """Limits and abilities that are known, as far as the provider's row has them too; None if nothing is."""
    try:
        info, supports = model.client.model_info(), model.row.supports
    except LlmConnectorError:  # no key yet, no model, or the extra [models] is not installed
        return None
    read, written, abilities = info.input_modalities, info.output_modalities or (), info.capabilities
    profile: dict[str, Any] = {f"{kind}_outputs": True for kind in written if kind != "pdf"}
    if read is not None:
        profile |= {f"{kind}_inputs": kind in read and needed in supports for kind, needed in _MEDIA.items()}
        profile |= {"text_inputs": "text" in read, "image_url_inputs": profile["image_inputs"]}
    if abilities is not None:
        calls, schemas = ({name} <= supports & set(abilities) for name in ("tools", "structured_output"))
        profile |= {"tool_calling": calls, "tool_choice": calls, "tool_call_streaming": calls}
        profile |= {"structured_output": schemas, "reasoning_output": "reasoning" in abilities}
    limits = {"name": info.name, "max_input_tokens": info.context_window, "max_output_tokens": info.max_output}
    return {**{name: value for name, value in limits.items() if value is not None}, **profile} or None


register_translator(
    MODEL_PROVIDER,
    lambda message: answers.translate(message),  # noqa: PLW0108  `answers` loads when it is called
    lambda chunk: answers.translate_chunk(chunk),  # noqa: PLW0108  `answers` loads when it is called
)
