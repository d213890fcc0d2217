"""The Internet checksum (RFC 1071): which of the ways to sum in sum.h the processor has."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "sum.h" nogil:
    ctypedef uint64_t (*usnet_sum_fn)(const uint8_t *p, size_t n) noexcept
    ctypedef uint64_t (*usnet_sum_copy_fn)(uint8_t *dst, const uint8_t *src, size_t n) noexcept
    struct usnet_sums:
        const char *name
        usnet_sum_fn sum
        usnet_sum_copy_fn copy
    int usnet_sum_widths(usnet_sums *out)
    uint64_t usnet_sum_tail(const uint8_t *p, size_t n)

cdef enum:
    SHORT = 64              # bytes up to which a loop over words is as fast as vectors

cdef usnet_sums ways[4]
cdef int n_ways = usnet_sum_widths(ways)
cdef usnet_sums chosen = ways[n_ways - 1]


cdef uint64_t csum_add(uint64_t partial, const uint8_t *p, size_t n) noexcept nogil:
    return partial + (usnet_sum_tail(p, n) if n <= SHORT else chosen.sum(p, n))


cdef uint64_t csum_copy(uint64_t partial, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil:
    return partial + chosen.copy(dst, src, n)


cdef uint64_t csum_copy_at(uint64_t partial, uint32_t at, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil:
    cdef uint32_t word
    if not at & 1:
        return csum_copy(partial, dst, src, n)
    word = ~csum_fold(csum_copy(0, dst, src, n)) & 0xffff
    return partial + csum_number((word & 0xff) << 8 | word >> 8)


def widths():
    """The names of the ways to sum that this processor has; the last one is used unless choose() says otherwise."""
    return [ways[i].name.decode() for i in range(n_ways)]


def choose(name=None):
    """For tests and measurements: every sum of this process is made in that way from now on; None: in the best one. ValueError for one that this
    processor has not."""
    global chosen
    chosen = ways[widths().index(name) if name is not None else n_ways - 1]
