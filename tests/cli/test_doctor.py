"""`llm-connector doctor`."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.console import KEY, ROOT
from tests.support.wire_server import Answer


def test_the_doctor_shows_no_secret(cli, wire_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DEEPSEEK_API_KEY", f"{KEY} {KEY}")
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hun/ter2@proxy.example:3128")
    wire_server.script(Answer.json({"error": {"message": f"bad key {KEY}"}}, status=401))

    outcome = cli("doctor", "-p", "openai", "--base-url", wire_server.url)

    assert outcome.code == 1
    assert not re.search(f"{KEY}|hun|ter2|ada", outcome.out + outcome.err)
    assert re.search(r"^https +http://proxy\.example:3128$", outcome.out, re.MULTILINE)
    assert re.search(r"^openai +OPENAI_API_KEY: set$", outcome.out, re.MULTILINE)
    assert re.search(r"^deepseek +DEEPSEEK_API_KEY: malformed", outcome.out, re.MULTILINE)
    assert re.search(r"^broken +the key was refused: openai: bad key .*401", outcome.out, re.MULTILINE)


def test_the_doctor_reaches_a_provider(cli, wire_server):
    wire_server.route("/v1/models", Answer.json({"data": [{"id": "a"}]}))

    outcome = cli("doctor", "-p", "openai_compatible", "--base-url", wire_server.url, "--json")

    report = json.loads(outcome.out)
    assert outcome.code == 0
    assert (report["provider"]["state"], report["provider"]["models"]) == ("ok", 1)
    assert report["provider"]["address"] == wire_server.url
    assert report["versions"]["httpx"]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (
            ("-p", "openai_compatible", "--base-url", "http://127.0.0.1:1"),
            "unreachable: .*cannot connect to 127.0.0.1:1",
        ),
        (("-p", "openai"), "not set up: openai: no API key: set OPENAI_API_KEY$"),
    ],
)
def test_the_doctor_says_why_a_provider_cannot_be_reached(cli, argv, reason):
    outcome = cli("doctor", *argv)

    assert outcome.code == 1
    assert re.search(f"^broken +{reason}", outcome.out, re.MULTILINE)


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Have a distribution, by its name, version and where it came from."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, origin: str = "{}") -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-1.2.3.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (folder / "direct_url.json").write_text(origin)

    return install


def test_the_doctor_finds_the_project_of_the_same_import_name(cli, installed):
    installed("llm-connector")

    outcome = cli("doctor", "-p", "ollama")

    assert outcome.code == 1
    assert "llm-connector 1.2.3 is another project with the same import name" in outcome.out


@pytest.mark.parametrize(("editable", "state"), [("true", "ok"), ("false", "note")])
def test_the_doctor_tells_the_installed_package_from_another_copy(cli, installed, editable, state):
    installed("llm-connector-core", f'{{"url": "{ROOT.as_uri()}", "dir_info": {{"editable": {editable}}}}}')

    report = json.loads(cli("doctor", "-p", "ollama", "--json").out)

    assert report["installation"]["state"] == state
    assert report["versions"]["llm-connector-core"] == "1.2.3"
