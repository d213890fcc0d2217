"""What middleboxes do to packets beyond their options: other addresses and ports, other borders. Right sums stay right, wrong ones wrong."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from usnet.wire.resegment import divide, join
from usnet.wire.translate import translate

A, B, OTHER = "10.0.0.1", "10.0.0.2", "192.0.2.77"
ENDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 65535))
PAYLOADS = st.binary(min_size=1, max_size=300)
TIMES = [("NOP", None), ("NOP", None), ("Timestamp", (7, 9))]


def number(address):
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def text(n):
    return ".".join(map(str, n.to_bytes(4, "big")))


def tcp(seq, data=b"", flags="A", ack=5, window=100, src=A, tos=0, options=(), **more):
    l4 = TCP(sport=1000, dport=80, seq=seq & 0xFFFFFFFF, ack=ack, flags=flags, window=window, options=list(options), **more)
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=src, dst=B, tos=tos, flags="DF") / l4 / Raw(data))


def right(frame):
    """Whether scapy, which computes all sums anew, makes the same of it."""
    packet = Ether(frame)
    for layer in (IP, TCP, UDP, ICMP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet) == frame


# --- Addresses and ports ---


@settings(max_examples=40)
@given(st.sampled_from([TCP, UDP]), ENDS, st.one_of(st.none(), ENDS), st.binary(max_size=60), st.booleans())
def test_ends_are_replaced_and_nothing_else(kind, src, dst, data, tagged):
    ether = Ether() / Dot1Q(vlan=5) if tagged else Ether()
    frame = bytes(ether / IP(src=A, dst=B) / kind(sport=1000, dport=80) / Raw(data))
    found, after = translate(frame, src, dst)
    seen, expected = Ether(after), Ether(frame)
    expected[IP].src, expected[kind].sport = text(src[0]), src[1]
    if dst is not None:
        expected[IP].dst, expected[kind].dport = text(dst[0]), dst[1]
    del expected[IP].chksum, expected[kind].chksum
    assert found == "own"
    assert bytes(seen)[: len(frame)] == bytes(expected)[: len(frame)]


@settings(max_examples=40)
@given(ENDS, st.integers(1, 0xFFFF))
def test_a_wrong_sum_stays_wrong(src, error):
    frame = bytearray(tcp(1, b"data"))
    frame[50:52] = (int.from_bytes(frame[50:52], "big") ^ error).to_bytes(2, "big")
    packet = Ether(translate(bytes(frame), src)[1])
    was, = (packet[TCP].chksum,)
    del packet[TCP].chksum
    own = Ether(bytes(packet))[TCP].chksum
    assert own != was or {own, own ^ error} & {0, 0xFFFF}


def test_no_sum_of_udp_stays_none():
    frame = bytes(Ether() / IP(src=A, dst=B) / UDP(sport=1, dport=2, chksum=0) / Raw(b"x"))
    assert Ether(translate(frame, (number(OTHER), 9))[1])[UDP].chksum == 0


@pytest.mark.parametrize("quoted", [TCP(sport=5, dport=80, seq=9), UDP(sport=5, dport=80)])
@pytest.mark.parametrize("kind", [3, 11, 12])
def test_an_icmp_error_names_other_ends_in_its_quote_and_goes_there(kind, quoted):
    """RFC 5508, section 4.2: to the inside."""
    error = IP(src=OTHER, dst=A) / ICMP(type=kind, code=0) / IP(src=A, dst=B) / quoted
    found, after = translate(bytes(Ether() / error), (number("172.16.0.9"), 777))
    seen = Ether(after)
    assert found == "quoted"
    assert (seen[IP].src, seen[IP].dst) == (OTHER, "172.16.0.9")
    inner = IP(bytes(seen[ICMP].payload))
    assert (inner.src, inner.dst, inner.sport, inner.dport) == ("172.16.0.9", B, 777, 80)
    for packet in (seen[IP], inner):
        was = packet.chksum
        del packet.chksum
        assert IP(bytes(packet)).chksum == was
    was = seen[ICMP].chksum
    del seen[ICMP].chksum
    assert Ether(bytes(seen))[ICMP].chksum == was


def test_an_icmp_error_of_the_host_itself_leaves_under_the_other_address():
    error = IP(src=A, dst=B) / ICMP(type=3, code=3) / IP(src=B, dst=A) / UDP(sport=80, dport=5)
    seen = Ether(translate(bytes(Ether() / error), None, (number(OTHER), 6))[1])
    assert (seen[IP].src, seen[IP].dst) == (OTHER, B)


@pytest.mark.parametrize(
    "packet",
    [
        Ether() / ARP(), Ether(type=0x0800), Ether() / IP(src=A, dst=B, flags="MF") / TCP(), Ether() / IP(src=A, dst=B, frag=5) / TCP(),
        Ether() / IP(src=A, dst=B, proto=47) / Raw(b"x" * 40), Ether() / IP(src=A, dst=B) / ICMP(type=8),
        Ether() / IP(src=A, dst=B) / ICMP(type=3) / Raw(b"short"),
    ],
)  # fmt: skip
def test_what_has_no_ends_is_left_as_it_is(packet):
    assert translate(bytes(packet), (1, 1), (2, 2)) == ("none", bytes(packet))


@settings(max_examples=40)
@given(st.binary(max_size=100), st.integers(0, 100))
def test_any_bytes_are_taken(data, cut):
    translate(data, (1, 1), (2, 2))
    translate(tcp(1, data)[:cut], (1, 1), (2, 2))
    divide(data, 10)
    join(tcp(1, data), data)
    join(data, tcp(1, data))


# --- Borders ---


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), PAYLOADS, PAYLOADS, st.sampled_from(["A", "PA", "FA", "FPA"]), st.booleans())
def test_two_segments_in_a_row_become_one(seq, one, two, flags, stamped):
    options = TIMES if stamped else ()
    later = [*TIMES[:2], ("Timestamp", (8, 10))] if stamped else ()
    whole = join(tcp(seq, one, options=options), tcp(seq + len(one), two, flags, ack=6, window=50, options=later))
    assert whole is not None and right(whole)
    packet = Ether(whole)
    assert (packet[TCP].seq, packet[TCP].ack, packet[TCP].window, bytes(packet[TCP].payload)) == (seq, 6, 50, one + two)
    assert set(str(packet[TCP].flags)) == set(flags)
    if stamped:
        assert dict(packet[TCP].options)["Timestamp"] == (7, 10)


APART = {
    "a gap": (tcp(1, b"one"), tcp(5, b"two")),
    "an overlap": (tcp(1, b"one"), tcp(3, b"two")),
    "another flow": (tcp(1, b"one"), tcp(4, b"two", src=OTHER)),
    "another kind of service": (tcp(1, b"one"), tcp(4, b"two", tos=3)),
    "nothing in it": (tcp(1, b"one"), tcp(4)),
    "nothing in the first": (tcp(1), tcp(1, b"two")),
    "options that the other has not": (tcp(1, b"one"), tcp(4, b"two", options=TIMES)),
    "other options": (tcp(1, b"one", options=[("SAck", (1, 2))]), tcp(4, b"two", options=[("SAck", (1, 3))])),
    "SYN": (tcp(1, b"one"), tcp(4, b"two", "SA")),
    "RST": (tcp(1, b"one"), tcp(4, b"two", "RA")),
    "urgent": (tcp(1, b"one", "UA"), tcp(4, b"two", "A")),
    "CWR": (tcp(1, b"one"), tcp(4, b"two", "CA")),
    "ECE of one": (tcp(1, b"one", "EA"), tcp(4, b"two")),
    "the end of the stream": (tcp(1, b"one", "FA"), tcp(4, b"two")),
    "a wrong sum": (tcp(1, b"one"), tcp(4, b"two", chksum=1)),
}


@pytest.mark.parametrize(("one", "two"), APART.values(), ids=list(APART))
def test_what_does_not_follow_stays_apart(one, two):
    assert join(one, two) is None


def test_no_more_than_the_most_is_joined():
    one, two = tcp(1, b"x" * 100), tcp(101, b"y" * 100)
    assert join(one, two, 199) is None
    assert join(one, two, 200) is not None


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), PAYLOADS, st.integers(1, 100), st.sampled_from(["A", "PA", "FA", "EA"]))
def test_a_segment_is_cut_and_its_parts_are_it_again(seq, data, size, flags):
    frame = tcp(seq, data, flags, options=TIMES)
    parts = divide(frame, size)
    assert all(right(part) for part in parts)
    assert [len(bytes(Ether(part)[TCP].payload)) for part in parts] == [min(size, len(data) - at) for at in range(0, len(data), size)]
    whole = parts[0]
    for part in parts[1:]:
        assert not set(str(Ether(whole)[TCP].flags)) & set("FP")
        whole = join(whole, part)
    assert whole == frame


@settings(max_examples=40)
@given(PAYLOADS)
def test_what_is_not_to_be_cut_stays_whole(data):
    assume(len(data) > 1)
    for frame in (tcp(1, data, "SA"), tcp(1, data, "RA"), tcp(1, data, "UA"), tcp(1, data, chksum=1), bytes(Ether() / IP() / UDP() / Raw(data))):
        assert divide(frame, 1) == [frame]
