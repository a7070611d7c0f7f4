"""A gateway's configuration as a TOML file: `[server]`, `[providers.NAME]`, `[models.NAME]`.

Errors name the file, the table, the key and the remedy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from llm_connector.errors import ConfigurationError
from llm_connector.formats.reading import BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Kind
from llm_connector.providers import supported_providers
from llm_connector.server.config import ANY, API_KEY_VARIABLE, GatewayConfig, Model, Upstream, keys_of_environment
from llm_connector.types import ChatOptions, ChatRequest

__all__ = ["read_config"]

_LIST: Kind = (lambda value: isinstance(value, list) and all(map(STRING[0], value)), "a list of strings")

_TABLES: Mapping[str, Kind] = {"server": OBJECT, "providers": OBJECT, "models": OBJECT}
_SERVER: Mapping[str, Kind] = {
    "host": STRING,
    "port": INTEGER,
    "workers": INTEGER,
    "cors_origins": _LIST,
    "allowed_hosts": _LIST,
    "max_body_bytes": INTEGER,
    "keep_alive": NUMBER,
    "shutdown": NUMBER,
}
_PROVIDER: Mapping[str, Kind] = {
    "provider": STRING,
    "api_key_env": STRING,
    "region": STRING,
    "base_url": STRING,
    "timeout": NUMBER,
    "max_retries": INTEGER,
    "headers": OBJECT,
    "proxy": STRING,
    "strict": BOOLEAN,
    "fetch_media": BOOLEAN,
    "credentials": OBJECT,
}
_MODEL: Mapping[str, Kind] = {
    "provider": STRING,
    "model": STRING,
    "options": OBJECT,
    "fallbacks": _LIST,
    "context_window": INTEGER,
    "max_output": INTEGER,
}
_SECRET = "keys do not stand in this file: put it into a variable, and name that with api_key_env"
_NOT_OPTIONS = frozenset({"model", "tools", "tool_choice", "extra_headers", "timeout", "max_retries"})
_OPTIONS = frozenset(ChatOptions.__annotations__) - _NOT_OPTIONS


def read_config(path: str | Path, **given: Any) -> GatewayConfig:
    """The configuration in a file; what is `given` wins over its `[server]`. Raises ConfigurationError.

    The keys for clients are those of the environment unless they are given.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}; give the path of a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    with _inside(str(path)):
        tables = _checked(content, _TABLES, "")
        if "api_keys" in tables.get("server", {}):
            raise ConfigurationError(f"[server] api_keys: keys do not stand in this file; set {API_KEY_VARIABLE}")
        server = _checked(tables.get("server", {}), _SERVER, "[server] ")
        upstreams = {name: _upstream(name, table) for name, table in tables.get("providers", {}).items()}
        models = tuple(_model(name, table, upstreams) for name, table in tables.get("models", {}).items())
        if not models:
            raise ConfigurationError('there are no models: write [models."NAME"] with provider = "…"')
        _check_fallbacks(models)
        lists = {name: tuple(value) for name, value in server.items() if isinstance(value, list)}
        settings: dict[str, Any] = {"api_keys": keys_of_environment(), **server, **lists, **given}
        return GatewayConfig(models, **settings)


def _upstream(name: str, table: Any) -> Upstream:
    place = f"[providers.{name}] "
    if isinstance(table, dict) and "api_key" in table:
        raise ConfigurationError(f"{place}api_key: {_SECRET}")
    settings = _checked(table, _PROVIDER, place)
    provider = settings.pop("provider", name)
    _known(provider, supported_providers(), f"{place}provider")
    variable, credentials = settings.pop("api_key_env", None), settings.pop("credentials", {})
    return Upstream(provider, variable, {**settings, **credentials})


def _model(name: str, table: Any, upstreams: dict[str, Upstream]) -> Model:
    place = f'[models."{name}"] '
    if name.count("*") > 1:
        raise ConfigurationError(f"{place.rstrip()}: a pattern holds one * at most")
    found = _checked(table, _MODEL, place)
    provider = found.pop("provider", None)
    if provider is None:
        raise ConfigurationError(f"{place}provider: name one of [providers] or of `llm-connector providers`")
    if provider not in upstreams:
        _known(provider, [*upstreams, *supported_providers()], f"{place}provider")
    options = found.pop("options", {})
    with _inside(f'[models."{name}".options]'):
        for option in options:
            _known(option, sorted(_OPTIONS), "", "option")
        ChatRequest.of("…", options)
    fallbacks = tuple(found.pop("fallbacks", ()))
    upstream = upstreams.setdefault(provider, Upstream(provider))
    return Model(name, upstream, options=options, fallbacks=fallbacks, **found)


def _check_fallbacks(models: Iterable[Model]) -> None:
    names = [model.name for model in models]
    for model in models:
        for fallback in model.fallbacks:
            place = f'[models."{model.name}"] fallbacks'
            _known(fallback, names, place, "model of this file")
            if fallback == model.name or ANY in fallback:
                raise ConfigurationError(f"{place}: {fallback!r} is no other model with a name of its own")


def _checked(table: Any, kinds: Mapping[str, Kind], place: str) -> dict[str, Any]:
    """A table with keys that are known and values of their kinds."""
    if not isinstance(table, dict):
        raise ConfigurationError(f"{place.strip()}: write a table, not {type(table).__name__}")
    for key, value in table.items():
        _known(key, list(kinds), place.rstrip(), "key")
        test, wanted = kinds[key]
        if not test(value):
            raise ConfigurationError(f"{place}{key}: give {wanted}, not {type(value).__name__}")  # it may be secret
    return dict(table)


def _known(name: str, known: list[str], place: str, kind: str = "provider") -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(map(repr, near))}?" if near else f"give one of {', '.join(known)}"
    raise ConfigurationError(f"{place}: unknown {kind} {name!r}; {remedy}".removeprefix(": "))


@contextmanager
def _inside(place: str) -> Generator[None]:
    """Name the place of what is wrong inside."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}") from None
