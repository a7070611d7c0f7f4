"""Show the model a picture: a file of yours, a URL, bytes or base64."""

import base64
import os
import sys
from pathlib import Path

from llm_connector import Image, LlmClient, user

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))
picture = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("files") / "circle.png")

reply = client.chat(user("What is on this picture?", Image(picture)), max_tokens=40)
print(reply.text)
for adaptation in reply.adaptations:  # a model without eyes gets words instead, and you are told
    print(f"{adaptation.action} {adaptation.subject}: {adaptation.detail}")

content = picture.read_bytes()
same = [Image(picture), Image(content), Image.base64("image/png", base64.b64encode(content).decode())]
print(f"{len(same)} ways to give {same[0].media_type}, all the same: {same[0] == same[1] == same[2]}")
print("or by URL:", Image("https://example.com/cat.png", detail="low"))
