"""What the gateway's sockets need so that each piece of a stream leaves at once."""

from __future__ import annotations

import socket

from llm_connector.server import GatewayConfig
from llm_connector.server.config import single
from llm_connector.server.run import bound
from tests.support.gateway import upstream


def test_small_pieces_are_not_held_back():
    """asyncio switches Nagle's algorithm off only where a socket names its protocol; else it costs 40 ms an answer."""
    config = GatewayConfig(single(upstream("http://127.0.0.1:1")), port=0)
    with bound(config) as listener:
        assert listener.proto == socket.IPPROTO_TCP
