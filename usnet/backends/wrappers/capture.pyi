import os
from typing import BinaryIO

from usnet.backends.ring import Port
from usnet.backends.wrappers.pcapng import PcapngWriter

class CapturePort(Port):
    inner: Port
    writer: PcapngWriter
    def __init__(self, inner: Port, file: str | os.PathLike[str] | BinaryIO | PcapngWriter, *, offset_ns: int | None = None) -> None: ...
    def flush(self) -> None: ...
