"""An answer as it is written: chunks, the newer events, and the same in a coroutine."""

import asyncio
import os

from langchain_llm_connector import ChatLlmConnector

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
model = ChatLlmConnector(provider=provider, model=name, max_tokens=24)

for chunk in model.stream("Tell me about the sea."):
    for block in chunk.content_blocks:
        print(block.get("reasoning") or block.get("text") or "", end="", flush=True)
    if chunk.usage_metadata:
        print(f"\n{chunk.usage_metadata['output_tokens']} tokens, {chunk.response_metadata['finish_reason']}")

stream = model.stream_events("Tell me about the moon.", version="v3")
print("".join(stream.text))
print(stream.output.response_metadata["model_name"])


async def main() -> None:
    pieces = [chunk.text async for chunk in model.astream("Tell me about rain.")]
    print("".join(pieces))


asyncio.run(main())
