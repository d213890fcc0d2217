"""What the drivers share: the clock, the bytes that are sent, the generator that chooses connections, the form of results."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from posix.time cimport CLOCK_PROCESS_CPUTIME_ID, clock_gettime, clockid_t, timespec

cdef enum:
    MESSAGE = 60                # bytes of an echo
    EVENTS = 64                 # asked for at once
    FLIGHT = 64                 # messages under way at once
    PIECE = 1 << 16             # bytes of one call
    PERIOD = 65521              # after which the stream's bytes repeat: a prime, so that no segment meets the same ones soon
    ROOM = PERIOD + PIECE       # bytes that hold a piece of the stream from anywhere

# What a work cost: both ends, application included.
cdef struct tally:
    int64_t ns                  # of processor time
    int64_t units               # requests, connections, or segments with data
    int64_t bytes               # of the stream
    int64_t frames              # that the sending side (bulk), or both (else) put on the wire
    int64_t acks                # frames that the receiving side of a bulk put there
    int64_t wrong               # bytes, messages or connections that were not what they should be


cdef inline int64_t clock_of(clockid_t which) noexcept nogil:
    cdef timespec t
    clock_gettime(which, &t)
    return <int64_t>t.tv_sec * 1000000000 + t.tv_nsec


cdef inline int64_t processor() noexcept nogil:
    return clock_of(CLOCK_PROCESS_CPUTIME_ID)


cdef inline void stream_fill(uint8_t *room) noexcept nogil:
    """The stream's bytes i, i + 1, ... stand at room + i % PERIOD."""
    cdef int i
    for i in range(ROOM):
        room[i] = <uint8_t>((i % PERIOD) * 31 + (i % PERIOD >> 8))


cdef inline bint stream_differs(const uint8_t *room, uint64_t at, const uint8_t *p, size_t n) noexcept nogil:
    return memcmp(room + at % PERIOD, p, n) != 0


cdef inline void message_of(uint8_t *p, uint32_t which) noexcept nogil:
    """The message of connection `which`."""
    cdef int i
    for i in range(4, MESSAGE, 4):
        memcpy(p + i, &i, 4)
    memcpy(p, &which, 4)


cdef inline bint message_differs(const uint8_t *p, int64_t n, uint32_t which) noexcept nogil:
    cdef uint8_t message[MESSAGE]
    message_of(message, which)
    return n != MESSAGE or memcmp(p, message, MESSAGE) != 0


cdef inline uint32_t choose(uint64_t *state, uint32_t n) noexcept nogil:
    """One of n, by a xorshift generator: the same in each run."""
    cdef uint64_t x = state[0]
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    state[0] = x
    return <uint32_t>(((x >> 32) * n) >> 32)


cdef inline int64_t less(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b
