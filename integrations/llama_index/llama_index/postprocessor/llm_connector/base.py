"""`LlmConnectorRerank`: a reranker of LlamaIndex for every provider that ranks documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llama_index.core import instrumentation
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from llm_connector import ConfigurationError
from llm_connector.client.connected import Connected

__all__ = ["LlmConnectorRerank"]

dispatcher = instrumentation.get_dispatcher(__name__)  # type: ignore[attr-defined]  # theirs to export, and they do


class LlmConnectorRerank(Connected, BaseNodePostprocessor, init=False):
    """Sorts nodes by relevance to the query and keeps the best.

    Examples:
        `pip install llama-index-llms-llm-connector`

        ```python
        from llama_index.postprocessor.llm_connector import LlmConnectorRerank

        reranker = LlmConnectorRerank(provider="aliyun", model="qwen3-rerank", top_n=3)
        query_engine = index.as_query_engine(similarity_top_k=10, node_postprocessors=[reranker])
        ```
    """

    model: str | None = Field(default=None, description="Name of the model.")
    top_n: int = Field(default=2, gt=0, description="How many nodes to keep.")

    spellings: ClassVar[Mapping[str, str]] = {"api_base": "base_url", "model_name": "model"}
    shared: ClassVar[tuple[str, ...]] = ("callback_manager",)

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnectorRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ConfigurationError("nodes are ranked by a query: give query_bundle= or query_str=")
        if not nodes:
            return []
        query, model = query_bundle.query_str, self.model or "unknown"
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) or " " for node in nodes]
        dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=model))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            ranked = self.client.rerank(query, texts, model=self.model, top_n=min(self.top_n, len(texts)))
            kept = [NodeWithScore(node=nodes[item.index].node, score=item.score) for item in ranked]
            event.on_end(payload={EventPayload.NODES: kept})
        dispatcher.event(ReRankEndEvent(nodes=kept))
        return kept
