"""`LlmConnectorRerank`: a reranker of LlamaIndex for every provider that ranks documents."""

from llama_index.postprocessor.llm_connector.base import LlmConnectorRerank

__all__ = ["LlmConnectorRerank"]
