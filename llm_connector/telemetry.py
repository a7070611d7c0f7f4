"""OpenTelemetry for all clients: `instrument()` switches it on, with the extra `[otel]`.

Names are those of the semantic conventions for generative AI that opentelemetry-semantic-conventions 0.66 lists
(checked 2026-11), which is what dashboards read. They are still in development: the main branch of
https://github.com/open-telemetry/semantic-conventions-genai has others for metrics and for cache writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llm_connector.errors import APIError, ConfigurationError
from llm_connector.observing import OBSERVERS, Operation, Outcome, Watch, error_name, usage_of
from llm_connector.types import AnyPart, ChatResponse, Embeddings, Media, Message, Reasoning, Text, ToolCall, ToolResult
from llm_connector.wire import Send, encode_json

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from llm_connector.types import ChatRequest

__all__ = ["instrument", "uninstrument"]

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_OPERATIONS = {"chat": "chat", "stream": "chat", "embed": "embeddings"}
_PROVIDERS = {
    "openai_responses": "openai",
    "azure_openai": "azure.ai.openai",
    "azure_openai_responses": "azure.ai.openai",
    "deepseek_anthropic": "deepseek",
    "bedrock": "aws.bedrock",
    "anthropic_bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "gemini_vertex": "gcp.vertex_ai",
    "anthropic_vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""Where the conventions have another name than the row."""
_REQUESTED = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "stop": "stop_sequences",
    "seed": "seed",
}
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4.0**power for power in range(14))


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    capture_content: bool | None = None,
) -> None:
    """Make a span and metrics of each `chat`, `stream` and `embed` of all clients, from now on.

    The providers are the global ones unless they are given. Prompts and answers are in the spans only with
    `capture_content`; None reads the variable OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT. A second time
    replaces the first. Raises ConfigurationError without opentelemetry-api.
    """
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        raise ConfigurationError(
            "telemetry needs one more package: pip install 'llm-connector-core[otel]', and an SDK that exports"
        ) from None
    if capture_content is None:
        capture_content = os.environ.get(CONTENT_VARIABLE, "").lower() in ("true", "span_only", "span_and_event")
    tracer = trace.get_tracer("llm_connector", tracer_provider=tracer_provider)
    meter = metrics.get_meter("llm_connector", meter_provider=meter_provider)
    uninstrument()
    OBSERVERS.append(Telemetry(tracer, Instruments(meter), content=capture_content))


def uninstrument() -> None:
    """Make no more spans and metrics; calls that are under way finish theirs."""
    OBSERVERS[:] = [observer for observer in OBSERVERS if not isinstance(observer, Telemetry)]


class Instruments:
    """What is measured."""

    def __init__(self, meter: Any) -> None:
        def histogram(name: str, unit: str, description: str, buckets: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=buckets)

        prefix = "gen_ai.client"
        self.duration = histogram(f"{prefix}.operation.duration", "s", "GenAI operation duration.", _SECONDS)
        self.first_chunk = histogram(
            f"{prefix}.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", _SECONDS
        )
        self.tokens = histogram(f"{prefix}.token.usage", "{token}", "Number of input and output tokens used.", _TOKENS)


class Telemetry:
    """Makes a span for each operation that the conventions know."""

    def __init__(self, tracer: Tracer, instruments: Instruments, *, content: bool) -> None:
        self.tracer = tracer
        self.instruments = instruments
        self.content = content

    def __call__(self, operation: Operation) -> Watch | None:
        return SpanWatch(self, operation) if operation.name in _OPERATIONS else None


class SpanWatch(Watch):
    """The span of one call. It is the current one until the answer is there, or its stream is open."""

    def __init__(self, telemetry: Telemetry, operation: Operation) -> None:
        from opentelemetry import context, trace

        self._telemetry = telemetry
        self._operation = operation
        self._endpoint = operation.endpoint
        self._common = _common(operation)
        self._requests = 0
        attributes = self._common | _requested(operation)
        name = f"{self._common['gen_ai.operation.name']} {operation.model or ''}".rstrip()
        self._span = telemetry.tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)
        self._token = context.attach(trace.set_span_in_context(self._span))

    def sent(self, step: Send) -> None:
        """One request more, with secrets that may be new."""
        if step.policy is None:
            self._requests += 1
            if self._telemetry.content:
                self._endpoint = self._operation.endpoint.after(step.request)

    def left(self) -> None:
        """The caller's own span is the current one again."""
        from opentelemetry import context

        context.detach(self._token)

    def ended(self, outcome: Outcome) -> None:
        """Finish the span, and measure."""
        from opentelemetry.trace import Status, StatusCode

        error = _error_type(outcome)
        result = outcome.result
        measured = self._common | {"gen_ai.response.model": getattr(result, "model", None), "error.type": error}
        measured = {name: value for name, value in measured.items() if value is not None}
        if self._span.is_recording():
            found = _found(outcome) | {
                "error.type": error,
                "http.request.resend_count": max(self._requests - 1, 0) or None,
            }
            if self._telemetry.content:
                found |= self._content(result)
            self._span.set_attributes({name: value for name, value in found.items() if value is not None})
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        instruments, usage = self._telemetry.instruments, usage_of(result)
        instruments.duration.record(outcome.seconds, measured)
        if outcome.first_chunk is not None:
            instruments.first_chunk.record(outcome.first_chunk, measured)
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if tokens is not None:
                instruments.tokens.record(tokens, measured | {"gen_ai.token.type": kind})

    def _content(self, result: Any) -> dict[str, str]:
        """What was said, without the caller's secrets."""
        request = self._operation.request
        said = {} if request is None else _asked(request)
        if isinstance(result, ChatResponse):
            said["gen_ai.output.messages"] = _answered(result)
        return {name: self._endpoint.redact(encode_json(value).decode()) for name, value in said.items()}


def _common(operation: Operation) -> dict[str, Any]:
    """What spans and metrics say of every call."""
    address = urlsplit(operation.endpoint.base_url)
    name = operation.endpoint.spec.name
    found = {
        "gen_ai.operation.name": _OPERATIONS[operation.name],
        "gen_ai.provider.name": _PROVIDERS.get(name, name),
        "gen_ai.request.model": operation.model,
        "server.address": address.hostname,
        "server.port": address.port or {"http": 80, "https": 443}.get(address.scheme),
    }
    return {name: value for name, value in found.items() if value is not None}


def _requested(operation: Operation) -> dict[str, Any]:
    """What was asked for, content aside."""
    request = operation.request
    found: dict[str, Any] = {
        "gen_ai.request.stream": True if operation.name == "stream" else None,
        "gen_ai.embeddings.dimension.count": operation.dimensions,
    }
    if request is not None:
        found |= {f"gen_ai.request.{wire}": getattr(request, name) for name, wire in _REQUESTED.items()}
        found["gen_ai.request.choice.count"] = request.n if request.n != 1 else None
        found["gen_ai.output.type"] = "json" if request.response_format is not None else None
    return {name: value for name, value in found.items() if value is not None}


def _found(outcome: Outcome) -> dict[str, Any]:
    """What came back, content aside."""
    result, usage, error = outcome.result, usage_of(outcome.result), outcome.error
    found = {
        "gen_ai.response.model": getattr(result, "model", None),
        "gen_ai.response.time_to_first_chunk": outcome.first_chunk,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "http.response.status_code": error.status or None if isinstance(error, APIError) else None,
        "llm_connector.status": outcome.status,
    }
    if isinstance(result, Embeddings) and result.vectors:
        found["gen_ai.embeddings.dimension.count"] = len(result.vectors[0])
    if isinstance(result, ChatResponse):
        reasons = [choice.finish_reason for choice in result.choices if choice.finish_reason is not None]
        changed = [f"{adaptation.action} {adaptation.subject}" for adaptation in result.adaptations]
        found["gen_ai.response.id"] = result.id
        found["gen_ai.response.finish_reasons"] = reasons or None
        found["llm_connector.request_id"] = result.request_id
        found["llm_connector.adaptations"] = changed or None
    if isinstance(error, APIError) and error.request_id:
        found["llm_connector.request_id"] = error.request_id
    return found


def _error_type(outcome: Outcome) -> str | None:
    """The class of an error; a stream that its reader left ended as the reader wished."""
    error = outcome.error
    return None if error is None or isinstance(error, GeneratorExit) else error_name(error)


def _asked(request: ChatRequest) -> dict[str, Any]:
    """The content of a request."""
    said: dict[str, Any] = {"gen_ai.input.messages": [_message(message) for message in request.messages]}
    if request.tools:
        said["gen_ai.tool.definitions"] = [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in request.tools
        ]
    return said


def _answered(response: ChatResponse) -> list[dict[str, Any]]:
    return [{**_message(choice.message), "finish_reason": choice.finish_reason or ""} for choice in response.choices]


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": list(_parts(message.parts))}


def _parts(parts: Iterable[AnyPart]) -> Iterable[dict[str, Any]]:
    """The parts in the words of the conventions; of media only what they are, and where."""
    for part in parts:
        if isinstance(part, Text):
            yield {"type": "text", "content": part.text}
        elif isinstance(part, Reasoning):
            yield {"type": "reasoning", "content": part.text}
        elif isinstance(part, ToolCall):
            yield {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments}
        elif isinstance(part, ToolResult):
            yield {"type": "tool_call_response", "id": part.call_id, "response": part.text}
        elif isinstance(part, Media):
            modality = type(part).__name__.lower()
            kind = {"modality": modality, "mime_type": part.media_type}
            yield {"type": "uri", **kind, "uri": part.url.partition("?")[0]} if part.url else {"type": modality, **kind}
