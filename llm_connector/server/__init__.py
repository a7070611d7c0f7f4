"""The gateway: every provider behind the endpoints of OpenAI, Anthropic and Ollama. It needs the extra `[server]`.

`Gateway(config)` is an ASGI application; `llm-connector serve` runs it.
"""

from llm_connector.server.app import Gateway
from llm_connector.server.config import GatewayConfig, Model, Upstream
from llm_connector.server.config_file import read_config

__all__ = ["Gateway", "GatewayConfig", "Model", "Upstream", "read_config"]
