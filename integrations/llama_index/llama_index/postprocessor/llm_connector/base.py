"""`LlmConnectorRerank`: a reranker of LlamaIndex for every provider that ranks documents."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core import instrumentation
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.llms.llm_connector.connection import Connection

from llm_connector import ConfigurationError, RankedDocument

if TYPE_CHECKING:
    from llama_index.llms.llm_connector.connection import ApiKey

__all__ = ["LlmConnectorRerank"]

dispatcher = instrumentation.get_dispatcher(__name__)  # type: ignore[attr-defined]  # theirs to export, and they do


class LlmConnectorRerank(Connection, BaseNodePostprocessor):
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

    if TYPE_CHECKING:

        def __init__(
            self, provider: str, *, model: str | None = None, api_key: ApiKey = None, **settings: Any
        ) -> None: ...

    spellings: ClassVar[Mapping[str, str]] = {**Connection.spellings, "model_name": "model"}

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnectorRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, texts = _asked(nodes, query_bundle)
        if not nodes:
            return []
        with self._event(nodes, query) as kept:
            ranked = self.client.rerank(query, texts, model=self.model, top_n=min(self.top_n, len(texts)))
            kept += self._best(nodes, ranked)
        return kept

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, texts = _asked(nodes, query_bundle)
        if not nodes:
            return []
        with self._event(nodes, query) as kept:
            ranked = await self.async_client.rerank(query, texts, model=self.model, top_n=min(self.top_n, len(texts)))
            kept += self._best(nodes, ranked)
        return kept

    def _best(self, nodes: list[NodeWithScore], ranked: Sequence[RankedDocument]) -> list[NodeWithScore]:
        return [NodeWithScore(node=nodes[item.index].node, score=item.score) for item in ranked[: self.top_n]]

    @contextmanager
    def _event(self, nodes: list[NodeWithScore], query: str) -> Generator[list[NodeWithScore]]:
        """One pair of events about a ranking, whose result goes into the list."""
        kept: list[NodeWithScore] = []
        model = self.model or "unknown"
        dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=model))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield kept
            event.on_end(payload={EventPayload.NODES: kept})
        dispatcher.event(ReRankEndEvent(nodes=kept))


def _asked(nodes: list[NodeWithScore], query_bundle: QueryBundle | None) -> tuple[str, list[str]]:
    if query_bundle is None:
        raise ConfigurationError("nodes are ranked by a query: give query_bundle= or query_str=")
    return query_bundle.query_str, [node.node.get_content(metadata_mode=MetadataMode.EMBED) or " " for node in nodes]
