"""The Internet checksum, sequence numbers and addresses."""
import ipaddress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from usnet.wire import checksum as checksum_ways
from usnet.wire.mirror import checksum, copy_checksum, finish_sum, format_address, parse_address, partial_sum, sequence


def reference(data):
    """RFC 1071 word by word."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def test_the_example_of_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xffff ^ 0xddf2


@given(st.binary(max_size=200))
@example(b"\xff" * 65535)
@example(b"")
@example(b"\x00\x00")
@example(b"\xff\xff")
def test_sums_agree_with_the_definition_and_with_scapy(data):
    assert checksum(data) == reference(data) == scapy_checksum(data)
    assert copy_checksum(data) == (data, reference(data))


@given(st.lists(st.binary(max_size=40).map(lambda b: b[:len(b) // 2 * 2]), max_size=6), st.binary(max_size=33))
def test_partial_sums_may_be_taken_apart(pieces, last):
    partial = 0
    for piece in pieces:
        partial = partial_sum(piece, partial)
    total = partial_sum(last, partial)
    assert total == sum(partial_sum(p) for p in pieces) + partial_sum(last)
    assert finish_sum(total) == checksum(b"".join(pieces) + last)


@pytest.fixture(params=checksum_ways.widths())
def way(request):
    checksum_ways.choose(request.param)
    yield request.param
    checksum_ways.choose()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=700), st.integers(0, 3))
@example(b"\xff" * 65535, 0)
@example(b"\xff" * 511 + b"\x01", 1)
def test_every_way_to_sum_that_this_processor_has_gives_the_same(way, data, skip):
    assert checksum(data[skip:]) == reference(data[skip:])
    assert copy_checksum(data[skip:]) == (data[skip:], reference(data[skip:]))


def test_a_way_to_sum_that_the_processor_has_not_is_refused():
    assert checksum_ways.widths()[0] == "scalar"
    with pytest.raises(ValueError):
        checksum_ways.choose("7 bits")


@given(st.binary(min_size=2, max_size=99), st.integers(0, 98), st.integers(1, 255))
def test_a_packet_with_its_checksum_sums_to_zero_and_a_changed_byte_does_not(data, at, change):
    data = b"\0\0" + data
    whole = bytearray(checksum(data).to_bytes(2, "big") + data[2:])
    assert checksum(whole) == 0
    whole[at % len(whole)] ^= change
    assert checksum(whole) != 0


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31) + 1, 2**31 - 1))
def test_sequence_numbers_compare_by_distance(a, distance):
    b = (a + distance) % 2**32
    latest, earliest = (b, a) if distance > 0 else (a, b)
    assert sequence(a, b) == {
        "diff": -distance, "lt": distance > 0, "le": distance >= 0, "gt": distance < 0, "ge": distance <= 0,
        "max": latest, "min": earliest,
    }


@given(st.ip_addresses(v=4))
def test_ipv4_addresses_are_mapped(a):
    wire = parse_address(str(a))
    assert wire == bytes(10) + b"\xff\xff" + a.packed == parse_address(a.packed)
    assert format_address(wire) == str(a)


@given(st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None))
def test_ipv6_addresses_stand_as_they_are(a):
    assert parse_address(str(a)) == a.packed
    assert ipaddress.ip_address(format_address(a.packed)) == a


@pytest.mark.parametrize("bad", ["", "10.0.0", "10.0.0.256", "10.0.0.1 ", "::g", b"123", b"", 5, None])
def test_what_is_no_address_is_refused(bad):
    with pytest.raises(ValueError):
        parse_address(bad)
