from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from llama_index.llms.llm_connector import LlmConnector
from openai import OpenAI

from langchain_llm_connector import ChatLlmConnector
from llm_connector import APIError, ConfigurationError, RateLimitError, StreamError, Timeout, TimeoutError, Usage
from llm_connector.testing import Answer, Pause, Raw, Refuse, Stream, WireSimulator, faults, reply, tool_call
from tests.testing.support import ROWS, TOOLS, facts

each_wire = pytest.mark.parametrize("wire", ROWS)


@each_wire
def test_it_speaks_every_wire_format(wire):
    usage = Usage(input_tokens=9, output_tokens=4)
    said = reply("Let me see.", tool_call("get_weather", city="Oslo"), usage=usage)
    with WireSimulator(said, said) as simulator, simulator.client(ROWS[wire]) as client:
        whole = client.chat("Weather?", tools=TOOLS)
        stream = client.stream("Weather?", tools=TOOLS)
        chunks = [chunk.text for chunk in stream if chunk.text]

        assert facts(whole) == facts(stream.response)
        assert chunks == ["Let ", "me ", "see."]
        assert whole.tool_calls[0].arguments == {"city": "Oslo"}
        assert [request.text for request in simulator.requests] == ["Weather?"] * 2


def test_somebody_elses_client_gets_along_with_it():
    with WireSimulator("Hello", "Hello there") as simulator:
        client = OpenAI(base_url=f"{simulator.url}/v1", api_key="sk-test", max_retries=0)
        whole = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
        client.close()

    assert whole.choices[0].message.content == "Hello"
    assert said == ["Hello ", "there"]


def test_the_asynchronous_client():
    async def ask() -> str:
        with WireSimulator("Hello") as simulator:
            async with simulator.async_client("gemini") as client:
                return (await client.chat("Hi")).text

    assert asyncio.run(ask()) == "Hello"


def test_adapters_are_sent_to_its_address():
    with WireSimulator("one", "two") as simulator:
        langchain = ChatLlmConnector(provider="anthropic", model="m", api_key="k", base_url=simulator.url)
        llama_index = LlmConnector(provider="ollama", model="m", base_url=simulator.url)

        assert langchain.invoke("Hi").text == "one"
        assert llama_index.complete("Hi").text == "two"
        langchain.client.close()
        llama_index.client.close()


def test_an_error_and_then_an_answer():
    with WireSimulator(RateLimitError("Slow down.", status=429), "Hello") as simulator, simulator.client() as client:
        assert client.chat("Hi").text == "Hello"


def test_bytes_may_be_scripted():
    blocks: list[bytes | Pause] = [
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n',
        Pause(0.01),
        b"data: [DONE]\n\n",
    ]
    with WireSimulator(
        Stream(blocks), Answer.json({"error": "no"}, 503), Refuse(), Raw([b"HTTP/1.1 204 No Content\r\n\r\n"])
    ) as simulator, simulator.client(max_retries=0) as client, httpx.Client() as plain:  # fmt: skip
        assert "".join(chunk.text for chunk in client.stream("Hi")) == "Hi"
        assert plain.post(simulator.url).status_code == 503
        with pytest.raises(httpx.RemoteProtocolError):
            plain.post(simulator.url)
        assert plain.post(simulator.url).status_code == 204


def test_a_request_without_an_answer_says_what_was_asked():
    with WireSimulator() as simulator, simulator.client() as client:
        with pytest.raises(APIError, match=r"the script has no answer left[^§]*user: Hi") as caught:
            client.chat("Hi")
        assert caught.value.status == 418
        assert len(simulator.unscripted) == 1


def test_an_exception_that_no_server_can_report_is_a_mistake_in_the_script(wire_simulator):
    wire_simulator.says(RuntimeError("a bug"))

    with pytest.raises(APIError, match=r"a server cannot raise RuntimeError\('a bug'\); script an error of"):
        wire_simulator.client().chat("Hi")


def test_a_function_that_fails_is_reported(wire_simulator):
    def broken(request: object) -> str:
        raise LookupError("no such city")

    wire_simulator.says(broken)

    with pytest.raises(APIError, match="LookupError"):
        wire_simulator.client().chat("Hi")


class TestFaults:
    """What the matrix does not show: arguments, and the bytes."""

    def test_a_reset_after_so_many_bytes(self, wire_simulator):
        wire_simulator.says(reply("One, two, three", fault=faults.reset(at=0)))
        stream = wire_simulator.client(max_retries=0).stream("Hi")

        with pytest.raises(StreamError):
            list(stream)
        assert stream.partial.text == ""

    def test_a_stall_that_ends(self, wire_simulator):
        wire_simulator.otherwise(reply("One, two, three", fault=faults.stall(0.05)))
        client = wire_simulator.client()

        assert "".join(chunk.text for chunk in client.stream("Hi")) == "One, two, three"
        assert client.chat("Hi").text == "One, two, three"

    def test_a_stall_after_so_many_bytes(self, wire_simulator):
        wire_simulator.says(reply("One, two, three", fault=faults.stall(at=0)))
        stream = wire_simulator.client(timeout=Timeout(first_byte=0.1), max_retries=0).stream("Hi")

        with pytest.raises(TimeoutError, match="before the first byte"):
            list(stream)

    def test_blocks_of_some_bytes(self, wire_simulator):
        wire_simulator.says(reply("One, two, three", fault=faults.drip(5)))

        assert "".join(chunk.text for chunk in wire_simulator.client().stream("Hi")) == "One, two, three"

    @pytest.mark.parametrize(
        ("name", "most"), [("429", None), ("429_seconds", 1.0), ("429_date", 1.0), ("429_ms", 0.02)]
    )
    def test_how_long_to_wait(self, wire_simulator, name, most):
        wire_simulator.says(reply("Hi", fault=name))

        with pytest.raises(RateLimitError) as caught:
            wire_simulator.client(max_retries=0).chat("Hi")
        wanted = caught.value.retry_after
        assert wanted is None if most is None else wanted is not None and 0 <= wanted <= most

    def test_a_refusal_of_your_own(self, wire_simulator):
        error = APIError("Teapot.", status=418)
        wire_simulator.says(reply(fault=faults.failure(error, {"x-request-id": "req_1"})))

        with pytest.raises(APIError, match="Teapot") as caught:
            wire_simulator.client("openai").chat("Hi")
        assert (caught.value.status, caught.value.request_id) == (418, "req_1")

    def test_a_redirect_is_not_followed(self, wire_simulator):
        with WireSimulator("Never") as other:
            wire_simulator.says(reply(fault=faults.redirect(f"{other.url}/v1/x")))
            with pytest.raises(APIError, match="redirects to"):
                wire_simulator.client().chat("Hi")
            assert other.requests == []

    def test_fault_names_say_what_they_do(self):
        assert all(fault.about for fault in faults.FAULTS.values())
        assert repr(faults.FAULTS["cut"]).startswith("Fault(name='cut', about='all is said, and the connection")


def trusting(simulator: WireSimulator) -> str:
    """What it answers to somebody who trusts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", urlsplit(simulator.url).port, context=context)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    connection.request("POST", "/v1/chat/completions", body)
    said: str = json.loads(connection.getresponse().read())["choices"][0]["message"]["content"]
    connection.close()
    return said


class TestConnections:
    def test_a_certificate_that_nobody_trusts(self):
        with WireSimulator("Hello", connection="tls") as simulator:
            assert trusting(simulator) == "Hello"

    def test_a_handshake_that_is_never_finished_holds_nobody_up(self):
        with WireSimulator("Hello", connection="tls") as simulator:
            silent = socket.create_connection(("127.0.0.1", urlsplit(simulator.url).port or 0))
            assert trusting(simulator) == "Hello"
            assert simulator.open_connections >= 1
        assert simulator.open_connections == 0
        silent.close()

    def test_a_refused_connection(self):
        with WireSimulator(connection="refused") as simulator:
            host, port = urlsplit(simulator.url).hostname, urlsplit(simulator.url).port
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port))

    def test_they_are_counted(self):
        with WireSimulator("one", "two") as simulator, simulator.client() as client:
            client.chat("Hi")
            client.chat("Hi")
            assert (simulator.open_connections, simulator.accepted_connections) == (1, 1)
        assert simulator.open_connections == 0

    def test_many_at_once(self):
        with WireSimulator() as simulator, simulator.client() as client:
            simulator.otherwise(lambda request: request.text)
            with ThreadPoolExecutor(16) as threads:
                said = list(threads.map(lambda number: client.chat(str(number)).text, range(64)))
        assert said == [str(number) for number in range(64)]


def test_what_is_no_answer_is_refused_before_anybody_asks():
    with pytest.raises(ConfigurationError, match="cannot be an answer"):
        WireSimulator(7)  # type: ignore[arg-type]  # the point


def test_it_must_listen_before_it_has_clients():
    simulator = WireSimulator("Hello")

    with pytest.raises(ConfigurationError, match="nobody listens yet: with WireSimulator"):
        simulator.client()
    with simulator:
        assert simulator.client().chat("Hi").text == "Hello"
    assert repr(simulator) == "<WireSimulator: 1 requests, 0 answers left>"
