"""The page that `GET /` shows: one file, which may load nothing from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from llm_connector.server.answers import JsonAnswer
from llm_connector.server.calls import Call

__all__ = ["front", "health"]

_GREETING = "Ollama is running"
"""What an Ollama says to those who look whether it does."""


async def front(call: Call) -> Response:
    """`GET /`."""
    if "text/html" not in call.request.headers.get("accept", ""):
        return PlainTextResponse(_GREETING)
    content, policy = _page()
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }
    return HTMLResponse(content, headers=headers)


async def health(call: Call) -> Response:
    """`GET /health`."""
    del call
    return JsonAnswer({"status": "ok"})


@functools.cache
def _page() -> tuple[bytes, str]:
    """The page, and the policy by which only what stands in it runs."""
    content = Path(__file__).with_name("page.html").read_bytes()
    scripts, styles = (_hashes(kind, content) for kind in (b"script", b"style"))
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return content, policy


def _hashes(element: bytes, content: bytes) -> str:
    inline = re.findall(rb"<%b[^>]*>(.*?)</%b>" % (element, element), content, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in inline)
