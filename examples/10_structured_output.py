"""Get an object instead of text."""

import os

from pydantic import BaseModel, Field

from llm_connector import LlmClient, ParseError

client = LlmClient(os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), model=os.environ.get("LLM_CONNECTOR_MODEL"))


class Person(BaseModel):
    """Somebody who is mentioned in a text."""

    name: str
    city: str = Field(description="where the person lives")


reply = client.chat("Ada Lovelace lives in London.", response_format=Person, max_tokens=200)
try:
    person = reply.parse(Person)
    print(f"{person.name} lives in {person.city}")
except ParseError as error:  # small models, and answers that max_tokens cut
    print(error, error.body)
