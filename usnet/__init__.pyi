from socket import gaierror as gaierror
from typing import Any

from usnet.backends.registry import open_port as open_port
from usnet.lab.world import World as World
from usnet.sockets.context import current as current
from usnet.sockets.context import use as use
from usnet.sockets.epoll import epoll as epoll
from usnet.sockets.helpers import create_connection as create_connection
from usnet.sockets.helpers import create_server as create_server
from usnet.sockets.host import Stack as Stack
from usnet.sockets.setting_kinds import SettingsError as SettingsError
from usnet.sockets.settings import Settings as Settings
from usnet.sockets.socket import socket as socket

error: type[OSError]
timeout: type[TimeoutError]

def get_include() -> str: ...
def __getattr__(name: str) -> Any: ...  # the standard library's constants
