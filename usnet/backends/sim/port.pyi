from typing import Any

from usnet.backends.ring import Port
from usnet.backends.sim.host import SimHost
from usnet.backends.sim.network import Network

class SimPort(Port):
    host: SimHost
    network: Network
    def vanish(self) -> None: ...

def open_port(address: str, **settings: Any) -> SimPort: ...
def probe() -> tuple[bool, str]: ...
