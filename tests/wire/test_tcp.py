"""TCP headers and options."""
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from tests.wire.strategies import ipv4s, tcps
from usnet.wire.mirror import TcpHeader, WireError

A, B = "10.0.0.1", "10.0.0.2"
SYN, ACK = 0x02, 0x10
SHORT, OFFSET, CHECKSUM = -1, -2, -3
NOTHING = {"mss": None, "wscale": None, "sack_ok": False, "timestamps": None, "sack": ()}


def status(*args, **kwargs):
    try:
        TcpHeader.from_bytes(*args, **kwargs)
    except WireError as error:
        return error.status
    return 0


def options_of(text, flags=SYN):
    """What is understood of these option bytes (hex), padded with zeros."""
    options = bytes.fromhex(text)
    options += bytes(-len(options) % 4)
    data = bytearray(TcpHeader(1, 2, flags=flags).to_bytes()) + options
    data[12] = len(data) // 4 << 4
    h = TcpHeader.from_bytes(data + b"\x02\x04\x11\x11")     # payload that looks like an option
    assert h.header_len == len(data)
    return {name: getattr(h, name) for name in NOTHING if getattr(h, name) != NOTHING[name]}


@given(tcps, ipv4s, ipv4s, st.binary(max_size=40))
def test_tcp_comes_back_and_scapy_agrees(h, src, dst, payload):
    data = h.to_bytes(payload, src, dst)
    back = TcpHeader.from_bytes(data, src, dst, True)
    assert back == h
    assert back.header_len == h.emit_length() == len(data) - len(payload) and data[back.header_len:] == payload
    p = TCP(data)
    assert (p.sport, p.dport, p.seq, p.ack, int(p.flags), p.window, p.urgptr, p.dataofs * 4) == (
        h.src_port, h.dst_port, h.seq, h.ack, h.flags, h.window, h.urgent, back.header_len)
    seen = {name: value for name, value in p.options if name not in ("NOP", "EOL")}
    assert seen.get("MSS") == h.mss and seen.get("WScale") == h.wscale and ("SAckOK" in seen) == h.sack_ok
    assert seen.get("Timestamp") == h.timestamps
    assert seen.get("SAck", ()) == tuple(edge for block in h.sack for edge in block)
    rebuilt = TCP(data)
    del rebuilt.chksum
    assert bytes(IP(src=src, dst=dst) / rebuilt)[20:] == data


@given(tcps, st.binary(max_size=20))
def test_what_scapy_builds_is_understood(h, payload):
    options = []
    if h.mss is not None:
        options.append(("MSS", h.mss))
    if h.sack_ok:
        options.append(("SAckOK", b""))
    if h.timestamps:
        options.append(("Timestamp", h.timestamps))
    if h.wscale is not None:
        options.append(("WScale", h.wscale))
    if h.sack:
        options.append(("SAck", tuple(edge for block in h.sack for edge in block)))
    segment = TCP(sport=h.src_port, dport=h.dst_port, seq=h.seq, ack=h.ack, flags=h.flags, window=h.window,
                  urgptr=h.urgent, options=options)
    data = bytes(IP(src=A, dst=B) / segment / Raw(payload))[20:]
    assert TcpHeader.from_bytes(data, A, B, True) == h


def test_the_order_of_options_on_the_wire():
    syn = TcpHeader(1, 2, flags=SYN, mss=1460, wscale=7, sack_ok=True, timestamps=(1, 2))
    assert syn.to_bytes()[20:].hex() == "020405b4" "0402080a0000000100000002" "01030307"
    syn.timestamps = None
    assert syn.to_bytes()[20:].hex() == "020405b4" "01010402" "01030307"
    syn.timestamps, syn.sack_ok = (1, 2), False
    assert syn.to_bytes()[20:].hex() == "020405b4" "0101080a0000000100000002" "01030307"
    ack = TcpHeader(1, 2, flags=ACK, timestamps=(1, 2), sack=((3, 4),))
    assert ack.to_bytes()[20:].hex() == "0101080a0000000100000002" "0101050a0000000300000004"


def test_what_does_not_belong_is_not_sent():
    blocks = tuple((n, n + 1) for n in range(0, 8, 2))
    assert TcpHeader(1, 2, flags=SYN, sack=blocks).to_bytes() == TcpHeader(1, 2, flags=SYN).to_bytes()
    assert TcpHeader(1, 2, flags=ACK, mss=1, wscale=1, sack_ok=True).to_bytes() == TcpHeader(1, 2, flags=ACK).to_bytes()
    full = TcpHeader(1, 2, flags=ACK, timestamps=(1, 2), sack=blocks)
    assert full.emit_length() == 60
    assert TcpHeader.from_bytes(full.to_bytes()).sack == blocks[:3]
    assert TcpHeader(1, 2, flags=ACK, sack=blocks).emit_length() == 56


@pytest.mark.parametrize(("options", "understood"), [
    ("", {}),
    ("01" * 40, {}),
    ("01" * 36 + "020405b4", {"mss": 1460}),
    ("00020405b4", {}),                                         # nothing counts behind the end
    ("020405b4 0200", {"mss": 1460}),                           # length 0 ends the walk
    ("020405b4 0201 0402 030307", {"mss": 1460}),               # length 1
    ("020405b4 fe00 0402", {"mss": 1460}),                      # of an unknown kind
    ("020405b4 01010802", {"mss": 1460}),                       # wrong size: passed over
    ("0203ff 020405b4", {"mss": 1460}),
    ("0302 03030a", {"wscale": 10}),
    ("040300 030307", {"wscale": 7}),
    ("0808000000010000 0402", {"sack_ok": True}),
    ("020405b4 0101080b", {"mss": 1460}),                       # past the end
    ("010101 02", {}),                                          # no length at all
    ("010101 08", {}),
    ("020405b4 02040200", {"mss": 1460}),                       # doubled: the first counts
    ("030301 030302 0000", {"wscale": 1}),
    ("080a0000000100000002 080a0000000300000004", {"timestamps": (1, 2)}),
    ("0303ff", {"wscale": 255}),
    ("02040000", {"mss": 0}),
    ("fe06aabbccdd 020405b4", {"mss": 1460}),                   # unknown, of a good length
])
def test_options_of_a_syn(options, understood):
    assert options_of(options) == understood


@pytest.mark.parametrize(("options", "understood"), [
    ("020405b4 0402 030307", {}),
    ("0502", {}),                                               # empty
    ("0509 0000000100000002", {}),                              # less than a block
    ("050a 0000000100000002", {"sack": ((1, 2),)}),
    ("050e 0000000100000002 00000003", {"sack": ((1, 2),)}),    # one and a half
    ("050a 0000000500000002", {"sack": ((5, 2),)}),             # inverted: for the connection to judge
    ("050a 0000000100000002 050a 0000000300000004", {"sack": ((1, 2),)}),
    ("0502 050a 0000000300000004", {"sack": ((3, 4),)}),
    ("0522" + "".join(f"{n:08x}" for n in range(8)), {"sack": ((0, 1), (2, 3), (4, 5), (6, 7))}),
    ("0526" + "".join(f"{n:08x}" for n in range(9)), {"sack": ((0, 1), (2, 3), (4, 5), (6, 7))}),
    ("0512 0000000100000002 00000003", {}),                     # past the end
])
def test_options_of_other_segments(options, understood):
    assert options_of(options, ACK) == understood


def test_short_segments_and_bad_offsets():
    data = TcpHeader(1, 2, flags=SYN, mss=1460).to_bytes()
    assert [status(data[:n]) for n in range(25)] == [SHORT] * 20 + [OFFSET] * 4 + [0]
    for words in range(16):
        expected = 0 if 5 <= words <= 6 else OFFSET
        assert status(data[:12] + bytes([words << 4]) + data[13:]) == expected


def test_reserved_bits_are_ignored():
    data = bytearray(TcpHeader(1, 2, flags=SYN).to_bytes())
    data[12] |= 0x0e                        # the fourth is AE (RFC 9768)
    assert TcpHeader.from_bytes(data) == TcpHeader(1, 2, flags=SYN)


def test_damage_is_noticed_when_asked_for():
    data = TcpHeader(1, 2, flags=ACK).to_bytes(b"payload", A, B)
    assert status(data, A, B, True) == 0
    assert status(data, A, "10.0.0.3", True) == CHECKSUM
    assert status(data + b"\x01", A, B, True) == CHECKSUM
    for i in set(range(len(data))) - {12}:
        damaged = data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]
        assert status(damaged, A, B, True) == CHECKSUM
        assert status(damaged, A, B, False) == 0


def test_the_checksum_over_ipv6():
    s, d = "2001:db8::1", "2001:db8:ffff::2"
    data = TcpHeader(1, 2, 3, 4, ACK, 5).to_bytes(b"odd", s, d)
    segment = TCP(sport=1, dport=2, seq=3, ack=4, flags=ACK, window=5) / Raw(b"odd")
    assert data == bytes(IPv6(src=s, dst=d) / segment)[40:]
    assert status(data, s, d, True) == 0


@given(st.binary(max_size=80), st.booleans(), st.integers(5, 15))
def test_random_bytes_have_a_defined_result(data, plausible, words):
    if plausible and len(data) > 13:
        data = data[:12] + bytes([words << 4]) + data[13:]
    assert status(data) in (0, SHORT, OFFSET)
    assert status(data, A, B, True) in (0, SHORT, OFFSET, CHECKSUM)
    if status(data) == 0:
        h = TcpHeader.from_bytes(data)
        if not (len(h.sack) == 4 and h.timestamps) and not (h.sack and h.flags & SYN):
            assert TcpHeader.from_bytes(h.to_bytes()) == h


def test_repr_reads_like_tcpdump():
    h = TcpHeader(1000, 80, 1, 2, SYN | ACK, 65535, mss=1460, wscale=7, sack_ok=True, timestamps=(1, 0))
    assert repr(h) == ("<TCP 1000 > 80: Flags [S.], seq 1, ack 2, win 65535, "
                       "options [mss 1460,sackOK,TS val 1 ecr 0,wscale 7]>")
