"""The address in `OLLAMA_HOST`, as Ollama itself reads it.

https://github.com/ollama/ollama/blob/main/envconfig/config.go (checked 2026-11)
"""

from __future__ import annotations

from ipaddress import ip_address

__all__ = ["ollama_host"]

_SCHEME_PORTS = {"http": "80", "https": "443"}


def ollama_host(value: str) -> str:
    """The base URL that a value of `OLLAMA_HOST` means.

    `host`, `host:port` and `scheme://host[:port][/path]` are all allowed. Without a scheme it is http and port 11434,
    with one it is the scheme's port. An address to listen on (`0.0.0.0`, `::`) becomes the loopback one.
    """
    text = value.strip().strip("\"'").strip().rstrip("/")
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = ("https" if text == "ollama.com" else "http"), text
    scheme = scheme.lower()
    authority, _, path = rest.partition("/")
    user, at, authority = authority.rpartition("@")
    host, port = _host_and_port(authority)
    known = _SCHEME_PORTS.get(scheme)
    if not (port.isdecimal() and int(port) <= 65535):
        port = "11434" if scheme == "http" and not mark else known or "11434"
    address = f"{user}{at}{host}" + ("" if port == known else f":{port}")
    path = path.strip("/")
    return f"{scheme}://{address}/{path}" if path else f"{scheme}://{address}"


def _host_and_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        port = port.removeprefix(":")
    elif authority.count(":") > 1:
        host, port = authority, ""
    else:
        host, _, port = authority.partition(":")
    host = host or "127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        return host, port
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return (f"[{host}]" if address.version == 6 else host), port
