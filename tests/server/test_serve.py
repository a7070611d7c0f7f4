"""`llm-connector serve`, as a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace

import httpx
import pytest

from llm_connector.cli import main
from llm_connector.errors import ConfigurationError
from llm_connector.server import GatewayConfig, Upstream
from llm_connector.server.config import single
from llm_connector.server.run import bound
from tests.cli.console import START, posix
from tests.support.answers import delta
from tests.support.anybody import anybody
from tests.support.wire_server import Stream, WireServer, sse

HI = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


@dataclass
class Serving:
    """The process, what it said first, and where it listens."""

    process: subprocess.Popen[str]
    banner: str
    url: str


@contextlib.contextmanager
def serve(*arguments: str, **variables: str) -> Generator[Serving]:
    command = [sys.executable, "-c", START, "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables}
    ) as process:
        assert process.stdout is not None
        try:
            banner = "".join(process.stdout.readline() for _ in range(4))
            found = re.search(r"http://127\.0\.0\.1:\d+$", banner, re.MULTILINE)
            assert found, banner + process.communicate()[1]
            url = found[0]
            wait_until_it_answers(url)
            yield Serving(process, banner, url)
        finally:
            process.kill()


def wait_until_it_answers(url):
    with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
        assert client.get(f"{url}/health", timeout=20).status_code == 200


def test_it_says_what_to_paste_where_and_answers():
    with WireServer() as provider:
        provider.route("/v1/chat/completions", anybody)
        address = ("-p", "openai_compatible", "--base-url", provider.url)
        with serve(*address, "--model", "theirs", "--api-key", "one", "--api-key", "two", "-v") as serving:
            url = serving.url
            assert serving.banner.splitlines() == [
                f"openai_compatible at {url}, also for browsers · Ctrl-C stops",
                f"OpenAI     {url}/v1",
                f"Anthropic  {url}",
                f"Ollama     {url}",
            ]
            assert httpx.post(f"{url}/v1/chat/completions", json=HI).status_code == 401
            answer = httpx.post(f"{url}/v1/chat/completions", json=HI, headers={"authorization": "Bearer two"})
            assert answer.json()["choices"][0]["message"]["content"] == "theirs says hello."
            assert answer.headers["content-type"] == "application/json"
            serving.process.send_signal(signal.SIGTERM)
            out, err = serving.process.communicate(timeout=20)
            assert '"POST /v1/chat/completions HTTP/1.1" 401' in out + err, "a line per request"
            assert "two" not in out + err


@posix
def test_ctrl_c_is_the_ordinary_end_and_lets_answers_finish():
    def blocks():
        yield from sse(delta(content="Hello"), done=False)
        process.send_signal(signal.SIGINT)
        yield from sse(delta("stop"))

    with WireServer() as provider, serve("-p", "openai_compatible", "--base-url", provider.url) as serving:
        process = serving.process
        provider.script(Stream(blocks()))
        answer = httpx.post(f"{serving.url}/v1/chat/completions", json={**HI, "stream": True}, timeout=20)
        assert answer.text.endswith("data: [DONE]\n\n")
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


@posix
def test_several_workers_share_the_work(tmp_path):
    with WireServer() as provider:
        provider.route("/v1/chat/completions", anybody)
        file = tmp_path / "gateway.toml"
        file.write_text(
            f"[providers.here]\nprovider = 'openai_compatible'\nbase_url = '{provider.url}'\n"
            "[models.one]\nprovider = 'here'\nmodel = 'theirs'\n"
        )
        with serve("--config", str(file), "--workers", "2") as serving:
            assert serving.banner.startswith("openai_compatible at http://127.0.0.1:")
            for _ in range(4):
                answer = httpx.post(f"{serving.url}/chat", json={"model": "one", "messages": "Hi"}, timeout=20)
                assert answer.json()["content"] == "theirs says hello."
            serving.process.send_signal(signal.SIGTERM)
            serving.process.communicate(timeout=20)


@pytest.fixture
def refused(capsys):
    """Call the command; its exit code, and its one line."""

    def run(*arguments):
        code = main(["serve", *arguments])
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        return code, said.err

    return run


def test_what_is_wrong_is_said_in_one_line_before_anything_listens(refused, tmp_path):
    code, said = refused("--host", "0.0.0.0")
    assert (code, "set LLM_CONNECTOR_SERVE_API_KEY" in said) == (2, True)
    code, said = refused("-p", "deepseek")
    assert (code, "deepseek: no API key: set DEEPSEEK_API_KEY" in said) == (2, True)
    code, said = refused("--config", str(tmp_path / "none.toml"))
    assert (code, "none.toml: No such file" in said) == (2, True)
    code, said = refused("--config", "gateway.toml", "--model", "m")
    assert (code, "models and addresses stand in the file" in said) == (2, True)


def test_a_port_that_is_taken_is_said(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refused("--port", str(taken.getsockname()[1]))
    assert (code, "choose another port" in said) == (2, True)


def test_a_port_belongs_to_one_gateway_before_any_answers():
    config = GatewayConfig(single(Upstream("local")), port=0)
    with bound(config) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=20), pytest.raises(ConfigurationError, match="port"):
            bound(replace(config, port=port))


def test_missing_packages_are_named_before_they_are_imported():
    program = """
import sys
sys.modules |= dict.fromkeys(("aiohttp", "starlette", "uvicorn"))  # as if they were not there
import importlib.util
find_spec, hidden = importlib.util.find_spec, ("aiohttp", "starlette", "uvicorn")
importlib.util.find_spec = lambda name: None if name in hidden else find_spec(name)
from llm_connector.cli import main
sys.exit(main(["serve"]))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "needs aiohttp, starlette, uvicorn: pip install 'llm-connector-core[server]'" in done.stderr


@pytest.mark.local
def test_without_any_argument_the_embedded_model_answers():
    with serve() as serving:
        assert serving.banner.startswith("local at ")
        answer = httpx.post(f"{serving.url}/v1/chat/completions", json={**HI, "max_tokens": 4}, timeout=60)
        assert answer.json()["model"] == "smollm2-135m-instruct"
        assert answer.json()["usage"]["completion_tokens"] > 0
