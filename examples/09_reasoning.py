"""Ask for thinking, and keep thought and answer apart."""

import os

from llm_connector import LlmClient

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))

# True, False, "minimal" to "max", or a budget in tokens: docs/reasoning.md says what each provider makes of it
with client.stream("Which is bigger, 9.11 or 9.9?", reasoning="high", max_tokens=2000) as stream:
    for chunk in stream:
        if chunk.reasoning:
            print(f"\033[2m{chunk.reasoning}\033[0m", end="", flush=True)
        print(chunk.text, end="", flush=True)

response = stream.response
print(f"\nthought: {response.reasoning}\nanswer: {response.text}\nof it thinking: {response.usage.reasoning_tokens}")
for adaptation in response.adaptations:  # a model that cannot think is asked all the same, and you are told
    print(f"{adaptation.action} {adaptation.subject}: {adaptation.detail}")
