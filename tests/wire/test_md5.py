"""MD5 (RFC 1321), against the standard library's."""

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usnet.wire.md5 import md5

PARTS = st.lists(st.binary(max_size=200), max_size=6)


@given(PARTS)
@example([])
@example([b"a" * 55, b"b"])
@example([b"a" * 56, b"b" * 64])
@example([b"a" * 63, b"b", b"c" * 65])
def test_it_is_the_digest_of_all_parts(parts):
    assert md5(*parts) == hashlib.md5(b"".join(parts)).digest()


@pytest.mark.parametrize("n", [*range(130), 1000, 4096, 65535])
def test_every_length_is_padded_right(n):
    data = bytes(i * 7 & 0xFF for i in range(n))
    assert md5(data) == hashlib.md5(data).digest()


def test_the_rfcs_own_examples():
    """RFC 1321, A.5."""
    assert md5(b"").hex() == "d41d8cd98f00b204e9800998ecf8427e"
    assert md5(b"message digest").hex() == "f96b697d7cb7938d525a2f31aaf161d0"
