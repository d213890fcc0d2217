"""The generator that a stack is given: xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64."""
from libc.stdint cimport uint32_t, uint64_t

cdef struct rng:
    uint64_t s[4]           # never all zero


cdef inline uint64_t splitmix64(uint64_t *x) noexcept nogil:
    cdef uint64_t z
    x[0] += <uint64_t>0x9e3779b97f4a7c15
    z = x[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
    return z ^ (z >> 31)


cdef inline void rng_seed(rng *g, uint64_t seed) noexcept nogil:
    cdef int i
    for i in range(4):
        g.s[i] = splitmix64(&seed)


cdef inline uint64_t rotl64(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef inline uint64_t rng_u64(rng *g) noexcept nogil:
    cdef uint64_t result = rotl64(g.s[1] * 5, 7) * 9
    cdef uint64_t t = g.s[1] << 17
    g.s[2] ^= g.s[0]
    g.s[3] ^= g.s[1]
    g.s[1] ^= g.s[2]
    g.s[0] ^= g.s[3]
    g.s[2] ^= t
    g.s[3] = rotl64(g.s[3], 45)
    return result


cdef inline uint32_t rng_below(rng *g, uint32_t n) noexcept nogil:
    """A number in [0, n), n > 0; the bias of the multiplication is below 2^-32."""
    return <uint32_t>(((rng_u64(g) >> 32) * n) >> 32)
