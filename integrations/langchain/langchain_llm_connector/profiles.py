"""Facts of a model as LangChain's agents read them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from llm_connector import ModelInfo

__all__ = ["profile_of"]

_MEDIA = {"image": "images", "pdf": "documents", "audio": "audio", "video": "video"}


def profile_of(info: ModelInfo, supports: Set[str]) -> Any:
    """The facts that are known, and that this library can make use of with this provider."""
    profile: dict[str, Any] = {
        "name": info.name,
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output,
    }
    if info.input_modalities is not None:
        profile["text_inputs"] = "text" in info.input_modalities
        for kind, capability in _MEDIA.items():
            profile[f"{kind}_inputs"] = kind in info.input_modalities and capability in supports
        profile["image_url_inputs"] = profile["image_inputs"]
    for kind in info.output_modalities or ():
        if kind != "pdf":
            profile[f"{kind}_outputs"] = True
    if info.capabilities is not None:
        calls = "tools" in info.capabilities and "tools" in supports
        structured = "structured_output" in info.capabilities and "structured_output" in supports
        profile |= {"tool_calling": calls, "tool_choice": calls, "tool_call_streaming": calls}
        profile |= {"structured_output": structured, "reasoning_output": "reasoning" in info.capabilities}
    return {name: value for name, value in profile.items() if value is not None} if len(profile) > 3 else None
