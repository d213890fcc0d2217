"""What netmap has of FreeBSD: the same questions as linux.py answers, by sysctl and ifconfig. Untried."""
from __future__ import annotations

import os
import re
import socket
import subprocess

from usnet.backends.findings import GOOD, PROBLEM, Finding
from usnet.backends.netmap.findings import Offload, buffer_findings, offload_findings, queue_findings

LOAD = "as root: kldload netmap, or device netmap in the kernel's configuration (GENERIC has it)"
GIANTS, PARTIAL = "the host hands over segments longer than a frame (on host rings)", "checksums are not there (on host rings)"
# Options as ifconfig prints them: (the argument that turns them off, why)
OFFLOADS = {
    "LRO": ("-lro", "merges frames until they fit no buffer"), "TSO4": ("-tso", GIANTS), "TSO6": ("-tso", GIANTS),
    "RXCSUM": ("-rxcsum", PARTIAL), "TXCSUM": ("-txcsum", PARTIAL), "RXCSUM_IPV6": ("-rxcsum6", PARTIAL), "TXCSUM_IPV6": ("-txcsum6", PARTIAL),
    "VLAN_HWTAGGING": ("-vlanhwtag", "takes VLAN tags out of frames"),
}


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def is_loaded() -> bool | None:
    """The kernel of a release has netmap built in, where kldstat does not show it: the device is what tells."""
    return True if os.path.exists("/dev/netmap") else None


def parameters() -> dict[str, int]:
    found = {}
    for line in _output("sysctl", "dev.netmap").splitlines():
        name, _, value = line.partition(": ")
        if value.strip().lstrip("-").isdigit():
            found[name.removeprefix("dev.netmap.")] = int(value)
    return found


def version() -> str:
    return _output("uname", "-K").strip()


def exists(name: str) -> bool:
    return name in interfaces()


def interfaces() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if not name.startswith("lo"))


def mac(name: str) -> bytes:
    """OSError for an interface without an Ethernet address."""
    match = re.search(r"\bether ([0-9a-f:]{17})", _output("ifconfig", name))
    if match is None:
        raise OSError(f"{name} has no Ethernet address")
    return bytes.fromhex(match[1].replace(":", ""))


def mtu(name: str) -> int:
    match = re.search(r"\bmtu (\d+)", _output("ifconfig", name))
    if match is None:
        raise OSError(f"{name} has no MTU")
    return int(match[1])


def offloads(name: str) -> list[Offload] | None:
    match = re.search(r"\boptions=[0-9a-f]+<([^>]*)>", _output("ifconfig", name))
    if match is None:
        return None
    on = set(match[1].split(","))
    return [Offload(argument, option in on, why) for option, (argument, why) in OFFLOADS.items()]


def interface_findings(name: str, mode: str) -> list[Finding]:
    if not exists(name):
        return [Finding(PROBLEM, f"there is no interface {name} here (there are: {', '.join(interfaces()) or 'none'})")]
    said = _output("ifconfig", name)
    flags = (re.search(r"flags=[0-9a-f]+<([^>]*)>", said) or ["", ""])[1].split(",")
    found = [Finding(GOOD, f"{name} is up") if "UP" in flags else Finding(PROBLEM, f"{name} is down: ifconfig {name} up")]
    if "status: no carrier" in said:
        found.append(Finding(PROBLEM, f"{name} has no link: the cable, or the other end"))
    if "PROMISC" not in flags:
        found.append(Finding(GOOD, f"{name} takes frames for its own Ethernet address alone: that is the stack's unless mac= gives it another; then: "
                                     f"ifconfig {name} promisc"))
    switches = offloads(name)
    names = " ".join(dict.fromkeys(o.name for o in switches or [] if o.on))
    found += offload_findings(name, switches, f"ifconfig {name} {names}", f"the offloads of {name} could not be read: look with ifconfig {name}")
    if mode != "host":
        kind = name.rstrip("0123456789")
        unit = name.removeprefix(kind)
        queues = len(set(re.findall(r"\.iflib\.rxq(\d+)\.", _output("sysctl", "-N", f"dev.{kind}.{unit}"))))
        if queues:
            found += queue_findings(name, queues, mode, f"dev.{kind}.{unit}.iflib.override_nrxqs={{0}} and override_ntxqs={{0}} in loader.conf")
    return found + buffer_findings(name, mtu(name), parameters().get("buf_size"))


def access_findings(path: str) -> list[Finding]:
    if not os.path.exists(path):
        return [Finding(PROBLEM, f"this kernel has no netmap: there is no {path}; {LOAD}")]
    if not os.access(path, os.R_OK | os.W_OK):
        return [Finding(PROBLEM, f"{path} may not be opened: run as root, or as root: chgrp GROUP {path}; chmod 660 {path}")]
    return [Finding(GOOD, f"{path} can be opened")]
