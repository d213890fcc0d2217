"""Links: two directions, each with a rate, a delay, a queue and its own luck.

What befalls a frame, in this order: a link that is down or a size above the MTU drops it; its fates (usnet.backends.fates) are decided; a full queue drops
it; it is transmitted (length * 8 / rate, remainders of a nanosecond carried over while the link stays busy); the wire loses, corrupts or
doubles it; it arrives after delay and jitter. A frame that the wire loses has used its time on the wire. Fates and random draws look at every
frame that is offered, so that no decision depends on another.

The queue holds the frames that wait while another is being transmitted, not the one that is. It drops at its tail. That is the short way, on which all is known
when a frame is sent; a direction with a Shaper (shaper.pxd) goes the long way.

Lengths are those of the frame in its ring, from the Ethernet header on. Preamble, check sequence and gap between frames (24 bytes on copper) are
counted only when `overhead` says so.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.fates cimport fate, fate_set
from usnet.backends.sim.delays cimport delays
from usnet.backends.sim.frames cimport frame
from usnet.backends.sim.journal cimport world
from usnet.backends.sim.queue cimport disc

cdef enum:
    # Purposes of keyed draws, beside those of usnet.backends.keyed
    KEYED_CORRUPT = 16
    KEYED_CORRUPT_BIT = 17
    KEYED_DUPLICATE = 18

# Takes a frame that has arrived, by copying: 0, or -errno when there is no room.
ctypedef int (*frame_sink)(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil

# What becomes of a frame that was delivered: True when it was passed on as it is, and is the next link's now.
ctypedef bint (*frame_pass)(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil

cdef struct link_dir

# A frame on the long way, or on a link that is down: DROP_*, or DROP_NONE when it was taken.
ctypedef int (*unusual_send)(link_dir *d, const uint8_t *p, uint32_t length, uint64_t index, const fate *f) noexcept nogil
ctypedef void (*unusual_down)(link_dir *d) noexcept nogil

cdef struct chance:             # a probability as a number out of 2^64
    uint64_t below
    bint always                 # 1, which does not fit

cdef struct waiting:            # a frame in the queue, until its transmission begins
    int64_t start               # ns
    int64_t before              # last_arrival as it was without it
    uint32_t length
    frame *f                    # NULL: it will be lost

cdef struct link_counters:
    uint64_t sent               # offered
    uint64_t sent_bytes
    uint64_t delivered
    uint64_t delivered_bytes
    uint64_t dropped[8]         # by DROP_*
    uint64_t duplicated         # additional copies
    uint64_t corrupted
    uint64_t rewritten          # by middleboxes
    uint64_t reordered          # delivered after one that was sent later
    uint64_t busy_ns            # time that transmissions took
    uint32_t queue_packets_max
    uint64_t queue_bytes_max

cdef struct link_dir:
    world *w
    uint32_t link               # number
    uint32_t direction          # 0: a to b, 1: b to a
    uint32_t kind               # of its arrivals
    frame_sink sink             # of the receiver
    frame_pass go_on            # NULL, or called after the frame was noted as delivered: a switch sends it on
    void *sink_ctx
    uint32_t sink_number
    fate_set *fates             # of the link, both directions; NULL: none
    # The model
    uint64_t rate               # bits/s; 0: no limit
    int64_t delay               # ns
    int64_t jitter              # ns: uniform in [0, jitter]
    uint32_t mtu                # bytes of the IP packet; 0: any
    int32_t overhead            # bytes added to each frame for the time that it takes
    chance loss
    chance duplicate
    chance corrupt
    uint64_t limit_packets      # of the queue; UINT64_MAX: none
    uint64_t limit_bytes
    bint reorder                # jitter may reorder
    delays *spread              # NULL: jitter alone
    bint up
    # The long way
    bint plain                  # the link is up, and this is not the long way: one look for both
    void *shaped                # its shaper; NULL: the short way
    disc *q                     # the shaper's
    unusual_send unusual        # NULL: none, frames are lost while the link is down
    unusual_down shaped_down
    # Its state
    uint64_t index              # of the next frame
    uint32_t epoch              # times it went down
    int64_t busy_until          # ns
    uint64_t remainder          # of the last transmission time, in 1/rate ns
    int64_t last_arrival        # ns
    uint64_t last_delivered     # highest index delivered, plus 1
    frame *held                 # waiting for later frames to pass
    frame *row                  # those under way that arrive in the order in which they were sent: the first alone has an event
    frame *row_last
    waiting *queue              # a ring of a power of two entries
    uint32_t queue_room
    uint32_t queue_first
    uint32_t queue_packets
    uint64_t queue_bytes
    link_counters n

cdef int link_dir_init(link_dir *d, world *w, uint32_t link, uint32_t direction) noexcept nogil
cdef void link_dir_free(link_dir *d) noexcept nogil
# As new, with the same model: what was under way goes back to the pool. Its events are the caller's to drop, all of them, right behind this.
cdef void link_dir_reset(link_dir *d) noexcept nogil
# Offers a frame to the link at this instant.
cdef void link_send(link_dir *d, const uint8_t *p, uint32_t length) noexcept nogil
# The same for one that has arrived over another link, whose bytes need not be copied: True when it is this link's now.
cdef bint link_forward(link_dir *d, frame *f) noexcept nogil
# Takes those out of the queue whose transmission has begun; then queue_packets and queue_bytes are exact.
cdef void link_update_queue(link_dir *d) noexcept nogil

# For those who change a link (link_change.pyx), and for the long way (shaper.pyx):
# the i-th of those that wait
cdef waiting *link_waiting(link_dir *d, uint32_t i) noexcept nogil
# ns that a frame takes; what is left over is carried to the next while the link stays busy
cdef int64_t link_transmission(link_dir *d, uint32_t length, bint idle) noexcept nogil
# when it arrives, its transmission ending at `end`
cdef void link_schedule(link_dir *d, frame *f, int64_t end) noexcept nogil
# each of those under way gets an event of its own: times are about to change
cdef void link_break_row(link_dir *d) noexcept nogil
# a frame whose transmission ends at busy_until sets out, or is lost by the wire: it is the link's now
cdef void link_depart(link_dir *d, frame *f, fate *fate_, bint lost) noexcept nogil
cdef void link_note(link_dir *d, int what, int cause, frame *f) noexcept nogil
cdef bint link_too_large(link_dir *d, const uint8_t *p, uint32_t length) noexcept nogil
# no memory was left: the run is void
cdef void link_void(link_dir *d) noexcept nogil
