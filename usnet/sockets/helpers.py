"""What the standard library's socket module offers beside the class: connections and servers in one call, pairs."""

import socket as std

from usnet.sockets.context import current
from usnet.sockets.names import getaddrinfo

_UNSET = object()


def _attempt(stack, timeout, source_address, found):
    """A socket connected to one of getaddrinfo's answers."""
    family, kind, proto, _, address = found
    sock = stack.socket(family, kind, proto)
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


def create_connection(address, timeout=_UNSET, source_address=None, *, all_errors=False, stack=None):
    """A connected stream socket: the addresses of (host, port) are tried in turn. `timeout` in seconds (None: none) holds for each and stays set.

    Raises the last attempt's error, or with all_errors an ExceptionGroup of all.
    """
    host, port = address
    stack = stack or current()
    errors: list[OSError] = []
    for found in getaddrinfo(host, port, 0, std.SOCK_STREAM, stack=stack):
        try:
            return _attempt(stack, timeout, source_address, found)
        except OSError as e:
            if not all_errors:
                errors.clear()
            errors.append(e)
    try:
        if not errors:
            raise OSError("getaddrinfo returns an empty list")
        raise ExceptionGroup("create_connection failed", errors) if all_errors else errors[0]
    finally:
        errors.clear()  # breaks a circle of references


def create_server(address, *, family=std.AF_INET, backlog=None, reuse_port=False, dualstack_ipv6=False, stack=None):
    """A listening stream socket, with SO_REUSEADDR set."""
    if dualstack_ipv6:
        raise ValueError("dualstack_ipv6 not supported on this platform")
    sock = (stack or current()).socket(family, std.SOCK_STREAM)
    try:
        sock.setsockopt(std.SOL_SOCKET, std.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(std.SOL_SOCKET, std.SO_REUSEPORT, 1)
        try:
            sock.bind(address)
        except OSError as e:
            if isinstance(e, std.gaierror):
                raise
            raise OSError(e.errno, f"{e.strerror} (while attempting to bind on address {address!r})") from None
        sock.listen() if backlog is None else sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def socketpair(family=std.AF_INET, type=std.SOCK_STREAM, proto=0, *, stack=None):
    """Two sockets of the stack, connected to each other over its loopback: streams of AF_INET, as where AF_UNIX is missing."""
    if family != std.AF_INET:
        raise ValueError("Only AF_INET socket address families are supported")
    if type != std.SOCK_STREAM:
        raise ValueError("Only SOCK_STREAM socket type is supported")
    if proto != 0:
        raise ValueError("Only protocol zero is supported")
    stack = stack or current()
    with stack.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        one = stack.socket()
        try:
            one.settimeout(None)
            one.connect(listener.getsockname())
            while True:
                other, peer = listener.accept()
                if peer == one.getsockname():
                    return one, other
                other.close()
        except BaseException:
            one.close()
            raise


def has_dualstack_ipv6():
    """False: IPv4 only."""
    return False
