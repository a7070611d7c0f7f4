"""The table of providers. A row's module, and with it its wire format, is imported when the row is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import chain

from llm_connector.errors import ConfigurationError
from llm_connector.providers.spec import ProviderSpec

__all__ = ["PROVIDERS", "find", "register_provider", "supported_providers"]

_COMPATIBLE = "compatible"
_HOMES: Mapping[str, str] = {
    "aliyun": "aliyun",
    "aliyun_openai_compatible": "aliyun",
    "anthropic": "anthropic",
    "anthropic_bedrock": "amazon",
    "anthropic_azure": "anthropic",
    "deepseek_anthropic": "anthropic",
    "longcat_anthropic": "anthropic",
    "anthropic_vertex": "google",
    "bedrock": "amazon",
    "gemini": "google",
    "gemini_vertex": "google",
    "ollama": "ollama",
    "tencent_native": "tencent",
    "openai_responses": "openai",
    "azure_openai": "openai",
    "azure_openai_responses": "openai",
    "zhipu": "zhipu",
    "zhipu_openai_compatible": "zhipu",
    "llamacpp": "self_hosted",
    "lmstudio": "self_hosted",
    "local": "self_hosted",
    "vllm": "self_hosted",
    "xinference": "self_hosted",
}
"""The modules of `rows`, by row; every other row is in `compatible`."""


class _Table(Mapping[str, ProviderSpec]):
    """The rows by name. Asking for one imports its module; going through them imports all."""

    def __init__(self) -> None:
        self._modules: dict[str, dict[str, ProviderSpec]] = {}
        self._own: dict[str, ProviderSpec] = {}

    def __getitem__(self, name: str) -> ProviderSpec:
        return self._own[name] if name in self._own else self._module(_HOMES.get(name, _COMPATIBLE))[name]

    def __iter__(self) -> Iterator[str]:
        rows = (self._module(module) for module in (_COMPATIBLE, *dict.fromkeys(_HOMES.values())))
        return iter(dict.fromkeys([*chain.from_iterable(rows), *self._own]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, spec: ProviderSpec) -> None:
        """Put a row of the caller's before those of the library."""
        self._own[spec.name] = spec

    def remove(self, name: str) -> None:
        """Take a row of the caller's away."""
        self._own.pop(name, None)

    def _module(self, module: str) -> dict[str, ProviderSpec]:
        rows = self._modules.get(module)
        if rows is None:
            loaded: tuple[ProviderSpec, ...] = import_module(f"{__package__}.rows.{module}").ROWS
            rows = self._modules[module] = {row.name: row for row in loaded}
        return rows


PROVIDERS = _Table()


def supported_providers() -> list[str]:
    """Names of all rows, those registered by the caller included."""
    return list(PROVIDERS)


def register_provider(spec: ProviderSpec, *, replace: bool = False) -> None:
    """Add a row for this process. Raises ConfigurationError for a taken name unless `replace` is set."""
    if spec.name in PROVIDERS and not replace:
        raise ConfigurationError(f"provider {spec.name!r} exists; pass replace=True to take its place")
    PROVIDERS.add(spec)


def find(name: str) -> ProviderSpec:
    """The row of that name. Raises ConfigurationError that names the near matches."""
    spec = PROVIDERS.get(name)
    if spec is None:
        raise ConfigurationError(f"unknown provider {name!r}; {_suggestion(name, PROVIDERS)}")
    return spec


def _suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("-", "_"), list(known), n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"it is one of {', '.join(known)}. For any OpenAI-compatible server use 'openai_compatible' with base_url="
