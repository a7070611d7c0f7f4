"""The commands and their options. What they do is in the other modules, loaded when a command runs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from llm_connector.cli.defaults import DEFAULT_PROVIDER, PROVIDER_VARIABLE
from llm_connector.cli.reporting import reported

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ollama_app = typer.Typer(help="Manage the models on an Ollama server.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(ollama_app, name="ollama")


ProviderName: TypeAlias = Annotated[
    str,
    typer.Option(
        "-p",
        "--provider",
        metavar="NAME",
        envvar=PROVIDER_VARIABLE,
        help="A name that `llm-connector providers` lists.",
    ),
]
BaseUrl: TypeAlias = Annotated[str | None, typer.Option(metavar="URL", help="Address of the server.")]
Region: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help="Region of the provider.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Host: TypeAlias = Annotated[
    str | None,
    typer.Option("--host", "--base-url", metavar="URL", help="Address of the server; OLLAMA_HOST or this machine."),
]
ModelName: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


def _version(wanted: bool) -> None:
    if wanted:
        from llm_connector.cli.doctor import core_version

        typer.echo(f"llm-connector {core_version()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Talk to any LLM provider, or to a model on this machine."""


@app.command()
@reported
def chat(
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="Your message.", show_default=False, hidden=True)
    ] = None,
    provider: ProviderName = DEFAULT_PROVIDER,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", metavar="NAME", help="Default: LLM_CONNECTOR_MODEL, then the provider's own."),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions for the model.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="PATH|URL", help="Show a picture; may be repeated.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="PATH|URL", help="Attach a document; may be repeated.")
    ] = None,
    reasoning: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="off, on, minimal, low, medium, high, max or a number of tokens."),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", help="Limit of the answer.")] = None,
    temperature: Annotated[float | None, typer.Option(metavar="X", help="0 is the most predictable.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole response as JSON, and nothing else.")
    ] = False,
    base_url: BaseUrl = None,
    region: Region = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="Longest silence of the server.")] = None,
) -> int | None:
    """Ask a model. Without a PROMPT, in a terminal: a conversation.

    What is piped in is read as the prompt, or appended to it. The answer goes to standard output; reasoning, token
    counts and errors go to standard error.
    """
    from llm_connector.cli.chat import ChatSettings, run

    settings = ChatSettings(
        provider=provider,
        model=model,
        system=system,
        images=image or (),
        files=file or (),
        reasoning=reasoning,
        max_tokens=max_tokens,
        temperature=temperature,
        base_url=base_url,
        region=region,
        timeout=timeout,
    )
    return run(" ".join(prompt or ()), settings, as_json=as_json)


@app.command()
@reported
def providers(as_json: AsJson = False) -> None:
    """List the providers, and whose keys are set."""
    from llm_connector.cli.tables import show_providers

    show_providers(as_json=as_json)


@app.command()
@reported
def models(
    provider: ProviderName = DEFAULT_PROVIDER,
    filter: Annotated[str, typer.Option(metavar="TEXT", help="Only ids that contain it.", show_default=False)] = "",
    as_json: AsJson = False,
    base_url: BaseUrl = None,
    region: Region = None,
) -> None:
    """List the models of a provider."""
    from llm_connector.cli.tables import show_models

    show_models(provider, filter, base_url=base_url, region=region, as_json=as_json)


@app.command()
@reported
def doctor(
    provider: ProviderName = DEFAULT_PROVIDER, as_json: AsJson = False, base_url: BaseUrl = None, region: Region = None
) -> int:
    """Check the installation, the keys, and whether a provider can be reached.

    Keys are never shown. The exit code is 1 if something is broken.
    """
    from llm_connector.cli.doctor import run

    return run(provider, base_url=base_url, region=region, as_json=as_json)


@app.command()
@reported
def serve(
    provider: ProviderName = DEFAULT_PROVIDER,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", metavar="NAME", help="Answer with this one, whatever clients ask for."),
    ] = None,
    config: Annotated[
        str | None, typer.Option("-c", "--config", metavar="FILE", help="TOML: several providers, models, fallbacks.")
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Default: 127.0.0.1, this machine only.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Default: 8642; 0 for any that is free.")] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="What clients must send; may be repeated. Or LLM_CONNECTOR_SERVE_API_KEY."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Whose web pages may ask; may be repeated.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes. Default: 1.")] = None,
    base_url: BaseUrl = None,
    region: Region = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print a line per request.")] = False,
) -> None:
    """Serve any provider to programs that speak OpenAI, Anthropic or Ollama."""
    from llm_connector.cli.serve import run

    run(
        provider,
        model,
        config,
        base_url=base_url,
        region=region,
        verbose=verbose,
        host=host,
        port=port,
        workers=workers,
        api_keys=api_key,
        cors_origins=cors_origin,
    )


@ollama_app.command("list")
@reported
def ollama_list(host: Host = None, as_json: AsJson = False) -> None:
    """List the models on the server."""
    from llm_connector.cli import ollama

    ollama.show_models(host, as_json=as_json)


@ollama_app.command("running")
@reported
def ollama_running(host: Host = None, as_json: AsJson = False) -> None:
    """List the models in memory."""
    from llm_connector.cli import ollama

    ollama.show_running(host, as_json=as_json)


@ollama_app.command("show")
@reported
def ollama_show(name: ModelName, host: Host = None, as_json: AsJson = False) -> None:
    """Describe a model."""
    from llm_connector.cli import ollama

    ollama.show_model(name, host, as_json=as_json)


@ollama_app.command("pull")
@reported
def ollama_pull(name: ModelName, host: Host = None) -> None:
    """Download a model. Ctrl-C stops; the next pull goes on from there."""
    from llm_connector.cli import ollama

    ollama.pull(name, host)


@ollama_app.command("push")
@reported
def ollama_push(name: ModelName, host: Host = None) -> None:
    """Upload a model, named NAMESPACE/MODEL."""
    from llm_connector.cli import ollama

    ollama.push(name, host)


@ollama_app.command("create")
@reported
def ollama_create(
    name: ModelName,
    base: Annotated[str, typer.Option("--from", metavar="MODEL", help="The model to start from.")],
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions to build in.")] = None,
    host: Host = None,
) -> None:
    """Make a model from another one."""
    from llm_connector.cli import ollama

    ollama.create(name, base, system, host)


@ollama_app.command("copy")
@reported
def ollama_copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    host: Host = None,
) -> None:
    """Give a model a second name."""
    from llm_connector.cli import ollama

    ollama.copy(source, target, host)


@ollama_app.command("delete")
@reported
def ollama_delete(names: Annotated[list[str], typer.Argument(metavar="NAME...")], host: Host = None) -> None:
    """Remove models."""
    from llm_connector.cli import ollama

    ollama.delete(names, host)


@ollama_app.command("version")
@reported
def ollama_version(host: Host = None) -> None:
    """Print the version of the server."""
    from llm_connector.cli import ollama

    ollama.show_version(host)
