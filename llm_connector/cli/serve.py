"""`llm-connector serve`: the gateway, run until Ctrl-C."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from llm_connector.cli.terminal import Terminal
from llm_connector.errors import ConfigurationError

if TYPE_CHECKING:
    from llm_connector.server import GatewayConfig

__all__ = ["run"]

_INSTALL = "pip install 'llm-connector-core[server]' (from a checkout: pip install -e '.[server]')"


def run(
    provider: str,
    model: str | None,
    file: str | None,
    *,
    base_url: str | None,
    region: str | None,
    verbose: bool,
    **given: Any,
) -> None:
    """Serve one provider, or what a file says. `given` are fields of the configuration; those that are None are not."""
    missing = [package for package in ("aiohttp", "starlette", "uvicorn") if find_spec(package) is None]
    if missing:
        raise ConfigurationError(f"the gateway needs {', '.join(missing)}: {_INSTALL}")
    from llm_connector.server import GatewayConfig, Upstream, read_config
    from llm_connector.server.config import keys_of_environment, single
    from llm_connector.server.run import serve

    settings: dict[str, Any] = {"api_keys": keys_of_environment()}
    for name, value in given.items():
        if value is not None and value != []:
            settings[name] = tuple(value) if isinstance(value, list) else value
    if file is not None:
        if model or base_url or region:
            raise ConfigurationError("with --config, models and addresses stand in the file: leave out the others")
        config = read_config(file, **settings)
    else:
        about = {"base_url": base_url, "region": region}
        upstream = Upstream(provider, None, {name: value for name, value in about.items() if value is not None})
        config = GatewayConfig(single(upstream, model), **settings)
    serve(config, lambda port: _greet(config, port), access_log=verbose, log_level="info" if verbose else "warning")


def _greet(config: GatewayConfig, port: int) -> None:
    """Say where it is, and what to paste where."""
    terminal = Terminal()
    host = f"[{config.host}]" if ":" in config.host else config.host
    url = f"http://{host}:{port}"
    providers = ", ".join(dict.fromkeys(model.upstream.provider for model in config.models))
    terminal.heading(f"{providers} at {url}, also for browsers · Ctrl-C stops", first=True)
    terminal.facts({"OpenAI": f"{url}/v1", "Anthropic": url, "Ollama": url})
