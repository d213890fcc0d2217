from socket import gaierror as gaierror
from socket import herror as herror
from typing import Any

from usnet import aio as aio
from usnet import selectors as selectors
from usnet.backends.registry import open_port as open_port
from usnet.lab.world import World as World
from usnet.sockets.context import current as current
from usnet.sockets.context import use as use
from usnet.sockets.epoll import epoll as epoll
from usnet.sockets.helpers import create_connection as create_connection
from usnet.sockets.helpers import create_server as create_server
from usnet.sockets.helpers import has_dualstack_ipv6 as has_dualstack_ipv6
from usnet.sockets.helpers import socketpair as socketpair
from usnet.sockets.host import Stack as Stack
from usnet.sockets.names import Hosts as Hosts
from usnet.sockets.names import getaddrinfo as getaddrinfo
from usnet.sockets.names import getfqdn as getfqdn
from usnet.sockets.names import gethostbyaddr as gethostbyaddr
from usnet.sockets.names import gethostbyname as gethostbyname
from usnet.sockets.names import gethostbyname_ex as gethostbyname_ex
from usnet.sockets.names import getnameinfo as getnameinfo
from usnet.sockets.setting_kinds import SettingsError as SettingsError
from usnet.sockets.settings import Settings as Settings
from usnet.sockets.socket import socket as socket

error: type[OSError]
timeout: type[TimeoutError]
has_ipv6: bool

def get_include() -> str: ...
def __getattr__(name: str) -> Any: ...  # the standard library's constants
