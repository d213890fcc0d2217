"""Sequence-number arithmetic modulo 2^32 (RFC 9293, section 3.4). The one place that compares two sequence numbers."""
from libc.stdint cimport int32_t, uint32_t


cdef inline int32_t seq_diff(uint32_t a, uint32_t b) noexcept nogil:
    """a - b as a signed distance; negative when a comes before b."""
    return <int32_t>(a - b)


cdef inline bint seq_lt(uint32_t a, uint32_t b) noexcept nogil:
    return <int32_t>(a - b) < 0


cdef inline bint seq_le(uint32_t a, uint32_t b) noexcept nogil:
    return <int32_t>(a - b) <= 0


cdef inline bint seq_gt(uint32_t a, uint32_t b) noexcept nogil:
    return <int32_t>(a - b) > 0


cdef inline bint seq_ge(uint32_t a, uint32_t b) noexcept nogil:
    return <int32_t>(a - b) >= 0


cdef inline uint32_t seq_max(uint32_t a, uint32_t b) noexcept nogil:
    return a if <int32_t>(a - b) >= 0 else b


cdef inline uint32_t seq_min(uint32_t a, uint32_t b) noexcept nogil:
    return a if <int32_t>(a - b) <= 0 else b
