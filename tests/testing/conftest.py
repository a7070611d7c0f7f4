"""The fixtures of the plugin, also where the package is installed without its entry point."""

from __future__ import annotations

from llm_connector.testing.plugin import fake_llm, wire_simulator

__all__ = ["fake_llm", "wire_simulator"]
