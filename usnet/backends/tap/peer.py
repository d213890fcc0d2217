"""The kernel's end of a TAP device gets an address, through ioctls alone."""
from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct

from usnet.backends.interface import call, set_up

SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
SIOCGIFINDEX = 0x8933


def configure_peer(name: str, address: str) -> None:
    """Gives the kernel's end an address ("10.9.0.1/24" or "fd00::1/64") and brings it up. Needs CAP_NET_ADMIN: OSError
    (EPERM) without."""
    wanted = ipaddress.ip_interface(address)
    if wanted.version == 4:
        for request, value in ((SIOCSIFADDR, wanted.ip), (SIOCSIFNETMASK, wanted.network.netmask)):
            call(request, name, struct.pack("=HH4s", socket.AF_INET, 0, value.packed))
    else:
        index = struct.unpack_from("i", call(SIOCGIFINDEX, name))[0]
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            try:
                fcntl.ioctl(s, SIOCSIFADDR, struct.pack("=16sIi", wanted.ip.packed, wanted.network.prefixlen, index))
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
    set_up(name)
