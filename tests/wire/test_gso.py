"""Frames of several segments cut in software, judged by scapy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from usnet.wire.gso import complete, cut
from usnet.wire.mirror import checksum

TCPV4, UDPV4, TCPV6, UDP_L4, ECN = 1, 3, 4, 5, 0x80


def large(payload, l4=None, **ip):
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2", **ip) / (l4 or TCP(
        sport=1, dport=2, seq=0xFFFFFF00, ack=7, flags="PA", options=[("Timestamp", (5, 6))])) / payload


def good(frame):
    """Its own checksums are right."""
    again = Ether(frame)
    for layer in (IP, TCP, UDP):
        if layer in again:
            again[layer].chksum = None
    return bytes(again) == frame


@settings(max_examples=30, deadline=None)
@given(segments=st.integers(1, 20), size=st.integers(1, 3000), last=st.integers(0, 2999), df=st.booleans())
def test_tcp_segments_hold_the_stream_and_are_whole_packets(segments, size, last, df):
    n = (segments - 1) * size + 1 + last % size
    payload = bytes(i * 7 & 255 for i in range(n))
    whole = large(payload, flags="DF" if df else 0, id=0xFFFE)
    segments = [Ether(s) for s in cut(bytes(whole), TCPV4, size)]
    assert all(good(bytes(s)) for s in segments)
    assert b"".join(bytes(s[TCP].payload) for s in segments) == payload
    assert [len(s[TCP].payload) for s in segments[:-1]] == [size] * (len(segments) - 1)
    assert [s[TCP].seq for s in segments] == [(0xFFFFFF00 + i * size) % 2**32 for i in range(len(segments))]
    assert {(s[TCP].ack, s[TCP].window, bytes(s)[54:66]) for s in segments} == {(7, 8192, bytes(whole)[54:66])}
    assert [s[IP].id for s in segments] == [(0xFFFE + (0 if df else i)) % 2**16 for i in range(len(segments))]
    assert [str(s[TCP].flags) for s in segments] == ["A"] * (len(segments) - 1) + ["PA"]


def test_fin_stands_in_the_last_and_cwr_in_the_first():
    whole = large(b"x" * 25, TCP(flags="FPAECU", urgptr=1))
    whole[TCP].flags = "FPACE"
    assert [str(Ether(s)[TCP].flags) for s in cut(bytes(whole), TCPV4 | ECN, 10)] == ["AEC", "AE", "FPAE"]


def test_datagrams_get_lengths_and_checksums_of_their_own():
    whole = large(b"0123456789" * 3, UDP(sport=5, dport=6))
    parts = [Ether(s) for s in cut(bytes(whole), UDP_L4, 12)]
    assert [bytes(p[UDP].payload) for p in parts] == [b"012345678901", b"234567890123", b"456789"]
    assert [p[UDP].len for p in parts] == [20, 20, 14] and all(good(bytes(p)) for p in parts)


def test_a_datagram_whose_sum_is_zero_has_a_checksum_of_ones():
    zero = Ether(bytes(large(b"\0\0", UDP(sport=5, dport=6))))[UDP].chksum.to_bytes(2, "big")
    assert Ether(cut(bytes(large(zero + b"ab", UDP(sport=5, dport=6))), UDP_L4, 2)[0])[UDP].chksum == 0xFFFF


def test_a_tag_and_padding_stand_where_they_stood():
    plain = large(b"x" * 30)
    tagged = Ether(src=plain.src, dst=plain.dst) / Dot1Q(vlan=7) / plain[IP]
    segments = cut(bytes(tagged) + b"padding", TCPV4, 16, 18)
    assert [Ether(s)[Dot1Q].vlan for s in segments] == [7, 7]
    assert [bytes(Ether(s)[TCP].payload) for s in segments] == [b"x" * 16, b"x" * 14]


@pytest.mark.parametrize(
    ("frame", "kind", "size"),
    [
        (large(b"x" * 30), TCPV4, 0),
        (large(b"x" * 30), UDPV4, 8),
        (large(b"x" * 30), TCPV6, 8),
        (large(b"x" * 30), UDP_L4, 8),
        (large(b"x" * 30, UDP()), TCPV4, 8),
        (large(b"x" * 30, flags="MF"), TCPV4, 8),
        (large(b"x" * 30, frag=2), TCPV4, 8),
        (bytes(large(b""))[:40], TCPV4, 8),
        (bytes(large(b"x" * 30))[:-5], TCPV4, 8),
        (b"", TCPV4, 8),
    ],
)
def test_what_is_no_such_frame_is_refused(frame, kind, size):
    with pytest.raises(ValueError):
        cut(bytes(frame), kind, size)


@given(st.binary(max_size=90), st.integers(0, 255), st.integers(0, 65535), st.integers(0, 100))
def test_any_bytes_are_cut_or_refused(frame, kind, size, l3):
    for sort in (kind, TCPV4, UDP_L4):
        try:
            assert all(len(s) <= len(frame) for s in cut(frame, sort, size, l3))
        except ValueError:
            pass


def test_a_partial_checksum_is_completed():
    whole = bytes(large(b"hello"))
    pseudo = checksum(whole[26:34] + b"\0\x06" + (len(whole) - 34).to_bytes(2, "big")) ^ 0xFFFF
    partial = whole[:50] + pseudo.to_bytes(2, "big") + whole[52:]
    assert complete(partial, 34, 16) == whole
    for start, offset in ((34, 37), (len(whole) + 1, 0), (60000, 16)):
        with pytest.raises(ValueError):
            complete(partial, start, offset)
