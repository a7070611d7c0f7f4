"""Show the model a picture beside words."""

import os
import sys
from pathlib import Path

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.llms.llm_connector import LlmConnector

provider, model = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
picture = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("files") / "circle.png")

llm = LlmConnector(provider, model=model, max_tokens=60)
message = ChatMessage(blocks=[TextBlock(text="What is on this picture?"), ImageBlock(path=picture)])
response = llm.chat([message])

print(response.message.content)
for adaptation in response.additional_kwargs.get("adaptations", ()):  # a model without eyes gets words instead
    print(f"{adaptation['action']} {adaptation['subject']}: {adaptation['detail']}")
