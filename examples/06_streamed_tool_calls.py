"""Watch a tool call being written, and get it once when it is whole."""

import os

from llm_connector import LlmClient

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))


def weather(city: str) -> str:
    """The weather in a city now."""
    return f"It is sunny in {city}."


with client.stream("What is the weather in Oslo?", tools=[weather], max_tokens=200) as stream:
    for chunk in stream:
        if chunk.tool_call_delta:  # a piece, for display: JSON that is not finished
            print("piece:", repr(chunk.tool_call_delta.arguments))
        if chunk.tool_call:  # the finished call with parsed arguments: exactly once for each call
            print("call:", chunk.tool_call.name, chunk.tool_call.arguments)
            print("result:", weather(**chunk.tool_call.arguments))
        print(chunk.text, end="")

print("finish reason:", stream.response.finish_reason)
