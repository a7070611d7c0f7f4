"""A picture beside the question. A model without eyes gets words instead, and you are told."""

import base64
import os
from pathlib import Path

from langchain_core.messages import HumanMessage

from langchain_llm_connector import ChatLlmConnector

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
model = ChatLlmConnector(provider=provider, model=name, max_tokens=40)

picture = base64.b64encode(Path(__file__).with_name("files").joinpath("circle.png").read_bytes()).decode()
image = {"type": "image", "base64": picture, "mime_type": "image/png"}
answer = model.invoke([HumanMessage(["What is on this picture?", image])])

print(answer.text)
for adaptation in answer.response_metadata.get("adaptations", []):
    print(adaptation["action"], adaptation["subject"])
