"""Sort documents by relevance to a question."""

import os

from llm_connector import LlmClient, UnsupportedError

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))

documents = ["The cat sleeps on the sofa.", "The weather in Oslo is mild.", "The bank raised its interest rate."]
try:
    for ranked in client.rerank("How is the weather in Oslo?", documents, top_n=2):
        print(f"{ranked.score:.2f} {ranked.index} {ranked.document}")
except UnsupportedError as error:  # not every provider ranks; the error names some that do
    print(error)
