"""Give the model a document to read: PDF, text, or an office file where the provider takes it."""

import os
import sys
from pathlib import Path

from llm_connector import Document, LlmClient, user

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))
document = Document(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("files") / "minutes.md")

reply = client.chat(user(document, "Who brings the cake?"), max_tokens=40)
print(f"{document.name} ({document.media_type}): {reply.text}")
for adaptation in reply.adaptations:  # for example: this provider cannot read a PDF
    print(f"{adaptation.action} {adaptation.subject}: {adaptation.detail}")
