"""What the IP header of a connection's segments says, also once their headers are copied from a form (tcp/segment, wire/flow)."""

import socket

from usnet.testing.peer import established
from usnet.wire.mirror import EthHeader, Ipv4Header


def sent_by(tcp):
    """(TOS, TTL) of what leaves now."""
    headers = [Ipv4Header.from_bytes(frame[EthHeader.from_bytes(frame).header_len :]) for frame, _ in tcp.cable.wire.receive(meta=True)]
    return [(ip.tos, ip.ttl) for ip in headers]


def say(tcp):
    tcp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.sock.send(b"x")
    return sent_by(tcp)


def test_tos_and_ttl_set_in_the_middle_of_a_connection_stand_in_its_next_segment():
    tcp = established()
    assert say(tcp) == [(0, 64)]
    assert say(tcp) == [(0, 64)]
    tcp.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
    assert say(tcp) == [(0xB8, 64)]
    tcp.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 9)
    assert say(tcp) == [(0xB8, 9)]


def test_the_stacks_own_ttl_changed_in_the_middle_of_a_connection_stands_in_its_next_segment():
    tcp = established()
    assert say(tcp) == [(0, 64)]
    tcp.cable.stack.core.configure(ttl=33)
    assert say(tcp) == [(0, 33)]
