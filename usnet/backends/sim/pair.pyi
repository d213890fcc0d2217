from collections.abc import Iterable
from typing import Any

from usnet.backends.fates import Fates
from usnet.backends.sim.network import Network
from usnet.backends.sim.port import SimPort
from usnet.backends.sim.switch import Switch

MODEL: dict[str, Any]

class Direction:
    rate: int
    delay: int
    jitter: Any
    queue: Any
    mtu: int
    overhead: int
    loss: Any
    duplicate: Any
    corrupt: Any
    reorder: bool
    trace: list[int] | None
    def change(self, **settings: Any) -> None: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def queue_packets(self) -> int: ...
    @property
    def queue_bytes(self) -> int: ...
    @property
    def busy(self) -> bool: ...
    def forget_queue_statistics(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...

class Link:
    name: str
    number: int
    a: SimPort | Switch
    b: SimPort | Switch
    up: Direction
    down: Direction
    network: Network
    def set_fates(self, rules: Iterable[Any], seed: int = 0) -> None: ...
    @property
    def fates(self) -> Fates | None: ...
    @property
    def plugged(self) -> bool: ...
    def unplug(self) -> None: ...
    def plug(self) -> None: ...
    def change(self, **settings: Any) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
