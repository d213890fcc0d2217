"""Ethernet and ARP."""
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from tests.wire.strategies import arps, eths
from usnet.wire.mirror import ArpPacket, EthHeader, WireError, describe

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def refused(parse, data):
    with pytest.raises(WireError) as caught:
        parse(data)
    return caught.value.status


@given(eths)
def test_ethernet_comes_back_and_scapy_agrees(h):
    data = h.to_bytes()
    back = EthHeader.from_bytes(data + b"payload")
    assert back == h and back.header_len == len(data) == (14 if h.vlan is None else 18)
    frame = Ether(data)
    assert (frame.dst, frame.src) == (h.dst, h.src)
    if h.vlan is None:
        assert frame.type == h.type
    else:
        tag = frame[Dot1Q]
        assert (tag.prio << 13 | tag.dei << 12 | tag.vlan, tag.type) == (h.vlan, h.type)


@given(arps)
def test_arp_comes_back_and_scapy_agrees(h):
    data = h.to_bytes()
    assert len(data) == 28 and ArpPacket.from_bytes(data + bytes(18)) == h
    p = ARP(data)
    assert (p.op, p.hwsrc, p.psrc, p.hwdst, p.pdst) == (h.op, h.sender_mac, h.sender_ip, h.target_mac, h.target_ip)
    assert bytes(ARP(op=h.op, hwsrc=h.sender_mac, psrc=h.sender_ip, hwdst=h.target_mac, pdst=h.target_ip)) == data


def test_what_scapy_builds_is_understood():
    tagged = Ether(dst=A, src=B) / Dot1Q(vlan=7, prio=3) / IP()
    assert EthHeader.from_bytes(bytes(tagged)) == EthHeader(A, B, 0x800, 3 << 13 | 7)
    assert EthHeader.from_bytes(bytes(Ether(dst=A, src=B) / IP())) == EthHeader(A, B, 0x800)


def test_frames_that_are_not_ethernet_ii_with_at_most_one_tag_are_refused():
    plain = EthHeader(A, B, 0x800).to_bytes()
    tagged = EthHeader(A, B, 0x800, 5).to_bytes()
    macs = plain[:12]
    for data in [plain[:n] for n in range(14)] + [tagged[:n] for n in range(18)]:
        assert refused(EthHeader.from_bytes, data) == -errno.EBADMSG
    for tail in ("0040", "05dc", "05ff", "81000005 0040", "81000005 81000006 0800", "81000005 88a80006 0800",
                 "88a80005 0800",
                 "88a80005 81000006 0800", "81000fff 0800", "8100ffff 0800"):
        assert refused(EthHeader.from_bytes, macs + bytes.fromhex(tail) + bytes(50)) == -errno.EBADMSG, tail


@pytest.mark.parametrize("at", range(6))
def test_arp_of_other_hardware_protocol_or_sizes_is_refused(at):
    data = bytearray(ArpPacket(1, A, "10.0.0.1", B, "10.0.0.2").to_bytes())
    data[at] ^= 1
    assert refused(ArpPacket.from_bytes, bytes(data)) == -errno.EBADMSG


@pytest.mark.parametrize("n", range(28))
def test_short_arp_is_refused(n):
    assert refused(ArpPacket.from_bytes, ArpPacket(1, A, "10.0.0.1", B, "10.0.0.2").to_bytes()[:n]) == -errno.EBADMSG


@given(st.binary(max_size=60))
def test_random_bytes_have_a_defined_result(data):
    for parse in (EthHeader.from_bytes, ArpPacket.from_bytes):
        try:
            parse(data)
        except WireError as error:
            status = error.status
        else:
            status = 0
        assert status in (0, -errno.EBADMSG)


starts = st.sampled_from([b"", bytes(12) + b"\x08\x00", bytes(12) + b"\x08\x06", bytes(12) + b"\x08\x00\x45"])


@given(st.binary(max_size=120), starts)
def test_any_frame_can_be_described(data, start):
    assert isinstance(describe(start + data), str)


def test_descriptions():
    assert describe(EthHeader(A, B, 0x806).to_bytes() + ArpPacket(1, B, "10.0.0.2", A, "10.0.0.1").to_bytes()) == (
        "<ARP who-has 10.0.0.1 tell 10.0.0.2 (02:00:00:00:00:02)>")
    assert describe(b"short") == "<malformed: Ethernet header: status -74>"
