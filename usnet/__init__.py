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
    "use": "usnet.sockets.context",
    "current": "usnet.sockets.context",
    "open_port": "usnet.backends.registry",
    "World": "usnet.lab.world",
}
_CONSTANTS = ("AF_", "EAI_", "INADDR_", "IPPROTO_", "IP_", "MSG_", "SHUT_", "SOCK_", "SOL_", "SOMAXCONN", "SO_", "TCP_")

error = OSError
gaierror = _socket.gaierror
timeout = TimeoutError

__all__ = [
    "Settings",
    "SettingsError",
    "Stack",
    "World",
    "create_connection",
    "create_server",
    "current",
    "epoll",
    "error",
    "gaierror",
    "get_include",
    "open_port",
    "socket",
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
    elif name.startswith(_CONSTANTS):
        value = getattr(_socket, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    constants = [n for n in dir(_socket) if n.startswith(_CONSTANTS)] + [
        n for n in dir(_select) if n.startswith("EPOLL")
    ]
    return sorted({*globals(), *__all__, *constants})
