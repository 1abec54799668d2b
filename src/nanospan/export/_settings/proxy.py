"""The proxy of the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in lower or upper case.

Each form that requests, and so the official exporter, accepts in NO_PROXY means the same here. Forms that only curl or Go
accept are accepted too.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from urllib.request import getproxies

from nanospan.export._settings.endpoint import HttpEndpoint, parse_http_url

__all__ = ["bypasses", "resolve_proxy"]

logger = logging.getLogger(__name__)

_SEPARATORS = re.compile(r"[\s,]+")
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d+)")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve_proxy(endpoint: HttpEndpoint) -> HttpEndpoint | None:
    """The proxy for ``endpoint``, None for a direct connection."""
    proxies = getproxies()
    named = (proxies.get(endpoint.scheme) or "").strip() or (proxies.get("all") or "").strip()
    # Lower case first, as curl and requests; getproxies has found the mixed ones.
    exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or proxies.get("no") or ""
    if not named or bypasses(exceptions, endpoint.host, endpoint.port):
        return None
    try:
        return parse_http_url(named if "://" in named else f"http://{named}")
    except ValueError:
        logger.warning(
            "The proxy set for %s is not an http:// or https:// URL; connecting directly",
            endpoint.scheme,
        )
        return None


def bypasses(exceptions: str, host: str, port: int) -> bool:
    """Whether ``exceptions``, the text of NO_PROXY, names ``host`` and ``port``.

    The entries, between commas or white space:

    - ``*``: every host;
    - ``example.com``, ``.example.com``: the host and those below it; ``*.example.com``: those below it;
    - ``10.1.2.3``, ``::1``, ``[::1]``: the address, however written; ``10.0.0.0/8``, ``fd00::/8``: the network. Only where
      the endpoint has an address: names are not looked up;
    - any of these but ``*`` and a network with ``:port``: at that port only.

    Case, a dot at the end, and entries of any other form have no effect.
    """
    name = _plain(host)
    address = _address(name) or _short_address(name)
    return any(_matches(entry, name, address, port) for entry in _SEPARATORS.split(exceptions) if entry)


def _matches(entry: str, name: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if (with_port := _WITH_PORT.fullmatch(entry)) is not None:
        if int(with_port[2]) != port:
            return False
        entry = with_port[1]
    entry = _plain(entry)
    if address is not None and _names_address(entry, address):
        return True
    # Addresses too: in requests ``2.3`` ends up with urllib, which takes it for a domain of 10.1.2.3.
    if entry.startswith("*."):
        return name.endswith(entry[1:])
    entry = entry.lstrip(".")
    return bool(entry) and (name == entry or name.endswith("." + entry))


def _names_address(entry: str, address: _Address) -> bool:
    if "/" not in entry:
        return _address(entry) == address
    network_address, _, prefix = entry.partition("/")
    try:
        return address in ipaddress.ip_network(f"{network_address.strip('[]')}/{prefix}", strict=False)
    except ValueError:
        return False


def _short_address(name: str) -> _Address | None:
    """The address of a host such as ``10.1`` or ``0x7f.1``, which the resolver takes for one."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name)) if name[:1].isdigit() else None
    except (OSError, ValueError):
        return None


def _plain(host: str) -> str:
    lowered = host.lower().rstrip(".")
    return lowered[1:-1] if lowered.startswith("[") and lowered.endswith("]") else lowered


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped
