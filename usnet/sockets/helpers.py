"""What the standard library's socket module offers beside the class: connections and servers in one call."""

import socket as std

from usnet.sockets.context import current

_UNSET = object()


def create_connection(address, timeout=_UNSET, source_address=None, *, stack=None):
    """A connected stream socket. `timeout` in seconds (None: none) holds for the connecting and stays set."""
    sock = (stack or current()).socket(std.AF_INET, std.SOCK_STREAM)
    try:
        if timeout is not _UNSET:
            sock.settimeout(timeout)
        if source_address is not None:
            sock.bind(source_address)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def create_server(address, *, family=std.AF_INET, backlog=None, reuse_port=False, stack=None):
    """A listening stream socket, with SO_REUSEADDR set."""
    sock = (stack or current()).socket(family, std.SOCK_STREAM)
    try:
        sock.setsockopt(std.SOL_SOCKET, std.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(std.SOL_SOCKET, std.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen() if backlog is None else sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
