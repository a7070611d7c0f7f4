"""`LlmConnectorEmbedding`: embeddings of LlamaIndex from every provider that has them."""

from llama_index.embeddings.llm_connector.base import LlmConnectorEmbedding

__all__ = ["LlmConnectorEmbedding"]
