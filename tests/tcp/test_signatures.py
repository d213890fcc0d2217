"""MD5 signatures of segments (RFC 2385). What is signed is computed here anew, with hashlib, from the bytes of the segment."""

import errno
import hashlib
import ipaddress
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usnet.testing.peer import PEER, US, conversation, established, listening
from usnet.testing.segments import parse_segment
from usnet.wire.mirror import TcpHeader
from usnet.wire.raw import unpack_options

TCP, MD5SIG, MD5SIG_EXT, PREFIX = 6, 14, 32, 1
KEY = b"a key that both know"


def md5sig(address, key, prefix=None):
    family = struct.pack("=HH4s", socket.AF_INET, 0, ipaddress.ip_address(address).packed)
    return struct.pack("=128sBBHi80s", family, PREFIX if prefix is not None else 0, prefix or 0, len(key), 0, key)


def give_key(sock, key=KEY, address=PEER):
    sock.setsockopt(TCP, MD5SIG, md5sig(address, key))


def signature(segment, src, dst, key=KEY):
    """RFC 2385, 2.0."""
    header = segment[12] >> 4 << 2
    pseudo = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + struct.pack("!BBH", 0, 6, len(segment))
    return hashlib.md5(pseudo + segment[:16] + b"\0\0" + segment[18:20] + segment[header:] + key).digest()


def signed(tcp, text, key=KEY):
    """A segment of the peer's with a signature behind its other options."""
    plain = tcp.build(parse_segment(text))
    header = plain[12] >> 4 << 2
    segment = bytearray(plain[:header] + b"\x01\x01\x13\x12" + bytes(16) + plain[header:])
    segment[12] = (header + 20) << 2
    if key is not None:
        segment[header + 4 : header + 20] = signature(bytes(segment), PEER, US, key)
    segment[16:18] = b"\0\0"
    words = ipaddress.ip_address(PEER).packed + ipaddress.ip_address(US).packed + struct.pack("!HH", 6, len(segment)) + bytes(segment)
    words += b"\0" * (len(words) & 1)
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    total = (total & 0xFFFF) + (total >> 16)
    segment[16:18] = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    return bytes(segment)


def rx(tcp, text, key=KEY):
    tcp.cable.put(6, signed(tcp, text, key))
    tcp.cable.run()


def sent(tcp):
    """[(segment as bytes, options)] that have left, whoever for; each with a good signature."""
    tcp.cable.run()
    found = []
    for frame, _ in tcp.cable.wire.receive():
        segment = frame[34 : 14 + int.from_bytes(frame[16:18], "big")]
        options = {one[0]: one[1:] for one in unpack_options(segment[20 : segment[12] >> 4 << 2])}
        assert options["md5"] == (signature(segment, US, PEER),)
        header = TcpHeader.from_bytes(segment, US, PEER, verify=True)
        tcp.us_isn = header.seq if header.flags & 2 else tcp.us_isn
        found.append((header, segment[header.header_len :], options))
    return found


def raw(tcp):
    """Frames stay as they are, for sent()."""
    tcp.cable.collect = lambda: 0
    return tcp


def server(**kwargs):
    tcp = raw(listening(**kwargs))
    give_key(tcp.listener)
    return tcp


def opened(**kwargs):
    """A signed connection, accepted."""
    tcp = server(**kwargs)
    rx(tcp, "S 0:0(0) <mss 1460,sackOK>")
    ((syn_ack, _, options),) = sent(tcp)
    assert syn_ack.flags == 0x12
    assert "TS" not in options
    rx(tcp, ". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def test_a_signed_connection_works_both_ways():
    tcp = opened()
    rx(tcp, "P. 1:101(100) ack 1")
    assert len(tcp.recv()) == 100
    tcp.sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
    tcp.sock.send(b"x" * 4000)
    segments = sent(tcp)
    assert [len(data) for _, data, _ in segments][:2] == [1440, 1440]  # 20 bytes of each are the signature's
    rx(tcp, ". 101:101(0) ack 4001")
    sent(tcp)
    rx(tcp, "F. 101:101(0) ack 4001")
    tcp.close()
    assert [header.flags & 1 for header, _, _ in sent(tcp)][-1] == 1
    assert tcp.drops() == {}


@pytest.mark.parametrize(("key", "drop"), [(None, "md5_failure"), (b"another key", "md5_failure"), (KEY + b"\0", "md5_failure")])
@pytest.mark.parametrize("text", ["S 0:0(0)", "R 1:1(0)", ". 1:1(0) ack 1", "P. 1:11(10) ack 1", "F. 1:1(0) ack 1"])
def test_a_wrong_signature_is_dropped_in_silence(text, key, drop):
    tcp = server() if text.startswith("S") else opened()
    rx(tcp, text, key)
    assert sent(tcp) == []
    assert tcp.drops() == {drop: 1}


@pytest.mark.parametrize("text", ["S 0:0(0)", "R 1:1(0)", "P. 1:11(10) ack 1", "F. 1:1(0) ack 1"])
def test_what_is_not_signed_is_dropped_in_silence(text):
    tcp = server() if text.startswith("S") else opened()
    tcp.rx(text)
    assert sent(tcp) == []
    assert tcp.drops() == {"md5_not_found": 1}


@pytest.mark.parametrize("text", ["S 0:0(0)", "P. 1:11(10) ack 1", "R 1:1(0)"])
def test_what_is_signed_without_need_is_dropped_in_silence(text):
    tcp = listening() if text.startswith("S") else established()
    rx(tcp, text)
    tcp.expect_nothing()
    assert tcp.drops() == {"md5_unexpected": 1}


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=80), st.integers(0, 7), st.integers(0, 200))
def test_any_key_and_no_bit_may_change(key, bit, at):
    tcp = listening()
    give_key(tcp.listener, key)
    segment = bytearray(signed(tcp, "S 0:0(0) <mss 1460,sackOK,wscale 3>", key))
    at %= len(segment)
    if at in (16, 17) or at in range(20, 36):  # the checksum, and what is not signed: other options
        at = 24 + 16
    segment[at] ^= 1 << bit
    tcp.cable.stack.core.configure(verify_checksums=0)
    tcp.cable.put(6, bytes(segment))
    tcp.cable.run()
    assert tcp.counters()["passive_opens"] == 0
    tcp.cable.put(6, signed(tcp, "S 0:0(0) <mss 1460,sackOK,wscale 3>", key))
    tcp.cable.run()
    assert tcp.counters()["passive_opens"] == 1
    tcp.listener.close()


def test_usnet_signs_what_it_opens():
    tcp = raw(conversation())
    tcp.sock = tcp.cable.stack.socket()
    tcp.sock.setblocking(False)
    give_key(tcp.sock)
    tcp.sock.bind((US, tcp.us_port))
    tcp.sock.connect_ex((PEER, tcp.port))
    ((syn, _, options),) = sent(tcp)
    assert (syn.flags, "TS" in options) == (2, False)
    tcp.rx("S. 0:0(0) ack 1 <mss 1460>")
    assert tcp.state == "SYN_SENT"
    rx(tcp, "S. 0:0(0) ack 1 <mss 1460>")
    assert len(sent(tcp)) == 1
    assert tcp.state == "ESTABLISHED"


def test_retransmissions_windows_and_sack_are_signed():
    tcp = opened()
    for left in (1001, 3001, 5001, 7001):
        rx(tcp, f"P. {left}:{left + 100}(100) ack 1")
    blocks = [len(options.get("sack", ())) for _, _, options in sent(tcp)]
    assert blocks == [1, 2, 2, 2]  # more do not fit beside it
    tcp.sock.send(b"y" * 100)
    assert len(sent(tcp)) == 1
    tcp.cable.clock.set(tcp.cable.clock.now() + 10**9)
    assert [len(data) for _, data, _ in sent(tcp)] == [100]


def test_resets_are_signed():
    tcp = opened()
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tcp.close()
    ((reset, _, _),) = sent(tcp)
    assert reset.flags & 4
    other = server()
    other.us_isn = 1000
    rx(other, ". 1:1(0) ack 1")  # of no connection
    ((reset, _, _),) = sent(other)
    assert reset.flags == 4


def test_cookies_are_signed_and_their_acks_checked():
    tcp = server(syncookies=2)
    rx(tcp, "S 0:0(0) <mss 1460>")
    assert len(sent(tcp)) == 1
    tcp.rx(". 1:1(0) ack 1")
    assert tcp.state is None
    rx(tcp, "P. 1:11(10) ack 1")
    tcp.accept()
    assert len(tcp.recv()) == 10
    tcp.sock.send(b"z")
    assert len(sent(tcp)) >= 1


def test_a_connection_keeps_its_key_when_the_listener_changes_or_goes():
    tcp = opened()
    give_key(tcp.listener, b"the next key")
    rx(tcp, "P. 1:101(100) ack 1")
    assert len(tcp.recv()) == 100
    tcp.listener.close()
    rx(tcp, "P. 101:201(100) ack 1")
    assert len(tcp.recv()) == 100


def test_a_key_is_for_its_peers_and_the_longest_prefix_counts():
    tcp = listening()
    tcp.listener.setsockopt(TCP, MD5SIG_EXT, md5sig("10.0.0.0", b"of the net", 24))
    tcp.listener.setsockopt(TCP, MD5SIG_EXT, md5sig("10.0.0.0", b"of the half", 25))
    give_key(tcp.listener, b"of another", "10.0.0.3")
    rx(tcp, "S 0:0(0)", b"of the net")
    rx(tcp, "S 0:0(0)", b"of another")
    assert tcp.state is None
    rx(tcp, "S 0:0(0)", b"of the half")
    assert tcp.state == "SYN_RECEIVED"
    foreign = listening()
    give_key(foreign.listener, KEY, "10.9.9.9")
    foreign.rx("S 0:0(0)")
    foreign.expect("S. 0:0(0) ack 1")


def test_a_key_can_be_taken_away_and_given_to_a_connection_that_is_up():
    tcp = raw(established(sack=True))
    give_key(tcp.sock)
    tcp.rx("P. 1:11(10) ack 1")
    assert tcp.drops() == {"md5_not_found": 1}
    rx(tcp, "P. 1:11(10) ack 1")
    assert len(tcp.recv()) == 10
    tcp.cable.clock.set(tcp.cable.clock.now() + 10**8)
    assert len(sent(tcp)) == 1
    tcp.sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
    tcp.sock.send(b"x" * 2920)
    assert [len(data) for _, data, _ in sent(tcp)] == [1440, 1440, 40]
    rx(tcp, ". 11:11(0) ack 2921")
    give_key(tcp.sock, b"")
    assert tcp.snapshot()["mss"] == 1460
    tcp.rx("P. 11:21(10) ack 1")
    assert len(tcp.recv()) == 10


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        (MD5SIG, b"short", errno.EINVAL),
        (MD5SIG, md5sig(PEER, b""), errno.ENOENT),
        (MD5SIG, md5sig(PEER, b"k" * 80)[:130] + struct.pack("=H", 81) + bytes(84), errno.EINVAL),
        (MD5SIG_EXT, md5sig(PEER, b"k", 33), errno.EINVAL),
    ],
)
def test_what_is_no_key_is_refused(name, value, number):
    with pytest.raises(OSError) as e:
        listening().listener.setsockopt(TCP, name, value)
    assert e.value.errno == number


def test_whoever_has_a_key_does_not_rest_and_gives_it_back():
    tcp = opened(working_set=0)
    tcp.cable.run()
    assert tcp.cable.memory()["awake"] == 2
    tcp.close()
    sent(tcp)
    rx(tcp, "R 1:1(0)")
    tcp.listener.close()
    assert tcp.cable.memory()["connections"] == 0
    assert tcp.cable.memory()["signers"] == 0
