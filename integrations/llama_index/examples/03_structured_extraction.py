"""Objects from text: whole, and growing while they are written."""

import os

from llama_index.core.prompts import PromptTemplate
from llama_index.llms.llm_connector import LlmConnector
from pydantic import BaseModel

provider, model = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
llm = LlmConnector(provider, model=model, temperature=0, max_tokens=100)


class Person(BaseModel):
    """Who a text is about."""

    name: str
    city: str


prompt = PromptTemplate("Who is it, and where does this person live? {text}")
text = "Ada Lovelace lives in London."

print(llm.structured_predict(Person, prompt, text=text))
for partial in llm.stream_structured_predict(Person, prompt, text=text):
    print(partial.model_dump())

person = llm.as_structured_llm(Person).complete(prompt.format(text="Alan Turing lives in Manchester.")).raw
print(f"{person.name} of {person.city}")
