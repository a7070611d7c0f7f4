"""Turn texts into vectors and find the one that is nearest to a question."""

import math
import os

from llm_connector import LlmClient

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"))
model = os.environ.get("LLM_CONNECTOR_MODEL")

texts = ["The cat sleeps on the sofa.", "The bank raised its interest rate.", "It rains in Oslo today."]
question = "What is the weather like?"

*vectors, asked = client.embed([*texts, question], model=model).vectors


def similarity(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))


scores = [similarity(vector, asked) for vector in vectors]
print(f"{len(vectors)} vectors of {len(asked)} numbers")
print(question, "->", texts[scores.index(max(scores))])
