"""The kernel's end of a TAP device, through ioctls alone: addresses, flags, MTU."""
from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
SIOCGIFMTU, SIOCSIFMTU = 0x8921, 0x8922
SIOCGIFHWADDR, SIOCGIFINDEX = 0x8927, 0x8933
IFF_UP = 1
IFNAMSIZ = 16


def ifreq_name(name: str) -> bytes:
    """ValueError for what the kernel would not take as a name of an interface."""
    raw = os.fsencode(name)
    if not 0 < len(raw) < IFNAMSIZ or name in (".", "..") or any(c in name for c in "/: \t\n\0"):
        raise ValueError(f"{name!r} is no name of an interface (1 to {IFNAMSIZ - 1} bytes, no '/', ':' or blanks)")
    return raw


def _call(request: int, name: str, body: bytes = b"", family: int = socket.AF_INET) -> bytes:
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        try:
            return fcntl.ioctl(s, request, struct.pack("16s24s", ifreq_name(name), body))[16:]
        except OSError as error:
            raise OSError(error.errno, f"{name}: {os.strerror(error.errno or 0)}") from None


def is_up(name: str) -> bool:
    return bool(struct.unpack_from("H", _call(SIOCGIFFLAGS, name))[0] & IFF_UP)


def set_up(name: str, up: bool = True) -> None:
    flags = struct.unpack_from("H", _call(SIOCGIFFLAGS, name))[0]
    _call(SIOCSIFFLAGS, name, struct.pack("H", flags | IFF_UP if up else flags & ~IFF_UP))


def get_mtu(name: str) -> int:
    return struct.unpack_from("i", _call(SIOCGIFMTU, name))[0]


def set_mtu(name: str, mtu: int) -> None:
    _call(SIOCSIFMTU, name, struct.pack("i", mtu))


def get_mac(name: str) -> bytes:
    return _call(SIOCGIFHWADDR, name)[2:8]


def configure_peer(name: str, address: str) -> None:
    """Gives the kernel's end an address ("10.9.0.1/24" or "fd00::1/64") and brings it up. Needs CAP_NET_ADMIN: OSError
    (EPERM) without."""
    wanted = ipaddress.ip_interface(address)
    if wanted.version == 4:
        for request, value in ((SIOCSIFADDR, wanted.ip), (SIOCSIFNETMASK, wanted.network.netmask)):
            _call(request, name, struct.pack("=HH4s", socket.AF_INET, 0, value.packed))
    else:
        index = struct.unpack_from("i", _call(SIOCGIFINDEX, name))[0]
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            try:
                fcntl.ioctl(s, SIOCSIFADDR, struct.pack("=16sIi", wanted.ip.packed, wanted.network.prefixlen, index))
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
    set_up(name)
