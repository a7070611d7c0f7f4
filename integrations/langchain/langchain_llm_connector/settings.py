"""What chat models and embeddings share: connection settings, in the form in which LangChain stores objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field, SecretStr

from llm_connector.client.connected import Connected, GivenKey
from llm_connector.wire import Timeout

if TYPE_CHECKING:
    from llm_connector import ProviderSpec

__all__ = ["MODEL_PROVIDER", "GivenKey", "Settings", "__version__"]

__version__ = "0.1.0"

MODEL_PROVIDER: Final = "llm_connector"
"""`model_provider` of our messages; the names of other packages would call their translators."""


class Settings(Connected):
    """Connection settings, by the names that LangChain's classes have for them."""

    model: str | None = None
    credentials: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    """What else the provider asks for; its names are taken as arguments too, for example `aws_profile`."""

    spellings: ClassVar[Mapping[str, str]] = {
        "api_base": "base_url",
        "http_async_client": "async_http_client",
        "model_name": "model",
        "request_timeout": "timeout",
    }
    shared: ClassVar[tuple[str, ...]] = ("callbacks", "cache", "rate_limiter")

    @classmethod
    def read_arguments(cls, row: ProviderSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """With the key of the environment, and what `load` left as the name of a variable read from there."""
        headers = {name: _loaded(value) for name, value in (arguments.get("default_headers") or {}).items()}
        values = super().read_arguments(row, {**arguments, "default_headers": headers})
        if values.get("api_key") is None and not values["credentials"]:
            key = next((key for name in _key_variables(row) if (key := os.environ.get(name, "").strip())), None)
            values["api_key"] = key and SecretStr(key)
        return values

    def client_settings(self) -> dict[str, Any]:
        """The arguments of both clients, the model among them."""
        return {**super().client_settings(), "model": self.model}

    @property
    def model_name(self) -> str | None:
        """The model, by its other name."""
        return self.model

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where secrets come from when a stored object is loaded: variables of the environment."""
        variables = _key_variables(self.row)
        secrets = {"api_key": next((name for name in variables if name in os.environ), variables[0])}
        for name, value in self.credentials.items():
            if isinstance(value, SecretStr):
                secrets[name] = next(iter(self.row.credential_env.get(name, ())), name.upper())
        for name, value in self.default_headers.items():
            if isinstance(value, SecretStr):
                secrets[f"default_headers.{name}"] = re.sub(r"\W", "_", name).upper()
        if isinstance(self.base_url, SecretStr):
            secrets["base_url"] = f"{self.row.name.upper()}_BASE_URL"
        return secrets if self.proxy is None else {**secrets, "proxy": "HTTPS_PROXY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What is stored in another form: credentials by their names (inside a dict they would not be loaded)."""
        stored = {"timeout": asdict(self.timeout)} if isinstance(self.timeout, Timeout) else {}
        return {**self.credentials, **stored}


def _key_variables(row: ProviderSpec) -> tuple[str, ...]:
    return row.api_key_env or row.optional_key_env or (f"{row.name.upper()}_API_KEY",)


def _loaded(value: Any) -> Any:
    return os.environ.get(value["id"][0]) if isinstance(value, Mapping) and value.get("type") == "secret" else value
