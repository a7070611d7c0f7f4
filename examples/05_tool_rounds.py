"""Let the model call tools until it has its answer: several calls, several rounds, and tools that fail."""

import os

from llm_connector import LlmClient, Message, ToolCall, tool_result, user

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))


def weather(city: str) -> str:
    """The weather in a city now."""
    return {"Oslo": "It is sunny in Oslo, 21 degrees."}[city]


def fahrenheit(celsius: int) -> str:
    """A temperature in degrees Fahrenheit."""
    return f"{celsius} degrees Celsius are {celsius * 9 / 5 + 32:g} degrees Fahrenheit."


TOOLS = {tool.__name__: tool for tool in (weather, fahrenheit)}


def run(call: ToolCall) -> Message:
    try:
        return tool_result(call, TOOLS[call.name](**call.arguments))
    except (LookupError, TypeError) as error:  # the model invented a name or an argument: tell it, and it tries again
        return tool_result(call, repr(error), error=True)


messages = [user("What is the weather in Oslo?")]
for number in range(1, 6):  # a limit: some models never stop calling
    reply = client.chat(messages, tools=list(TOOLS.values()), max_tokens=200)
    messages += [reply.message, *map(run, reply.tool_calls)]
    print(f"round {number}:", [f"{call.name}({call.arguments_raw})" for call in reply.tool_calls] or reply.text)
    if not reply.tool_calls:
        break
