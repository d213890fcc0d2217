"""Headers as Python objects: for tests, captures and logs. Nothing here is on the way of a packet.

Each class mirrors one struct of this room; `from_bytes` is its parser and `to_bytes` its emitter. Addresses are text.
A parser's refusal raises WireError, whose `status` is the number that the parser returned.
"""
import ipaddress
from dataclasses import dataclass, field

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.wire.addr cimport addr_is_v4, addr_set_v4, addr_v4, ip_addr
from usnet.wire.arp cimport ARP_LEN, ARP_REPLY, ARP_REQUEST, arp_emit, arp_parse, arp_repr
from usnet.wire.checksum cimport csum_add, csum_copy, csum_fold
from usnet.wire.eth cimport (
    ETH_P_ARP, ETH_P_IP, ETH_VLAN_HLEN, VLAN_NONE, eth_emit, eth_parse, eth_repr,
)
from usnet.wire.icmp cimport ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_HLEN, icmp_emit, icmp_parse, icmp_repr
from usnet.wire.ipv4 cimport (
    IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN, ipv4_emit, ipv4_parse, ipv4_repr,
)
from usnet.wire.seq cimport seq_diff, seq_ge, seq_gt, seq_le, seq_lt, seq_max, seq_min
from usnet.wire.tcp cimport (
    ACCECN_FIELDS, TCP_MAX_HLEN, TCP_MAX_SACK, TCPO_ACCECN, TCPO_MSS, TCPO_SACK, TCPO_SACK_OK, TCPO_TIMESTAMP, TCPO_WSCALE,
    TH_ACK, TH_CWR, TH_ECE, TH_FIN, TH_PSH, TH_RST, TH_SYN, TH_URG,
    tcp_emit, tcp_finish, tcp_header_len, tcp_parse, tcp_repr,
)
from usnet.wire.udp cimport UDP_HLEN, udp_emit, udp_parse, udp_repr

FLAG_LETTERS = (
    (TH_FIN, "F"), (TH_SYN, "S"), (TH_RST, "R"), (TH_PSH, "P"),
    (TH_ACK, "."), (TH_URG, "U"), (TH_ECE, "E"), (TH_CWR, "W"),
)


class WireError(ValueError):
    """The parser refused the bytes, or the emitter the header; `status` says why (see the .pxd of the protocol)."""

    def __init__(self, what, status):
        super().__init__(f"{what}: status {status}")
        self.status = status


def checked(what, status):
    if status < 0:
        raise WireError(what, status)
    return status


def checksum(data):
    """The RFC 1071 checksum of `data`, as the number to store; 0 over data that holds its own correct checksum."""
    cdef bytes b = bytes(data)
    return csum_fold(csum_add(0, b, len(b)))


def partial_sum(data, uint64_t before=0):
    """`before` plus the partial sum of `data`; finish_sum() makes a checksum of it."""
    cdef bytes b = bytes(data)
    return csum_add(before, b, len(b))


def finish_sum(uint64_t partial):
    """The checksum that belongs to a partial sum, as the number to store."""
    return csum_fold(partial)


def copy_checksum(data):
    """(copy of `data`, its checksum), made in one pass."""
    cdef bytes b = bytes(data)
    cdef bytearray out = bytearray(len(b))
    cdef uint64_t partial = csum_copy(0, out, b, len(b))
    return bytes(out), csum_fold(partial)


def sequence(uint32_t a, uint32_t b):
    """How two sequence numbers stand to each other: a dict of diff, lt, le, gt, ge, max and min."""
    return {
        "diff": seq_diff(a, b), "lt": bool(seq_lt(a, b)), "le": bool(seq_le(a, b)), "gt": bool(seq_gt(a, b)),
        "ge": bool(seq_ge(a, b)), "max": seq_max(a, b), "min": seq_min(a, b),
    }


cdef int address_from(object x, ip_addr *out) except -1:
    cdef bytes b
    if isinstance(x, str):
        b = ipaddress.ip_address(x).packed
    elif isinstance(x, (bytes, bytearray, memoryview)):
        b = bytes(x)
    else:
        raise ValueError(f"not an address: {x!r}")
    if len(b) == 4:
        addr_set_v4(out, b)
    elif len(b) == 16:
        memcpy(out, <const uint8_t *>b, 16)
    else:
        raise ValueError("an address has 4 or 16 bytes")
    return 0


cdef object address_text(const ip_addr *a):
    cdef const uint8_t *p = <const uint8_t *>a
    if addr_is_v4(a):
        return str(ipaddress.IPv4Address(addr_v4(a)))
    return str(ipaddress.IPv6Address(p[:16]))


def parse_address(text):
    """The 16 bytes of an address given as text (or as 4 or 16 bytes); IPv4 is ::ffff:a.b.c.d."""
    cdef ip_addr a
    address_from(text, &a)
    return (<const uint8_t *>&a)[:16]


def format_address(address):
    """The text of an address of 4 or 16 bytes."""
    cdef ip_addr a
    address_from(address, &a)
    return address_text(&a)


cdef int ipv4_from(object x, ip_addr *out) except -1:
    address_from(x, out)
    if not addr_is_v4(out):
        raise ValueError(f"not an IPv4 address: {x!r}")
    return 0


cdef int four_from(object x, uint8_t *out) except -1:
    cdef ip_addr a
    ipv4_from(x, &a)
    memcpy(out, <const uint8_t *>&a + 12, 4)
    return 0


cdef object four_text(const uint8_t *p):
    cdef ip_addr a
    addr_set_v4(&a, p)
    return address_text(&a)


cdef int mac_from(str text, uint8_t *out) except -1:
    cdef bytes b = bytes.fromhex(text.replace(":", ""))
    if len(b) != 6:
        raise ValueError(f"not a MAC address: {text!r}")
    memcpy(out, <const uint8_t *>b, 6)
    return 0


cdef object mac_text(const uint8_t *p):
    return p[:6].hex(":")


@dataclass(repr=False)
class EthHeader:
    """An Ethernet header; `vlan` is the TCI of its one 802.1Q tag, or None."""

    dst: str
    src: str
    type: int
    vlan: int | None = None
    header_len: int = field(default=0, compare=False)

    @classmethod
    def from_bytes(cls, data):
        cdef bytes b = bytes(data)
        cdef eth_repr r
        checked("Ethernet header", eth_parse(b, len(b), &r))
        return cls(mac_text(r.dst), mac_text(r.src), r.type, None if r.vlan == VLAN_NONE else r.vlan, r.header_len)

    def to_bytes(self):
        cdef uint8_t p[ETH_VLAN_HLEN]
        cdef eth_repr r
        mac_from(self.dst, r.dst)
        mac_from(self.src, r.src)
        r.type = self.type
        r.vlan = VLAN_NONE if self.vlan is None else self.vlan
        return p[:checked("Ethernet header", eth_emit(p, sizeof(p), &r))]

    def __repr__(self):
        tag = "" if self.vlan is None else f" vlan {self.vlan & 0xfff}"
        return f"<Eth {self.src} > {self.dst}{tag} type 0x{self.type:04x}>"


@dataclass(repr=False)
class ArpPacket:
    """An ARP packet for IPv4 over Ethernet; `op` is 1 for a request and 2 for a reply."""

    op: int
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str

    @classmethod
    def from_bytes(cls, data):
        cdef bytes b = bytes(data)
        cdef arp_repr r
        checked("ARP packet", arp_parse(b, len(b), &r))
        return cls(r.op, mac_text(r.sender_mac), four_text(r.sender_ip), mac_text(r.target_mac), four_text(r.target_ip))

    def to_bytes(self):
        cdef uint8_t p[ARP_LEN]
        cdef arp_repr r
        r.op = self.op
        mac_from(self.sender_mac, r.sender_mac)
        four_from(self.sender_ip, r.sender_ip)
        mac_from(self.target_mac, r.target_mac)
        four_from(self.target_ip, r.target_ip)
        return p[:checked("ARP packet", arp_emit(p, sizeof(p), &r))]

    def __repr__(self):
        if self.op == ARP_REQUEST:
            return f"<ARP who-has {self.target_ip} tell {self.sender_ip} ({self.sender_mac})>"
        if self.op == ARP_REPLY:
            return f"<ARP {self.sender_ip} is-at {self.sender_mac} to {self.target_ip}>"
        return f"<ARP op {self.op} {self.sender_ip} > {self.target_ip}>"


@dataclass(repr=False)
class Ipv4Header:
    """An IPv4 header. `total_len` and `frag_offset` count bytes."""

    src: str
    dst: str
    proto: int
    total_len: int = IPV4_HLEN
    ident: int = 0
    frag_offset: int = 0
    ttl: int = 64
    tos: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    header_len: int = field(default=IPV4_HLEN, compare=False)

    @classmethod
    def from_bytes(cls, data, verify=True):
        """`data` goes from the header to the end of the frame. verify: check the header's checksum."""
        cdef bytes b = bytes(data)
        cdef ipv4_repr r
        checked("IPv4 header", ipv4_parse(b, len(b), &r, verify))
        return cls(address_text(&r.src), address_text(&r.dst), r.proto, r.total_len, r.ident, r.frag_offset, r.ttl,
                   r.tos, bool(r.dont_fragment), bool(r.more_fragments), r.header_len)

    def to_bytes(self):
        cdef uint8_t p[IPV4_HLEN]
        cdef ipv4_repr r
        ipv4_from(self.src, &r.src)
        ipv4_from(self.dst, &r.dst)
        r.total_len, r.ident, r.frag_offset = self.total_len, self.ident, self.frag_offset
        r.ttl, r.tos, r.proto = self.ttl, self.tos, self.proto
        r.dont_fragment, r.more_fragments = self.dont_fragment, self.more_fragments
        return p[:checked("IPv4 header", ipv4_emit(p, sizeof(p), &r))]

    def __repr__(self):
        more = " [DF]" if self.dont_fragment else ""
        if self.frag_offset or self.more_fragments:
            more += f" fragment {self.ident}@{self.frag_offset}{'+' if self.more_fragments else ''}"
        return f"<IP {self.src} > {self.dst} proto {self.proto} len {self.total_len} ttl {self.ttl}{more}>"


@dataclass(repr=False)
class IcmpHeader:
    """An ICMP header; `rest` is bytes 4 to 7 as a number."""

    type: int
    code: int = 0
    rest: int = 0

    @classmethod
    def from_bytes(cls, data):
        """`data` is the whole message, whose checksum is checked."""
        cdef bytes b = bytes(data)
        cdef icmp_repr r
        checked("ICMP message", icmp_parse(b, len(b), &r))
        return cls(r.type, r.code, r.rest)

    def to_bytes(self, payload=b""):
        cdef bytearray out = bytearray(ICMP_HLEN) + payload
        cdef icmp_repr r
        r.type, r.code, r.rest = self.type, self.code, self.rest
        checked("ICMP message", icmp_emit(out, len(out), &r))
        return bytes(out)

    def __repr__(self):
        if self.type in (ICMP_ECHO, ICMP_ECHO_REPLY):
            what = "request" if self.type == ICMP_ECHO else "reply"
            return f"<ICMP echo {what}, id {self.rest >> 16}, seq {self.rest & 0xffff}>"
        return f"<ICMP type {self.type} code {self.code} rest 0x{self.rest:08x}>"


@dataclass(repr=False)
class UdpHeader:
    """A UDP header; `length` counts the header and the payload, and to_bytes fills it in."""

    src_port: int
    dst_port: int
    length: int = UDP_HLEN

    @classmethod
    def from_bytes(cls, data, src="0.0.0.0", dst="0.0.0.0", verify=False):
        """`data` is the whole datagram; with `verify` its checksum is checked for these addresses."""
        cdef bytes b = bytes(data)
        cdef udp_repr r
        cdef ip_addr s, d
        address_from(src, &s)
        address_from(dst, &d)
        checked("UDP datagram", udp_parse(b, len(b), &s, &d, &r, verify))
        return cls(r.src_port, r.dst_port, r.length)

    def to_bytes(self, payload=b"", src="0.0.0.0", dst="0.0.0.0"):
        cdef bytearray out = bytearray(UDP_HLEN) + payload
        cdef udp_repr r
        cdef ip_addr s, d
        address_from(src, &s)
        address_from(dst, &d)
        r.src_port, r.dst_port, r.length = self.src_port, self.dst_port, len(out)
        checked("UDP datagram", udp_emit(out, len(out), &s, &d, &r))
        return bytes(out)

    def __repr__(self):
        return f"<UDP {self.src_port} > {self.dst_port} length {self.length - UDP_HLEN}>"


cdef int fill_tcp(object h, tcp_repr *r) except -1:
    cdef int i
    memset(r, 0, sizeof(tcp_repr))
    r.src_port, r.dst_port, r.seq, r.ack = h.src_port, h.dst_port, h.seq, h.ack
    r.flags, r.window, r.urgent = h.flags, h.window, h.urgent
    if h.mss is not None:
        r.mss = h.mss
        r.options |= TCPO_MSS
    if h.wscale is not None:
        r.wscale = h.wscale
        r.options |= TCPO_WSCALE
    if h.sack_ok:
        r.options |= TCPO_SACK_OK
    if h.timestamps is not None:
        r.ts_val, r.ts_ecr = h.timestamps
        r.options |= TCPO_TIMESTAMP
    if h.sack:
        if len(h.sack) > TCP_MAX_SACK:
            raise ValueError("at most 4 SACK blocks")
        for i in range(len(h.sack)):
            r.sack[i].left, r.sack[i].right = h.sack[i]
        r.n_sack = len(h.sack)
        r.options |= TCPO_SACK
    if h.accecn is not None:
        r.ecn_order, values = h.accecn
        if len(values) > ACCECN_FIELDS:
            raise ValueError("at most 3 counters in an AccECN option")
        for i in range(len(values)):
            r.ecn_bytes[i] = values[i]
        r.ecn_fields = len(values)
        r.options |= TCPO_ACCECN
    return 0


@dataclass(repr=False)
class TcpHeader:
    """A TCP header and the options that usnet knows; None or empty where one is absent.

    `sack` holds (left, right) pairs, `timestamps` (TSval, TSecr), and `accecn` its order and up to three counters. `header_len` is what from_bytes
    saw, the payload's offset.
    """

    src_port: int
    dst_port: int
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    urgent: int = 0
    mss: int | None = None
    wscale: int | None = None
    sack_ok: bool = False
    timestamps: tuple | None = None
    sack: tuple = ()
    header_len: int = field(default=0, compare=False)
    accecn: tuple | None = None

    @classmethod
    def from_bytes(cls, data, src="0.0.0.0", dst="0.0.0.0", verify=False):
        """`data` is the whole segment; with `verify` its checksum is checked for these addresses."""
        cdef bytes b = bytes(data)
        cdef tcp_repr r
        cdef ip_addr s, d
        cdef int i
        address_from(src, &s)
        address_from(dst, &d)
        checked("TCP segment", tcp_parse(b, len(b), &s, &d, &r, verify))
        return cls(
            r.src_port, r.dst_port, r.seq, r.ack, r.flags, r.window, r.urgent,
            r.mss if r.options & TCPO_MSS else None,
            r.wscale if r.options & TCPO_WSCALE else None,
            bool(r.options & TCPO_SACK_OK),
            (r.ts_val, r.ts_ecr) if r.options & TCPO_TIMESTAMP else None,
            tuple([(r.sack[i].left, r.sack[i].right) for i in range(r.n_sack)]),
            r.header_len,
            (r.ecn_order, tuple([r.ecn_bytes[i] for i in range(r.ecn_fields)])) if r.options & TCPO_ACCECN else None,
        )

    def to_bytes(self, payload=b"", src=None, dst=None):
        """Header and payload; the checksum is filled in when both addresses are given, else it is 0."""
        cdef uint8_t p[TCP_MAX_HLEN]
        cdef bytes b = bytes(payload)
        cdef tcp_repr r
        cdef ip_addr s, d
        cdef int n
        fill_tcp(self, &r)
        n = checked("TCP header", tcp_emit(p, sizeof(p), &r))
        if src is not None and dst is not None:
            address_from(src, &s)
            address_from(dst, &d)
            tcp_finish(p, n, len(b), csum_add(0, b, len(b)), &s, &d)
        return p[:n] + b

    def emit_length(self):
        """Bytes that to_bytes takes for the header."""
        cdef tcp_repr r
        fill_tcp(self, &r)
        return tcp_header_len(&r)

    def __repr__(self):
        flags = "".join([letter for bit, letter in FLAG_LETTERS if self.flags & bit]) or "none"
        parts = [f"{self.src_port} > {self.dst_port}: Flags [{flags}]", f"seq {self.seq}"]
        if self.flags & TH_ACK:
            parts.append(f"ack {self.ack}")
        parts.append(f"win {self.window}")
        if self.flags & TH_URG:
            parts.append(f"urg {self.urgent}")
        options = tcp_options_text(self)
        if options:
            parts.append(f"options [{options}]")
        return f"<TCP {', '.join(parts)}>"


cdef str tcp_options_text(h):
    cdef list parts = []
    if h.mss is not None:
        parts.append(f"mss {h.mss}")
    if h.sack_ok:
        parts.append("sackOK")
    if h.timestamps is not None:
        parts.append(f"TS val {h.timestamps[0]} ecr {h.timestamps[1]}")
    if h.wscale is not None:
        parts.append(f"wscale {h.wscale}")
    if h.sack:
        parts.append("sack " + " ".join([f"{{{left}:{right}}}" for left, right in h.sack]))
    return ",".join(parts)


def describe(frame):
    """One line on an Ethernet frame, in the manner of tcpdump; of what does not parse it says so."""
    cdef bytes b = bytes(frame)
    try:
        eth = EthHeader.from_bytes(b)
        b = b[eth.header_len:]
        if eth.type == ETH_P_ARP:
            return repr(ArpPacket.from_bytes(b))
        if eth.type != ETH_P_IP:
            return repr(eth)
        ip = Ipv4Header.from_bytes(b)
        b = b[ip.header_len:ip.total_len]
        if ip.frag_offset or ip.more_fragments:
            return repr(ip)
        if ip.proto == IPPROTO_TCP:
            tcp = TcpHeader.from_bytes(b)
            return f"{ip.src} > {ip.dst} {tcp!r} length {len(b) - tcp.header_len}"
        if ip.proto == IPPROTO_UDP:
            return f"{ip.src} > {ip.dst} {UdpHeader.from_bytes(b)!r}"
        if ip.proto == IPPROTO_ICMP:
            return f"{ip.src} > {ip.dst} {IcmpHeader.from_bytes(b)!r}"
        return repr(ip)
    except WireError as error:
        return f"<malformed: {error}>"


def statuses(size_t address, uint32_t n):
    """What each parser returns for the n bytes at a raw address, by protocol.

    Nothing is copied, so that a caller who puts the bytes in front of memory that cannot be read learns whether a
    parser reads on.
    """
    cdef const uint8_t *p = <const uint8_t *>address
    cdef eth_repr eth
    cdef arp_repr arp
    cdef ipv4_repr ip
    cdef icmp_repr icmp
    cdef udp_repr udp
    cdef tcp_repr tcp
    cdef ip_addr a
    memset(&a, 0, sizeof(a))
    return {
        "eth": eth_parse(p, n, &eth), "arp": arp_parse(p, n, &arp), "ipv4": ipv4_parse(p, n, &ip, False),
        "ipv4 verified": ipv4_parse(p, n, &ip, True), "icmp": icmp_parse(p, n, &icmp),
        "udp": udp_parse(p, n, &a, &a, &udp, False), "udp verified": udp_parse(p, n, &a, &a, &udp, True),
        "tcp": tcp_parse(p, n, &a, &a, &tcp, False), "tcp verified": tcp_parse(p, n, &a, &a, &tcp, True),
        "sum": csum_fold(csum_add(0, p, n)),
    }
