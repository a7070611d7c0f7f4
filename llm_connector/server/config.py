"""What a gateway serves, and how: frozen values that are checked before anything listens."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_connector.errors import ConfigurationError

__all__ = [
    "ANY",
    "API_KEY_VARIABLE",
    "GatewayConfig",
    "Model",
    "Upstream",
    "is_loopback",
    "keys_of_environment",
    "single",
]

API_KEY_VARIABLE: Final = "LLM_CONNECTOR_SERVE_API_KEY"
"""The variable that holds the keys of clients, with commas between them."""
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider as the gateway reaches it.

    `settings` are further arguments of the client. No key stands here: `api_key_env` names the variable that holds it,
    where that is another one than the provider's own.
    """

    provider: str
    api_key_env: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A name, or a pattern with one `*`, that clients may ask for, and who answers.

    `model` is the provider's name for it, in which `*` stands for what the pattern's `*` matched. None asks for the
    name that the client gave, or for the provider's own model where it has but one. `options` are those of `chat()`
    that a request does not say itself. `fallbacks` name models to try next. `context_window` and `max_output`, what an
    answer has at most, are in tokens.
    """

    name: str
    upstream: Upstream
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    context_window: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All that a gateway is told.

    Of `api_keys` clients must send one; where there is none, none is asked for. `allowed_hosts` are names by which
    clients may call a gateway on loopback, besides this machine's own. After `keep_alive` seconds of silence something
    is sent that says nothing; running answers have `shutdown` seconds to finish.
    """

    models: tuple[Model, ...]
    host: str = "127.0.0.1"
    port: int = 8642
    workers: int = 1
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    max_body_bytes: int = 32 << 20
    keep_alive: float = 10.0
    shutdown: float = 30.0

    def __post_init__(self) -> None:
        for key in self.api_keys:
            if not key or not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigurationError(
                    "a key for clients is empty, or holds more than ASCII letters, digits and signs"
                )
        if not is_loopback(self.host) and not self.api_keys:
            raise ConfigurationError(
                f"other machines can reach {self.host!r}, and could spend what your keys pay for: "
                f"set {API_KEY_VARIABLE} (or --api-key), or listen on 127.0.0.1"
            )
        for name, least in (("workers", 1), ("max_body_bytes", 1), ("keep_alive", 0.01), ("shutdown", 0), ("port", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}; give {least} or more")
        if self.port > 65535:
            raise ConfigurationError(f"port is {self.port}; give 0 to 65535, 0 for any that is free")


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def keys_of_environment() -> tuple[str, ...]:
    """The keys for clients that the environment holds."""
    return tuple(key.strip() for key in os.environ.get(API_KEY_VARIABLE, "").split(",") if key.strip())


def single(upstream: Upstream, model: str | None = None) -> tuple[Model, ...]:
    """One provider for whatever is asked for; with `model`, always that one."""
    anything = Model(ANY, upstream, model)
    return (anything,) if model is None else (Model(model, upstream, model), anything)
