"""Ask, read the answer, ask on."""

import os

from llm_connector import LlmClient, system, user

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))

messages = [system("Answer in one sentence."), user("Why is the sky blue?")]
reply = client.chat(messages, max_tokens=40)
print(reply.text)

messages += [reply.message, user("And why is the sunset red?")]
reply = client.chat(messages, max_tokens=40)
print(reply.text)
print(f"{client.provider} {reply.model}: {reply.finish_reason}, {reply.usage.total_tokens} tokens")
