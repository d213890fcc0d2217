"""MD5 (RFC 1321), which TCP's signature option needs (RFC 2385) and nothing else should."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    MD5_BYTES = 16              # of a digest
    MD5_BLOCK = 64

cdef struct md5_state:
    uint32_t h[4]
    uint8_t block[64]           # what has come since the last whole one: n % MD5_BLOCK bytes
    uint64_t n                  # bytes so far

cdef void md5_begin(md5_state *s) noexcept nogil
cdef void md5_add(md5_state *s, const uint8_t *p, uint64_t n) noexcept nogil
cdef void md5_end(md5_state *s, uint8_t *out) noexcept nogil               # MD5_BYTES at out
