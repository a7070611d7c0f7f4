"""Use a gateway that speaks Ollama's format; no model is installed here."""

import os

from llm_connector import LlmClient

client = LlmClient(
    "ollama",
    base_url=os.environ.get("OLLAMA_GATEWAY_URL", "https://gateway.example.com/ollama"),
    api_key=os.environ.get("OLLAMA_GATEWAY_KEY"),  # sent as a bearer token
    headers={"x-team": "examples"},  # whatever else the gateway wants
    model="glm-4.6",  # the gateway's name for it
)

with client.stream("Why is the sky blue?", max_tokens=200) as stream:
    for chunk in stream:
        print(chunk.text, end="", flush=True)

print(f"\n{stream.response.model}, {stream.response.usage.output_tokens} tokens")
if stream.response.reasoning:
    print("thought:", stream.response.reasoning)
