"""What the LlamaIndex adapter is compared with, and the targets."""

from __future__ import annotations

from typing import Any

from benchmarks.rows import Group, Row, Target, job, row

LLAMA_INDEX_CORE = "import llama_index.core.llms"
LLAMA_INDEX_IMPORTS = {
    "ours": f"{LLAMA_INDEX_CORE}; from llama_index.llms.llm_connector import LlmConnector",
    "OpenAI": f"{LLAMA_INDEX_CORE}; from llama_index.llms.openai import OpenAI",
}


def llama_index() -> Group:
    def compared(label: str, measure: str, target: Target | None, **arguments: Any) -> Row:
        ours, base = "llama-index", "llama-index-llms-openai"
        return row(label, "chat_completions", measure, target=target, ours=ours, base=base, peer_rounds=0, **arguments)

    def importing(label: str, target: Target | None, base: str) -> Row:
        jobs = [job("httpx", "chat_completions", "importing", code=it) for it in (LLAMA_INDEX_IMPORTS["ours"], base)]
        return Row(label=label, metric="cpu", ours=jobs[0], base=jobs[1], target=target)

    burst: dict[str, Any] = {"scenario": "burst-5000", "chunks": 5000}
    rows = (
        importing("import; base: llama_index.core.llms", Target(difference=60_000), LLAMA_INDEX_CORE),
        importing("import; base: llama_index.llms.openai", None, LLAMA_INDEX_IMPORTS["OpenAI"]),
        compared("an object", "creation", Target(absolute=200), metric="next", fresh=True, rounds=3),
        compared("5,000 chunks, sync", "stream", Target(ratio=0.4), **burst),
        compared("5,000 chunks, async", "stream", Target(ratio=0.4), asynchronous=True, **burst),
        compared("2,000 pieces of a call", "tool_deltas", None, count=2000, rounds=3),
        compared("1,000 messages converted", "llama_index_converting", Target(ratio=0.3), message_count=1000),
        compared("1,000 messages sent, answer read", "whole", None, message_count=1000),
        compared("one message sent, answer read", "whole", None, message_count=1),
    )
    note = (
        "`LlmConnector` beside `OpenAI` of llama-index-llms-openai, which is the base here. Both pay for LlamaIndex's "
        "own events and messages."
    )
    return Group("llama-index", "LlamaIndex", note, rows, most_rounds=5)
