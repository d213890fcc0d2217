"""What all queues have: marks, counters, the histogram of how long frames stay; and the plainest of them."""
from libc.stdint cimport uint16_t

from usnet.wire.bytes cimport load16
from usnet.wire.eth cimport ETH_HLEN, ETH_P_IP, ETH_P_IPV6
from usnet.wire.peek cimport ECN_CE, ecn_at, ecn_set_ce, eth_header_len


cdef bint mark_ce(uint8_t *p, uint32_t length) noexcept nogil:
    cdef uint32_t at
    cdef uint16_t type
    cdef int ecn
    if length < ETH_HLEN + 20:
        return False
    at = eth_header_len(p)
    type = <uint16_t>load16(p + at - 2)
    if length < at + 20 or (type != ETH_P_IP and type != ETH_P_IPV6):
        return False
    ecn = ecn_at(p + at)
    if ecn == 0:
        return False
    if ecn != ECN_CE:
        ecn_set_ce(p + at)
    return True


# A histogram with 32 buckets to a power of two: each value is known within 3 %.

cdef uint32_t bucket_of(uint64_t stay) noexcept nogil:
    cdef uint32_t shift = 0
    while stay >> shift >= 64:
        shift += 1
    return shift * 32 + <uint32_t>(stay >> shift)


cdef uint64_t bucket_end(uint32_t bucket) noexcept nogil:
    """The last value in it."""
    cdef uint32_t shift
    if bucket < 64:
        return bucket
    shift = bucket // 32 - 1
    return ((<uint64_t>bucket - shift * 32 + 1) << shift) - 1


cdef void disc_note_stay(disc *q, int64_t stay) noexcept nogil:
    q.n.sent += 1
    q.n.stay_sum += <uint64_t>stay
    if stay > q.n.stay_max:
        q.n.stay_max = stay
    q.stays[bucket_of(<uint64_t>stay)] += 1


cdef int64_t disc_stay(const disc *q, uint32_t part) noexcept nogil:
    cdef uint64_t wanted = (q.n.sent * part + 999) // 1000
    cdef uint64_t seen = 0
    cdef int64_t end
    cdef uint32_t i
    for i in range(STAY_BUCKETS):
        seen += q.stays[i]
        if seen >= wanted and seen:
            end = <int64_t>bucket_end(i)
            return end if end < q.n.stay_max else q.n.stay_max
    return 0


# First in, first out

cdef int fifo_enqueue(disc *q, parcel *p, int64_t now) noexcept nogil:
    return disc_take(q, p)


cdef parcel *fifo_dequeue(disc *q, int64_t now) noexcept nogil:
    return disc_first(q)


cdef parcel *disc_first(disc *q) noexcept nogil:
    cdef parcel *p = list_pop(&q.waiting)
    if p != NULL:
        disc_let(q, p)
    return p


cdef void fifo_reset(disc *q) noexcept nogil:
    pass


cdef void disc_init_fifo(disc *q) noexcept nogil:
    q.enqueue = fifo_enqueue
    q.dequeue = fifo_dequeue
    q.shed = disc_first
    q.reset = fifo_reset
