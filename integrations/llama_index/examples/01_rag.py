"""RAG in 20 lines: an answer from a document, with the places it comes from."""

import os
from pathlib import Path

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.embeddings.llm_connector import LlmConnectorEmbedding
from llama_index.llms.llm_connector import LlmConnector

provider, model = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
Settings.llm = LlmConnector(provider, model=model, temperature=0, max_tokens=100)
Settings.embed_model = LlmConnectorEmbedding("local")

guide = Path(__file__).with_name("files") / "oldhaven.md"
sections = guide.read_text("utf-8").split("\n## ")
documents = [Document(text=section, metadata={"file": guide.name}) for section in sections]

response = VectorStoreIndex.from_documents(documents).as_query_engine().query("When does the harbour open?")

print(response)
for source in response.source_nodes:
    print(f"[{source.score:.2f}] {source.metadata['file']}: {source.text.splitlines()[-1]}")
