"""How fast this machine is now: a checksum and a copy of 1,460 bytes, as they were measured beside figures that cannot be measured again here."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from common cimport processor

cdef enum:
    BYTES = 1460


cdef uint64_t checksum(const uint8_t *p) noexcept nogil:
    """64 bits at a time, with the carry: no vectors."""
    cdef uint64_t total = 0, word
    cdef int i
    for i in range(0, BYTES - 7, 8):
        memcpy(&word, p + i, 8)
        total += word
        total += total < word
    return total


def run(int rounds):
    """(ns of a checksum, ns of a copy)"""
    cdef uint8_t source[BYTES]
    cdef uint8_t target[BYTES]
    cdef uint64_t sink = 0
    cdef int64_t t0, t1, t2
    cdef int i
    for i in range(BYTES):
        source[i] = <uint8_t>i
    t0 = processor()
    with nogil:
        for i in range(rounds):
            source[i % 1024] = <uint8_t>sink
            sink += checksum(source)
    t1 = processor()
    with nogil:
        for i in range(rounds):
            source[i % 1024] = <uint8_t>sink
            memcpy(target, source, BYTES)
            sink += target[i % BYTES]
    t2 = processor()
    if sink == 1:
        raise AssertionError    # whoever removes the loops removes this too
    return (t1 - t0) / <double>rounds, (t2 - t1) / <double>rounds
