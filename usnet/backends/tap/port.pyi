from usnet.backends.clock import Clock
from usnet.backends.ring import Port

class TapPort(Port):
    device: str
    features: int
    @property
    def offloads(self) -> tuple[str, ...]: ...

def open_port(
    address: str, *, mtu: int | None = None, mac: str | bytes | None = None, slots: int = 128, buf_size: int = 2048, spares: int = 0,
    clock: Clock | None = None, offload: bool = True,
) -> TapPort: ...
def probe() -> tuple[bool, str]: ...
