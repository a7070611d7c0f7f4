"""A tool, called by hand and then by an agent."""

import os

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from langchain_llm_connector import ChatLlmConnector

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
model = ChatLlmConnector(provider=provider, model=name, temperature=0, max_tokens=100)


@tool
def weather(city: str) -> str:
    """The weather in a city now."""
    return f"It is sunny in {city}."


question = HumanMessage("What is the weather in Oslo?")
called = model.bind_tools([weather]).invoke([question])
for call in called.tool_calls:
    print(call["name"], call["args"], "->", weather.invoke(call).content)

agent = create_agent(model, [weather])
for message in agent.invoke({"messages": [question]}, {"recursion_limit": 8})["messages"]:
    print(f"{message.type}: {message.text or [call['name'] for call in getattr(message, 'tool_calls', [])]}")
