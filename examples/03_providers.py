"""List every provider, and the models of one."""

import os

from llm_connector import LlmClient, UnsupportedError, supported_providers

for name in supported_providers():
    print(name)

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"))
try:
    print(f"models of {client.provider}:", ", ".join(model.id for model in client.models()))
except UnsupportedError as error:  # this provider has no list; any model name works all the same
    print(error)
