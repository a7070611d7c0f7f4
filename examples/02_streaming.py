"""Print an answer while it is made; the whole of it is there at the end."""

import os

from llm_connector import LlmClient

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))

with client.stream("Tell me a story about a cat.", max_tokens=40) as stream:
    for chunk in stream:
        print(chunk.text, end="", flush=True)

response = stream.response  # of the type that chat() returns
print(f"\n{stream.status}: {response.finish_reason}, {response.usage.output_tokens} tokens")

with client.stream("Tell me a long story about a dog.", max_tokens=400) as stream:
    for chunk in stream:
        print(chunk.text, end="", flush=True)
        if len(stream.partial.text) > 20:
            break  # leaving the block ends the request
print(f"\n{stream.status}: {stream.partial.text!r}")
