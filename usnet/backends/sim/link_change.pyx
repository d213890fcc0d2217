"""Changes of a link while it runs: another rate, down and up."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.frames cimport frame
from usnet.backends.sim.link cimport (
    link_break_row, link_dir, link_schedule, link_transmission, link_update_queue, link_waiting, waiting,
)


cdef void replan(link_dir *d, waiting *q, int64_t end) noexcept nogil:
    cdef frame *f = q.f
    q.before = d.last_arrival
    while f != NULL:
        if not f.pinned:
            link_schedule(d, f, end)
        f = f.copy


cdef int link_set_rate(link_dir *d, uint64_t rate) noexcept nogil:
    cdef int64_t end
    cdef int64_t took
    cdef uint32_t i
    cdef waiting *q
    link_update_queue(d)
    d.rate = rate
    d.remainder = 0
    if d.queue_packets == 0:
        return 0
    link_break_row(d)
    end = link_waiting(d, 0).start          # of the transmission that goes on
    d.last_arrival = link_waiting(d, 0).before
    d.n.busy_ns -= <uint64_t>(d.busy_until - end)
    for i in range(d.queue_packets):
        q = link_waiting(d, i)
        q.start = end
        took = link_transmission(d, q.length, i == 0)
        d.n.busy_ns += <uint64_t>took
        end += took
        replan(d, q, end)
    d.busy_until = end
    link_update_queue(d)
    return 0


cdef void link_set_up(link_dir *d, bint up) noexcept nogil:
    if d.up and not up:
        link_update_queue(d)
        d.epoch += 1
        d.queue_packets = 0
        d.queue_bytes = 0
        d.held = NULL
        if d.busy_until > d.w.s.now:
            d.n.busy_ns -= <uint64_t>(d.busy_until - d.w.s.now)
            d.busy_until = d.w.s.now
        d.last_arrival = d.w.s.now
        if d.shaped_down != NULL:
            d.shaped_down(d)
    d.up = up
    d.plain = up and d.shaped == NULL
