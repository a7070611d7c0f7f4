"""A gateway in front of scripted providers, and the official clients that ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.sdks import CLIENT_KEY, SDKS, Sdk
from tests.support.behind import serving
from tests.support.wire_server import WireServer


@pytest.fixture(scope="package")
def providers_gateway() -> Iterator[tuple[str, WireServer]]:
    """The address of a gateway to every provider of `BEHIND`, and the server that plays them."""
    with serving(api_keys=(CLIENT_KEY,)) as gateway:
        yield gateway


@pytest.fixture(scope="package")
def sdks(providers_gateway: tuple[str, WireServer]) -> Iterator[dict[str, Sdk]]:
    """Every official client."""
    made = {name: kind(providers_gateway[0]) for name, kind in SDKS.items()}
    yield made
    for sdk in made.values():
        sdk.close()


@pytest.fixture
def server(providers_gateway: tuple[str, WireServer]) -> WireServer:
    """What plays the providers."""
    server = providers_gateway[1]
    server.forget()
    return server


@pytest.fixture
def sdk(name: str, sdks: dict[str, Sdk]) -> Sdk:
    """The official client of this name."""
    return sdks[name]
