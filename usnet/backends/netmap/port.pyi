from usnet.backends.clock import Clock
from usnet.backends.netmap.descriptor import Descriptor
from usnet.backends.netmap.device import Device
from usnet.backends.netmap.link import Interface
from usnet.backends.netmap.names import PortRequest
from usnet.backends.ring import Port

class NetmapPort(Port):
    device: Device
    request: PortRequest
    interface: Interface | None
    def __init__(
        self, name: str, device: Device, request: PortRequest, descriptors: list[Descriptor], mtu: int, mac: bytes, clock: Clock,
        interface: Interface | None = None,
    ) -> None: ...
