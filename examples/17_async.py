"""Ask several questions at once, and stream, with coroutines."""

import asyncio
import os

from llm_connector import AsyncLlmClient

PROVIDER, MODEL = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")


async def main() -> None:
    async with AsyncLlmClient(PROVIDER, model=MODEL) as client:
        questions = ["Name a fruit.", "Name a colour.", "Name a city."]
        replies = await asyncio.gather(*(client.chat(question, max_tokens=20) for question in questions))
        for question, reply in zip(questions, replies, strict=True):
            print(question, reply.text)

        async with client.stream("Count to five.", max_tokens=40) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)
        print("\n", stream.status)


asyncio.run(main())
