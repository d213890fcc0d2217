"""From an errno of netmap to an exception that says what happened and what to do."""
from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass, field
from errno import (
    EACCES,
    EBUSY,
    EEXIST,
    EFAULT,
    EINVAL,
    EIO,
    EMFILE,
    EMSGSIZE,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ENOTTY,
    ENXIO,
    EOPNOTSUPP,
    EPERM,
)
from pathlib import Path
from typing import Any

from usnet.backends.errors import BackendUnavailable
from usnet.backends.netmap.abi import CONSTANTS as ABI
from usnet.backends.netmap.device import KernelDevice
from usnet.backends.netmap.names import PortRequest

PARAMETERS = Path("/sys/module/netmap/parameters")


@dataclass(frozen=True)
class Facts:
    """What of a system explains an error. Unknown things are None or missing."""
    system: str = ""                                    # "linux", "freebsd", or what stands in for a kernel
    device: str = "/dev/netmap"
    module: bool | None = None                          # loaded
    parameters: dict[str, int] = field(default_factory=dict)
    interfaces: tuple[str, ...] | None = None
    mtu: int | None = None                              # of the interface in question
    port: Any = None                                    # PortInfo of the port in question


def gather(device: Any, name: str = "", port: Any = None) -> Facts:
    """The facts about the system behind a device, as far as this process may see them."""
    if not isinstance(device, KernelDevice):
        what = str(getattr(device, "path", ""))
        return Facts(what, what, True, dict(getattr(device, "parameters", None) or {}), port=port)
    system = "freebsd" if sys.platform.startswith("freebsd") else "linux" if sys.platform == "linux" else sys.platform
    parameters = {}
    if PARAMETERS.is_dir():
        for path in PARAMETERS.iterdir():
            text = path.read_text().strip()
            if text.lstrip("-").isdigit():
                parameters[path.name] = int(text)
    module = PARAMETERS.is_dir() if system == "linux" else None
    mtu_file = Path("/sys/class/net", name, "mtu")
    known = system == "linux" and name and "/" not in name and mtu_file.is_file()
    return Facts(system, device.path, module, parameters, tuple(i for _, i in socket.if_nameindex()),
                 int(mtu_file.read_text()) if known else None, port)


VERBS = {"open": "opening", "register": "opening", "map": "mapping the memory of", "txsync": "syncing", "rxsync": "syncing", "poll": "waiting for"}
HOST_MODES = (ABI["NR_REG_SW"], ABI["NR_REG_NIC_SW"], ABI["NR_REG_ONE_SW"])
MONITOR = ABI["NR_MONITOR_TX"] | ABI["NR_MONITOR_RX"]

TEXTS = {
    ("open", EMFILE): "this process, or this device object, has too many descriptors open: close some, or raise the limit (ulimit -n)",
    ("map", EINVAL): "the descriptor is not registered, or its memory is smaller than was asked for",
    ("map", ENOMEM): "the process may not map so much memory: raise its limit (ulimit -v), or make netmap's buf_num smaller",
    ("port_info", ENXIO): "no such interface",
    ("port_info", EINVAL): "netmap has no such memory region, or cannot be used on this interface",
    ("vale_attach", EBUSY): "the interface is in netmap mode, or attached to a switch already: close its users, or detach it there first",
    ("vale_attach", ENOMEM): "the switch is full, or netmap has no memory left",
    ("vale_attach", EINVAL): "the name is not valeNAME:INTERFACE, or the interface cannot be attached",
    ("vale_attach", EEXIST): "the interface is attached already",
    ("vale_detach", EINVAL): "the interface is not attached to that switch",
    ("vale_detach", ENXIO): "the interface is not attached to that switch",
    ("vale_detach", ENOENT): "no such switch",
    ("vale_detach", EBUSY): "the port is polled by kernel threads, or in use: stop that first",
    ("vale_newif", EEXIST): "there is an interface of that name already",
    ("vale_newif", EINVAL): "the name is no interface name (15 bytes at most, no colon), the memory region is unknown, or a number is out of range",
    ("vale_delif", ENXIO): "no such interface",
    ("vale_delif", EBUSY): "the interface is attached to a switch, or open in a program: detach it or end that first",
    ("vale_delif", EINVAL): "the interface was not made by vale_newif(): it cannot be removed here",
    ("vale_polling", EOPNOTSUPP): "kernel threads that poll are not supported here",
    ("vale_polling", EINVAL): "the port is not attached, the range of processors is wrong, or it is polled already",
    ("vale_polling", EFAULT): "the port is not polled",
    ("port_hdr_set", EINVAL): "a virtio-net header has 0, 10 or 12 bytes",
    ("port_hdr_set", ENXIO): "no such port of a VALE switch (only those have a header that can be set)",
}
SYNC = {
    ENXIO: "the descriptor is not registered any more, or the interface has gone: close it",
    EBUSY: "the rings are driven through a control block (CSB mode): they are not synced by calls",
    EIO: "a ring is stopped: the interface is being set up anew, or has gone",
}
TEXTS |= {(what, error): text for what in ("txsync", "rxsync", "poll") for error, text in SYNC.items()}
ANY = {
    ENXIO: "no such interface or port",
    ENODEV: "the interface is not there, or is going away",
    EMSGSIZE: "the options of the request are longer than netmap takes",
    ENAMETOOLONG: "the name is too long: this kernel's netmap (API before 14) takes 15 bytes",
    EPERM: "not permitted: this needs root, or the capability CAP_NET_ADMIN",
    EACCES: "not permitted: this needs root, or write access to the device file",
    EIO: "the port has a virtio-net header in front of its frames and the request did not accept one, or it is being set up anew",
    ENOSYS: "the device does not know this call",
    ENOMEM: "netmap has no memory left for this",
}


def set_parameter(name: str, value: int | str, system: str) -> str:
    """The command that sets a parameter of the module."""
    if system == "linux":
        return f"echo {value} > {PARAMETERS}/{name}"
    return f"sysctl dev.netmap.{name}={value}" if system == "freebsd" else f"{name}={value}"


def unavailable(error: int, what: str, facts: Facts) -> str:
    """What the machine lacks, where that is the error's cause; else ""."""
    if error in (ENOSYS, ENOTTY) and what != "open":
        return f"{facts.device} does not answer netmap's calls"
    if what != "open":
        return ""
    load = {"linux": "modprobe netmap (or insmod netmap.ko where it was built)", "freebsd": "kldload netmap"}.get(facts.system, "load the module")
    if error in (ENOENT, ENXIO, ENODEV):
        if facts.module and error == ENOENT:
            return f"netmap is loaded, but there is no {facts.device}: in a container, hand the device in"
        return f"there is no {facts.device}: netmap is not loaded; as root: {load}"
    if error in (EACCES, EPERM):
        return f"{facts.device} may not be opened: it is root's; run as root, or: chgrp GROUP {facts.device}; chmod 660 {facts.device}"
    return ""


def register_text(error: int, request: PortRequest, facts: Facts) -> str:
    """The sentence for a refused registration."""
    causes = {EINVAL: invalid, EBUSY: busy, ENXIO: missing, ENOMEM: exhausted, EOPNOTSUPP: unsupported, EIO: header}
    return causes[error](request, facts) if error in causes else ""


def invalid(request: PortRequest, facts: Facts) -> str:
    port, buf_size = facts.port, facts.parameters.get("buf_size")
    if request.mode in HOST_MODES and (request.is_vale or request.pipe):
        return "host rings ('^', '*') exist on interfaces only, not on VALE ports and pipes"
    if request.mode == ABI["NR_REG_ONE_NIC"] and port and request.ringid >= max(port.tx_rings, port.rx_rings):
        return f"there is no ring {request.ringid}: the port has {port.tx_rings} transmit and {port.rx_rings} receive rings, numbered from 0"
    if request.mode == ABI["NR_REG_ONE_SW"] and port and request.ringid >= max(port.host_tx_rings, port.host_rx_rings):
        return f"there is no host ring {request.ringid}: the port has {port.host_tx_rings} and {port.host_rx_rings}, numbered from 0"
    if request.flags & MONITOR:
        return ("a monitor needs a port that some program has open in netmap mode, with the rings that are to be watched; a zero-copy monitor, "
                "one that shares its memory region")
    if request.flags & ABI["NR_ZCOPY_MON"]:
        return "a zero-copy monitor ('/z') watches sending or receiving: add t, r or both"
    if request.offset is not None and buf_size and request.offset > buf_size:
        return f"the offset of {request.offset} is more than a buffer's {buf_size} bytes"
    if request.offset is not None and request.offset_bits and request.offset >> request.offset_bits:
        return f"an offset of {request.offset} does not fit in {request.offset_bits} bits"
    if facts.mtu and buf_size and facts.mtu > buf_size:
        larger = set_parameter("buf_size", -(-facts.mtu // 64) * 64, facts.system)
        return (f"the interface's MTU of {facts.mtu} does not fit netmap's buffers of {buf_size} bytes: lower it "
                f"(ip link set {request.parent} mtu 1500), or raise buf_size while no port is open: {larger}")
    if request.mem_id:
        return f"there is no memory region {request.mem_id}, or the port cannot use it"
    return ("the port cannot be had like that: no such ring or host rings, numbers of rings or slots out of range, an MTU larger than a buffer, "
            "a VALE port's name that the switch cannot take, or a netmap of an API other than 11 to 15")


def busy(request: PortRequest, facts: Facts) -> str:
    if request.offset is not None:
        return "the rings are open elsewhere with other offsets: the first who opens them decides; or they are in exclusive use"
    if request.flags & ABI["NR_EXCLUSIVE"]:
        return "the rings are open in another program, so they cannot be had exclusively: close it, or leave out '/x' (exclusive=False for a stack)"
    return ("the port is in use: open exclusively in another program, or attached to a VALE switch (vale_list() shows it; vale_detach()), or the "
            "kernel uses it itself")


def missing(request: PortRequest, facts: Facts) -> str:
    if facts.interfaces is None or request.is_vale:
        return "no such interface or switch" + (f" {request.parent}" if request.parent else "")
    if request.parent in facts.interfaces:
        return (f"the interface {request.parent} is there, but netmap cannot use it: it is down or going away, in another network namespace than the "
                "one that opened the device, or the kernel's netmap does not know this kind")
    return f"there is no interface {request.parent} (there are: {', '.join(facts.interfaces) or 'none'})"


def exhausted(request: PortRequest, facts: Facts) -> str:
    """ENOMEM: which pool of the region is too small, as far as it can be told."""
    have, port = facts.parameters, facts.port
    if request.is_vale and not request.mem_id:
        return ("the machine has no memory for the port's own region: fewer or shorter rings (@conf:slots=, @conf:rings=), or another port's region "
                "(@share:port=NAME)")
    tx_slots, rx_slots = request.tx_slots or (port.tx_slots if port else 0), request.rx_slots or (port.rx_slots if port else 0)
    tx, rx = request.tx_rings or (port.tx_rings if port else 0), request.rx_rings or (port.rx_rings if port else 0)
    host = max(port.host_tx_rings, 1) + max(port.host_rx_rings, 1) if port else 2
    needs = {
        "ring_size": 256 + 16 * max(tx_slots, rx_slots),
        "ring_num": tx + rx + host,
        "buf_num": (tx + 1) * tx_slots + (rx + 1) * rx_slots + 2 + request.extra_bufs,
    }
    short = {name: need for name, need in needs.items() if need > have.get(name, need)}
    how = "as root, while no port is open: "
    if short:
        commands = "; ".join(set_parameter(name, need, facts.system) for name, need in short.items())
        why = ", ".join(f"{name} is {have[name]} and {need} are needed" for name, need in short.items())
        return f"netmap's memory is too small: {why}; {how}{commands}"
    now = ", ".join(f"{name}={have[name]}" for name in ("buf_num", "ring_num", "ring_size", "if_num", "if_size") if name in have)
    return (f"netmap's memory is used up{f' ({now})' if now else ''}: close other ports, or raise buf_num (buffers), ring_num (rings) or ring_size "
            f"(bytes a ring: 256 and 16 a slot); {how}{set_parameter('buf_num', 2 * have.get('buf_num', 163840), facts.system)}")


def unsupported(request: PortRequest, facts: Facts) -> str:
    if request.offset is not None:
        return "this port, or this kernel's netmap, has no offsets: leave them out"
    if facts.parameters.get("admode") == 1:
        return ("the interface's driver has no netmap support and the module is told to use no other (admode=1): load a patched driver, or: "
                + set_parameter("admode", 0, facts.system))
    return "this kernel's netmap cannot do that: it is older than what was asked for, or built without it"


def header(request: PortRequest, facts: Facts) -> str:
    return ("the port has a virtio-net header in front of each frame, and the request did not accept one: open it with vnet_header=True, or "
            f"port_hdr_set({request.name!r}, 0)")


def failure(error: int, what: str, name: str, request: PortRequest | None = None, device: Any = None, facts: Facts | None = None) -> OSError:
    """The exception for errno `error` of the call `what` ("open", "register", "map", "txsync", "rxsync", "poll", or a function of requests) about
    the port `name`. BackendUnavailable where the machine lacks netmap."""
    if facts is None:
        facts = gather(device, request.parent if request else name)
    problem = unavailable(error, what, facts)
    if problem:
        return BackendUnavailable(error, f"{problem} [{os.strerror(error)}]")
    text = register_text(error, request, facts) if what == "register" and request else ""
    text = text or TEXTS.get((what, error)) or ANY.get(error) or "netmap refused it"
    return OSError(error, f"netmap, {VERBS.get(what, what)} {name}: {text} [{os.strerror(error)}]")
