"""What the settings of ports have in common."""
from __future__ import annotations

import hashlib


def mac_from_name(name: str) -> bytes:
    """A locally administered unicast address, always the same for a name."""
    return b"\x02" + hashlib.blake2b(name.encode(), digest_size=5).digest()


def mac_address(value: str | bytes) -> bytes:
    """6 bytes from "02:00:00:00:00:01" or bytes. ValueError for multicast and malformed ones."""
    try:
        mac = bytes.fromhex(value.replace(":", "").replace("-", "")) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError):
        mac = b""
    if len(mac) != 6 or mac[0] & 1 or not any(mac):
        raise ValueError(f"mac: {value!r} is no unicast Ethernet address")
    return mac
