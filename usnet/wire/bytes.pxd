"""Big-endian loads and stores at any alignment."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

cdef extern from "<arpa/inet.h>" nogil:
    uint16_t ntohs(uint16_t x)
    uint32_t ntohl(uint32_t x)


cdef inline uint16_t load16(const uint8_t *p) noexcept nogil:
    cdef uint16_t x
    memcpy(&x, p, 2)
    return ntohs(x)


cdef inline uint32_t load32(const uint8_t *p) noexcept nogil:
    cdef uint32_t x
    memcpy(&x, p, 4)
    return ntohl(x)


cdef inline void store16(uint8_t *p, uint32_t value) noexcept nogil:
    cdef uint16_t x = ntohs(<uint16_t>value)
    memcpy(p, &x, 2)


cdef inline void store32(uint8_t *p, uint32_t value) noexcept nogil:
    cdef uint32_t x = ntohl(value)
    memcpy(p, &x, 4)
