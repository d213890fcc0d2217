"""virtio-net headers on VALE ports: software checksum and segmentation where ports are unlike."""
import struct

from tests.backends.netmap.world import MOREFRAG, frame, scenario

VNET = 0x8000
ETH = b"\xff" * 6 + b"\x02\0\0\0\0\x0a"
NEEDS_CSUM, TCPV4, UDP, TCPV6, ECN = 1, 1, 3, 4, 0x80


def header(size=10, flags=0, gso_type=0, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    return struct.pack("<BBHHHH", flags, gso_type, hdr_len, gso_size, csum_start, csum_offset) + bytes(size - 10)


def tcp4(payload, flags=0x18, options=b""):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(options) + len(payload), 7, 0x4000, 64, 6, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    tcp = struct.pack("!HHIIBBHHH", 1000, 80, 5000, 9000, (5 + len(options) // 4) << 4, flags, 4096, 0, 0)
    return ETH + b"\x08\0" + ip + tcp + options + body(payload)


def tcp6(payload):
    ip = struct.pack("!IHBB16s16s", 6 << 28, 20 + len(payload), 6, 64, bytes([0xfd] + [0] * 14 + [1]), bytes([0xfd] + [0] * 14 + [2]))
    return ETH + b"\x86\xdd" + ip + struct.pack("!HHIIBBHHH", 1000, 80, 5000, 9000, 0x50, 0x19, 4096, 0, 0) + body(payload)


def udp4(payload):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 7, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    return ETH + b"\x08\0" + ip + struct.pack("!HHHH", 1000, 53, 8 + len(payload), 0) + body(payload)


def udp6(payload):
    ip = struct.pack("!IHBB16s16s", 6 << 28, 8 + len(payload), 17, 64, bytes([0xfd] + [0] * 14 + [1]), bytes([0xfd] + [0] * 14 + [2]))
    return ETH + b"\x86\xdd" + ip + struct.pack("!HHHH", 1000, 53, 8 + len(payload), 0) + body(payload)


def body(payload):
    return bytes(payload)


def payload(size):
    return bytes((7 * i) & 0xff for i in range(size))


def set_header(port, size):
    return port.control("PORT_HDR_SET", port.called, hdr_len=size)


def ports(w, *kinds, slots=16):
    """VALE ports a, b, ... with headers of these lengths."""
    made = []
    for name, size in zip("abcdef", kinds, strict=False):
        port = w.port(f"vale0:{name}", tx_slots=slots, rx_slots=slots, flags=VNET)
        port.called = f"vale0:{name}"
        if size:
            set_header(port, size)
        made.append(port)
    return made


def put(port, data, first=2048, cut=2048):
    """One frame, in as many slots as it takes."""
    pieces = [data[:first]] + [data[i:i + cut] for i in range(first, len(data), cut)]
    for i, piece in enumerate(pieces):
        port.tx.put(piece, flags=MOREFRAG if i < len(pieces) - 1 else 0)


@scenario()
def header_lengths(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, flags=VNET)
    plain = w.port("vale0:b", tx_slots=4, rx_slots=4)
    asks = w.open()
    for size in (0, 1, 9, 10, 11, 12, 13, 64, 2**31):
        a.control("PORT_HDR_SET", "vale0:a", hdr_len=size)
        asks.control("PORT_HDR_GET", "vale0:a")
    plain.control("PORT_HDR_SET", "vale0:b", hdr_len=12)
    plain.control("PORT_HDR_GET", "vale0:b")
    for name in ("vale0:nobody", "nosuch0", "", "p{1", "vale0:b"):
        for request in ("PORT_HDR_SET", "PORT_HDR_GET"):
            asks.control(request, name, hdr_len=10)
    asks.control("PORT_HDR_SET", "vale0:a", no_body=True)
    a.control("PORT_HDR_SET", "", hdr_len=10)
    a.txsync()
    w.open().register("vale0:a")
    w.open().register("vale0:a", flags=VNET)


@scenario()
def header_and_none(w):
    a, b, c = ports(w, 0, 10, 12)
    a.send(tcp4(payload(40)))
    b.receive()
    c.receive()
    put(b, header(10) + tcp4(payload(40)))
    b.txsync()
    a.receive()
    c.receive()
    put(c, header(12) + tcp4(payload(50)))
    c.txsync()
    a.receive()
    b.receive()
    c.rxsync()


@scenario()
def header_alone_in_its_slot(w):
    a, b, c = ports(w, 0, 12, 12)
    put(b, header(12) + tcp4(payload(100)), first=12)
    b.txsync()
    a.receive()
    c.receive()
    put(b, header(12) + udp4(payload(100)), first=12 + 14 + 20)
    b.txsync()
    a.receive()
    c.receive()
    put(b, header(12) + udp4(payload(100)), first=5)
    put(b, header(12)[:8])
    put(b, header(12))
    put(b, frame(1, 30))
    b.txsync()
    a.receive()
    c.receive()


@scenario()
def checksums_in_software(w):
    a, b = ports(w, 0, 12)
    for data, start, offset in ((tcp4(payload(41)), 34, 16), (udp4(payload(40)), 34, 6), (tcp6(payload(33)), 54, 16), (udp6(payload(32)), 54, 6),
                                (tcp4(b""), 34, 16), (udp4(b"x"), 34, 6), (tcp4(payload(1400)), 34, 16), (tcp4(payload(40)), 200, 16),
                                (tcp4(payload(40)), 34, 60), (frame(1, 60), 20, 2)):
        put(b, header(12, NEEDS_CSUM, csum_start=start, csum_offset=offset) + data)
        b.txsync()
        a.receive()
    put(b, header(12, NEEDS_CSUM, csum_start=34, csum_offset=16) + tcp4(payload(3000)))
    b.txsync()
    a.receive()


@scenario()
def segmentation_in_software(w):
    a, b = ports(w, 0, 12, slots=64)
    for data, kind, hdr, size in ((tcp4(payload(4000), 0x19), TCPV4, 54, 1460), (tcp6(payload(4000)), TCPV6, 74, 1440),
                                  (tcp4(payload(3001), 0x98, b"\x01" * 12), TCPV4, 66, 1448), (udp4(payload(4000)), UDP, 42, 1480),
                                  (tcp4(payload(2920)), TCPV4, 54, 1460), (tcp4(payload(100)), TCPV4, 54, 1460),
                                  (tcp4(payload(1000)), TCPV4, 54, 100),
                                  (tcp4(payload(3000)), TCPV4 | ECN, 54, 1460), (tcp4(payload(3000)), TCPV4, 20, 1460)):
        put(b, header(12, NEEDS_CSUM, kind, hdr, size, 34, 16) + data)
        b.txsync()
        a.receive()
        a.rxsync()


@scenario()
def segmentation_cut_anywhere(w):
    a, b = ports(w, 0, 12, slots=64)
    data = header(12, NEEDS_CSUM, TCPV4, 54, 1000, 34, 16) + tcp4(payload(2500))
    for first, cut in ((66, 2048), (12, 2048), (66, 700), (100, 333), (2048, 300)):
        put(b, data, first, cut)
        b.txsync()
        a.receive()
        a.rxsync()
        b.txsync()


@scenario()
def segmentation_and_little_room(w):
    b = w.port("vale0:b", tx_slots=32, rx_slots=8, flags=VNET)
    b.called = "vale0:b"
    set_header(b, 12)
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    for _ in range(3):
        put(b, header(12, NEEDS_CSUM, TCPV4, 54, 500, 34, 16) + tcp4(payload(3000)))
        b.txsync()
    a.receive()
    a.rxsync()
    put(b, header(12) + tcp4(payload(30)))
    b.txsync()
    a.receive()


@scenario()
def segmentation_of_nonsense(w):
    a, b = ports(w, 0, 12, slots=32)
    for kind, hdr, size in ((2, 54, 1460), (5, 54, 1000), (0x7f, 54, 1000), (TCPV4, 54, 0), (TCPV4, 54, 1), (TCPV6, 54, 1000), (TCPV4, 0, 1000),
                            (TCPV4, 60000, 1000)):
        if (kind, size) == (TCPV4, 1):
            continue                    # thousands of slots
        put(b, header(12, NEEDS_CSUM, kind, hdr, size, 34, 16) + tcp4(payload(2500)))
        b.txsync()
        a.receive()
        a.rxsync()
    put(b, header(12, NEEDS_CSUM, TCPV4, 54, 1000, 34, 16) + frame(1, 300))
    put(b, header(12, NEEDS_CSUM, TCPV4, 54, 1000, 34, 16) + tcp4(b"")[:20])
    b.txsync()
    a.receive()


@scenario()
def alike_ports_pass_headers_on(w):
    a, b, c = ports(w, 12, 12, 10, slots=32)
    put(b, header(12, NEEDS_CSUM, TCPV4, 54, 1460, 34, 16) + tcp4(payload(4000)))
    b.txsync()
    a.receive()
    c.receive()
    put(c, header(10, NEEDS_CSUM, TCPV4, 54, 1460, 34, 16) + tcp4(payload(3000)))
    c.txsync()
    a.receive()
    b.receive()
