"""User timeouts: what a program asks for, and what the ends tell each other (RFC 5482)."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.testing.peer import PEER, US, conversation, established, listening
from usnet.testing.segments import parse_segment
from usnet.wire.raw import unpack_options

USER_TIMEOUT = 18


def sent(tcp):
    """The user timeouts (as on the wire, or None) of the segments that have left."""
    tcp.cable.run()
    found = []
    for frame, _ in tcp.cable.wire.receive():
        segment = frame[34:]
        options = {one[1]: one[2] for one in unpack_options(segment[20 : segment[12] >> 4 << 2]) if one[0] == "option"}
        found.append(int.from_bytes(options[28], "big") if 28 in options else None)
        if segment[13] & 2:
            tcp.us_isn = int.from_bytes(segment[4:8], "big")
    return found


def rx(tcp, text, field):
    """A segment of the peer's with a user timeout option."""
    plain = tcp.build(parse_segment(text))
    header = plain[12] >> 4 << 2
    segment = bytearray(plain[:header] + b"\x1c\x04" + field.to_bytes(2, "big") + plain[header:])
    segment[12] = (header + 4) << 2
    tcp.cable.stack.core.configure(verify_checksums=0)
    tcp.cable.put(6, bytes(segment))
    tcp.cable.run()


def raw(tcp):
    """Frames stay as they are, for sent()."""
    tcp.cable.collect = lambda: 0
    return tcp


def client(ms, **config):
    tcp = raw(conversation(**config))
    tcp.sock = tcp.cable.stack.socket()
    tcp.sock.setblocking(False)
    if ms:
        tcp.sock.setsockopt(6, USER_TIMEOUT, ms)
    tcp.sock.bind((US, tcp.us_port))
    tcp.sock.connect_ex((PEER, tcp.port))
    return tcp


@pytest.mark.parametrize(
    ("ms", "field"),
    [(1, 1), (1000, 1), (90_000, 90), (32_767_000, 32767), (32_768_000, 0x8000 | 547), (2_000_000_000, 0xFFFF), (0, None)],
)
def test_a_syn_says_what_the_program_has_asked_for(ms, field):
    """Seconds, or minutes where seconds do not fit; rounded up."""
    assert sent(client(ms, uto=1)) == [field]


def test_nothing_is_said_where_that_is_not_switched_on():
    assert sent(client(5000)) == [None]


def test_a_syn_ack_says_it_too_and_a_change_leaves_with_the_next_segment_once():
    tcp = raw(listening(uto=1))
    tcp.listener.setsockopt(6, USER_TIMEOUT, 60_000)
    tcp.rx("S 0:0(0) <mss 1460>")
    assert sent(tcp) == [60]
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    tcp.sock.setsockopt(6, USER_TIMEOUT, 120_000)
    tcp.sock.send(b"x")
    tcp.sock.send(b"y")
    assert sent(tcp) == [120]
    tcp.rx(". 1:1(0) ack 2")
    assert sent(tcp) == [None]


@pytest.mark.parametrize(("field", "seconds"), [(200, 200), (5, 100), (0x8000 | 30, 1800), (0x8000 | 9999, 3600), (0xFFFF, 3600)])
def test_a_peers_is_taken_within_limits(field, seconds):
    """L_LIMIT and U_LIMIT of RFC 5482, 3.1."""
    tcp = listening(uto=1)
    rx(tcp, "S 0:0(0) <mss 1460>", field)
    tcp.take()
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    assert tcp.sock.getsockopt(6, USER_TIMEOUT) == seconds * 1000


@pytest.mark.parametrize(("field", "asked", "then"), [(0, 0, 0), (200, 7000, 7000)])
def test_but_not_where_the_program_has_spoken_nor_none_at_all(field, asked, then):
    tcp = established(uto=1)
    if asked:
        tcp.sock.setsockopt(6, USER_TIMEOUT, asked)
    rx(tcp, ". 1:1(0) ack 1", field)
    assert tcp.sock.getsockopt(6, USER_TIMEOUT) == then


def test_a_peer_may_change_its_mind_and_what_is_not_acceptable_changes_nothing():
    tcp = established(uto=1)
    rx(tcp, ". 1:1(0) ack 1", 200)
    rx(tcp, ". 1:1(0) ack 1", 300)
    rx(tcp, ". 99999:99999(0) ack 1", 400)
    assert tcp.sock.getsockopt(6, USER_TIMEOUT) == 300_000


def test_nobody_listens_to_a_peer_where_that_is_not_switched_on():
    tcp = established()
    rx(tcp, ". 1:1(0) ack 1", 200)
    assert tcp.sock.getsockopt(6, USER_TIMEOUT) == 0


@pytest.mark.parametrize(("ms", "ends"), [(3000, 3), (4_000_000, 4000)])
def test_it_decides_alone_when_a_connection_is_given_up(ms, ends):
    """Sooner than the retransmissions, or long behind them."""
    tcp = established()
    tcp.sock.setsockopt(6, USER_TIMEOUT, ms)
    tcp.send(10)
    tcp.take()
    tcp.watch(s=ends - 0.01)
    assert tcp.state == "ESTABLISHED"
    tcp.watch(s=0.02)
    assert tcp.state == "CLOSED"
    assert tcp.sock.getsockopt(1, 4) == errno.ETIMEDOUT


@given(st.integers(0, 0xFFFF))
def test_any_field_leaves_something_sensible(field):
    tcp = established(uto=1)
    rx(tcp, ". 1:1(0) ack 1", field)
    told = tcp.sock.getsockopt(6, USER_TIMEOUT)
    assert told == 0 or 100_000 <= told <= 3_600_000
    tcp.sock.close()
    tcp.listener.close()
