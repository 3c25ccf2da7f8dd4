"""Names of hosts: which ones are this machine."""

import ipaddress
import re

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{0,5})?", re.ASCII)


def is_loopback(name: str) -> bool:
    """Return whether a name or an address can only mean this machine.

    Args:
        name: in lower case; an IPv6 address with or without brackets.
    """
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def header_name(name: str) -> str:
    """Return a name as `host_name` returns it.

    Args:
        name: a name or an address; of IPv6, with or without brackets.
    """
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower()
    return f"[{address}]" if address.version == 6 else str(address)


def host_name(authority: str) -> str | None:
    """Return the name in a ``Host`` header, in lower case and without the port.

    Args:
        authority: ``name``, ``name:port``, ``[address]`` or ``[address]:port``.

    Returns:
        None if it is none of these.
    """
    match = _AUTHORITY.fullmatch(authority.lower())
    return header_name(match[1]) if match else None
