"""Randomness that is looked up, not drawn from a stream: a pure function of (seed, stream, purpose, index).

A draw for one frame and one purpose does not move any other, so changing one fate changes no other.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    # purposes below 256 are the simulator's own; rules of fates use their key (its upper bits are random, so the two
    # do not meet)
    KEYED_LOSS = 1
    KEYED_DELAY = 2


cdef inline uint64_t keyed_mix(uint64_t z) noexcept nogil:
    """A bijection of 64 bits in which each output bit depends on each input bit (Stafford's variant 13 after a
    xor-shift)."""
    z ^= z >> 32
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
    return z ^ (z >> 31)


cdef inline uint64_t keyed_draw(uint64_t seed, uint64_t stream, uint64_t purpose, uint64_t index) noexcept nogil:
    """64 random bits. `stream`: which link and direction; `purpose`: what is decided; `index`: of the frame."""
    cdef uint64_t h = keyed_mix(seed + <uint64_t>0x9e3779b97f4a7c15)
    h = keyed_mix((h ^ stream) + <uint64_t>0xd1b54a32d192ed03)
    h = keyed_mix((h ^ purpose) + <uint64_t>0x8cb92ba72f3d8dd7)
    return keyed_mix((h ^ index) + <uint64_t>0xaef17502108ef2d9)


cdef inline uint64_t keyed_below(uint64_t draw, uint64_t n) noexcept nogil:
    """A number in [0, n) from a draw, for any n: the upper 64 bits of the product, from halves."""
    cdef uint64_t r0 = <uint32_t>draw
    cdef uint64_t n0 = <uint32_t>n
    cdef uint64_t a = (draw >> 32) * n0 + ((r0 * n0) >> 32)
    cdef uint64_t b = r0 * (n >> 32) + <uint32_t>a
    return (draw >> 32) * (n >> 32) + (a >> 32) + (b >> 32)
