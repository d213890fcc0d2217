"""Opening ports by name for a stack: which descriptors a port needs, and what it is called on the wire."""
from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from usnet.backends.clock import MonotonicClock
from usnet.backends.findings import GOOD, PROBLEM, Finding
from usnet.backends.netmap import freebsd, linux
from usnet.backends.netmap.abi import CONSTANTS as ABI
from usnet.backends.netmap.descriptor import Descriptor
from usnet.backends.netmap.device import Device, KernelDevice
from usnet.backends.netmap.link import Interface, SystemInterface
from usnet.backends.netmap.names import PortRequest, as_request
from usnet.backends.netmap.port import NetmapPort
from usnet.backends.netmap.requests import port_info
from usnet.backends.settings import mac_address, mac_from_name

SYSTEM: Any = freebsd if sys.platform.startswith("freebsd") else linux
ALL_NIC, SW, NIC_SW = ABI["NR_REG_ALL_NIC"], ABI["NR_REG_SW"], ABI["NR_REG_NIC_SW"]
ONE_NIC, ONE_SW = ABI["NR_REG_ONE_NIC"], ABI["NR_REG_ONE_SW"]
TX_ONLY, RX_ONLY = ABI["NR_TX_RINGS_ONLY"], ABI["NR_RX_RINGS_ONLY"]
USUAL_MTU = 1500
PATH = "/dev/netmap"


def pair(name: str, value: int | tuple[int, int] | None) -> tuple[int, int]:
    """(of transmit rings, of receive rings); 0: the port's own. ValueError for what is no number of anything."""
    both: tuple[Any, ...] = value if isinstance(value, tuple) else (value or 0, value or 0)
    if len(both) != 2 or not all(isinstance(n, int) and 0 <= n < 1 << 20 for n in both):
        raise ValueError(f"{name}: {value!r} is no number, and no pair of them for (transmit, receive)")
    return both[0], both[1]


def split(request: PortRequest, device: Device) -> list[PortRequest]:
    """One request for each ring that the port is to have (of both directions), so that each can be synced alone."""
    if request.mode not in (ALL_NIC, NIC_SW, SW) or request.flags & (ABI["NR_MONITOR_TX"] | ABI["NR_MONITOR_RX"]):
        return [request]
    if request.is_vale or request.pipe:         # made as we ask for them
        nic = singles(request, ONE_NIC, ALL_NIC, request.tx_rings or 1, request.rx_rings or 1)
        host = []
    else:
        info = port_info(request.name, device)
        nic = singles(request, ONE_NIC, ALL_NIC, info.tx_rings, info.rx_rings)
        host = singles(request, ONE_SW, SW, info.host_tx_rings, info.host_rx_rings)
    return {ALL_NIC: nic, SW: host or [request], NIC_SW: nic + host}[request.mode]


def singles(request: PortRequest, one: int, every: int, n_tx: int, n_rx: int) -> list[PortRequest]:
    """A ring number past a direction's last ring would mean its first one to netmap: there the request is for the other direction alone."""
    if max(n_tx, n_rx) <= 1:
        return [replace(request, mode=every)]
    return [replace(request, mode=one, ringid=i, flags=request.flags | (RX_ONLY if i >= n_tx else 0) | (TX_ONLY if i >= n_rx else 0))
            for i in range(max(n_tx, n_rx))]


def descriptors(requests: list[PortRequest], device: Device, spares: int) -> list[Descriptor]:
    """All open, or none."""
    made: list[Descriptor] = []
    try:
        for request in requests:
            made.append(Descriptor(replace(request, extra_bufs=spares if not made else 0), device))
    except BaseException:
        for d in made:
            d.close()
        raise
    return made


def identity(request: PortRequest, interface: str | None, mac: str | bytes | None, mtu: int | None) -> tuple[bytes, int]:
    """(Ethernet address, MTU). Those of the interface where it is one of the machine's and the stack takes its place on the wire; on its host
    rings, VALE ports and pipes the stack is somebody else: there the name makes the address."""
    if mac is not None:
        own = mac_address(mac)
    elif interface and request.mode not in (SW, ONE_SW):
        own = SYSTEM.mac(interface)
    else:
        own = mac_from_name(f"netmap:{request.name}" + ("^" if request.mode in (SW, ONE_SW) else ""))
    if mtu is None:
        mtu = SYSTEM.mtu(interface) if interface else USUAL_MTU
    if not 68 <= mtu <= 65535:
        raise ValueError(f"mtu: from 68 to 65535 bytes, not {mtu}")
    return own, mtu


def open_port(
    address: str | PortRequest, *, device: Device | None = None, slots: int | tuple[int, int] | None = None,
    rings: int | tuple[int, int] | None = None, spares: int = 0, mtu: int | None = None, mac: str | bytes | None = None,
    offsets: int | None = None, exclusive: bool = True, clock: Any = None, interface: Interface | None = None,
) -> NetmapPort:
    """A port of netmap's for a stack: "em0", "em0-2" (one ring of it), "em0^" (host rings), "em0*" (both), "vale0:a", "em0{3" (a pipe's end).

    device: who answers netmap's calls; the kernel's module when None. slots, rings: how many are wished for (pairs: transmit, receive); VALE ports
    and pipes are made so, a NIC has its own. spares: extra buffers, for swapping; netmap may give fewer. mtu (bytes) and mac: the interface's own,
    else 1500 and an address made from the name. offsets: frames begin at this byte of their buffers. exclusive: nobody else
    may open the rings, since two stacks on one ring take each other's frames.
    interface: who knows whether there is a link; of the machine's interfaces, the system.

    ValueError for a bad name or setting, BackendUnavailable where there is no netmap, other OSErrors with netmap's errno and what to do.
    """
    device = device if device is not None else KernelDevice(PATH)
    if not 0 <= spares <= 1 << 24:
        raise ValueError(f"spares: from 0 to {1 << 24} buffers, not {spares}")
    wishes = dict(zip(("tx_slots", "rx_slots", "tx_rings", "rx_rings"), pair("slots", slots) + pair("rings", rings), strict=True))
    request = as_request(address, **{name: n for name, n in wishes.items() if n})
    request = replace(request, flags=request.flags | ABI["NR_NO_TX_POLL"] | (ABI["NR_EXCLUSIVE"] if exclusive else 0))
    if offsets is not None:
        request = replace(request, offset=offsets, initial_offset=offsets)
    name = f"netmap:{str(address).removeprefix('netmap:')}"
    of_system = isinstance(device, KernelDevice) and not request.is_vale and not request.pipe and SYSTEM.exists(request.parent)
    system = request.parent if of_system else None
    own, size = identity(request, system, mac, mtu)
    made = descriptors(split(request, device), device, spares)
    try:
        if any(d.max_offset and d.hdr_len for d in made):
            raise ValueError(f"{request}: offsets and a virtio-net header in front of each frame do not go together")
        if interface is None and system:
            interface = SystemInterface(system)
        return NetmapPort(name, device, request, made, size, own, clock if clock is not None else MonotonicClock(), interface)
    except BaseException:
        for d in made:
            d.close()
        raise


# What can be said without opening

def module_finding() -> Finding:
    values = SYSTEM.parameters()
    names = ("admode", "buf_num", "buf_size", "ring_num", "ring_size")
    said = ", ".join(f"{name}={values[name]}" for name in names if name in values)
    build = SYSTEM.version()
    return Finding(GOOD, "netmap" + (f" {build}" if build else "") + (f": {said}" if said else " is loaded"))


def access() -> list[Finding]:
    """Whether netmap can be used at all: the module, its device, and whether it speaks our version."""
    found = SYSTEM.access_findings(PATH)
    if found[-1].level == PROBLEM:
        return found
    try:
        port_info("", KernelDevice(PATH))
    except OSError as error:
        return [*found, Finding(PROBLEM, str(error.strerror or error))]
    return [*found, module_finding()]


def examine(address: str) -> list[Finding]:
    """All that can be said about a port before it is opened. Opens nothing. ValueError for a bad name."""
    request = as_request(address)
    found = access()
    if request.is_vale or request.pipe:
        what = "a port of a VALE switch" if request.is_vale else "an end of a pipe"
        return [*found, Finding(GOOD, f"{request.name} is {what}: no interface is needed")]
    mode = {ONE_NIC: "one", ONE_SW: "host", SW: "host"}.get(request.mode, "all")
    found += SYSTEM.interface_findings(request.parent, mode)
    if any(each.level == PROBLEM for each in found):
        return found
    try:
        info = port_info(request.name, KernelDevice(PATH))
    except OSError as error:
        return [*found, Finding(PROBLEM, str(error.strerror or error))]
    return [*found, Finding(GOOD, f"netmap gives {request.parent} {info.tx_rings} transmit and {info.rx_rings} receive rings of {info.tx_slots} and "
                                  f"{info.rx_slots} slots, and {info.host_tx_rings} and {info.host_rx_rings} host rings")]


def probe() -> tuple[bool, str]:
    """(usable, why): whether netmap can be used here."""
    found = access()
    if found[-1].level == PROBLEM:
        return False, found[-1].text
    native = [name for name in SYSTEM.interfaces() if SYSTEM is linux and linux.is_native(name)]
    more = f"; drivers of {', '.join(native)} know netmap" if native else "; interfaces work in emulated mode" if SYSTEM is linux else ""
    return True, "; ".join(each.text for each in found) + more

