"""Hosts that do harm: programs for scenarios, `python:usnet.lab.attacks:NAME`.

They send frames of their own making, under others' addresses, through their host's first port, to the first other host that serves. What an attacker
would have to guess, the numbers of a connection, they are told, so that the case that matters happens each time.
"""

from collections.abc import Iterator
from typing import Any

from usnet.lab.workloads import PORT, App
from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MASK = 0xFFFFFFFF
FLOOD = 10_000  # segments
GAP = "50us"
NETWORK = 0xC612_0000  # 198.18.0.0/15, for measurements (RFC 2544)
PLACES = 1 << 17
STRIDE = 40_503  # odd: every address of it comes once


def forge(app: App, source: str, header: TcpHeader, payload: bytes = b"") -> None:
    """A segment to the victim, from that address."""
    segment = header.to_bytes(payload, source, app.peer.address)
    packet = Ipv4Header(source, app.peer.address, 6, total_len=20 + len(segment)).to_bytes() + segment
    to, own = (bytes(host.ports[0].mac).hex(":") for host in (app.peer, app.host))
    app.host.ports[0].send(EthHeader(to, own, 0x0800).to_bytes() + packet)


def stranger(n: int) -> str:
    """The n-th address of a flood."""
    number = NETWORK + n * STRIDE % PLACES
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def flood(app: App) -> None:
    """SYNs from everywhere, each from another address (RFC 4987)."""
    for n in range(FLOOD):
        forge(app, stranger(n), TcpHeader(1024 + n % 60_000, PORT, n * 2_654_435_761 & MASK, 0, SYN, 65535, mss=1460))
        app.sleep(GAP)


def acks(app: App) -> None:
    """ACKs of nothing, as to a listener that has cookies out: guesses (RFC 4987, 3.6)."""
    for n in range(FLOOD):
        forge(app, stranger(n), TcpHeader(1024 + n % 60_000, PORT, n, n * 2_654_435_761 & MASK, ACK, 65535))
        app.sleep(GAP)


def victims(app: App) -> Iterator[dict[str, Any]]:
    """Connections of the victim that are up."""
    core = app.peer.stack.core
    for number in core.connections():
        fields = core.snapshot(number)
        if fields["state"] == "ESTABLISHED":
            yield fields


def strike(app: App, flags: int, behind: int, payload: bytes = b"", ack: int = 0) -> None:
    """Ten times, every 100 ms: a segment in each connection's name, so far behind the next number that the victim expects."""
    for _ in range(10):
        app.sleep("100ms")
        for fields in list(victims(app)):
            seq, number = (fields["rcv_nxt"] + behind) & MASK, (fields["snd_una"] + ack) & MASK
            forge(app, fields["raddr"], TcpHeader(fields["rport"], fields["lport"], seq, number if flags & ACK else 0, flags, 65535), payload)


def reset_in_window(app: App) -> None:
    """A RST anywhere in the window but at its beginning (RFC 5961, section 3)."""
    strike(app, RST, 1000)


def reset_outside(app: App) -> None:
    """A RST before the window, and behind it."""
    strike(app, RST, -1)
    strike(app, RST, 1 << 30)


def syn_in_window(app: App) -> None:
    """RFC 5961, section 4."""
    strike(app, SYN, 1000)


def data_in_window(app: App) -> None:
    """Bytes that the peer never sent, ahead of the stream, with an ACK that cannot be (RFC 5961, section 5)."""
    strike(app, ACK | PSH, 100_000, b"not the peer's", -(1 << 30))


def old_acks(app: App) -> None:
    """Empty segments outside the window, a hundred at once: each may be answered, none need be (RFC 5961, section 7)."""
    for _ in range(100):
        for fields in list(victims(app)):
            forge(app, fields["raddr"], TcpHeader(fields["rport"], fields["lport"], (fields["rcv_nxt"] - 1) & MASK, fields["snd_una"], ACK, 65535))
    app.sleep("1s")
