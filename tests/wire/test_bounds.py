"""No parser reads behind the bytes that it was given: they end where memory cannot be read."""
import ctypes
import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader, checksum, statuses

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@pytest.fixture(scope="module")
def place():
    """place(data): the address of a copy of data whose end is the end of what can be read."""
    area = mmap.mmap(-1, 2 * PAGE)
    view = (ctypes.c_uint8 * (2 * PAGE)).from_buffer(area)
    base = ctypes.addressof(view)
    assert libc.mprotect(base + PAGE, PAGE, 0) == 0

    def put(data):
        ctypes.memmove(base + PAGE - len(data), data, len(data))
        return base + PAGE - len(data)

    yield put
    assert libc.mprotect(base + PAGE, PAGE, mmap.PROT_READ | mmap.PROT_WRITE) == 0


@given(st.binary(max_size=100), st.sampled_from([b"", b"\x45", b"\x4f", b"\x46"]), st.integers(0, 15))
def test_random_bytes(place, data, start, words):
    data = start + data
    if len(data) > 12:
        data = data[:12] + bytes([words << 4]) + data[13:]
    assert statuses(place(data), len(data))["sum"] == checksum(data)


def test_every_truncation_of_good_headers(place):
    syn = TcpHeader(1, 2, flags=2, mss=1460, wscale=7, sack_ok=True, timestamps=(1, 2)).to_bytes()
    sack = TcpHeader(1, 2, flags=16, sack=((1, 2), (3, 4), (5, 6), (7, 8))).to_bytes()
    tagged = EthHeader("02:00:00:00:00:01", "02:00:00:00:00:02", 0x800, 5).to_bytes()
    for data in (syn, sack, tagged, Ipv4Header("10.0.0.1", "10.0.0.2", 6, 20).to_bytes()):
        for n in range(len(data) + 1):
            statuses(place(data[:n]), n)
    assert statuses(place(syn), len(syn))["tcp"] == 0


def test_options_that_end_with_the_segment(place):
    for option in ("02", "0204", "020405", "08", "080a00", "05", "050a", "0512" + "00" * 8, "03", "0303", "fe", "feff"):
        options = bytes(40 - len(bytes.fromhex(option))).replace(b"\0", b"\1") + bytes.fromhex(option)
        data = bytearray(TcpHeader(1, 2, flags=2).to_bytes() + options)
        data[12] = 0xf0
        assert statuses(place(bytes(data)), 60)["tcp"] == 0
        data[0] = 0x4f
        data[2:4] = (60).to_bytes(2, "big")
        assert statuses(place(bytes(data)), 60)["ipv4"] in (0, -6)
