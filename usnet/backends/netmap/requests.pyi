from typing import NamedTuple

from usnet.backends.netmap.device import Device
from usnet.backends.netmap.names import PortRequest

class PortInfo(NamedTuple):
    memsize: int
    tx_slots: int
    rx_slots: int
    tx_rings: int
    rx_rings: int
    host_tx_rings: int
    host_rx_rings: int
    mem_id: int

class PoolsInfo(NamedTuple):
    memsize: int
    mem_id: int
    if_offset: int
    if_total: int
    if_size: int
    ring_offset: int
    ring_total: int
    ring_size: int
    buf_offset: int
    buf_total: int
    buf_size: int

class ValePort(NamedTuple):
    name: str
    bridge: int
    port: int

def port_info(name: str | PortRequest, device: Device | None = None) -> PortInfo: ...
def pools_info(name: str | PortRequest, device: Device | None = None) -> PoolsInfo: ...
def vale_attach(name: str, host: bool = False, device: Device | None = None) -> int: ...
def vale_detach(name: str, device: Device | None = None) -> int: ...
def vale_list(device: Device | None = None) -> list[ValePort]: ...
def vale_newif(name: str, tx_slots: int = 0, rx_slots: int = 0, tx_rings: int = 0, rx_rings: int = 0, mem_id: int = 0,
               device: Device | None = None) -> int: ...
def vale_delif(name: str, device: Device | None = None) -> None: ...
def vale_polling(name: str, on: bool, per_cpu: bool = False, first_cpu: int = 0, cpus: int = 1, device: Device | None = None) -> None: ...
def port_hdr_get(name: str | PortRequest, device: Device | None = None) -> int: ...
def port_hdr_set(name: str | PortRequest, length: int, device: Device | None = None) -> None: ...
