"""Spare buffers of a port's pool while they are in use outside its rings: a set for each port.

Conserved: the spares, plus the held buffers that are in no slot, are as many as the port began with. A buffer in a transmit slot that is held too
is `lent`; for each there is a spare that nobody else may take, so that the slot can always get another buffer.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    NO_SET = 255
    BUF_HELD = 1                # a queue, or the application, needs what is in it
    BUF_SENT = 2                # it was put into a transmit slot, and that slot has not been filled again since

cdef struct buffers:
    uint8_t *base               # private: where buffer 0 lies
    uint8_t *state              # private: BUF_* of each buffer
    uint32_t *spare             # private: indices of spare buffers, the port's array ...
    uint32_t *n_spare           # private: ... and how many there are
    uint32_t size               # bytes of a buffer
    uint32_t n_bufs
    uint32_t total              # spares at the beginning
    uint32_t lent
    bint gone                   # its port was closed while the application still had some of them
    bint stays                  # a sent buffer comes back in the slot that it was sent in


cdef inline uint8_t *buffer_at(const buffers *b, uint32_t index) noexcept nogil:
    return b.base + <uint64_t>index * b.size


cdef inline uint32_t buffer_pop(buffers *b) noexcept nogil:
    """The spare that is taken next, off the list; 0 for what is no buffer: whoever wrote that there loses it."""
    cdef uint32_t index
    b.n_spare[0] -= 1
    index = b.spare[b.n_spare[0]]
    return index if 2 <= index < b.n_bufs else 0


cdef inline uint32_t buffer_take(buffers *b, uint32_t leave) noexcept nogil:
    """A spare, held from now on; 0 if that would leave fewer than `leave`."""
    cdef uint32_t index
    if b.n_spare[0] <= b.lent + leave:
        return 0
    index = buffer_pop(b)
    if index:
        b.state[index] = BUF_HELD
    return index


cdef inline void buffer_spare(buffers *b, uint32_t index) noexcept nogil:
    """A buffer that is in no slot and that nobody holds."""
    if b.gone:
        return
    b.state[index] = 0
    b.spare[b.n_spare[0]] = index
    b.n_spare[0] += 1


cdef inline void buffer_release(buffers *b, uint32_t index) noexcept nogil:
    """Nobody holds it any more. In a transmit slot it stays that slot's."""
    if b.state[index] & BUF_SENT:
        b.state[index] = BUF_SENT
        b.lent -= 1
    else:
        buffer_spare(b, index)


cdef inline void buffer_lend(buffers *b, uint32_t index, uint32_t instead) noexcept nogil:
    """A held buffer goes into a transmit slot; the one that was in it becomes spare, unless it is held too."""
    b.state[index] |= BUF_SENT
    if b.state[instead] & BUF_HELD:
        b.state[instead] = BUF_HELD
    else:
        buffer_spare(b, instead)
        b.lent += 1


cdef inline uint32_t buffer_replace(buffers *b, uint32_t index) noexcept nogil:
    """A transmit slot with a held buffer is about to be filled again: the spare that it gets instead; 0: there is none."""
    cdef uint32_t other
    if b.n_spare[0] == 0:
        return 0
    other = buffer_pop(b)
    if other == 0:
        return 0
    b.state[other] = 0
    b.state[index] = BUF_HELD
    b.lent -= 1
    return other
