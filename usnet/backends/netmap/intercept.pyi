from collections.abc import Callable
from typing import Any

from usnet.backends.netmap.device import Device

class Intercept(Device):
    def __init__(self, inner: Device, seen: Callable[..., Any]) -> None: ...
