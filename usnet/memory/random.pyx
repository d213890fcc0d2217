"""The stack's generator for tests, tools and the REPL; the core uses the inline functions of random.pxd."""
from libc.stdint cimport uint32_t, uint64_t


cdef class Random:
    """xoshiro256** seeded through SplitMix64: `Random(seed)`. The same seed gives the same numbers on any machine."""
    cdef rng g

    def __cinit__(self, uint64_t seed):
        rng_seed(&self.g, seed)

    def u64(self):
        return rng_u64(&self.g)

    def below(self, uint32_t n):
        """A number in [0, n); ValueError for n = 0."""
        if n == 0:
            raise ValueError("an empty range")
        return rng_below(&self.g, n)

    def state(self):
        """The four words of the state."""
        return [self.g.s[i] for i in range(4)]
