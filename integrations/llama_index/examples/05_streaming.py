"""Streams: thoughts and words as they come, and the counts at the end."""

import asyncio
import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.llm_connector import LlmConnector

provider, model = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
llm = LlmConnector(provider, model=model, max_tokens=60)
question = [ChatMessage("Why is the sky blue? Answer in one sentence.")]

for response in llm.stream_chat(question):
    if thought := response.additional_kwargs.get("thinking_delta"):
        print(f"\033[2m{thought}\033[0m", end="", flush=True)
    print(response.delta, end="", flush=True)
print(f"\n{response.additional_kwargs['completion_tokens']} tokens, {response.additional_kwargs['finish_reason']}")


async def main() -> None:
    async for response in await llm.astream_complete("Name a fruit."):
        print(response.delta, end="", flush=True)
    print()
    await llm.aclose()


asyncio.run(main())
