"""What netmap has of Linux: the module and its parameters, and the interface behind a port."""
from __future__ import annotations

import os
from pathlib import Path

from usnet.backends import interface
from usnet.backends.findings import ADVICE, GOOD, PROBLEM, Finding
from usnet.backends.netmap.findings import Offload, buffer_findings, offload_findings, queue_findings

MODULE = Path("/sys/module/netmap")
NET = Path("/sys/class/net")
LOAD = "as root: modprobe netmap (or insmod netmap.ko where it was built)"
IFF_PROMISC = 0x100
# Features as the kernel names them: (ethtool -K's name, why)
MERGES = "merges frames until they fit no buffer (in emulated mode and on host rings)"
GIANTS = "the host hands over segments longer than a frame (on host rings)"
PARTIAL = "frames pass with checksums that are not there yet, or not checked (on host rings)"
OFFLOADS = {
    "rx-gro": ("gro", MERGES), "rx-gro-hw": ("rx-gro-hw", MERGES), "rx-lro": ("lro", MERGES),
    "tx-generic-segmentation": ("gso", GIANTS), "tx-tcp-segmentation": ("tso", GIANTS), "tx-tcp6-segmentation": ("tso", GIANTS),
    "tx-checksum-ip-generic": ("tx", PARTIAL), "tx-checksum-ipv4": ("tx", PARTIAL), "tx-checksum-ipv6": ("tx", PARTIAL),
    "rx-checksum": ("rx", PARTIAL),
    "rx-vlan-hw-parse": ("rxvlan", "takes VLAN tags out of received frames"),
    "tx-vlan-hw-insert": ("txvlan", "the host leaves VLAN tags to the NIC (on host rings)"),
}


def is_loaded() -> bool | None:
    """Whether the module is in the kernel; None: cannot be told."""
    return MODULE.is_dir()


def parameters() -> dict[str, int]:
    """The module's parameters. Empty when it is not loaded."""
    found = {}
    for path in sorted((MODULE / "parameters").iterdir()) if (MODULE / "parameters").is_dir() else []:
        try:
            found[path.name] = int(path.read_text())
        except (OSError, ValueError):
            continue
    return found


def version() -> str:
    """What tells one build of the module from another; "" when nothing does."""
    for name in ("version", "srcversion"):
        try:
            return (MODULE / name).read_text().strip()
        except OSError:
            continue
    return ""


def exists(name: str) -> bool:
    return bool(name) and "/" not in name and (NET / name).is_dir()


def mac(name: str) -> bytes:
    return interface.get_mac(name)


def mtu(name: str) -> int:
    return interface.get_mtu(name)


def interfaces() -> list[str]:
    """Those that have a device behind them, or are one end of a pair: candidates for netmap."""
    return sorted(path.name for path in NET.iterdir() if path.name != "lo") if NET.is_dir() else []


def driver(name: str) -> str:
    """The module that drives an interface; "" for one that the kernel made up (veth, dummy)."""
    try:
        return os.path.basename(os.readlink(NET / name / "device" / "driver" / "module"))
    except OSError:
        try:
            return os.path.basename(os.readlink(NET / name / "device" / "driver"))
        except OSError:
            return ""


def is_native(name: str) -> bool:
    """Whether its driver knows netmap: then the driver's module uses netmap's."""
    known = driver(name).replace("-", "_")
    return bool(known) and (MODULE / "holders" / known).exists()


def offloads(name: str) -> list[Offload] | None:
    """Those that matter; None when they cannot be read (pyroute2 is missing, or the kernel is old)."""
    try:
        from pyroute2 import Ethtool

        with Ethtool() as e:
            features = e.get_features(name).features
    except Exception:       # a kernel or a library that cannot tell is no reason to stop
        return None
    return [Offload(*_offload(kernel, features[kernel].enable)) for kernel in OFFLOADS if kernel in features]


def _offload(kernel: str, on: bool) -> tuple[str, bool, str]:
    name, why = OFFLOADS[kernel]
    return name, bool(on), why


def _flags(name: str) -> int:
    return int((NET / name / "flags").read_text(), 16)


def up_findings(name: str) -> list[Finding]:
    flags = _flags(name)
    if not flags & interface.IFF_UP:
        return [Finding(PROBLEM, f"{name} is down: ip link set {name} up")]
    try:
        carrier = (NET / name / "carrier").read_text().strip() == "1"
    except OSError:
        carrier = True
    if not carrier:
        return [Finding(PROBLEM, f"{name} is up and has no link: the cable, or the other end")]
    if flags & IFF_PROMISC:
        return [Finding(GOOD, f"{name} is up and takes all frames (promiscuous)")]
    return [Finding(GOOD, f"{name} is up and takes frames for its own Ethernet address alone, which the stack has too unless mac= gives it another "
                          f"(then: ip link set {name} promisc on)")]


def driver_findings(name: str) -> list[Finding]:
    known, wish = driver(name), parameters().get("admode", 0)
    if is_native(name) and wish != 2:
        return [Finding(GOOD, f"{name}: its driver {known} knows netmap (native mode)")]
    what = f"{name}: its driver {known or '(none)'} " + ("is not asked, since admode is 2" if is_native(name) else "does not know netmap")
    if wish == 1:
        return [Finding(PROBLEM, f"{what} and the module takes native drivers alone: load a patched one, or echo 0 > {MODULE}/parameters/admode")]
    return [Finding(ADVICE, f"{what}: emulated mode, which works and is slower; drivers that know netmap are built with the module")]


def interface_findings(name: str, mode: str) -> list[Finding]:
    """All about one interface. `mode`: as queue_findings() takes it."""
    if not exists(name):
        return [Finding(PROBLEM, f"there is no interface {name} here (there are: {', '.join(interfaces()) or 'none'})")]
    queues = len(list((NET / name / "queues").glob("rx-*")))
    found = up_findings(name) + driver_findings(name)
    off = f"ethtool -K {name} "
    switches = offloads(name)
    names = " ".join(f"{each} off" for each in dict.fromkeys(o.name for o in switches or [] if o.on))
    found += offload_findings(name, switches, off + names,
                              f"the offloads of {name} could not be read (pip install pyroute2): look with ethtool -k {name}, and turn them off: "
                              f"{off}gro off gso off tso off lro off rx off tx off rxvlan off txvlan off")
    if mode != "host":
        found += queue_findings(name, queues, mode, f"ethtool -L {name} combined {{}}")
    return found + buffer_findings(name, mtu(name), parameters().get("buf_size"))


def access_findings(path: str) -> list[Finding]:
    """Whether this process may use netmap at all."""
    if not os.path.exists(path):
        if is_loaded():
            return [Finding(PROBLEM, f"netmap is loaded and there is no {path}: in a container, hand the device in")]
        return [Finding(PROBLEM, f"netmap is not loaded: there is no {path}; {LOAD}")]
    if not os.access(path, os.R_OK | os.W_OK):
        return [Finding(PROBLEM, f"{path} may not be opened: run as root, or as root: chgrp GROUP {path}; chmod 660 {path}")]
    return [Finding(GOOD, f"{path} can be opened")]
