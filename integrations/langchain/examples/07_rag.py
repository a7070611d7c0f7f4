"""Retrieval: embeddings find the text that the answer is in."""

import os

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_llm_connector import ChatLlmConnector, LlmConnectorEmbeddings

provider, name = os.environ.get("LLM_CONNECTOR_PROVIDER", "local"), os.environ.get("LLM_CONNECTOR_MODEL")
texts = ["The cat sleeps on the sofa.", "The bank raised its interest rate.", "It rains in Oslo today."]
store = InMemoryVectorStore.from_texts(texts, LlmConnectorEmbeddings(provider=provider))
retriever = store.as_retriever(search_kwargs={"k": 1})


def text(found: list[Document]) -> str:
    return "\n".join(document.page_content for document in found)


prompt = ChatPromptTemplate.from_template("{context}\n\nAnswer in one short sentence: {question}")
model = ChatLlmConnector(provider=provider, model=name, temperature=0, max_tokens=30)
chain = {"context": retriever | text, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()

print(text(retriever.invoke("What is the weather like?")))
print(chain.invoke("What is the weather in Oslo?"))
