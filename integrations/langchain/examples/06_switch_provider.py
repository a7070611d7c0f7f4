"""Another provider in mid-conversation: the messages stay as they are."""

import os

from langchain_core.messages import AnyMessage, HumanMessage

from langchain_llm_connector import ChatLlmConnector

other = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
history: list[AnyMessage] = []

for question, (provider, name) in zip(
    ["Name a fruit.", "What colour is it?", "Is it sweet?"], [("local", None), other, ("local", None)], strict=True
):
    model = ChatLlmConnector(provider=provider, model=name, max_tokens=24)
    history.append(HumanMessage(question))
    answer = model.invoke(history)
    history.append(answer)  # with its thoughts and signatures, which go back to their own provider only
    print(f"{answer.response_metadata['provider']}: {answer.text}")

print(len(history), "messages")
