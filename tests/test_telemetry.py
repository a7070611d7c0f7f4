"""Spans and metrics of calls, with the SDK of OpenTelemetry and its exporters that keep everything in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from llm_connector import (
    AsyncLlmClient,
    FetchPolicy,
    Image,
    LlmConnectorError,
    RateLimitError,
    Tool,
    assistant,
    instrument,
    observing,
    tool_result,
    uninstrument,
    user,
)
from llm_connector.types import Reasoning, ToolCall
from tests.support.answers import completion
from tests.support.anybody import anybody
from tests.support.drivers import DRIVERS, KEY, Driver, unfinished, words
from tests.support.programs import output_of
from tests.support.wire_server import Answer, Refuse, Request, Stream, WireServer, sse

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "a private question"
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 4,
    "prompt_tokens_details": {"cached_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
GOOD = Answer.json(
    completion(content="the answer") | {"id": "c7", "model": "m-2026", "usage": USAGE}, headers={"x-request-id": "r7"}
)
BUSY = Answer.json({"error": {"message": "slow down"}}, 429, {"x-request-id": "r8"})
VECTORS = Answer.json(
    {"data": [{"index": 0, "embedding": [1.0, 2.0]}], "usage": {"prompt_tokens": 2}, "model": "e-2026"}
)


class Records:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def attributes(self) -> dict[str, Any]:
        (span,) = self.spans()
        return dict(span.attributes or {})

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def records() -> Iterator[Records]:
    made = Records()
    instrument(tracer_provider=made.tracers, meter_provider=made.meters)
    yield made
    uninstrument()
    made.tracers.shutdown()
    made.meters.shutdown()


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


def test_a_chat_is_a_span(driver, wire_server, records):
    wire_server.script(GOOD)
    options = {"temperature": 0.5, "max_tokens": 9, "seed": 7, "stop": ["x"], "response_format": "json"}
    driver.run(driver.client("mistral").chat(QUESTION, **options))
    (span,) = records.spans()
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "llm_connector"
    assert records.attributes() == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "c7",
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": int(wire_server.url.rpartition(":")[2]),
        "llm_connector.status": "complete",
        "llm_connector.request_id": "r7",
        "llm_connector.adaptations": ("converted response_format",),
    }


def test_names_are_those_of_the_conventions():
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    known = {
        value
        for names in (gen_ai_attributes, gen_ai_metrics)
        for value in vars(names).values()
        if isinstance(value, str)
    }
    source = (ROOT / "llm_connector" / "telemetry.py").read_text("utf-8")
    named = set(re.findall(r'"(gen_ai\.[a-z_.]+)"', source))
    assert len(named) > 15
    assert named - known - {"gen_ai.client"} == set()


def test_a_stream_is_a_span_that_ends_with_it(driver, wire_server, records):
    wire_server.script(Stream(words("Hel", "lo")))
    stream = driver.client().stream(QUESTION)
    chunks = driver.chunks(stream)
    next(chunks)
    assert records.spans() == []
    assert not trace.get_current_span().is_recording()
    for _ in chunks:
        pass
    found = records.attributes()
    assert found["gen_ai.request.stream"] is True
    assert found["gen_ai.response.time_to_first_chunk"] > 0
    assert (found["gen_ai.response.finish_reasons"], found["gen_ai.response.model"]) == (("stop",), "m1")


def test_embeddings_are_a_span(driver, wire_server, records):
    wire_server.script(VECTORS)
    driver.run(driver.client().embed(["a"], model="e"))
    (span,) = records.spans()
    found = records.attributes()
    assert span.name == "embeddings e"
    assert found["gen_ai.operation.name"] == "embeddings"
    assert found["gen_ai.embeddings.dimension.count"] == 2
    assert found["gen_ai.usage.input_tokens"] == 2


def test_other_operations_have_none(driver, wire_server, records):
    wire_server.script(Answer.json({"data": [{"id": "m"}]}))
    driver.run(driver.client().models())
    assert records.spans() == []


def test_a_refusal_marks_the_span(driver, wire_server, records):
    wire_server.script(BUSY, BUSY)
    with pytest.raises(RateLimitError):
        driver.run(driver.client(retries=1).chat(QUESTION))
    (span,) = records.spans()
    found = records.attributes()
    assert span.status.status_code is StatusCode.ERROR
    assert (found["error.type"], found["http.response.status_code"]) == ("RateLimitError", 429)
    assert (found["http.request.resend_count"], found["llm_connector.request_id"]) == (1, "r8")


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (Refuse(), "interrupted", "TransportError"),
        (Stream(words("Hel", finish=None, done=False), end="cut"), "interrupted", "TransportError"),
        (
            Stream([*words("Hel", finish=None, done=False), *sse({"error": {"message": "no", "code": 503}})]),
            "error",
            "ServerError",
        ),
        (Stream(words("Hel", finish=None, done=False)), "interrupted", "StreamError"),
    ],
    ids=["no answer", "cut", "an error", "no end"],
)
def test_a_stream_that_fails_marks_the_span(answer, status, error, driver, wire_server, records):
    wire_server.script(answer)
    with pytest.raises(LlmConnectorError):
        driver.text(driver.client().stream(QUESTION))
    (span,) = records.spans()
    found = records.attributes()
    assert span.status.status_code is StatusCode.ERROR
    assert (found["error.type"], found["llm_connector.status"]) == (error, status)


def test_a_stream_that_is_left_is_no_error(driver, wire_server, records):
    wire_server.script(unfinished("Hel", "lo"))
    stream = driver.client().stream(QUESTION)
    next(driver.chunks(stream))
    driver.run(stream.close())
    (span,) = records.spans()
    assert span.status.status_code is StatusCode.UNSET
    assert records.attributes()["llm_connector.status"] == "cancelled"


def test_a_stream_that_is_forgotten_ends_its_span(wire_server, records):
    driver = DRIVERS[0](wire_server)
    wire_server.script(unfinished("Hel", "lo"))
    stream = driver.client().stream(QUESTION)
    next(stream)
    del stream
    gc.collect()
    assert records.attributes()["llm_connector.status"] == "cancelled"
    driver.close()


def test_a_stream_that_never_began_has_no_span(driver, wire_server, records):
    stream = driver.client().stream(QUESTION)
    driver.run(stream.close())
    assert records.spans() == []


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_spans_nest(stream, driver, wire_server, records):
    """Ours under the caller's, and what the request does, for instance httpx's own span, under ours."""
    seen: list[Any] = []

    def key() -> str:
        seen.append(trace.get_current_span())
        return KEY

    wire_server.script(Stream(words("Hello")) if stream else GOOD)
    client = driver.client(api_key=key)
    with records.tracers.get_tracer("test").start_as_current_span("outer") as outer:
        if isinstance(client, AsyncLlmClient):

            async def run() -> None:
                with trace.use_span(outer):
                    if stream:
                        async for _ in client.stream(QUESTION):
                            assert trace.get_current_span() is outer
                    else:
                        await client.chat(QUESTION)
                    assert trace.get_current_span() is outer

            driver.run(run())
        elif stream:
            for _ in client.stream(QUESTION):
                assert trace.get_current_span() is outer
        else:
            client.chat(QUESTION)
        assert trace.get_current_span() is outer
    ours, parent = records.spans()
    assert ours.parent is not None
    assert parent.context is not None
    assert ours.parent.span_id == parent.context.span_id
    assert seen[0].get_span_context() == ours.context


def test_the_current_span_is_restored_after_an_error(driver, wire_server, records):
    wire_server.script(BUSY, BUSY)
    before = trace.get_current_span()
    with pytest.raises(RateLimitError):
        driver.run(driver.client().chat(QUESTION))
    with pytest.raises(RateLimitError):
        driver.text(driver.client().stream(QUESTION))
    assert trace.get_current_span() is before


def answer_in_kind(request: Request) -> Answer:
    """The question as the answer's model, so that a mix-up is seen."""
    said = request.json["messages"][-1]["content"]
    return Answer.json(completion(content=said) | {"id": said}, delay=0.02)


def test_concurrent_coroutines_do_not_mix(wire_server, records):
    wire_server.script(*[answer_in_kind] * 20)

    async def one(client: AsyncLlmClient, number: int) -> None:
        with records.tracers.get_tracer("test").start_as_current_span(f"outer {number}"):
            await client.chat(f"{number}")

    async def main() -> None:
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m") as client:
            await asyncio.gather(*(one(client, number) for number in range(20)))

    asyncio.run(main())
    assert_each_under_its_own(records.spans())


def test_concurrent_threads_do_not_mix(wire_server, records):
    wire_server.script(*[answer_in_kind] * 20)
    driver = DRIVERS[0](wire_server)
    client = driver.client()

    def one(number: int) -> None:
        with records.tracers.get_tracer("test").start_as_current_span(f"outer {number}"):
            client.chat(f"{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(20)))
    assert_each_under_its_own(records.spans())
    driver.close()


def assert_each_under_its_own(spans: list[ReadableSpan]) -> None:
    outer = {span.context.span_id: span.name for span in spans if span.name.startswith("outer") and span.context}
    inner = [span for span in spans if span.name == "chat m"]
    assert len(inner) == len(outer) == 20
    for span in inner:
        assert span.parent is not None
        assert span.attributes is not None
        assert outer[span.parent.span_id] == f"outer {span.attributes['gen_ai.response.id']!s}"


def test_a_cancelled_task_ends_its_span(wire_server, records):
    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def answer(_request: Request) -> Stream:
            loop.call_soon_threadsafe(arrived.set)
            return Stream([], end="hold")

        wire_server.script(answer)
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m") as client:
            task = asyncio.create_task(client.chat(QUESTION))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    found = records.attributes()
    assert (found["error.type"], found["llm_connector.status"]) == ("CancelledError", "cancelled")


def test_each_client_of_a_chain_has_its_span(driver, wire_server, records):
    wire_server.script(BUSY, GOOD)
    client = driver.client().with_fallbacks(driver.client("deepseek", model="n"))
    driver._made.append(client)
    driver.run(client.chat(QUESTION))
    first, second = records.spans()
    assert (first.name, first.status.status_code) == ("chat m", StatusCode.ERROR)
    assert (second.name, second.status.status_code) == ("chat n", StatusCode.UNSET)


@pytest.mark.parametrize("stream", [False, True], ids=["invoke", "stream"])
def test_langchain_is_traced_without_doing_anything(stream, wire_server, records):
    from langchain_llm_connector import ChatLlmConnector

    wire_server.script(Stream(words("Hello")) if stream else GOOD)
    model = ChatLlmConnector(provider="openai_compatible", model="m", base_url=wire_server.url)
    _ = list(model.stream("Hi")) if stream else model.invoke("Hi")
    assert [span.name for span in records.spans()] == ["chat m"]


def test_llama_index_is_traced_without_doing_anything(wire_server, records):
    from llama_index.llms.llm_connector import LlmConnector

    wire_server.script(GOOD)
    LlmConnector(provider="openai_compatible", model="m", base_url=wire_server.url).complete("Hi")
    assert [span.name for span in records.spans()] == ["chat m"]


# metrics


def test_calls_are_measured(driver, wire_server, records):
    wire_server.script(GOOD, Stream(words("Hello")), BUSY)
    client = driver.client()
    driver.run(client.chat(QUESTION))
    driver.text(client.stream(QUESTION))
    with pytest.raises(RateLimitError):
        driver.run(client.chat(QUESTION))
    found = records.metrics()
    assert set(found) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    }
    durations = found["gen_ai.client.operation.duration"]
    assert sum(point.count for point in durations) == 3
    assert [dict(point.attributes)["error.type"] for point in durations if "error.type" in point.attributes] == [
        "RateLimitError"
    ]
    (first,) = found["gen_ai.client.operation.time_to_first_chunk"]
    assert first.count == 1
    assert first.explicit_bounds[0] == 0.01
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in found["gen_ai.client.token.usage"]}
    assert tokens == {"input": 30, "output": 4}
    for points in found.values():
        for point in points:
            assert set(point.attributes) <= {
                *("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model"),
                *("gen_ai.token.type", "server.address", "server.port", "error.type"),
            }


# content


def test_content_is_left_out(driver, wire_server, records):
    wire_server.script(GOOD, Answer.json({"error": {"message": f"you said {QUESTION}"}}, 400))
    driver.run(driver.client().chat(QUESTION))
    with pytest.raises(LlmConnectorError):
        driver.run(driver.client().chat(QUESTION))
    shown = "".join(span.to_json() for span in records.spans())
    for secret in (QUESTION, "the answer", KEY):
        assert secret not in shown


TALK = [
    user("look", Image("https://x.test/a.png?signature=private")),
    assistant(Reasoning("hm"), ToolCall(id="c1", name="f", arguments={"a": 1})),
    tool_result("c1", "7"),
]


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_content_is_captured_when_it_is_asked_for(by, driver, wire_server, records, monkeypatch):
    if by == "variable":
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    instrument(
        tracer_provider=records.tracers,
        meter_provider=records.meters,
        capture_content=True if by == "argument" else None,
    )
    wire_server.script(Answer.json(completion(content=f"you sent {KEY}")))
    driver.run(driver.client().chat(TALK, tools=[Tool("f", "does f")]))
    found = records.attributes()
    said = json.loads(found["gen_ai.input.messages"])
    assert [message["role"] for message in said] == ["user", "assistant", "tool"]
    assert [part["type"] for message in said for part in message["parts"]] == [
        *("text", "uri", "reasoning", "tool_call", "tool_call_response")
    ]
    assert said[0]["parts"][1]["uri"] == "https://x.test/a.png"
    assert said[1]["parts"][1] == {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
    assert said[2]["parts"][0] == {"type": "tool_call_response", "id": "c1", "response": "7"}
    assert json.loads(found["gen_ai.tool.definitions"])[0]["name"] == "f"
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "you sent [secret]"}], "finish_reason": "stop"}
    ]
    assert KEY not in records.spans()[0].to_json()


# on and off


def test_it_is_off_until_it_is_switched_on(driver, wire_server):
    made = Records()
    wire_server.script(GOOD, GOOD, GOOD)
    client = driver.client()
    driver.run(client.chat(QUESTION))
    instrument(tracer_provider=made.tracers, meter_provider=made.meters)
    instrument(tracer_provider=made.tracers, meter_provider=made.meters)
    driver.run(client.chat(QUESTION))
    uninstrument()
    uninstrument()
    driver.run(client.chat(QUESTION))
    assert len(made.spans()) == 1
    assert observing.OBSERVERS == []


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("when", ["on_start", "on_end"])
def test_a_processor_that_fails_costs_nobody_the_answer(when, stream, driver, wire_server, records, monkeypatch):
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("the collector burns")

    monkeypatch.setattr(records.tracers._active_span_processor, when, fail)
    wire_server.script(Stream(words("Hello")) if stream else Answer.json(completion(content="Hello")))
    client = driver.client()
    text = driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi")).text
    assert text == "Hello"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_fetched_picture_is_no_second_attempt(driver, wire_server, records):
    client = driver.client("ollama", fetch_media=FetchPolicy(private_addresses=True))
    wire_server.script(
        Answer(200, {"content-type": "image/png"}, b"\x89PNG\r\n\x1a\n" + bytes(8)),
        Answer.json({"message": {"role": "assistant", "content": "a cat"}, "done": True, "done_reason": "stop"}),
    )
    driver.run(client.chat(user("What is it?", Image(f"{wire_server.url}/cat.png"))))
    assert len(wire_server.requests) == 2
    assert "http.request.resend_count" not in records.attributes()


def test_a_call_under_way_finishes_its_span(driver, wire_server, records):
    wire_server.script(Stream(words("Hel", "lo")))
    chunks = driver.chunks(driver.client().stream(QUESTION))
    next(chunks)
    uninstrument()
    for _ in chunks:
        pass
    assert records.attributes()["llm_connector.status"] == "complete"


def test_nothing_is_imported_until_it_is_switched_on(wire_server):
    wire_server.script(anybody)
    program = f"""
import sys
import llm_connector
client = llm_connector.LlmClient("openai_compatible", base_url={wire_server.url!r}, model="m")
client.chat("Hi")
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
assert "llm_connector.telemetry" not in sys.modules
sys.modules["opentelemetry"] = None
try:
    llm_connector.instrument()
except llm_connector.ConfigurationError as error:
    print(error)
"""
    output = output_of(program)
    assert output.startswith("telemetry needs one more package: pip install 'llm-connector-core[otel]'")


def test_the_global_providers_are_used_where_none_are_given(wire_server):
    wire_server.script(anybody)
    program = f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import llm_connector
llm_connector.instrument()  # before the application sets its provider
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
llm_connector.LlmClient("openai_compatible", base_url={wire_server.url!r}, model="m").chat("Hi")
print([span.name for span in exporter.get_finished_spans()])
"""
    output = output_of(program)
    assert output.strip() == "['chat m']"
