"""What chat models and embeddings share: connection settings, in the form in which LangChain stores objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field, SecretStr

from llm_connector.client.connected import Connected
from llm_connector.wire import Timeout

if TYPE_CHECKING:
    from llm_connector import ProviderSpec

__all__ = ["MODEL_PROVIDER", "Settings", "__version__"]

__version__ = "0.1.0"

MODEL_PROVIDER: Final = "llm_connector"
"""`model_provider` of our messages; the names of other packages would call their translators."""


class Settings(Connected, init=False):
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
            keys = (os.environ.get(name, "").strip() for name in row.api_key_env or row.optional_key_env)
            values["api_key"] = next((SecretStr(key) for key in keys if key), None)
        return values

    @property
    def model_name(self) -> str | None:
        """The model, by its other name."""
        return self.model

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where secrets come from when a stored object is loaded: variables of the environment."""
        return self.secret_variables

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What is stored in another form: credentials by their names (inside a dict they would not be loaded)."""
        stored = {"timeout": asdict(self.timeout)} if isinstance(self.timeout, Timeout) else {}
        return {**self.credentials, **stored}


def _loaded(value: Any) -> Any:
    return os.environ.get(value["id"][0]) if isinstance(value, Mapping) and value.get("type") == "secret" else value
