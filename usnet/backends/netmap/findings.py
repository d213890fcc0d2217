"""What netmap would stumble over on an interface, in sentences that are the same on every system."""
from __future__ import annotations

from dataclasses import dataclass

from usnet.backends.findings import ADVICE, GOOD, PROBLEM, Finding

PORT_QUEUES = 16


@dataclass(frozen=True)
class Offload:
    """A feature of an interface that changes frames behind netmap's back: its name, and how it is turned off."""
    name: str
    on: bool
    why: str


def offload_findings(interface: str, offloads: list[Offload] | None, turn_off: str, unknown: str) -> list[Finding]:
    """`turn_off`: the command for those that are on; `unknown`: what to say where they cannot be read."""
    if offloads is None:
        return [Finding(ADVICE, unknown)]
    by_reason: dict[str, list[str]] = {}
    for offload in offloads:
        if offload.on and offload.name not in by_reason.setdefault(offload.why, []):
            by_reason[offload.why].append(offload.name)
    reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items() if names)
    if not reasons:
        return [Finding(GOOD, f"{interface}: no offload is on that netmap would stumble over")]
    return [Finding(ADVICE, f"{interface} has offloads on that change frames behind netmap's back: {reasons}. Turn them off: {turn_off}")]


def buffer_findings(interface: str, mtu: int, buf_size: int | None) -> list[Finding]:
    """Whether frames of the interface's MTU fit the module's buffers."""
    if not buf_size:
        return []
    need = mtu + 22         # Ethernet header and two tags
    if need <= buf_size:
        return [Finding(GOOD, f"{interface}: a frame of MTU {mtu} fits a buffer of {buf_size} bytes")]
    return [Finding(PROBLEM, (
        f"{interface} has an MTU of {mtu} and netmap's buffers have {buf_size} bytes: lower the MTU, or set netmap's buf_size to at least "
        f"{-(-need // 64) * 64} while no port is open (some drivers can spread a frame over several buffers; then this is no fault)"))]


def queue_findings(interface: str, queues: int, mode: str, how: str) -> list[Finding]:
    """`mode`: how many of the queues a port of that name takes: "all", "one", "host". `how`: the command that sets their number, {}."""
    if mode == "all" and queues > PORT_QUEUES:
        return [Finding(PROBLEM, (
            f"{interface} has {queues} queues and one port takes at most {PORT_QUEUES}: {how.format(PORT_QUEUES)}, or open single ones, "
            f"netmap:{interface}-0"))]
    if mode == "one" and queues > 1:
        return [Finding(ADVICE, (
            f"{interface} has {queues} queues and the NIC's hash (RSS) spreads connections over them: open each one in some stack, or "
            f"{how.format(1)}; frames of a queue that nobody opens are lost to the stacks"))]
    return [Finding(GOOD, f"{interface} has {queues} queue{'s' if queues != 1 else ''}")]
