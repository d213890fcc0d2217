"""netmap for Python, without a stack: ports, rings and slots, on the kernel's module or on the stand-in.

    from usnet.backends import netmap

    with netmap.open("vale0:a") as port:
        port.send(frame)                            # copies; or, in place:
        for slot in port.rx_rings[0]:
            print(bytes(slot.data))
"""
from usnet.backends.errors import BackendUnavailable
from usnet.backends.netmap.abi import CONSTANTS
from usnet.backends.netmap.descriptor import Descriptor
from usnet.backends.netmap.device import Device, KernelDevice
from usnet.backends.netmap.names import PortRequest, parse
from usnet.backends.netmap.opened import OpenPort, Ready
from usnet.backends.netmap.opened import open_port as open  # noqa: A004
from usnet.backends.netmap.requests import (
    PoolsInfo,
    PortInfo,
    ValePort,
    pools_info,
    port_hdr_get,
    port_hdr_set,
    port_info,
    vale_attach,
    vale_delif,
    vale_detach,
    vale_list,
    vale_newif,
    vale_polling,
)
from usnet.backends.netmap.rings import SLOT_DTYPE, ExtraBuffer, Ring, Slot

NS_BUF_CHANGED, NS_REPORT, NS_FORWARD, NS_NO_LEARN, NS_INDIRECT, NS_MOREFRAG = (
    CONSTANTS["NS_" + name] for name in ("BUF_CHANGED", "REPORT", "FORWARD", "NO_LEARN", "INDIRECT", "MOREFRAG"))
NR_TIMESTAMP, NR_FORWARD, NR_NO_TX_POLL, NR_DO_RX_POLL, NR_EXCLUSIVE = (
    CONSTANTS["NR_" + name] for name in ("TIMESTAMP", "FORWARD", "NO_TX_POLL", "DO_RX_POLL", "EXCLUSIVE"))

__all__ = [
    "NR_DO_RX_POLL", "NR_EXCLUSIVE", "NR_FORWARD", "NR_NO_TX_POLL", "NR_TIMESTAMP", "NS_BUF_CHANGED", "NS_FORWARD", "NS_INDIRECT", "NS_MOREFRAG",
    "NS_NO_LEARN", "NS_REPORT", "SLOT_DTYPE", "BackendUnavailable", "Descriptor", "Device", "ExtraBuffer", "KernelDevice", "OpenPort",
    "PoolsInfo", "PortInfo", "PortRequest", "Ready", "Ring", "Slot", "ValePort", "open", "parse", "pools_info", "port_hdr_get", "port_hdr_set",
    "port_info", "vale_attach", "vale_delif", "vale_detach", "vale_list", "vale_newif", "vale_polling",
]
