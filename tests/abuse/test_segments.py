"""Malformed bytes, lies about lengths, nonsense flags: each has an exact answer. Numbers are of the table of abuse."""

import socket

import pytest
from scapy.layers.inet import IP, TCP

from usnet.testing.peer import PEER, US, Tcp, conversation, established, listening, stream
from usnet.wire.mirror import Ipv4Header


def put(tcp: Tcp, segment: TCP, **ip):
    """A segment in scapy's words, relative numbers translated."""
    if "seq" in segment.fields:
        segment.seq = (tcp.isn + segment.seq) & 0xFFFFFFFF
    if segment.flags.A:
        segment.ack = ((tcp.us_isn or 0) + segment.ack) & 0xFFFFFFFF
    segment.sport, segment.dport = tcp.port, tcp.us_port
    body = bytes(IP(src=PEER, dst=US, proto=6) / segment)[20:]
    tcp.cable.put(6, body, **ip)
    tcp.cable.run()


def unharmed(tcp):
    """The connection still takes the next byte."""
    assert tcp.state == "ESTABLISHED"
    seq = (tcp.snapshot()["rcv_nxt"] - tcp.isn) & 0xFFFFFFFF
    tcp.take()
    tcp.rx(f"P. {seq}:{seq + 5}(5) ack 1")
    assert tcp.recv() == stream(seq, 5)


@pytest.mark.parametrize("length", range(20))
def test_a1_a_header_cut_short_is_dropped(length):
    tcp = established()
    tcp.cable.put(6, tcp.build(parse(". 1:1(0) ack 1"))[:length])
    tcp.cable.run()
    tcp.expect_nothing()
    assert tcp.drops() == {"short": 1}
    unharmed(tcp)


def test_a2_padding_behind_the_datagram_is_no_data():
    tcp = established()
    body = tcp.build(parse("P. 1:6(5) ack 1")) + b"padding!"
    tcp.cable.put_frame(eth() + Ipv4Header(PEER, US, 6, total_len=20 + len(body) - 8).to_bytes() + body)
    tcp.cable.run()
    assert tcp.recv() == stream(1, 5)


def test_a2_a_datagram_longer_than_its_frame_is_dropped():
    tcp = established()
    body = tcp.build(parse("P. 1:6(5) ack 1"))
    tcp.cable.put_frame(eth() + Ipv4Header(PEER, US, 6, total_len=21 + len(body)).to_bytes() + body)
    tcp.cable.run()
    tcp.expect_nothing()
    with pytest.raises(BlockingIOError):
        tcp.recv()
    unharmed(tcp)


def eth():
    from usnet.testing.peer import PEER_MAC, US_MAC
    from usnet.wire.mirror import EthHeader

    return EthHeader(US_MAC, PEER_MAC, 0x0800).to_bytes()


def parse(text):
    from usnet.testing.segments import parse_segment

    return parse_segment(text)


@pytest.mark.parametrize("offset", [0, 1, 4, 7, 15])
def test_a7_a_data_offset_below_5_or_behind_the_segment_is_dropped(offset):
    tcp = established()
    put(tcp, TCP(seq=1, ack=1, flags="A", dataofs=offset))
    tcp.expect_nothing()
    assert tcp.drops() == {"offset": 1}
    unharmed(tcp)


@pytest.mark.parametrize(
    "options",
    [
        b"\x02\x00\x05\xb4",
        b"\x02\x01\x05\xb4",
        b"\x02\x03\x05\xb4",
        b"\x02\x28\x05\xb4",
        b"\x08\x00\x00\x00",
        b"\x08\x01\x01\x01",
        b"\xfd\x00\x00\x00",
        b"\xfd\x01\x01\x01",
        b"\xfd\xff\x00\x00",
        b"\x01\x01\x01\x02",
        b"\x01\x01\x01\x08",
        b"\x05\x02\x00\x00",
        b"\x05\x0b\x00\x00",
        b"\x01" * 40,
        b"\x00\x02\x04\x05",
        b"\x03\x00\x00\x00",
        b"\x03\x02\x00\x00",
        b"\x02\x04\x05\xb4" * 10,
        b"\x22\x02\x22\x02",
    ],
)
@pytest.mark.parametrize("flags", ["S", "A"])
def test_a8_options_that_lie_always_end(options, flags):
    """Lengths of 0 and 1, behind the end, wrong sizes, duplicates, forty bytes of NOP: never a loop."""
    tcp = listening() if flags == "S" else established()
    segment = TCP(seq=0 if flags == "S" else 1, ack=0 if flags == "S" else 1, flags=flags, window=1000)
    raw = bytearray(bytes(segment)[:20]) + options + b"\0" * (-len(options) % 4)
    raw[12] = (len(raw) // 4) << 4
    fields = bytes(raw)
    import struct

    seq = (tcp.isn + segment.seq) & 0xFFFFFFFF
    ack = ((tcp.us_isn or 0) + segment.ack) & 0xFFFFFFFF if flags == "A" else 0
    fields = struct.pack("!HHII", tcp.port, tcp.us_port, seq, ack) + fields[12:16] + b"\0\0" + fields[18:]
    tcp.cable.put(6, summed(fields))
    tcp.cable.run()
    if flags == "S":
        seen = tcp.take()
        assert len(seen) <= 1
        fresh = tcp.another(41000)
        fresh.handshake()
    else:
        unharmed(tcp)


def summed(body):
    """With the right checksum."""
    import struct

    pseudo = bytes(map(int, PEER.split("."))) + bytes(map(int, US.split("."))) + struct.pack("!HH", 6, len(body))
    data = pseudo + body + b"\0" * (len(body) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return body[:16] + struct.pack("!H", ~total & 0xFFFF) + body[18:]


@pytest.mark.parametrize(
    "blocks", ["1:1", "100:50", "5000:6000", "-500:-100", "1:3000 1:3000 1:3000", "2001:3001 1001:2001"]
)
def test_a9_sack_blocks_never_move_what_is_acknowledged(blocks):
    tcp = established(mss=1000)
    tcp.send(3000)
    tcp.take()
    tcp.rx(f". 1:1(0) ack 1 <sack {blocks}>")
    assert tcp.snapshot()["snd_una"] == (tcp.us_isn + 1) & 0xFFFFFFFF
    tcp.watch(ms=300)
    assert tcp.counters()["retransmits"] >= 1
    tcp.rx(". 1:1(0) ack 3001")
    assert tcp.snapshot()["snd_una"] == (tcp.us_isn + 3001) & 0xFFFFFFFF


@pytest.mark.parametrize("urgent", [0, 1, 5, 6, 1000, 65535])
@pytest.mark.parametrize("flags", ["U.", "PU.", "FU.", "SU", "SU.", "RU"])
@pytest.mark.parametrize("inline", [False, True])
def test_a10_the_urgent_pointer_does_no_harm(flags, urgent, inline):
    tcp = established()
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
    tcp.rx(
        f"{flags} 1:6(5) ack 1 urg {urgent}"
        if "S" not in flags and "R" not in flags
        else f"{flags} 70000:70000(0) urg {urgent}"
    )
    tcp.take()
    if "F" not in flags:
        unharmed_after = (tcp.snapshot()["rcv_nxt"] - tcp.isn) & 0xFFFFFFFF
        assert unharmed_after in (1, 6)
        apart = 1 <= urgent <= 5 and not inline
        got = b""
        while unharmed_after == 6 and len(got) < 5 - apart:     # a read ends before the mark
            got += tcp.recv()
        assert got in (b"", bytes(byte for i, byte in enumerate(stream(1, 5), 1) if not (apart and i == urgent)))
        unharmed(tcp)
    elif not inline and 1 <= urgent <= 5:
        assert tcp.sock.recv(1, socket.MSG_OOB) == stream(1, 5)[urgent - 1:urgent]


@pytest.mark.parametrize("urgent", [1, 5, 6])
def test_a10_urgent_data_behind_shutdown_does_no_harm(urgent):
    tcp = established()
    tcp.sock.shutdown(socket.SHUT_RD)
    tcp.rx(f"PU. 1:6(5) ack 1 urg {urgent}")
    tcp.take()
    assert tcp.snapshot()["rcv_nxt"] == (tcp.isn + 6) & 0xFFFFFFFF
    assert tcp.sock.recv(10) == bytes(byte for i, byte in enumerate(stream(1, 5), 1) if i != urgent)
    tcp.rx(f"FPU. 6:11(5) ack 1 urg {urgent}")
    assert tcp.state == "CLOSE_WAIT"


@pytest.mark.parametrize("bits", range(512))
def test_a11_all_combinations_of_flags_have_a_defined_answer(bits):
    """In ESTABLISHED, beside and at the next number: no RST is ever answered, nothing ends but by a right RST."""
    tcp = established()
    flags = "".join(letter for i, letter in enumerate("FSRPAUECN") if bits >> i & 1)
    put(tcp, TCP(seq=5000, ack=1, flags=flags, window=1000))
    seen = tcp.take()
    assert len(seen) <= 1
    assert all(s.flags == "." for s in seen)
    assert tcp.state == "ESTABLISHED"
    rst = bits & 4
    put(tcp, TCP(seq=1, ack=1, flags=flags, window=1000))
    assert tcp.state == ("CLOSED" if rst else ("CLOSE_WAIT" if bits & 19 == 17 else "ESTABLISHED"))


@pytest.mark.parametrize("bits", range(256))
def test_a11_to_a_listener_only_a_syn_opens(bits):
    tcp = listening()
    flags = "".join(letter for i, letter in enumerate("FSRPAUEC") if bits >> i & 1)
    put(tcp, TCP(seq=0, ack=5, flags=flags, window=1000))
    seen = [s.flags for s in tcp.take()]
    if bits & 4:
        assert seen == []
    elif bits & 16:
        assert seen == ["R"]
    elif bits & 3 == 2:
        assert seen == ["SE." if bits >> 6 == 3 else "S."]
    else:
        assert seen == []


@pytest.mark.parametrize("src", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.255", "127.0.0.1", US])
def test_a12_a13_nobody_answers_a_source_that_cannot_be(src):
    """Also LAND: our own address as the source."""
    tcp = listening()
    body = bytes(IP(src=src, dst=US, proto=6) / TCP(sport=80, dport=80, flags="S", seq=5))[20:]
    tcp.cable.put(6, body, src=src)
    for _ in range(3):
        tcp.cable.run()
        tcp.cable.clock.advance(1_000_000_000)
    assert tcp.cable.strays == [] and tcp.take() == []
    assert tcp.counters()["segments_in"] == 0


@pytest.mark.parametrize("dst", ["224.0.0.1", "10.0.0.255", "255.255.255.255"])
def test_a12_a_segment_to_a_group_is_not_answered(dst):
    """RFC 9293, 3.9.2.3: MUST-57."""
    tcp = listening()
    body = bytes(IP(src=PEER, dst=dst, proto=6) / TCP(sport=40000, dport=80, flags="S", seq=5))[20:]
    tcp.cable.put(6, body, dst=dst)
    tcp.cable.run()
    tcp.expect_nothing()
    assert tcp.cable.memory()["connections"] == 1


@pytest.mark.parametrize("flip", [0, 5, 13, 15, 16, 20, 24])
def test_a14_a_wrong_checksum_is_dropped(flip):
    tcp = established()
    body = bytearray(tcp.build(parse("P. 1:6(5) ack 1")))
    body[flip] ^= 1
    tcp.cable.put(6, bytes(body))
    tcp.cable.run()
    tcp.expect_nothing()
    assert tcp.drops() == {"checksum": 1}
    unharmed(tcp)


def test_a_stack_without_sockets_answers_and_keeps_nothing():
    tcp = conversation()
    for i in range(100):
        tcp.rx(f"S {i}:{i}(0)", f". {i}:{i}(0) ack {i}")
    assert {s.flags for s in tcp.take()} == {"R", "R."}
    assert tcp.cable.memory()["connections"] == 0
