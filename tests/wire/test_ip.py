"""IPv4, ICMP and UDP."""
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from tests.wire.strategies import icmps, ips, ipv4s, u16
from usnet.wire.mirror import IcmpHeader, Ipv4Header, UdpHeader, WireError, checksum

SHORT, VERSION, IHL, LENGTH, CHECKSUM, OPTION, SOURCE_ROUTE = range(-1, -8, -1)
A, B = "10.0.0.1", "10.0.0.2"


def status(parse, *args, **kwargs):
    try:
        parse(*args, **kwargs)
    except WireError as error:
        return error.status
    return 0


def with_options(options, **kwargs):
    """A header with these option bytes, a multiple of 4, and a right checksum."""
    data = bytearray(Ipv4Header(A, B, 6, 20 + len(options), **kwargs).to_bytes()) + options
    data[0] = 0x40 | len(data) // 4
    data[10:12] = bytes(2)
    data[10:12] = checksum(data).to_bytes(2, "big")
    return bytes(data)


@given(ips, st.integers(0, 40))
def test_ipv4_comes_back_and_scapy_agrees(h, padding):
    data = h.to_bytes()
    assert Ipv4Header.from_bytes(data + bytes(h.total_len - 20 + padding)) == h
    p = IP(data)
    assert (p.src, p.dst, p.proto, p.len, p.id, p.frag * 8, p.ttl, p.tos) == (
        h.src, h.dst, h.proto, h.total_len, h.ident, h.frag_offset, h.ttl, h.tos)
    assert (bool(p.flags.DF), bool(p.flags.MF), p.ihl) == (h.dont_fragment, h.more_fragments, 5)
    flags = "+".join(name for name, on in (("MF", h.more_fragments), ("DF", h.dont_fragment)) if on)
    assert bytes(IP(src=h.src, dst=h.dst, proto=h.proto, len=h.total_len, id=h.ident, frag=h.frag_offset // 8,
                    ttl=h.ttl, tos=h.tos, flags=flags or 0)) == data


@pytest.mark.parametrize(("at", "value", "expected"), [
    (0, 0x65, VERSION), (0, 0x55, VERSION), (0, 0x44, IHL), (0, 0x40, IHL), (0, 0x4f, IHL), (3, 19, LENGTH),
    (3, 0, LENGTH),
    (3, 31, LENGTH), (2, 0xff, LENGTH), (8, 1, CHECKSUM), (10, 0, CHECKSUM),
])
def test_lies_of_the_header(at, value, expected):
    data = bytearray(Ipv4Header(A, B, 6, 30).to_bytes() + bytes(10))
    data[at] = value
    assert status(Ipv4Header.from_bytes, bytes(data)) == expected


def test_short_headers_and_truncated_datagrams():
    data = Ipv4Header(A, B, 6, 30).to_bytes() + bytes(10)
    assert [status(Ipv4Header.from_bytes, data[:n]) for n in range(31)] == [SHORT] * 20 + [LENGTH] * 10 + [0]


def test_the_checksum_is_left_alone_when_not_asked_for():
    data = bytearray(Ipv4Header(A, B, 6).to_bytes())
    data[10] ^= 1
    assert status(Ipv4Header.from_bytes, bytes(data)) == CHECKSUM
    assert status(Ipv4Header.from_bytes, bytes(data), verify=False) == 0


@pytest.mark.parametrize(("options", "expected"), [
    ("01010101", 0), ("00ffffff", 0), ("94040000", 0), ("0707040000000000", 0), ("01" * 40, 0),
    ("07000000", OPTION), ("07010000", OPTION), ("07050000", OPTION), ("01010107", OPTION),
    ("07040000 44ff0000", OPTION),
    ("83070400000000 00", SOURCE_ROUTE), ("89070400000000 00", SOURCE_ROUTE), ("01830704 00000000", SOURCE_ROUTE),
    ("94040000 8303ff00", SOURCE_ROUTE), ("83010000", OPTION),
])
def test_options(options, expected):
    data = with_options(bytes.fromhex(options))
    assert status(Ipv4Header.from_bytes, data) == expected
    if expected == 0:
        assert Ipv4Header.from_bytes(data).header_len == len(data)


@given(icmps, st.binary(max_size=70))
def test_icmp_comes_back_and_scapy_agrees(h, payload):
    data = h.to_bytes(payload)
    assert IcmpHeader.from_bytes(data) == h and data[8:] == payload
    assert checksum(data) == 0
    p = ICMP(data + bytes(12))      # some types have longer headers in scapy's eyes
    assert (p.type, p.code) == (h.type, h.code)


def test_icmp_as_scapy_builds_it():
    data = bytes(ICMP(type=8, id=0x1234, seq=7) / b"odd")
    assert IcmpHeader.from_bytes(data) == IcmpHeader(8, 0, 0x12340007)
    assert IcmpHeader(8, 0, 0x12340007).to_bytes(b"odd") == data
    assert IcmpHeader(3, 4, 1280).to_bytes(b"inner") == bytes(ICMP(type=3, code=4, nexthopmtu=1280) / Raw(b"inner"))


def test_icmp_short_or_damaged():
    data = IcmpHeader(8).to_bytes(b"abc")
    assert [status(IcmpHeader.from_bytes, data[:n]) for n in range(8)] == [-errno.EBADMSG] * 8
    for i in range(len(data)):
        assert status(IcmpHeader.from_bytes, data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1:]) == -errno.EIO


@given(u16, u16, ipv4s, ipv4s, st.binary(max_size=70), st.integers(0, 9))
def test_udp_comes_back_and_scapy_agrees(sport, dport, src, dst, payload, padding):
    data = UdpHeader(sport, dport).to_bytes(payload, src, dst)
    assert UdpHeader.from_bytes(data + bytes(padding), src, dst, True) == UdpHeader(sport, dport, 8 + len(payload))
    assert bytes(IP(src=src, dst=dst) / UDP(sport=sport, dport=dport) / Raw(payload))[20:] == data


def test_udp_over_ipv6():
    data = UdpHeader(1, 2).to_bytes(b"hello", "2001:db8::1", "2001:db8::2")
    assert data == bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2) / Raw(b"hello"))[40:]
    assert status(UdpHeader.from_bytes, data, "2001:db8::1", "2001:db8::2", True) == 0


def test_udp_without_a_checksum_is_right_on_ipv4_only():
    data = bytearray(UdpHeader(1, 2).to_bytes(b"hello", A, B))
    data[6:8] = bytes(2)
    assert status(UdpHeader.from_bytes, data, A, B, True) == 0
    assert status(UdpHeader.from_bytes, data, "2001:db8::1", "2001:db8::2", True) == -errno.EIO


def test_a_udp_checksum_of_zero_is_sent_as_all_ones():
    for port in range(65536):
        data = UdpHeader(port, 2).to_bytes(b"", A, B)
        assert data[6:8] != b"\0\0"
        if data[6:8] == b"\xff\xff":
            assert status(UdpHeader.from_bytes, data, A, B, True) == 0
            return
    raise AssertionError("no port gives a sum of zero")


def test_udp_lengths_that_lie():
    data = UdpHeader(1, 2).to_bytes(b"hello", A, B)
    assert [status(UdpHeader.from_bytes, data[:n]) for n in range(13)] == [-errno.EBADMSG] * 13
    for length in (0, 7, 14, 65535):
        assert status(UdpHeader.from_bytes, data[:4] + length.to_bytes(2, "big") + data[6:]) == -errno.EBADMSG
    damaged = data[:-1] + b"!"
    assert status(UdpHeader.from_bytes, damaged, A, B, True) == -errno.EIO
    assert status(UdpHeader.from_bytes, damaged, A, B, False) == 0


@given(st.binary(max_size=90), st.booleans(), st.booleans())
def test_random_bytes_have_a_defined_result(data, plausible, verify):
    if plausible and data:
        data = bytes([0x40 | data[0] & 15]) + data[1:]
    assert status(Ipv4Header.from_bytes, data, verify) in range(-7, 1)
    assert status(IcmpHeader.from_bytes, data) in (0, -errno.EBADMSG, -errno.EIO)
    assert status(UdpHeader.from_bytes, data, A, B, verify) in (0, -errno.EBADMSG, -errno.EIO)
