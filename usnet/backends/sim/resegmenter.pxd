"""A middlebox that moves the borders of TCP segments (wire/resegment): those that follow each other within a while become one, large ones several."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.sim.frames cimport frame
from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.middlebox cimport Middlebox
from usnet.backends.sim.scheduler cimport alarm, scheduler

cdef struct resegmenter_counters:
    uint64_t joined             # segments that became part of the one before
    uint64_t cut                # segments that became several
    uint64_t parts              # ... these
    uint64_t passed             # frames that left as they had come

cdef struct held_segment:       # of a direction
    resegmenter_state *w
    uint32_t number             # the end that it came from
    alarm *timer                # lets it go
    uint8_t *bytes
    uint32_t length             # 0: there is none
    uint32_t pieces             # that it was made of

cdef struct resegmenter_state:
    link_dir **out_links        # of its Middlebox
    scheduler *s
    uint32_t merge              # bytes of payload that a joined segment may have; 0: none is joined
    uint32_t split              # ... and one that leaves; 0: any
    int64_t hold                # ns that one waits for the next
    held_segment held[2]
    uint8_t *part               # room for one
    resegmenter_counters n

# frame_pass.
cdef bint resegmenter_pass(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil


cdef class Resegmenter(Middlebox):
    cdef resegmenter_state w
    cdef object keep            # what w.s points at
