"""Queues that a link asks for each frame: what they hold, what they drop and mark, how long frames stay.

A discipline is a table of functions over a `disc`. It takes a parcel (a frame that waits) or says why not, and gives the next one when the link is free; what
it drops in between goes through disc_drop(). Integers only; chance is looked up by the number of the frame. The link asks at the instant at which
it becomes free, and once more when nothing was left.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.fates cimport fate
from usnet.backends.keyed cimport keyed_draw
from usnet.backends.sim.frames cimport frame, frame_bytes
from usnet.backends.sim.journal cimport ALTERED_BY_RULE

cdef enum:
    # Why a queue drops a frame, or marks it
    REASON_NONE = 0
    REASON_FULL = 1             # no room
    REASON_EARLY = 2            # by chance, before the queue is full (RED, PIE)
    REASON_FORCED = 3           # RED: the average is above its upper end
    REASON_DELAY = 4            # it waited too long (CoDel)
    REASON_STEP = 5             # marks alone: above the step for DCTCP
    REASON_DOWN = 6             # the link went down; counted there
    REASONS = 7
    KEYED_QUEUE = 19            # purposes of keyed draws, beside those of link.pxd
    KEYED_FLOW = 21
    STAY_BUCKETS = 2048         # of the histogram: 32 to a power of two

cdef struct parcel:             # a frame in the queue
    parcel *next
    frame *f
    int64_t at                  # ns: when it joined
    uint64_t index              # of the frame in its direction
    uint32_t length
    uint32_t flow               # FQ-CoDel's bucket
    bint lost                   # the wire will lose it
    fate fate_

cdef struct parcel_list:
    parcel *first
    parcel *last

cdef struct queue_counters:
    uint64_t queued             # parcels taken
    uint64_t sent               # parcels given to the link
    uint64_t drops[7]           # by REASON_*
    uint64_t marks[7]
    uint64_t stay_sum           # ns, of those given to the link
    int64_t stay_max
    uint32_t packets_max
    uint64_t bytes_max

cdef struct disc

# 0: taken; or REASON_*: it is the caller's still, and dropped.
ctypedef int (*disc_enqueue)(disc *q, parcel *p, int64_t now) noexcept nogil
# The next to be transmitted; NULL: none is left.
ctypedef parcel *(*disc_dequeue)(disc *q, int64_t now) noexcept nogil
# Any one of those that wait, without a judgement; NULL: none.
ctypedef parcel *(*disc_shed)(disc *q) noexcept nogil
# As new, empty as it is already.
ctypedef void (*disc_reset)(disc *q) noexcept nogil
ctypedef void (*disc_free)(void *own) noexcept nogil
ctypedef void (*parcel_drop)(void *ctx, parcel *p, int reason) noexcept nogil

cdef struct disc:
    disc_enqueue enqueue
    disc_dequeue dequeue
    disc_shed shed
    disc_reset reset
    void *own                   # state of the discipline; NULL
    disc_free free_own          # frees it; NULL
    parcel_drop drop            # takes what is dropped behind the link's back
    void *drop_ctx
    uint64_t seed
    uint64_t stream             # of draws: which link and direction
    # What all have
    uint64_t limit_packets      # UINT64_MAX: none
    uint64_t limit_bytes
    bint ecn                    # frames of those who understand it are marked instead of dropped (RFC 3168)
    uint64_t step_packets       # frames that find so many waiting are marked (RFC 8257, 3.1); UINT64_MAX: none
    uint64_t step_bytes
    int64_t step_stay           # ns: those that waited longer are; INT64_MAX: none
    uint64_t rate               # of the link, bits/s; 0: no limit
    bint busy                   # the link is
    # What waits
    uint32_t packets
    uint64_t bytes
    parcel_list waiting         # of all disciplines with one queue
    queue_counters n
    uint32_t *stays             # histogram

# First in, first out, with a limit: what a link does by itself, and counts here.
cdef void disc_init_fifo(disc *q) noexcept nogil
# Marks a frame of an ECN-capable packet as having met congestion, the IPv4 checksum brought up to date: whether it is marked now.
cdef bint mark_ce(uint8_t *p, uint32_t length) noexcept nogil
# disc.shed of those that have one queue: its first frame, no longer in it; NULL.
cdef parcel *disc_first(disc *q) noexcept nogil
# A frame was taken, or left to be transmitted: counts.
cdef void disc_note_stay(disc *q, int64_t stay) noexcept nogil
# Of those that were sent: no less than `part` of 1000 stayed so long or shorter, ns; rounded up to the end of its bucket.
cdef int64_t disc_stay(const disc *q, uint32_t part) noexcept nogil


cdef inline void list_append(parcel_list *l, parcel *p) noexcept nogil:
    p.next = NULL
    if l.first == NULL:
        l.first = p
    else:
        l.last.next = p
    l.last = p


cdef inline parcel *list_pop(parcel_list *l) noexcept nogil:
    cdef parcel *p = l.first
    if p != NULL:
        l.first = p.next
    return p


cdef inline void disc_hold(disc *q, parcel *p) noexcept nogil:
    """It waits from now on."""
    q.packets += 1
    q.bytes += p.length
    q.n.queued += 1
    if q.packets > q.n.packets_max:
        q.n.packets_max = q.packets
    if q.bytes > q.n.bytes_max:
        q.n.bytes_max = q.bytes


cdef inline void disc_let(disc *q, const parcel *p) noexcept nogil:
    """It waits no longer."""
    q.packets -= 1
    q.bytes -= p.length


cdef inline bint disc_full(const disc *q, const parcel *p) noexcept nogil:
    """No room: but an idle link takes a frame at once, whatever the limit."""
    return q.busy and (q.packets >= q.limit_packets or q.bytes + p.length > q.limit_bytes)


cdef inline bint disc_mark(disc *q, parcel *p, int reason) noexcept nogil:
    """Marks it, if it can be and the queue does such things: whether it was."""
    if not q.ecn or not mark_ce(frame_bytes(p.f), p.length):
        return False
    p.f.altered |= ALTERED_BY_RULE
    q.n.marks[reason] += 1
    return True


cdef inline int disc_take(disc *q, parcel *p) noexcept nogil:
    """The end of disc.enqueue of those that have one queue: it waits at its end, or there is no room."""
    if disc_full(q, p):
        return REASON_FULL
    disc_hold(q, p)
    list_append(&q.waiting, p)
    return 0


cdef inline uint64_t disc_draw(const disc *q, const parcel *p) noexcept nogil:
    """64 random bits for this frame."""
    return keyed_draw(q.seed, q.stream, KEYED_QUEUE, p.index)
