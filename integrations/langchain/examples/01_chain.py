"""A prompt, the model and a parser as one chain."""

import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_llm_connector import ChatLlmConnector

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
model = ChatLlmConnector(provider=provider, model=name, max_tokens=40)

prompt = ChatPromptTemplate([("system", "Answer in one sentence."), ("human", "What is {thing}?")])
chain = prompt | model | StrOutputParser()

print(chain.invoke({"thing": "a fjord"}))
for answer in chain.batch([{"thing": "snow"}, {"thing": "tea"}]):
    print(answer)
