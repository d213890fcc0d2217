"""lwIP as Debian packages it (liblwip-dev): two private copies in one process, joined by queues of frames, in one thread (drivers/lwip.pyx)."""

import contextlib
import ctypes.util
import functools

from benchmarks import building

NAME = "lwIP (Debian)"
HEADERS = "/usr/include/lwip"
LIBRARY = "liblwip.so.0"
MOST = 1 << 16  # connections


def missing():
    return building.missing(f"liblwip-dev:{HEADERS}/lwip/tcp.h") or (None if ctypes.util.find_library("lwip") else "liblwip-dev")


@functools.cache
def copies():
    """The only two: see drivers/lwip.pyx."""
    return building.module("lwip", (f"-I{HEADERS}", "-Wno-address-of-packed-member")).Joined(LIBRARY.encode(), MOST)


def limits():
    """What the package's build was given, and with that its maker's choice: windows, buffers, the size of a connection."""
    return copies().limits


@contextlib.contextmanager
def joined(connections, check=False):
    both = copies()
    both.clear(check)
    try:
        both.connect(connections)
        yield both
    finally:
        both.clear(False)


# The works of benchmarks/native.py.

@contextlib.contextmanager
def bulk(lent=False, check=False):
    with joined(1, check) as both:
        yield lambda units: both.bulk(units * 1460, lent)


@contextlib.contextmanager
def echo(connections, check=False):
    with joined(connections, check) as both:
        yield lambda units: both.echo(max(1, units // connections))


@contextlib.contextmanager
def connect(batch, check=False):
    with joined(0, check) as both:
        yield lambda units: both.open_and_close(max(1, units // batch), batch)
