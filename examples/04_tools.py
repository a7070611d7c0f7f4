"""Let the model call a function of yours."""

import os

from llm_connector import LlmClient, tool_result, user

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))


def weather(city: str) -> str:
    """The weather in a city now."""
    return f"It is sunny in {city}, 21 degrees."


messages = [user("What is the weather in Oslo?")]
reply = client.chat(messages, tools=[weather], max_tokens=200)
messages.append(reply.message)  # goes back as it came: ids, order, signatures

for call in reply.tool_calls:
    result = weather(**call.arguments)
    print(f"{call.name}({call.arguments}) -> {result}")
    messages.append(tool_result(call, result))

print(client.chat(messages, tools=[weather], max_tokens=40).text)
