"""`ChatLlmConnector`: LangChain's chat model for every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.messages.block_translators import register_translator
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import AliasChoices, BaseModel, Field, model_validator

from langchain_llm_connector.options import (
    OPTIONS,
    OTHER_NAMES,
    PER_CALL,
    STREAMING,
    checked_choice,
    listed,
    tool_dict,
    tool_name,
    with_reasoning,
)
from langchain_llm_connector.settings import ApiKey, Settings
from langchain_llm_connector.version import MODEL_PROVIDER, __version__
from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.lazy import Lazy

if TYPE_CHECKING:
    from langchain_core.language_models.model_profile import ModelProfile

    from langchain_llm_connector import answers, blocks, errors, profiles, structured
    from langchain_llm_connector import messages as conversion
    from llm_connector import providers
else:  # loaded when they are needed: half of the time that importing all would take
    answers, blocks, conversion, errors, profiles, structured = (
        Lazy(f"langchain_llm_connector.{name}")
        for name in ("answers", "blocks", "messages", "errors", "profiles", "structured")
    )
    providers = Lazy("llm_connector.providers")

__all__ = ["ChatLlmConnector"]

Method = Literal["json_schema", "function_calling", "json_mode"]


class ChatLlmConnector(Settings, BaseChatModel):
    """A chat model of any provider that llm-connector speaks to.

    >>> model = ChatLlmConnector(provider="zhipu", model="glm-4.6")  # the key from ZHIPU_API_KEY
    >>> model.invoke("Why is the sky blue?").content
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens", "max_output_tokens")
    )
    stop: list[str] | str | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | int | None = None
    user: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning: bool | int | str | None = None
    """True or False, an effort ("low", "high"…) or a budget in tokens; also as `reasoning_effort` or `thinking`."""
    think_tags: bool | None = None
    prompt_cache: bool | str | None = None
    """Prompt caching of system, tools and the last user turn, where the provider has it: True, "5m" or "1h"."""
    streaming: bool = False
    stream_usage: bool = True
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """The wire's own fields, merged into the body last."""
    include_response_headers: bool = False

    # construction

    if TYPE_CHECKING:

        def __init__(
            self, *, provider: str, model: str | None = None, api_key: ApiKey = None, **settings: Any
        ) -> None: ...

    @classmethod
    def _spelled(cls, values: dict[str, Any]) -> dict[str, Any]:
        return with_reasoning(values)

    @classmethod
    def _names(cls) -> frozenset[str]:
        return super()._names() | {"reasoning_effort", "thinking"}

    def model_post_init(self, context: Any, /) -> None:
        """Both parents have something to do here, and pydantic calls one of them only."""
        Settings.model_post_init(self, context)
        BaseChatModel.model_post_init(self, context)

    @model_validator(mode="after")
    def _finish_construction(self) -> Self:
        if hasattr(self, "_add_version"):
            self._add_version("langchain-llm-connector", __version__)
        if "profile" in type(self).model_fields and self.__dict__.get("profile") is None:
            vars(self).pop("profile")  # read at first use: see __getattr__
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Facts of the model are read from a file, so not before somebody asks."""
            if name == "profile" and "profile" in type(self).model_fields:
                found = vars(self)["profile"] = self._known_profile()
                return found
            return super().__getattr__(name)

    def _known_profile(self) -> ModelProfile | None:
        """What is known of the model, for agents: limits and abilities, as far as the provider's row has them too."""
        try:
            info = self.client.model_info()
        except LlmConnectorError:  # no key yet, no model, or the extra [models] is not installed
            return None
        profile: ModelProfile | None = profiles.profile_of(info, providers.find(self.provider).supports)
        return profile

    # what LangChain wants to know

    @property
    def _llm_type(self) -> str:
        return "llm-connector-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("provider", "model", "region", "base_url", *OPTIONS)}
        own |= {"model_kwargs": self.model_kwargs or None, "extra_body": self.extra_body or None}
        return {name: value for name, value in own.items() if value is not None}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `dumpd` and `load` work."""
        return True

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        given = {**self._identifying_params, **{name: value for name, value in kwargs.items() if value is not None}}
        params = LangSmithParams(ls_provider=self.provider, ls_model_type="chat")
        if model := given.get("model") or providers.find(self.provider).default_model:
            params["ls_model_name"] = model
        if (temperature := given.get("temperature")) is not None:
            params["ls_temperature"] = temperature
        if (most := given.get("max_tokens")) is not None:
            params["ls_max_tokens"] = most
        if stop := stop or listed(given.get("stop")):
            params["ls_stop"] = stop
        return params

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """The model, and the tokens of all prompts together."""
        combined: dict[str, Any] = {}
        total: dict[str, int] = {}
        for output in filter(None, llm_outputs):
            combined |= output
            for name, count in (output.get("token_usage") or {}).items():
                total[name] = total.get(name, 0) + count
        return {**combined, "token_usage": total} if total else combined

    # requests

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Messages and options of a call, as the core takes them."""
        kwargs = {OTHER_NAMES.get(name, name): value for name, value in with_reasoning(kwargs).items()}
        schema = kwargs.pop("json_prompt_schema", None)
        if schema is not None and (prompt := structured.json_prompt(messages, schema)) is not None:
            messages = [SystemMessage(prompt), *messages]
        own = kwargs.keys() - PER_CALL - STREAMING
        if settings := sorted(own & type(self).model_fields.keys() - {"extra_body", "model_kwargs"}):
            raise ConfigurationError(f"{settings[0]!r} is a setting of the model, not of a call; make another model")
        body = {**self.model_kwargs, **self.extra_body, **(kwargs.pop("model_kwargs", None) or {})}
        extra = kwargs.pop("extra_body", None) or {}
        body |= {name: kwargs[name] for name in own & kwargs.keys()} | extra
        options = {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}
        options["cache"] = self.prompt_cache
        options |= {name: value for name, value in kwargs.items() if name in PER_CALL}
        options["stop"] = listed(options.get("stop") if stop is None else stop) or None
        if tools := options.pop("tools", None):
            options["tools"] = list(map(tool_dict, tools))
        if body:
            options["extra_body"] = body
        return conversion.to_core(messages), {name: value for name, value in options.items() if value is not None}

    def _asked(self, options: Mapping[str, Any]) -> str | None:
        return options.get("model") or self.model

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            turns, options = self._request(messages, stop, kwargs)
            response = self.client.chat(turns, **options)
        except LlmConnectorError as error:
            raise errors.adapted(error) from error
        return answers.result_of(response, self.provider, self._asked(options), headers=self.include_response_headers)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            turns, options = self._request(messages, stop, kwargs)
            response = await self.async_client.chat(turns, **options)
        except LlmConnectorError as error:
            raise errors.adapted(error) from error
        return answers.result_of(response, self.provider, self._asked(options), headers=self.include_response_headers)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        usage, pieces = kwargs.get("stream_usage", self.stream_usage), answers.Pieces()
        try:
            turns, options = self._request(messages, stop, kwargs)
            with self.client.stream(turns, **options) as stream:
                for chunk in stream:
                    if (piece := pieces.feed(chunk)) is not None:
                        if run_manager is not None:
                            run_manager.on_llm_new_token(piece.text, chunk=piece)
                        yield piece
                response = stream.response
        except LlmConnectorError as error:
            raise errors.adapted(error) from error
        asked, headers = self._asked(options), self.include_response_headers
        piece = pieces.last(response, self.provider, asked, headers=headers, usage=usage)
        if run_manager is not None:
            run_manager.on_llm_new_token("", chunk=piece)
        yield piece

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        usage, pieces = kwargs.get("stream_usage", self.stream_usage), answers.Pieces()
        try:
            turns, options = self._request(messages, stop, kwargs)
            async with self.async_client.stream(turns, **options) as stream:
                async for chunk in stream:
                    if (piece := pieces.feed(chunk)) is not None:
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(piece.text, chunk=piece)
                        yield piece
                response = stream.response
        except LlmConnectorError as error:
            raise errors.adapted(error) from error
        asked, headers = self._asked(options), self.include_response_headers
        piece = pieces.last(response, self.provider, asked, headers=headers, usage=usage)
        if run_manager is not None:
            await run_manager.on_llm_new_token("", chunk=piece)
        yield piece

    # tokens, without a tokenizer

    def get_token_ids(self, text: str) -> list[int]:
        """Numbers in place of tokens, as many as there may be; `custom_get_token_ids` knows better."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        ascii_letters = sum(map(str.isascii, text))
        return list(range(-(-ascii_letters // 4) + (len(text) - ascii_letters)))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """An estimate that needs no network: texts, calls and tools by their length, and a share for each message."""
        texts = [str(tool) for tool in map(tool_dict, tools or ())]
        for message in messages:
            texts.append(message.text)
            texts.extend(str(call["args"]) for call in getattr(message, "tool_calls", ()))
        return sum(map(self.get_num_tokens, texts)) + 4 * len(messages)

    # tools and structured output

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: dict[str, Any] | type | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools: LangChain's, functions, classes, schemas, or a provider's own as dicts.

        `tool_choice` is "auto", "none", "any" (also "required" and True) or a tool's name.
        """
        made = [tool_dict(tool, strict) for tool in tools]
        if made:
            kwargs["tools"] = made
            if tool_choice not in (None, False):
                kwargs["tool_choice"] = checked_choice(tool_choice, [tool_name(tool) for tool in made])
            if parallel_tool_calls is not None:
                kwargs["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            kwargs["response_format"] = response_format
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
        tool = convert_to_openai_tool(schema, strict=strict)
        name, parameters = tool["function"]["name"], tool["function"].get("parameters", {})
        kwargs["ls_structured_output_format"] = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        parser: Any
        if method == "function_calling":
            kwargs.setdefault("parallel_tool_calls", False)
            llm = self.bind_tools([schema], tool_choice=name, strict=strict, **kwargs)
            parser = structured.tool_parser(schema, name, as_object=as_object)
        else:
            form: dict[str, Any] = {"type": "json_object"}
            if method == "json_schema":
                described = {"name": name, "schema": {"title": name, **parameters}}
                form = {"type": "json_schema", "json_schema": described}
                if strict is not None:
                    described["strict"] = strict
            else:
                kwargs["json_prompt_schema"] = parameters
            llm = super().bind(response_format=form, **kwargs)
            parser = structured.json_parser(schema, as_object=as_object)
        chain: Runnable[LanguageModelInput, Any] = llm | parser
        if not include_raw:
            return chain
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _translated(message: Any) -> list[Any]:
    return blocks.translate(message)


def _translated_chunk(chunk: Any) -> list[Any]:
    return blocks.translate_chunk(chunk)


register_translator(MODEL_PROVIDER, _translated, _translated_chunk)
