"""What an import costs, and what a client does before it is used: each measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.test_providers import NEEDED

ROOT = Path(__file__).resolve().parent.parent
MOST_MODULES = 400

HEAVY = {
    *("aiohttp", "anthropic", "anyio", "asyncio", "botocore", "certifi", "google", "h11", "httpcore", "httpx"),
    *("numpy", "ollama", "openai", "rich", "starlette", "typer", "uvicorn", "xllamacpp"),
}
EVERY_ROW = f"""
    from llm_connector import AsyncLlmClient, LlmClient, supported_providers

    def clients():
        for kind in (LlmClient, AsyncLlmClient):
            for name in supported_providers():
                settings = {NEEDED!r}.get(name, {{}})
                settings |= {{"api_key": "sk-test", "base_url": "http://127.0.0.1:1/v1", "model": "m", "timeout": 5}}
                yield kind(name, headers={{}}, **settings)
"""


def run(code: str, *flags: str) -> Any:
    """What `code` leaves in `result`, run by an interpreter that has imported nothing yet."""
    program = "result = None\n" + textwrap.dedent(code) + "\nimport json, sys\nsys.stdout.write(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, *flags, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def modules(code: str) -> set[str]:
    return set(run(f"{textwrap.dedent(code)}\nimport sys\nresult = sorted(sys.modules)"))


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_package_alone_loads_next_to_nothing():
    loaded = modules("import llm_connector") - modules("")
    assert {name for name in loaded if name.startswith("llm_connector")} == {"llm_connector"}
    assert not tops(loaded) & (HEAVY | {"pydantic", "pydantic_core", "ssl", "socket"})


def test_the_name_of_a_client_costs_next_to_nothing():
    loaded = modules("from llm_connector import AsyncLlmClient, LlmClient")
    assert not tops(loaded) & (HEAVY | {"pydantic", "pydantic_core", "ssl", "socket"})


def test_a_client_loads_no_network_library():
    loaded = modules("from llm_connector import LlmClient\nLlmClient('openai', api_key='sk-test')")
    assert not tops(loaded) & HEAVY
    assert len(loaded) <= MOST_MODULES


def test_every_row_can_have_a_client_without_a_network_library():
    assert not tops(modules(EVERY_ROW + "\n    made = list(clients())")) & HEAVY


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
def test_a_client_loads_no_wire_format_but_its_own(name):
    loaded = modules(f"from llm_connector import LlmClient\nLlmClient({name!r}, api_key='sk-test')")
    rows = {module for module in loaded if module.startswith("llm_connector.providers.rows.")}
    formats = {"anthropic", "converse", "dashscope", "gemini", "ollama", "responses", "tencent"}
    families = {module.split(".")[2].partition("_")[0] for module in loaded if ".protocols." in module}
    assert len(rows) == 1
    assert families & formats == {name} - {"openai"}


def test_parts_load_without_the_clients():
    assert not {name for name in modules("from llm_connector.errors import APIError") if "types" in name.split(".")[1:]}
    assert "llm_connector.client" not in modules("from llm_connector import user, ChatRequest")
    assert "llm_connector.providers" not in modules("from llm_connector.protocols import ChatCompletions")


WATCH = """
    import ssl, sys

    seen, watching = [], True

    def hook(event, arguments):
        if watching and event.partition(".")[0] in ("http", "import", "open", "os", "socket", "subprocess", "urllib"):
            seen.append([event, str(arguments[:1])])

    def no_context(*_arguments, **_settings):
        raise AssertionError("a TLS context was made")

    ssl.SSLContext.__new__ = no_context
    sys.addaudithook(hook)
"""


def test_the_first_client_loads_modules_and_touches_nothing_else():
    prepared = "from llm_connector import LlmClient\n" + textwrap.dedent(WATCH)
    touched = run(prepared + "LlmClient('openai', api_key='sk-test', model='m')\nresult = seen")
    assert {event for event, _ in touched} <= {"import", "open", "os.listdir"}


def test_clients_and_unused_streams_touch_no_file_and_no_network():
    assert (
        run(
            EVERY_ROW
            + """
    for client in clients():  # what loads late, loads here
        client.stream("Hi")
    """
            + WATCH
            + """
    made = [client.with_options(model="n", timeout=3, headers={"a": "b"}) for client in clients()]
    streams = [client.stream("Hi") for client in made]
    result = seen
    """
        )
        == []
    )


def test_the_watch_sees_what_it_is_for():
    touched = run(
        "import socket\n"
        + textwrap.dedent(WATCH)
        + "open('/dev/null').close()\nsocket.socket().close()\nresult = list(seen)"
    )
    assert [event for event, _ in touched] == ["open", "socket.__new__"]
    with pytest.raises(AssertionError, match="a TLS context was made"):
        run(WATCH + "\n    ssl.create_default_context()")


@pytest.mark.parametrize("flags", [("-W", "error"), ("-OO",), ("-X", "dev", "-W", "error"), ("-bb",), ("-I",)], ids=str)
def test_the_package_works_under_strict_interpreters(flags):
    code = f"""
    import sys
    sys.path.insert(0, {str(ROOT)!r})
    import llm_connector
    for name in llm_connector.__all__:
        getattr(llm_connector, name)
    client = llm_connector.LlmClient("openai_compatible", base_url="http://127.0.0.1:1", model="m")
    result = client.stream("Hi").status
    """
    assert run(code, *flags) == "open"
