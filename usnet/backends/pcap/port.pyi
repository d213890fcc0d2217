from usnet.backends.clock import Clock
from usnet.backends.ring import Port

class PcapPort(Port):
    @property
    def skipped(self) -> int: ...
    @property
    def failure(self) -> str | None: ...

def open_port(
    address: str, *, pace: bool = False, mtu: int = 1500, mac: str | bytes | None = None, slots: int = 512, buf_size: int = 2048, spares: int = 0,
    clock: Clock | None = None,
) -> PcapPort: ...
def probe() -> tuple[bool, str]: ...
