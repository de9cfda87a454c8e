"""Names by which a server is reached."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without port, is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_origin(text: str) -> bool:
    """Whether `text` is scheme, host and port of HTTP, and nothing more."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The header Host without its port."""
    return header if header.endswith("]") else header.rsplit(":", 1)[0]


__all__ = ["host_of", "is_loopback", "is_origin"]
