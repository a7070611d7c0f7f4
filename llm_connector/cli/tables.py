"""`llm-connector providers` and `llm-connector models`."""

from __future__ import annotations

import os
from typing import Any

from llm_connector.cli.terminal import Terminal
from llm_connector.client.clients import LlmClient
from llm_connector.providers import PROVIDERS, ProviderSpec

__all__ = ["key_names", "show_models", "show_providers", "size"]

CAPABILITIES = (
    "chat", "tools", "images", "documents", "audio", "video", "reasoning", "structured_output", "embeddings",
    "count_tokens", "rerank", "models",
)  # fmt: skip
LETTERS = {name[0].upper(): name for name in CAPABILITIES[1:9]}
"""What a terminal has room for: one letter for each capability that differs between providers."""


def key_names(spec: ProviderSpec) -> tuple[str, ...]:
    """Environment variables that may hold the key."""
    return spec.api_key_env or spec.optional_key_env


def _key_set(spec: ProviderSpec) -> bool | None:
    """Whether one of them holds something; None where no key is known."""
    names = key_names(spec)
    return any(os.environ.get(name, "").strip() for name in names) if names else None


def show_providers(*, as_json: bool) -> None:
    """Every row of the table."""
    terminal = Terminal()
    if as_json:
        terminal.json([_row(spec) for spec in PROVIDERS.values()])
        return
    lettered = terminal.out.is_terminal
    rows = [
        (
            spec.name,
            spec.protocol.name,
            ", ".join(_regions(spec)),
            " or ".join(key_names(spec)),
            _key_words(spec),
            _letters(spec) if lettered else ", ".join(_capabilities(spec)),
        )
        for spec in PROVIDERS.values()
    ]
    terminal.table(("name", "protocol", "regions", "key from", "key set", "capabilities"), rows)
    if lettered:
        terminal.aside("  ".join(f"{letter} {name.replace('_', ' ')}" for letter, name in LETTERS.items()))


def show_models(provider: str, text: str, *, base_url: str | None, region: str | None, as_json: bool) -> None:
    """The models of a provider whose id contains `text`, by id."""
    terminal = Terminal()
    with LlmClient(provider, base_url=base_url, region=region) as client:
        found = client.models()
    models = sorted((model for model in found if text.lower() in model.id.lower()), key=lambda model: model.id)
    if as_json:
        terminal.json([model.model_dump(mode="json", exclude={"raw"}) for model in models])
        return
    rows = [
        (
            model.id,
            model.name if model.name and model.name != model.id else "",
            _count(model.context_window),
            _count(model.max_output),
            size(model.size),
            ", ".join(model.capabilities or ()),
        )
        for model in models
    ]
    terminal.table(("id", "name", "context", "output", "size", "capabilities"), rows)
    if not rows:
        terminal.aside(f"none of {len(found)} models contains {text!r}" if found else "the server lists no model")


def size(count: int | None) -> str:
    """Bytes in the unit that leaves one to three digits ahead of the point."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _row(spec: ProviderSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "protocol": spec.protocol.name,
        "regions": _regions(spec),
        "base_url": dict(spec.base_url) if isinstance(spec.base_url, dict) else spec.base_url,
        "key_env": list(key_names(spec)),
        "key_required": bool(spec.api_key_env),
        "key_set": _key_set(spec),
        "capabilities": _capabilities(spec),
        "docs": spec.docs,
    }


def _key_words(spec: ProviderSpec) -> str:
    if _key_set(spec):
        return "yes"
    return "no" if spec.api_key_env else "optional" if key_names(spec) else "not needed"


def _regions(spec: ProviderSpec) -> list[str]:
    return [] if isinstance(spec.base_url, str | None) else list(spec.base_url)


def _capabilities(spec: ProviderSpec) -> list[str]:
    return [name for name in CAPABILITIES if name in spec.supports] + sorted(spec.supports - set(CAPABILITIES))


def _letters(spec: ProviderSpec) -> str:
    return "".join(letter if name in spec.supports else "·" for letter, name in LETTERS.items())


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
