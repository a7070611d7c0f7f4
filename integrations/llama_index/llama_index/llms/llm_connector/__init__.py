"""`LlmConnector`: an LLM of LlamaIndex for every provider that llm-connector speaks to."""

from llama_index.llms.llm_connector.base import LlmConnector

__all__ = ["LlmConnector"]
