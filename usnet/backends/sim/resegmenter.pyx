"""A middlebox that moves the borders of TCP segments: resegmenter.pxd."""
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.sim.frames cimport frame_bytes
from usnet.backends.sim.link cimport link_forward, link_send
from usnet.backends.sim.scheduler cimport Scheduler, alarm_free, alarm_new, alarm_set
from usnet.wire.gso cimport gso_cut, gso_plan
from usnet.wire.resegment cimport tcp_divisible, tcp_join

from usnet.backends.sim import units

cdef enum:
    ROOM = 65664 * 2            # for a frame, and another behind it before it is known whether they fit
    ANY = 65535


cdef void leave(resegmenter_state *w, uint32_t number, const uint8_t *p, uint32_t length, uint32_t pieces) noexcept nogil:
    """A segment goes on, cut where it is too long."""
    cdef link_dir *to = w.out_links[1 - number]
    cdef gso_plan g
    cdef uint32_t i
    if to == NULL:
        return
    if w.split and tcp_divisible(p, length, w.split, &g) and g.segments > 1:
        w.n.cut += 1
        w.n.parts += g.segments
        for i in range(g.segments):
            link_send(to, w.part, gso_cut(&g, p, i, w.part))
        return
    w.n.passed += pieces == 1
    link_send(to, p, length)


cdef void let_go(held_segment *h) noexcept nogil:
    cdef uint32_t length = h.length
    alarm_set(h.w.s, h.timer, INT64_MAX)
    h.length = 0
    if length:
        leave(h.w, h.number, h.bytes, length, h.pieces)


cdef void waited(void *ctx, int64_t now) noexcept nogil:
    let_go(<held_segment *>ctx)


cdef bint resegmenter_pass(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil:
    cdef resegmenter_state *w = <resegmenter_state *>ctx
    cdef held_segment *h = &w.held[number]
    cdef gso_plan g
    cdef uint32_t joined
    cdef bint whole = not tcp_divisible(frame_bytes(f), f.length, ANY, &g)
    if h.length and not whole:
        joined = tcp_join(h.bytes, h.length, frame_bytes(f), f.length, w.merge)
        if joined:
            h.length = joined
            h.pieces += 1
            w.n.joined += 1
            return False
    let_go(h)
    if whole:
        w.n.passed += 1
        return w.out_links[1 - number] != NULL and link_forward(w.out_links[1 - number], f)
    if g.n >= w.merge:
        leave(w, number, frame_bytes(f), f.length, 1)
        return False
    memcpy(h.bytes, frame_bytes(f), f.length)
    h.length, h.pieces = f.length, 1
    alarm_set(w.s, h.timer, now + w.hold)
    return False


cdef class Resegmenter(Middlebox):
    """Segments of one flow that follow each other are joined to up to `merge` bytes of payload (0: none are), for which each waits up to `hold` for
    the next of its direction; any other frame lets it go. What leaves is cut into pieces of up to `split` bytes (0: it is not). Segments with other
    flags than ACK, PSH, FIN and ECE, and those whose sum is wrong, pass as they are."""

    def __init__(self, network, str name, merge=0, split=0, hold="1ms"):
        cdef Scheduler scheduler = network.scheduler
        cdef uint32_t i
        self.w.merge, self.w.split = units.size(merge), units.size(split)
        self.w.hold = units.time(hold)
        if self.w.merge > 60000 or 0 < self.w.split < 8:
            raise ValueError(f"{name}: segments of up to 60000 bytes are joined, and cut into pieces of 8 or more")
        self.w.s = &scheduler.s
        self.keep = scheduler
        self.w.out_links = self.out
        self.w.part = <uint8_t *>malloc(ROOM)
        for i in range(2):
            self.w.held[i].w, self.w.held[i].number = &self.w, i
            self.w.held[i].bytes = <uint8_t *>malloc(ROOM)
            self.w.held[i].timer = alarm_new(&scheduler.s, waited, &self.w.held[i])
        if self.w.part == NULL or self.w.held[0].bytes == NULL or self.w.held[1].bytes == NULL or self.w.held[1].timer == NULL:
            raise MemoryError
        self.go_on, self.ctx = resegmenter_pass, &self.w

    def __dealloc__(self):
        cdef uint32_t i
        free(self.w.part)
        for i in range(2):
            free(self.w.held[i].bytes)
            if self.w.held[i].timer != NULL:
                alarm_free(self.w.held[i].timer)

    cdef void reset(self) noexcept:
        self.w.held[0].length = self.w.held[1].length = 0
        memset(&self.w.n, 0, sizeof(resegmenter_counters))

    def statistics(self):
        """The counters of `resegmenter_counters`, and `held`: segments that wait."""
        return {**dict(self.w.n), "held": (self.w.held[0].length > 0) + (self.w.held[1].length > 0)}
