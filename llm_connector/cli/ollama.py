"""`llm-connector ollama`: the models of an Ollama server."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from llm_connector.cli.tables import size
from llm_connector.cli.terminal import Terminal, clean
from llm_connector.client.clients import LlmClient
from llm_connector.ollama import OllamaModel, PullProgress, ollama_host

__all__ = ["copy", "create", "delete", "pull", "push", "show_model", "show_models", "show_running", "show_version"]


def show_models(host: str | None, *, as_json: bool) -> None:
    """The models on the server, the newest first."""
    with _open(host) as client:
        models = client.ollama.models()
    if as_json:
        _print_json(models)
        return
    rows = [(*_columns(model), size(model.size), _ago(model.modified_at)) for model in models]
    _print_rows(("name", "parameters", "quantization", "size", "modified"), rows, "no models on the server")


def show_running(host: str | None, *, as_json: bool) -> None:
    """The models in memory."""
    with _open(host) as client:
        models = client.ollama.running()
    if as_json:
        _print_json(models)
        return
    rows = [(*_columns(model), size(model.size), size(model.size_vram), _ago(model.expires_at)) for model in models]
    columns = ("name", "parameters", "quantization", "size", "on the GPU", "unloaded")
    _print_rows(columns, rows, "no models in memory")


def show_model(name: str, host: str | None, *, as_json: bool) -> None:
    """What `show` tells, one fact per line."""
    with _open(host) as client:
        model = client.ollama.show(name)
    if as_json:
        _print_json(model)
        return
    facts = {
        "name": model.name,
        "family": model.family,
        "parameters": model.parameter_size,
        "quantization": model.quantization,
        "context": f"{model.context_window:,} tokens" if model.context_window else None,
        "capabilities": ", ".join(model.capabilities or ()),
        "settings": "; ".join(" ".join(line.split()) for line in (model.parameters or "").splitlines()),
        "system": model.system,
        "license": (model.license or "").strip().partition("\n")[0].strip(),
    }
    Terminal().facts({label: fact for label, fact in facts.items() if fact})


def pull(name: str, host: str | None) -> None:
    """Download a model."""
    with _open(host) as client:
        _follow(client.ollama.pull_events(name), name)


def push(name: str, host: str | None) -> None:
    """Upload a model."""
    with _open(host) as client:
        _follow(client.ollama.push_events(name), name)


def create(name: str, base: str, system: str | None, host: str | None) -> None:
    """Make a model from another one."""
    with _open(host) as client:
        _follow(client.ollama.create_events(name, from_=base, system=system), name)


def copy(source: str, target: str, host: str | None) -> None:
    """Give a model a second name."""
    with _open(host) as client:
        client.ollama.copy(source, target)
    Terminal().aside(f"{target}: copied from {source}")


def delete(names: Sequence[str], host: str | None) -> None:
    """Remove models, in order."""
    with _open(host) as client:
        for name in names:
            client.ollama.delete(name)
            Terminal().aside(f"{name}: deleted")


def show_version(host: str | None) -> None:
    """The version of the server."""
    with _open(host) as client:
        Terminal().write(f"{client.ollama.version()}\n")


def _open(host: str | None) -> LlmClient:
    return LlmClient("ollama", base_url=ollama_host(host) if host else None)


def _follow(events: Generator[PullProgress, None, None], name: str) -> None:
    """Show progress until it ends: a bar for each layer in a terminal, and a line for each step."""
    terminal = Terminal()
    last = None
    with closing(events), _bars(terminal) as bars:
        for step in events:
            if step.digest is not None and step.total is not None and bars is not None:
                bars.show(step.digest, step.completed or 0, step.total)
            elif step.status not in (last, "success"):
                terminal.aside(step.status)
            last = step.status
    terminal.aside(f"{name}: done", style="green")


class _Bars(Progress):
    """One bar for each layer."""

    def __init__(self, terminal: Terminal) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(compact=True))
        super().__init__(*columns, console=terminal.err)
        self._layers: dict[str, TaskID] = {}

    def show(self, digest: str, completed: int, total: int) -> None:
        layer = self._layers.get(digest)
        if layer is None:
            layer = self._layers[digest] = self.add_task(clean(digest).removeprefix("sha256:")[:12], total=total)
        self.update(layer, completed=completed, total=total)


def _bars(terminal: Terminal) -> AbstractContextManager[_Bars | None]:
    return _Bars(terminal) if terminal.lively else nullcontext()


def _columns(model: OllamaModel) -> tuple[str, str, str]:
    return model.name, model.parameter_size or "", model.quantization or ""


def _print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    terminal = Terminal()
    if rows:
        terminal.table(columns, rows)
    else:
        terminal.aside(nothing)


def _print_json(models: OllamaModel | Sequence[OllamaModel]) -> None:
    value: Any
    if isinstance(models, OllamaModel):
        value = models.model_dump(mode="json", exclude={"raw"})
    else:
        value = [model.model_dump(mode="json", exclude={"raw"}) for model in models]
    Terminal().json(value)


def _ago(moment: datetime | None) -> str:
    """A moment from now, in the largest unit that fits."""
    if moment is None:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(abs(seconds) // length)
        if count:
            text = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"
