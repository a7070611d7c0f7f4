"""The generated parts of `docs/providers.md`, which `make docs` writes anew (`python -m tests.support.providers_page`).

A section of the page is a heading with the name of a row, a list of facts that is made from the row, and what people
wrote below it. The list of all rows is made as well. Nothing else is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from llm_connector.providers import PROVIDERS, ProviderSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
INDEX = "All rows"
CAPABILITIES = (
    *("chat", "tools", "images", "documents", "audio", "video", "reasoning", "structured_output", "embeddings"),
    *("rerank", "models", "count_tokens", "model_management"),
)
"""The words of `ProviderSpec.supports`, in the order in which the page has them."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_FACTS = re.compile(r"\A(?:- .*\n|  - .*\n)+\n?")


def sections(page: str) -> dict[str, str]:
    """What stands below each heading of a page; below "" what stands above them all."""
    head, *rest = _HEADING.split(page)
    return {"": head, **{name: text.strip("\n") + "\n" for name, text in zip(rest[::2], rest[1::2], strict=True)}}


def written(section: str) -> str:
    """What people wrote in the section of a row."""
    return _FACTS.sub("", section)


def rendered(page: str) -> str:
    """The page as it must be: the generated parts anew, the rows in the order of the table.

    Raises ValueError for a section of a row that is no more, since somebody wrote it.
    """
    known = sections(page)
    general = {name: text for name, text in known.items() if not re.fullmatch(r"[a-z0-9_]+", name)}
    lost = known.keys() - general.keys() - PROVIDERS.keys() - {""}
    if lost:
        raise ValueError(f"no row is called {', '.join(sorted(lost))}: rename the section, or take it away")
    general[INDEX] = "\n".join(index()) + "\n"
    rows = {name: "\n".join(facts(row)) + "\n\n" + written(known.get(name, "")) for name, row in PROVIDERS.items()}
    parts = [f"## {name}\n\n{text}" for name, text in {**general, **rows}.items() if name]
    return "\n".join([known[""].rstrip("\n") + "\n", *parts]).rstrip("\n") + "\n"


def index() -> Iterator[str]:
    """The rows by wire format, each linked to its section."""
    formats: dict[str, list[str]] = {}
    for row in PROVIDERS.values():
        formats.setdefault(row.protocol.name, []).append(f"[`{row.name}`](#{row.name})")
    for name, rows in formats.items():
        yield f"- {name}: {', '.join(rows)}"


def facts(row: ProviderSpec) -> Iterator[str]:
    """What the row says of itself."""
    yield f"- Wire format: {row.protocol.name}"
    yield f"- Key: {_key(row)}"
    others = [_credential(row, name) for name in row.credentials]
    if others:
        yield f"- Other credentials: {', '.join(others)}"
    if "region" in row.credential_env:
        yield f"- Region: `region=`, {_any_of(row.credential_env['region'])}"
    yield from _addresses(row)
    yield f"- Offers: {', '.join(word.replace('_', ' ') for word in CAPABILITIES if word in row.supports)}"
    yield f"- Documentation: <{row.docs}>"


def _key(row: ProviderSpec) -> str:
    if row.api_key_env:
        return f"`api_key=`, {_any_of(row.api_key_env)}"
    if row.optional_key_env:
        instead = "or other credentials" if row.credentials else "if the server wants one"
        return f"`api_key=`, {_any_of(row.optional_key_env)}, {instead}"
    return "none, but other credentials" if row.credentials else "none"


def _credential(row: ProviderSpec, name: str) -> str:
    variables = row.credential_env.get(name, ())
    return f"`{name}=` ({_any_of(variables)})" if variables else f"`{name}=`"


def _addresses(row: ProviderSpec) -> Iterator[str]:
    also = f", {_any_of(row.base_url_env)}" if row.base_url_env else ""
    address = row.base_url
    if address is None and "region" in row.credential_env and row.configure is not None:
        address = row.configure(row, None, {}).base_url  # with the region as `{region}`
    if address is None:
        yield f"- Address: `base_url=`{also}"
    elif isinstance(address, str):
        yield f"- Address: `{address}`, or `base_url=`{also}"
    else:
        yield f"- Addresses by `region=`, or `base_url=`{also}:"
        for number, (region, url) in enumerate(address.items()):
            yield f"  - `{region}`{' (default)' if number == 0 else ''}: `{url}`"


def _any_of(variables: tuple[str, ...]) -> str:
    """Names of variables, of which the first that is set counts."""
    *others, last = [f"`{name}`" for name in variables]
    return f"{', '.join(others)} or {last}" if others else last


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
