"""What is seen of the frames at the ends of links: the digest of a run, its event log, and taps."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.sim.digest cimport digest128
from usnet.backends.sim.frames cimport frame_pool
from usnet.backends.sim.scheduler cimport scheduler

cdef enum:
    # happening.what
    FRAME_SENT = 0              # offered to the link by the port at its beginning
    FRAME_DELIVERED = 1         # taken by the port at its end
    FRAME_DROPPED = 2           # lost in between, for the reason in `cause`
    # happening.cause
    DROP_NONE = 0
    DROP_DOWN = 1               # the link was down, or went down while the frame was under way
    DROP_MTU = 2                # larger than the link carries
    DROP_FATE = 3               # a rule of its fates
    DROP_QUEUE = 4              # the queue was full
    DROP_LOSS = 5               # random loss
    DROP_OVERRUN = 6            # the receiving port had no room
    DROP_AQM = 7                # the queue dropped it before it was full
    DROP_CAUSES = 8
    # happening.altered
    ALTERED_BITS = 1            # bits flipped: no longer valid, as a rule
    ALTERED_BY_RULE = 2         # a middlebox rewrote it, and mended the checksum

cdef struct happening:          # 40 bytes; NumPy sees it as usnet.backends.sim.journal.HAPPENING
    int64_t time                # ns
    uint64_t index              # of the frame among all that were offered to this direction of this link
    uint32_t link               # number
    uint32_t length             # bytes
    uint32_t queue_packets      # waiting behind the one that is being transmitted
    uint32_t queue_bytes
    uint8_t direction           # 0: a to b, 1: b to a
    uint8_t what                # FRAME_*
    uint8_t cause               # DROP_*
    uint8_t altered             # ALTERED_* ored: its bytes are not those that were sent
    uint32_t pad

cdef struct journal:
    happening *rows
    size_t n
    size_t room
    size_t views                # buffers that Python holds: the rows may not move
    happening **old             # left behind while there were views
    size_t n_old
    bint on

ctypedef void (*tap_function)(void *owner, const happening *h, const uint8_t *p) noexcept nogil

cdef struct world:
    scheduler *s
    frame_pool frames
    digest128 digest
    journal log
    uint64_t seed
    tap_function tap            # NULL: nobody looks at the frames
    void *owner                 # passed to it

# Writes one happening into the log, and shows it to the tap; `p` are the frame's bytes.
cdef void observe(world *w, const happening *h, const uint8_t *p) noexcept nogil
cdef void journal_free(journal *j) noexcept nogil


cdef class EventLog:
    """The rows noted so far, as a buffer; see Network.event_log."""
    cdef journal *log
    cdef object keep            # owner of the journal
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]
