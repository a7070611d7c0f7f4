"""What the LangChain adapter is compared with, and the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.rows import Group, Row, Target, job, row

LANGCHAIN_CORE = "import langchain_core.language_models.chat_models, pydantic"
LANGCHAIN_IMPORTS = {
    "ours": f"{LANGCHAIN_CORE}; from langchain_llm_connector import ChatLlmConnector",
    "ChatOpenAI": f"{LANGCHAIN_CORE}; from langchain_openai import ChatOpenAI",
}


def langchain() -> Group:
    def compared(label: str, measure: str, target: Target | None, blocks: str = "", **arguments: Any) -> Row:
        ours, base = f"langchain{blocks}", f"ChatOpenAI{blocks}"
        return row(label, "chat_completions", measure, target=target, ours=ours, base=base, peer_rounds=0, **arguments)

    def importing(label: str, target: Target | None, ours: str, base: str) -> Row:
        jobs = [job("httpx", "chat_completions", "importing", code=code) for code in (ours, base)]
        return Row(label=label, metric="cpu", ours=jobs[0], base=jobs[1], target=target)

    burst: dict[str, Any] = {"scenario": "burst-5000", "chunks": 5000}
    pieces = compared("8,000 pieces of a call, merged; base: ours at 500", "tool_deltas", Target(ratio=1.2), count=8000)
    rows = (
        importing("import; base: langchain-core", Target(difference=60_000), LANGCHAIN_IMPORTS["ours"], LANGCHAIN_CORE),
        importing("import; base: ChatOpenAI's", None, LANGCHAIN_IMPORTS["ours"], LANGCHAIN_IMPORTS["ChatOpenAI"]),
        compared("an object", "creation", Target(absolute=100), metric="next", fresh=True, rounds=3),
        compared("memory of an object", "creation", Target(absolute=10_240), metric="bytes", fresh=True, rounds=3),
        compared("5,000 chunks, sync", "stream", Target(ratio=0.4), **burst),
        compared("5,000 chunks, async", "stream", Target(ratio=0.4), asynchronous=True, **burst),
        compared("5,000 chunks as blocks, sync", "stream", Target(ratio=0.4), " blocks", **burst),
        compared("2,000 pieces of a call, merged", "tool_deltas", None, count=2000, rounds=3),
        replace(pieces, base=job("langchain", "chat_completions", "tool_deltas", count=500)),
        compared("1,000 messages converted", "converting", Target(ratio=0.3), message_count=1000),
        compared("1,000 messages sent, answer read", "whole", Target(ratio=0.3), message_count=1000),
        compared("one message sent, answer read", "whole", None, message_count=1),
    )
    note = (
        "`ChatLlmConnector` beside `ChatOpenAI`, which is the base here. Pieces are merged with one `+`, as LangChain "
        "merges them itself; one by one, its merging grows with the square of their number."
    )
    return Group("langchain", "LangChain", note, rows, most_rounds=5)
