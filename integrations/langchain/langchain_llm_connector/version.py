"""The version of this package, and the name that its messages carry."""

from __future__ import annotations

__all__ = ["MODEL_PROVIDER", "__version__"]

__version__ = "0.1.0"

MODEL_PROVIDER = "llm_connector"
"""`model_provider` of our messages; the names of other packages would call their translators."""
