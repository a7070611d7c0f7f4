"""Fixtures and settings of the whole suite."""

from __future__ import annotations

import functools
import gc
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import vcr
import vcr.request
from vcr.serializers import yamlserializer

from llm_connector.transport.pools import SYNC_POOLS, Pool, PoolKey
from tests.support.wire_server import WireServer

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LLM_CONNECTOR_SHARED", ROOT.parent / "shared"))

SECRET_REQUEST_HEADERS = (
    "api-key",
    "authorization",
    "cookie",
    "openai-organization",
    "openai-project",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-tc-token",
)
SECRET_RESPONSE_HEADERS = {"anthropic-organization-id", "openai-organization", "openai-project", "set-cookie"}
SECRET_QUERY_PARAMETERS = ("access_token", "api_key", "key")

ENVIRONMENT_PREFIXES = (
    *("ANTHROPIC_", "AWS_", "AZURE_", "CLOUDSDK_", "DASHSCOPE_", "GEMINI_", "GOOGLE_", "LLM_CONNECTOR_", "OLLAMA_"),
    *("OPENAI_", "TENCENTCLOUD_", "ZAI_"),
)
"""What this library and the providers' own read besides the variables of the rows."""
ENVIRONMENT_SUFFIXES = ("_API_BASE", "_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_PROXY")

EXAMPLES = int(os.environ.get("EXAMPLES", "30"))
"""Of each property; `make test` asks for more."""

hypothesis.settings.register_profile("default", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.register_profile(
    "ci", hypothesis.settings.get_profile("default"), derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests of the embedded model to one worker: two servers on two cores are slower than one."""
    for item in items:
        if item.get_closest_marker("local"):
            item.add_marker(pytest.mark.xdist_group("local"))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, addresses and proxies of whoever runs the suite do not reach it."""
    for name in list(os.environ):
        known = name.upper()
        if (
            known.startswith(ENVIRONMENT_PREFIXES)
            or known.endswith(ENVIRONMENT_SUFFIXES)
            or known in variables_of_rows()
        ):
            monkeypatch.delenv(name)


@functools.cache
def variables_of_rows() -> frozenset[str]:
    """Every variable that a row reads. Imported here, since some tests look at what importing the library loads."""
    from llm_connector.providers import PROVIDERS

    found: set[str] = set()
    for row in PROVIDERS.values():
        found.update(row.api_key_env, row.optional_key_env, row.base_url_env, *row.credential_env.values())
    return frozenset(found)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def wire_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """A server, and connections to it that no client of another test shares: the last client to close ends them."""
    own: dict[PoolKey, Pool[Any]] = {}
    monkeypatch.setattr(SYNC_POOLS, "_pools", own)
    with WireServer() as server:
        yield server
        for pool in list(own.values()):
            pool.transport.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("no reference material: neither ../shared nor LLM_CONNECTOR_SHARED is a folder")
    return SHARED


@pytest.fixture(scope="session")
def vcr_cassette_dir() -> str:
    return str(ROOT / "cassettes")


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "filter_headers": list(SECRET_REQUEST_HEADERS),
        "filter_query_parameters": list(SECRET_QUERY_PARAMETERS),
        "before_record_request": _as_kept,
        "before_record_response": _without_secrets,
        "decode_compressed_response": True,
    }


SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|signature|\bsig\b", re.IGNORECASE)
"""Headers and fields of a query that callers name themselves may hold a key as well."""


def _as_kept(request: vcr.request.Request) -> vcr.request.Request:
    """Without keys. The embedded engine listens where there is room; in cassettes it is always on port 8080."""
    request.headers = {name: value for name, value in request.headers.items() if not SECRET_NAME.search(name)}
    address, mark, query = re.sub(r"^http://127\.0\.0\.1:\d+/", "http://127.0.0.1:8080/", request.uri).partition("?")
    kept = "&".join(field for field in query.split("&") if not SECRET_NAME.search(field.partition("=")[0]))
    request.uri = f"{address}{mark if kept else ''}{kept}"
    return request


def _without_secrets(response: dict[str, Any]) -> dict[str, Any]:
    kept = {name: values for name, values in response["headers"].items() if name.lower() not in SECRET_RESPONSE_HEADERS}
    return {**response, "headers": kept}


class _SourcedYaml:
    """VCR's YAML with the `source` that every cassette carries; RECORDED_FROM names server and version."""

    deserialize = staticmethod(yamlserializer.deserialize)

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        return str(
            yamlserializer.serialize(
                {"source": f"recorded {date.today()} from {os.environ['RECORDED_FROM']}", **cassette}
            )
        )


def pytest_recording_configure(config: pytest.Config, vcr: vcr.VCR) -> None:
    vcr.register_serializer("yaml", _SourcedYaml)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what all tests and libraries have loaded: it takes a second each time."""
    gc.collect()
    gc.freeze()
