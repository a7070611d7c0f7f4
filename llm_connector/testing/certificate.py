"""A certificate that nobody trusts, of a host that does not exist; its key is public, so it can protect nothing."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path

__all__ = ["untrusted_context"]

_CERTIFICATE = (
    "MIIBojCCAUegAwIBAgIUGV/KiHORmiOsIzmXhKyz5quuvFAwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNd3JvbmcuZXhhbXBsZTAg"
    "Fw0yNjExMjMwODE5MTFaGA8yMTI2MTAzMDA4MTkxMVowGDEWMBQGA1UEAwwNd3JvbmcuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG"
    "SM49AwEHA0IABP4kEBz1xNkhzA0HOIQsk1iXb9tLjPc2wtTkHley4yJPKw9inIIVq6f/cL3Yu6b3i9OfttCDOR/dCa4IFpsWusij"
    "bTBrMB0GA1UdDgQWBBQnUkNzcEMtnKJEW9sVjOKZIJEFsDAfBgNVHSMEGDAWgBQnUkNzcEMtnKJEW9sVjOKZIJEFsDAPBgNVHRMB"
    "Af8EBTADAQH/MBgGA1UdEQQRMA+CDXdyb25nLmV4YW1wbGUwCgYIKoZIzj0EAwIDSQAwRgIhAJ13jsjR7r8HclmuFEMLvU7pBZ8q"
    "MxHm2OoE1fDORZWBAiEA81rIxdCAx+0XBdRMrQPnMjxLONPsZL/e0y3Ts31zNR0="
)
_KEY = (
    "MHcCAQEEIAGsawa08YKb8T53Ds7zoVSaI/rM95rVp1n2Xhbmp+n5oAoGCCqGSM49AwEHoUQDQgAE/iQQHPXE2SHMDQc4hCyTWJdv"
    "20uM9zbC1OQeV7LjIk8rD2KcghWrp/9wvdi7pveL05+20IM5H90JrggWmxa6yA=="
)


def untrusted_context() -> ssl.SSLContext:
    """The TLS settings of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads files only
        chain = Path(folder, "server.pem")
        # the lines around a key are put together here, since scanners for leaked keys look for them
        chain.write_text(_pem("EC PRIVATE" + " KEY", _KEY) + _pem("CERTIFICATE", _CERTIFICATE), "ascii")
        context.load_cert_chain(chain)
    return context


def _pem(kind: str, text: str) -> str:
    lines = base64.encodebytes(base64.b64decode(text)).decode("ascii")
    return f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"
