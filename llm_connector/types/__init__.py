"""The values that users make and receive."""

from llm_connector.types.adaptations import Adaptation, Notes
from llm_connector.types.calls import parsed_arguments
from llm_connector.types.conversation import Messages, conversation
from llm_connector.types.embeddings import Embeddings, InputType
from llm_connector.types.history import repair_history
from llm_connector.types.json_text import partial_json
from llm_connector.types.media import Audio, Document, Image, Media, Video
from llm_connector.types.messages import (
    AnyPart,
    Message,
    Opaque,
    PlainTurn,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.types.models import ModelInfo, Prices
from llm_connector.types.part import CacheMark
from llm_connector.types.ranking import RankedDocument
from llm_connector.types.request import EFFORTS, ChatOptions, ChatRequest, Effort, JsonSchema, ReasoningOption
from llm_connector.types.response import ChatResponse, Choice, FinishReason
from llm_connector.types.stream import ChatChunk, ReasoningDelta, TextDelta, ToolCallDelta
from llm_connector.types.tools import Tool, ToolLike
from llm_connector.types.usage import Usage

__all__ = [
    "EFFORTS",
    "Adaptation",
    "AnyPart",
    "Audio",
    "CacheMark",
    "ChatChunk",
    "ChatOptions",
    "ChatRequest",
    "ChatResponse",
    "Choice",
    "Document",
    "Effort",
    "Embeddings",
    "FinishReason",
    "Image",
    "InputType",
    "JsonSchema",
    "Media",
    "Message",
    "Messages",
    "ModelInfo",
    "Notes",
    "Opaque",
    "PlainTurn",
    "Prices",
    "RankedDocument",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningOption",
    "Role",
    "Text",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolLike",
    "ToolResult",
    "Usage",
    "Video",
    "assistant",
    "conversation",
    "parsed_arguments",
    "partial_json",
    "repair_history",
    "system",
    "tool_result",
    "user",
]
