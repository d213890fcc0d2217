from usnet.backends.netmap.device import Device
from usnet.backends.netmap.trace import Journal

class Recorder(Device):
    device: Device
    journal: Journal
    failure: BaseException | None
    def __init__(self, device: Device, journal: Journal) -> None: ...
    def check(self) -> None: ...
