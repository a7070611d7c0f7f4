"""Change the provider in mid-conversation; your code and your messages stay as they are."""

import os

from llm_connector import LlmClient, user

other = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
questions = ["Name a fruit.", "What colour is it?", "Is it sweet?"]
messages = []

for question, (provider, model) in zip(questions, [("local", None), other, ("local", None)], strict=True):
    with LlmClient(provider, model=model) as client:
        messages.append(user(question))
        reply = client.chat(messages, max_tokens=24)
        print(f"{provider}: {reply.text}")
        messages.append(reply.message)
        for adaptation in reply.adaptations:  # what belongs to another provider is left out, and you are told
            print(f"  {adaptation.action} {adaptation.subject}: {adaptation.detail}")

print(f"{len(messages)} messages")
