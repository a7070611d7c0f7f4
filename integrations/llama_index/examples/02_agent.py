"""An agent with two tools; what it thinks, calls and says comes as it happens."""

import asyncio
import os

from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.llms.llm_connector import LlmConnector

provider, model = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")


def weather(city: str) -> str:
    """The weather in a city now."""
    return f"It is sunny in {city}, 21 degrees."


def population(city: str) -> str:
    """How many people live in a city."""
    return f"{city} has 700,000 inhabitants."


async def main() -> None:
    llm = LlmConnector(provider, model=model, temperature=0, max_tokens=200)
    agent = FunctionAgent(tools=[weather, population], llm=llm, system_prompt="Use the tools.")
    run = agent.run(user_msg="What is the weather in Oslo?")
    async for event in run.stream_events():
        if isinstance(event, ToolCallResult):
            print(f"{event.tool_name}({event.tool_kwargs}) -> {event.tool_output}")
        elif isinstance(event, AgentStream):
            print(event.thinking_delta or event.delta, end="")
    print(f"\nanswer: {await run}")
    await llm.aclose()


asyncio.run(main())
