"""Chains of loss. What the letters stand for, and what theory says of their rates, is in models.py."""
from usnet.backends.keyed cimport KEYED_LOSS, keyed_draw


cdef inline bint happens(uint64_t draw, uint64_t chance) noexcept nogil:
    return draw < chance or chance == <uint64_t>-1


cdef bint next_of_two(bursts *b, uint64_t step, uint64_t loss) noexcept nogil:
    """The frame meets the state as it was before its step."""
    cdef bint bad = b.state != 0
    cdef bint lost = happens(loss, b.p[3] if bad else b.p[2])
    if happens(step, b.p[1] if bad else b.p[0]):
        b.state = not bad
    return lost


cdef bint next_of_four(bursts *b, uint64_t step) noexcept nogil:
    """The frame meets the state behind its step."""
    if b.state == GAP:
        if happens(step, b.p[4]):
            b.state = SINGLE
        elif step - b.p[4] < b.p[0]:
            b.state = BURST_LOST
    elif b.state == BURST_GOOD:
        if happens(step, b.p[3]):
            b.state = BURST_LOST
    elif b.state == BURST_LOST:
        if happens(step, b.p[2]):
            b.state = BURST_GOOD
        elif step - b.p[2] < b.p[1]:
            b.state = GAP
    else:
        b.state = GAP
    return b.state == BURST_LOST or b.state == SINGLE


cdef bint bursts_next(bursts *b, uint64_t seed, uint64_t stream, uint64_t index) noexcept nogil:
    cdef uint64_t step = keyed_draw(seed, stream, KEYED_STEP, index)
    if b.kind == BURSTS_GE:
        return next_of_two(b, step, keyed_draw(seed, stream, KEYED_LOSS, index))
    return next_of_four(b, step)


cdef void bursts_reset(bursts *b) noexcept nogil:
    b.state = GAP if b.kind == BURSTS_MARKOV else 0
