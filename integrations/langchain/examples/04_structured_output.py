"""Objects instead of text; what cannot be read is told, with the raw answer beside it."""

import os

from pydantic import BaseModel

from langchain_llm_connector import ChatLlmConnector

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
model = ChatLlmConnector(provider=provider, model=name, temperature=0, max_tokens=120)


class Person(BaseModel):
    """Somebody."""

    name: str
    city: str


text = "Ada Lovelace lives in London. Who lives where?"
person = model.with_structured_output(Person).invoke(text)
assert isinstance(person, Person)
print(person.name, "lives in", person.city)

answer = model.with_structured_output(Person.model_json_schema(), include_raw=True).invoke(text)
assert isinstance(answer, dict)
print(answer["parsed"], answer["parsing_error"], answer["raw"].response_metadata["finish_reason"])
