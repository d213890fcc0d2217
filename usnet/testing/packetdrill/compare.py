"""An expected packet beside the one that left: what differs, in words."""

from collections import deque

from usnet.testing.packetdrill.flow import Flow
from usnet.testing.packetdrill.machine import Sniffed
from usnet.testing.packetdrill.packets import Written, flags_text, options_text
from usnet.wire.raw import RawTcp


def text_of(seen: Sniffed, flow: Flow | None) -> str:
    """A packet as a script would write it."""
    if seen.tcp is None:
        return f"{'udp' if seen.udp else 'icmp'} ({len(seen.frame)} bytes)"
    tcp = seen.tcp
    seq = flow.seq_out(tcp) if flow is not None else tcp.seq
    parts = [flags_text(tcp.flags), f"{seq}:{seq + len(tcp.payload)}({len(tcp.payload)})"]
    if tcp.flags & 0x10:
        parts.append(f"ack {flow.ack_out(tcp) if flow is not None else tcp.ack}")
    parts.append(f"win {tcp.window}")
    if tcp.urgent:
        parts.append(f"urg {tcp.urgent}")
    if tcp.options:
        parts.append(f"<{options_text(tcp.options)}>")
    return " ".join(parts)


def join(left: deque[Sniffed], length: int) -> Sniffed:
    """The next packet; as long as an expected one is longer, with those behind it that a large frame would have held (one time, ack and window)."""
    first = left.popleft()
    if first.tcp is None:
        return first
    tcp = first.tcp
    size = len(tcp.payload)
    while size and len(tcp.payload) < length and left and left[0].tcp is not None:
        one = left[0].tcp
        same = (one.src_port, one.dst_port, one.ack, one.window) == (tcp.src_port, tcp.dst_port, tcp.ack, tcp.window)
        total = len(tcp.payload) + len(one.payload)
        if not same or one.seq != (tcp.seq + len(tcp.payload)) & 0xFFFFFFFF or not 0 < len(one.payload) <= size or total > length:
            break
        behind = left.popleft()
        flags = one.flags & ~0x80 | tcp.flags & 0x80        # CWR is the first's
        tcp = RawTcp(tcp.src_port, tcp.dst_port, tcp.seq, one.ack, flags, one.window, one.urgent, one.options, tcp.payload + one.payload)
        first = Sniffed(first.time, first.ip, behind.frame, tcp)
        if len(one.payload) < size:
            break
    return first


def differences(written: Written, seen: Sniffed, flow: Flow, strict: bool) -> list[str]:
    """What is other than the script says; nothing if it is as expected."""
    found = ip_differences(written, seen)
    kind = "tcp" if seen.tcp else "udp" if seen.udp else "icmp"
    if kind != written.kind:
        return [*found, f"{kind} instead of {written.kind}"]
    if seen.tcp is not None:
        found += tcp_differences(written, seen.tcp, flow, strict)
    elif seen.udp is not None and seen.udp.length - 8 != written.length:
        found.append(f"{seen.udp.length - 8} bytes instead of {written.length}")
    elif seen.icmp is not None and (seen.icmp.type, seen.icmp.code) != (written.type, written.code):
        found.append(f"type {seen.icmp.type} code {seen.icmp.code} instead of {written.type} and {written.code}")
    return found


def ip_differences(written: Written, seen: Sniffed) -> list[str]:
    found = []
    if written.tos is not None and seen.ip.tos != written.tos:
        found.append(f"tos {seen.ip.tos:#x} instead of {written.tos:#x}")
    if written.ecn is not None and seen.ip.tos & 3 not in written.ecn:
        found.append(f"ECN field {seen.ip.tos & 3} instead of {' or '.join(map(str, written.ecn))}")
    if written.ttl is not None and seen.ip.ttl != written.ttl:
        found.append(f"ttl {seen.ip.ttl} instead of {written.ttl}")
    return found


def tcp_differences(written: Written, tcp: RawTcp, flow: Flow, strict: bool) -> list[str]:
    found = []
    if written.ports is not None and written.ports != (tcp.src_port, tcp.dst_port):
        found.append(f"ports {tcp.src_port} > {tcp.dst_port} instead of {written.ports[0]} > {written.ports[1]}")
    if tcp.flags != written.flags:
        found.append(f"flags {flags_text(tcp.flags)} instead of {flags_text(written.flags)}")
    seq = tcp.seq if written.absolute else flow.seq_out(tcp)
    if written.seq is not None and seq != written.seq & 0xFFFFFFFF:
        found.append(f"seq {seq} instead of {written.seq}")
    if len(tcp.payload) != written.length:
        found.append(f"{len(tcp.payload)} bytes instead of {written.length}")
    if any(tcp.payload):
        found.append("payload that is not zeros")
    ack = flow.ack_out(tcp)
    if written.ack is not None and ack != written.ack & 0xFFFFFFFF:
        found.append(f"ack {ack} instead of {written.ack}")
    if written.win is not None and tcp.window != written.win:
        found.append(f"win {tcp.window} instead of {written.win}")
    if tcp.urgent != written.urg:
        found.append(f"urg {tcp.urgent} instead of {written.urg}")
    if written.options is not None:
        mine = [unstamped(one, strict) for one in written.options]
        theirs = [unstamped(flow.option_out(one), strict) for one in tcp.options]
        if mine != theirs:
            found.append(f"options <{options_text(tcp.options)}> instead of <{options_text(written.options)}>")
    return found


def unstamped(option, strict):
    """TSval is the stack's own clock; TSecr is compared by --strict alone, the original does not."""
    return ("TS", 0, option[2] if strict else 0) if option[0] == "TS" else option
