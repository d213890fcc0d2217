"""A forwarder of frames between two TAP devices, in Cython: compiled when it is wanted."""

import fcntl
import os
import struct

from benchmarks import building

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4


def available():
    """What is missing to build it, or None."""
    return building.missing()


def module():
    """The compiled drivers/forward.pyx."""
    return building.module("forward")


def open_tap(name, offload):
    """A descriptor of a new TAP device in this thread's namespace, non-blocking, with the flags that usnet's port has."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if offload else 0)))
    if offload:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", 10))
        fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
    return fd
