"""Manage the models on an Ollama server: list, pull, inspect, copy, delete."""

from llm_connector import LlmClient, ModelNotFoundError

ollama = LlmClient("ollama").ollama  # on this machine, or where OLLAMA_HOST says
name = "llama3.2"

print("Ollama", ollama.version())
ollama.pull(name, lambda step: print(step.status, step.completed or "", "of" if step.total else "", step.total or ""))

for model in ollama.models():
    print(model.name, model.parameter_size, f"{(model.size or 0) / 1e9:.1f} GB")

details = ollama.show(name)
print(f"{name}: {details.context_window} tokens, tools: {details.supports('tools')}")

ollama.copy(name, "mine")
ollama.delete("mine")
print("exists:", ollama.exists(name), ollama.exists("nobody-has-this"))
try:
    ollama.show("nobody-has-this")
except ModelNotFoundError as error:
    print(error)
