"""What a switch of the stand-in does between ports of unlike virtio-net headers: checksums and segments that were left to be done."""
import errno
import struct

import pytest

from tests.backends.netmap.handle import ALL_NIC, MOREFRAG, PORT_HDR_GET, Handle, PortHdr, opened
from usnet.backends.netmap.standin.kernel import StandIn

PORT_HDR_SET = 6
ACCEPT = 0x8000
NONE, TCPV4, UDP, TCPV6 = 0, 1, 3, 4
NEEDS_CSUM = 1
ETH = b"\xff" * 6 + b"\2\0\0\0\0\1"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def header(flags=0, gso=NONE, hdr_len=0, size=0, start=0, offset=0, length=12):
    return struct.pack("=BBHHHH", flags, gso, hdr_len, size, start, offset).ljust(length, b"\0")


def payload(n):
    return bytes(i * 5 & 0xFF for i in range(n))


def ipv4(proto, rest, ident=100):
    return b"\x45\0" + struct.pack("!HHHBBH", 20 + len(rest), ident, 0, 64, proto, 0) + b"\x0a\0\0\1\x0a\0\0\2" + rest


def ipv6(proto, rest):
    return b"\x60\0\0\0" + struct.pack("!HBB", len(rest), proto, 64) + bytes(range(32)) + rest


def tcp(data, seq=1000, flags=0x19):
    return struct.pack("!HHIIBBHHH", 1, 2, seq, 3, 0x50, flags, 4, 0, 0) + data


def udp(data):
    return struct.pack("!HHHH", 7, 8, 8 + len(data), 0) + data


def good(frame):
    """Whether all its checksums are good."""
    ip = frame[14:]
    if frame[12:14] == b"\x08\0":
        rest, pseudo = ip[20:], ip[12:20] + struct.pack("!HH", ip[9], len(ip) - 20)
        return checksum(ip[:20]) == 0 and checksum(pseudo + rest) == 0 and len(ip) == struct.unpack_from("!H", ip, 2)[0]
    rest = ip[40:]
    return checksum(ip[8:40] + struct.pack("!IHBB", len(rest), 0, 0, ip[6]) + rest) == 0 and len(rest) == struct.unpack_from("!H", ip, 4)[0]


@pytest.fixture
def kernel():
    return StandIn()


def set_header(kernel, name, length):
    handle = Handle(kernel)
    status = handle.control(PORT_HDR_SET, name, PortHdr(hdr_len=length))
    handle.close()
    return status


def pair(kernel, one, two, **wish):
    """A sender and a receiver with headers of those lengths."""
    found = opened(kernel, "vale0:a", **wish), opened(kernel, "vale0:b", **wish)
    assert set_header(kernel, "vale0:a", one) == 0
    assert set_header(kernel, "vale0:b", two) == 0
    return found


def send(port, *parts):
    """One frame, slot by slot."""
    for i, part in enumerate(parts):
        port.tx.write(port.tx.head, part, MOREFRAG if i < len(parts) - 1 else 0)
        port.tx.advance()
    assert port.txsync() == 0


def received(port):
    """[(bytes, flags)] slot by slot."""
    port.rxsync()
    ring = port.rx
    flags = [ring.slots[i % ring.num_slots].flags for i in range(ring.head, ring.head + (ring.tail - ring.head) % ring.num_slots)]
    return list(zip(ring.get(), flags, strict=True))


def test_lengths_are_0_10_and_12_and_of_vale_ports_alone(kernel):
    kernel.nic("eth0")
    keep = opened(kernel, "vale0:a")
    for length in (10, 12, 0):
        assert set_header(kernel, "vale0:a", length) == 0
        body = PortHdr()
        assert Handle(kernel).control(PORT_HDR_GET, "vale0:a", body) == 0
        assert body.hdr_len == length
    assert set_header(kernel, "vale0:a", 11) == -errno.EINVAL
    assert set_header(kernel, "vale0:none", 12) == -errno.ENXIO
    assert set_header(kernel, "eth0", 12) == -errno.ENXIO
    keep.close()


def test_a_port_with_headers_is_for_those_who_know(kernel):
    keep = opened(kernel, "vale0:a")
    set_header(kernel, "vale0:a", 12)
    assert Handle(kernel).register("vale0:a") == -errno.EIO
    assert Handle(kernel).register("vale0:a", ALL_NIC, flags=ACCEPT) == 0
    keep.close()


@pytest.mark.parametrize("length", [10, 12])
def test_between_equal_headers_nothing_is_done(kernel, length):
    a, b = pair(kernel, length, length)
    data = header(NEEDS_CSUM, TCPV4, 54, 1000, 34, 16, length) + ETH + b"\x08\0" + ipv4(6, tcp(payload(1900)))
    send(a, data)
    assert received(b) == [(data, 0x100)]


@pytest.mark.parametrize("length", [10, 12])
def test_towards_a_header_from_none_it_is_zeros(kernel, length):
    a, b = pair(kernel, 0, length)
    b.rx.write(0, b"\xaa" * 100)
    send(a, ETH + payload(99))
    assert received(b) == [(bytes(length) + ETH + payload(99), 0x100)]


def test_between_10_and_12_the_first_10_bytes_are_kept(kernel):
    a, b = pair(kernel, 10, 12)
    send(a, header(NEEDS_CSUM, TCPV4, 54, 1000, 34, 16, 10) + ETH + payload(500))
    assert received(b) == [(header(NEEDS_CSUM, TCPV4, 54, 1000, 34, 16, 12) + ETH + payload(500), 0x100)]
    send(b, header(0, UDP, 1, 2, 3, 4, 10) + b"\xee\xee" + ETH + payload(5))
    assert received(a) == [(header(0, UDP, 1, 2, 3, 4, 10) + ETH + payload(5), 0x100)]


def test_a_header_in_a_slot_of_its_own(kernel):
    a, b = pair(kernel, 12, 0)
    send(a, header(), ETH + payload(50), b"more")
    assert received(b) == [(ETH + payload(50), 0x200 | MOREFRAG), (b"more", 0x200)]
    a, b = b, a
    send(a, ETH + payload(50))
    assert received(b) == [(header() + ETH + payload(50), 0x100)]


def test_a_frame_shorter_than_its_header_is_dropped(kernel):
    a, b = pair(kernel, 12, 0)
    for parts in ((header()[:5],), (header(),), (header()[:5], ETH + payload(60))):
        send(a, *parts)
    assert received(b) == []


@pytest.mark.parametrize("bad", [header(flags=4), header(gso=2), header(gso=7)])
def test_headers_that_say_what_nobody_knows_drop_the_frame(kernel, bad):
    a, b = pair(kernel, 12, 0)
    send(a, bad + ETH + payload(60))
    assert received(b) == []


def test_a_checksum_that_is_left_to_be_done_is_done(kernel):
    a, b = pair(kernel, 12, 0)
    data = payload(777)
    partial = checksum(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack("!HH", 6, 20 + len(data))) ^ 0xFFFF
    segment = bytearray(tcp(data))
    segment[16:18] = struct.pack("!H", partial)
    packet = bytearray(ipv4(6, bytes(segment)))
    packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    send(a, header(NEEDS_CSUM, start=34, offset=16) + ETH + b"\x08\0" + packet)
    (frame, flags), = received(b)
    assert good(frame) and flags == 0x100
    send(a, header(NEEDS_CSUM, start=34, offset=16) + ETH + b"\x08\0" + packet[:300], packet[300:])
    first, second = received(b)
    assert good(first[0] + second[0])


def test_a_checksum_place_outside_of_the_first_slot_is_left_alone(kernel):
    a, b = pair(kernel, 12, 0)
    for start, offset in ((60, 50), (5000, 0), (0xFFFF, 0xFFFF)):
        send(a, header(NEEDS_CSUM, start=start, offset=offset) + ETH + payload(60))
        assert received(b) == [(ETH + payload(60), 0x100)]


def cut(kernel, gso, packet, ethertype=b"\x08\0", slot=2048, **wish):
    a, b = pair(kernel, 12, 0, **wish)
    data = header(NEEDS_CSUM, gso) + ETH + ethertype + packet
    send(a, *[data[i:i + slot] for i in range(0, len(data), slot)])
    return received(b)


@pytest.mark.parametrize("slot", [2048, 2000, 311])
def test_a_tcp_frame_of_several_segments_is_cut(kernel, slot):
    data = payload(5000)
    found = cut(kernel, TCPV4, ipv4(6, tcp(data)), slot=slot)
    room = 1514 - 54
    assert [len(frame) for frame, _ in found] == [1514, 1514, 1514, 54 + 5000 - 3 * room]
    assert all(good(frame) and flags == 0 for frame, flags in found)
    assert b"".join(frame[54:] for frame, _ in found) == data
    assert [struct.unpack_from("!H", frame, 18)[0] for frame, _ in found] == [100, 101, 102, 103]
    assert [struct.unpack_from("!I", frame, 38)[0] for frame, _ in found] == [1000 + i * room for i in range(4)]
    assert [frame[47] for frame, _ in found] == [0x10, 0x10, 0x10, 0x19]     # FIN and PSH on the last alone


def test_a_tcp_frame_over_ipv6_is_cut(kernel):
    data = payload(3000)
    found = cut(kernel, TCPV6 | 0x80, ipv6(6, tcp(data)), b"\x86\xdd")
    assert [len(frame) for frame, _ in found] == [1514, 1514, 74 + 3000 - 2 * 1440]
    assert all(good(frame) for frame, _ in found)
    assert b"".join(frame[74:] for frame, _ in found) == data


def test_a_udp_frame_is_cut_into_datagrams(kernel):
    data = payload(4000)
    found = cut(kernel, UDP, ipv4(17, udp(data)))
    assert [len(frame) for frame, _ in found] == [1514, 1514, 42 + 4000 - 2 * 1472]
    assert all(good(frame) for frame, _ in found)
    assert [struct.unpack_from("!H", frame, 38)[0] for frame, _ in found] == [len(frame) - 34 for frame, _ in found]
    assert b"".join(frame[42:] for frame, _ in found) == data


def test_vlan_tags_are_looked_behind(kernel):
    found = cut(kernel, TCPV4, b"\0\7\x08\0" + ipv4(6, tcp(payload(2500))), b"\x81\0")
    assert [len(frame) for frame, _ in found] == [1514, 58 + 2500 - 1456]
    assert all(good(frame[:12] + frame[16:]) for frame, _ in found)


@pytest.mark.parametrize(("packet", "ethertype"), [(payload(500), b"\x08\6"), (ipv4(6, b"short"), b"\x08\0"), (ipv6(6, tcp(b""))[:50], b"\x86\xdd")])
def test_what_is_no_tcp_or_udp_packet_cannot_be_cut(kernel, packet, ethertype):
    assert cut(kernel, TCPV4, packet, ethertype) == []


def test_a_frame_whose_segments_do_not_all_fit_is_dropped(kernel):
    a, b = pair(kernel, 12, 0, tx_slots=16, rx_slots=4)
    long = header(NEEDS_CSUM, TCPV4) + ETH + b"\x08\0" + ipv4(6, tcp(payload(6000)))
    send(a, *[long[i:i + 2048] for i in range(0, len(long), 2048)])
    assert received(b) == []
    short = header(NEEDS_CSUM, TCPV4) + ETH + b"\x08\0" + ipv4(6, tcp(payload(3500)))
    send(a, *[short[i:i + 2048] for i in range(0, len(short), 2048)])
    assert len(received(b)) == 3


def test_a_port_that_had_a_header_once_cuts_by_its_buffers(kernel):
    a, b = pair(kernel, 12, 12)
    set_header(kernel, "vale0:b", 0)
    data = header(NEEDS_CSUM, TCPV4) + ETH + b"\x08\0" + ipv4(6, tcp(payload(3000)))
    send(a, data[:2048], data[2048:])
    assert [len(frame) for frame, _ in received(b)] == [2048, 54 + 3000 - 1994]
