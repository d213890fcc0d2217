"""Linux's network interfaces, through ioctls alone: flags, MTU, Ethernet address."""
from __future__ import annotations

import fcntl
import os
import socket
import struct

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCGIFMTU, SIOCSIFMTU = 0x8921, 0x8922
SIOCGIFHWADDR = 0x8927
IFF_UP = 1
IFNAMSIZ = 16


def ifreq_name(name: str) -> bytes:
    """ValueError for what the kernel would not take as a name of an interface."""
    raw = os.fsencode(name)
    if not 0 < len(raw) < IFNAMSIZ or name in (".", "..") or any(c in name for c in "/: \t\n\0"):
        raise ValueError(f"{name!r} is no name of an interface (1 to {IFNAMSIZ - 1} bytes, no '/', ':' or blanks)")
    return raw


def call(request: int, name: str, body: bytes = b"", family: int = socket.AF_INET) -> bytes:
    """An ioctl of interfaces: what stands behind the name in the answer."""
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        try:
            return fcntl.ioctl(s, request, struct.pack("16s24s", ifreq_name(name), body))[16:]
        except OSError as error:
            raise OSError(error.errno, f"{name}: {os.strerror(error.errno or 0)}") from None


def is_up(name: str) -> bool:
    return bool(struct.unpack_from("H", call(SIOCGIFFLAGS, name))[0] & IFF_UP)


def set_up(name: str, up: bool = True) -> None:
    flags = struct.unpack_from("H", call(SIOCGIFFLAGS, name))[0]
    call(SIOCSIFFLAGS, name, struct.pack("H", flags | IFF_UP if up else flags & ~IFF_UP))


def get_mtu(name: str) -> int:
    return struct.unpack_from("i", call(SIOCGIFMTU, name))[0]


def set_mtu(name: str, mtu: int) -> None:
    call(SIOCSIFMTU, name, struct.pack("i", mtu))


def get_mac(name: str) -> bytes:
    return call(SIOCGIFHWADDR, name)[2:8]
