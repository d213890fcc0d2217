"""What middleboxes do to TCP headers: what was asked for is gone or other, everything else stays; a right checksum stays right, a wrong one wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from tests.wire.strategies import tcps
from usnet.wire.mangle import NAMES, rewrite, strike
from usnet.wire.mirror import TcpHeader

A, B = "10.0.0.1", "10.0.0.2"
OPTIONS = {"mss": None, "wscale": None, "sack_ok": False, "timestamps": None, "sack": ()}
STRUCK = {"mss": ["mss"], "wscale": ["wscale"], "sack": ["sack_ok", "sack"], "timestamps": ["timestamps"]}


def fields(segment):
    """All that a header says, verified."""
    h = TcpHeader.from_bytes(segment, A, B, True)
    return {name: getattr(h, name) for name in ("src_port", "dst_port", "seq", "ack", "flags", "window", "header_len", *OPTIONS)}


@given(tcps, st.sampled_from(sorted(STRUCK)), st.binary(max_size=41))
def test_a_struck_option_is_gone_and_nothing_else(h, what, payload):
    segment = h.to_bytes(payload, A, B)
    left = strike(segment, what)
    assert len(left) == len(segment) and left.endswith(payload)
    assert fields(left) == {**fields(segment), **{name: OPTIONS[name] for name in STRUCK[what]}}


@given(tcps, st.sampled_from(["mss", "wscale", "window"]), st.integers(0, 255), st.booleans(), st.binary(max_size=41))
def test_a_field_is_rewritten_where_it_is_and_lowered_only_when_asked(h, what, value, most, payload):
    segment = h.to_bytes(payload, A, B)
    before = fields(segment)
    expected = before[what] if before[what] is None else min(before[what], value) if most else value
    after = rewrite(segment, what, value, most)
    assert fields(after) == {**before, what: expected}
    assert after.endswith(payload)


@given(tcps, st.sampled_from(sorted(STRUCK)), st.integers(1, 0xFFFF))
def test_a_wrong_checksum_stays_wrong(h, what, error):
    segment = bytearray(h.to_bytes(b"payload", A, B))
    segment[16:18] = (int.from_bytes(segment[16:18], "big") ^ error).to_bytes(2, "big")
    right = TcpHeader.from_bytes(bytes(segment), A, B, False)
    assert right is not None
    left = strike(bytes(segment), what)
    own = scapy_sum(left)
    assert own != int.from_bytes(left[16:18], "big") or {own, own ^ error} & {0, 0xFFFF}


def scapy_sum(segment):
    """The checksum that scapy gives a segment."""
    bare = bytearray(segment)
    bare[16:18] = b"\0\0"
    packet = IP(src=A, dst=B, proto=6) / Raw(bytes(bare))
    parsed = IP(bytes(packet))
    del parsed[TCP].chksum
    return int.from_bytes(bytes(parsed)[20 + 16 : 20 + 18], "big")


def test_scapy_agrees_with_the_mended_checksum():
    segment = TcpHeader(1, 2, seq=77, flags=2, mss=1460, wscale=7, sack_ok=True, timestamps=(5, 6)).to_bytes(b"odd", A, B)
    for changed in (*(strike(segment, what) for what in STRUCK), *(rewrite(segment, what, 3) for what in ("mss", "wscale", "window"))):
        assert changed != segment
        assert scapy_sum(changed) == int.from_bytes(changed[16:18], "big")


@given(st.binary(max_size=80), st.sampled_from(sorted(NAMES)))
def test_any_bytes_are_survived(junk, what):
    assert len(strike(junk, what)) == len(rewrite(junk, what, 7)) == len(junk)


@pytest.mark.parametrize("cut", [b"\x02", b"\x02\x00\x05\x05", b"\x02\x01\x05\x05", b"\x02\x07\x05\x05"])
def test_a_broken_option_ends_the_walk(cut):
    header = bytearray(TcpHeader(1, 2, flags=2).to_bytes(b"", A, B) + cut + bytes(-len(cut) % 4))
    header[12] = len(header) // 4 << 4
    assert strike(header, "mss") == rewrite(header, "mss", 9) == bytes(header)
