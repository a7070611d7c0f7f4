"""Write an answer while it is made, in the wire format that somebody else reads."""

import os

from llm_connector import LlmClient

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))

# As an Ollama server writes it, for editors such as Zed.
for block in client.stream("Name a fruit.", max_tokens=8).encode("ollama"):
    print(block.decode(), end="")

# As Anthropic writes it: server-sent events.
for block in client.stream("Name a fruit.", max_tokens=8).encode("anthropic"):
    print(block.decode(), end="")

# One line per piece, for a log; `json` would give one body at the end.
stream = client.stream("Name a fruit.", max_tokens=8)
for block in stream.encode("unified", framing="ndjson"):
    print(block.decode(), end="")
print(f"{stream.status}: {stream.response.text!r}")
