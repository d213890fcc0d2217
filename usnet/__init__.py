"""usnet: a user-space TCP/IP stack that is simulated first.

    with usnet.Stack("tap:tap0", "10.9.0.2/24"):
        with usnet.create_connection(("10.9.0.1", 80)) as sock:
            sock.sendall(b"...")

What stands here is public; it is imported when it is first used. Constants are the standard library's own.
"""

import importlib
import os as _os
import select as _select
import socket as _socket

_WHERE = {
    "Stack": "usnet.sockets.host",
    "Settings": "usnet.sockets.settings",
    "SettingsError": "usnet.sockets.setting_kinds",
    "socket": "usnet.sockets.socket",
    "epoll": "usnet.sockets.epoll",
    "create_connection": "usnet.sockets.helpers",
    "create_server": "usnet.sockets.helpers",
    "socketpair": "usnet.sockets.helpers",
    "has_dualstack_ipv6": "usnet.sockets.helpers",
    "Hosts": "usnet.sockets.names",
    "getaddrinfo": "usnet.sockets.names",
    "getfqdn": "usnet.sockets.names",
    "gethostbyaddr": "usnet.sockets.names",
    "gethostbyname": "usnet.sockets.names",
    "gethostbyname_ex": "usnet.sockets.names",
    "getnameinfo": "usnet.sockets.names",
    "use": "usnet.sockets.context",
    "current": "usnet.sockets.context",
    "open_port": "usnet.backends.registry",
    "World": "usnet.lab.world",
}
_CONSTANTS = (
    "AF_", "AI_", "EAI_", "INADDR_", "IPPROTO_", "IP_", "MSG_", "NI_", "SHUT_", "SOCK_", "SOL_", "SOMAXCONN", "SO_", "TCP_",
)  # fmt: skip
# What needs no stack is the standard library's own.
_STANDARD = (
    "AddressFamily", "AddressInfo", "MsgFlag", "SocketKind", "SocketIO",
    "getdefaulttimeout", "setdefaulttimeout", "gethostname", "getprotobyname", "getservbyname", "getservbyport",
    "htonl", "htons", "ntohl", "ntohs", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton",
)  # fmt: skip

error = OSError
gaierror = _socket.gaierror
herror = _socket.herror
timeout = TimeoutError
has_ipv6 = False

__all__ = [
    "Hosts",
    "Settings",
    "SettingsError",
    "Stack",
    "World",
    "aio",
    "create_connection",
    "create_server",
    "current",
    "epoll",
    "error",
    "gaierror",
    "get_include",
    "getaddrinfo",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "has_dualstack_ipv6",
    "has_ipv6",
    "herror",
    "open_port",
    "selectors",
    "socket",
    "socketpair",
    "timeout",
    "use",
]


def get_include():
    """The folder to give Cython and the C compiler with -I, for modules that cimport usnet's .pxd files."""
    return _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))


def __getattr__(name):
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
    elif name.startswith("EPOLL"):
        value = getattr(_select, name)
    elif name in ("aio", "selectors"):
        value = importlib.import_module(f"usnet.{name}")
    elif name == "SocketType":
        value = __getattr__("socket")
    elif name in _STANDARD or name.startswith(_CONSTANTS):
        value = getattr(_socket, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    constants = [n for n in dir(_socket) if n.startswith(_CONSTANTS)] + [n for n in dir(_select) if n.startswith("EPOLL")]
    return sorted({*globals(), *__all__, *_STANDARD, "SocketType", *constants})
