"""What few connections have beside their TCB: rare options, marks in what they send, an error queue, urgent data. It stands apart, so that a TCB and
the record of a connection at rest are no larger for it; TF_ASIDE says that there is one, TF_MARKS that sending has to look at it."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from usnet.memory.arena cimport arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_ASIDE, tcb

# mark.kind: what ends at a mark
cdef enum:
    MARK_EOR = 1                # a record (MSG_EOR): no segment spans its end
    MARK_ZEROCOPY = 2           # a send with MSG_ZEROCOPY: told of when it is acknowledged
    MARK_STAMP = 4              # a send whose times are asked for (SO_TIMESTAMPING)
    MARK_SENT = 8               # that it was sent has been told

# aside.urgent: what is known of the peer's urgent data
cdef enum:
    URGENT_NONE = 0
    URGENT_EXPECTED = 1         # announced, its byte is not here
    URGENT_HERE = 2             # may be read with MSG_OOB
    URGENT_READ = 3             # was, and is skipped by other reads

# Where a note comes from, and what times it tells: Linux's SO_EE_ORIGIN_* and SCM_TSTAMP_*.
cdef enum:
    ORIGIN_TIMESTAMPING = 4
    ORIGIN_ZEROCOPY = 5
    STAMP_SND = 0
    STAMP_SCHED = 1
    STAMP_ACK = 2

# SO_TIMESTAMPING's flags that mean something here: Linux's SOF_TIMESTAMPING_*.
cdef enum:
    SOF_TX_SOFTWARE = 1 << 1
    SOF_SOFTWARE = 1 << 4
    SOF_OPT_ID = 1 << 7
    SOF_TX_SCHED = 1 << 8
    SOF_TX_ACK = 1 << 9
    SOF_OPT_TSONLY = 1 << 11
    SOF_TX = SOF_TX_SOFTWARE | SOF_TX_SCHED | SOF_TX_ACK
    SOF_ALL = (1 << 19) - 1

cdef struct mark:
    uint32_t seq                # the number behind the last byte
    uint32_t key                # of the send: number of a zero-copy one, or offset of its last byte
    uint32_t next               # by position, or NONE
    uint8_t kind                # MARK_*

cdef struct note:               # of the error queue
    int64_t time                # ns, of a timestamp
    uint32_t info               # ee_info: the first number of a range, or STAMP_*
    uint32_t data               # ee_data: the last number of a range, or the key
    uint32_t next
    uint8_t origin              # ORIGIN_*

cdef struct aside:
    # Options; those of a listener are its connections'
    uint32_t notsent_lowat      # TCP_NOTSENT_LOWAT, bytes; 0: the stack's setting
    uint32_t rcvlowat           # SO_RCVLOWAT, bytes; 0: one
    uint32_t window_clamp       # TCP_WINDOW_CLAMP, bytes; 0: none
    uint32_t whole_rcvbuf       # SO_RCVBUF as set, once there has been a clamp; 0
    uint32_t stamps             # SO_TIMESTAMPING: SOF_*
    uint32_t defer              # TCP_DEFER_ACCEPT, in SYN-ACKs; 0: off; of a half-open connection its listener's
    int32_t peek_off            # SO_PEEK_OFF, bytes; below 0: off
    uint8_t syn_count           # TCP_SYNCNT; 0: the stack's setting
    uint8_t oob_inline          # SO_OOBINLINE
    # State
    uint8_t urgent              # URGENT_*
    uint8_t urgent_byte
    uint8_t sends_urgent        # our urgent pointer stands at snd_up
    uint8_t deferred            # the handshake's last ACK came, and data is waited for
    uint8_t told                # there is a note that no epoll has heard of
    uint32_t snd_up             # sequence number behind our urgent byte (RFC 9293, 3.8.5)
    uint32_t rcv_up             # the peer's urgent byte
    uint32_t marks              # first and last of struct mark, or NONE
    uint32_t last_mark
    uint32_t notes              # first and last of struct note, or NONE
    uint32_t last_note
    uint32_t next_copy          # number of the next zero-copy send
    uint32_t stamp_base         # sequence number from which SOF_OPT_ID counts
    uint32_t frame_left         # bytes that the last frame of the send queue has room for (tcp_config.charged_buffers)

cdef int asides_init(tcp_state *t, uint32_t max_connections) noexcept nogil         # 0 or -ENOMEM
cdef void asides_free(tcp_state *t) noexcept nogil
cdef void asides_reset(tcp_state *t) noexcept nogil
# Its aside, made where there is none; NULL when there is no memory, which cannot be: there are as many as connections.
cdef aside *aside_need(tcp_state *t, tcb *k) noexcept nogil
cdef void aside_drop(tcp_state *t, tcb *k) noexcept nogil
# A connection of a listener that has one.
cdef void aside_inherit(tcp_state *t, tcb *k, const tcb *parent) noexcept nogil
# The connection is over: what was marked will not be acknowledged.
cdef void aside_end(tcp_state *t, tcb *k) noexcept nogil

# A send of something has just ended at the end of the queue; kind: MARK_EOR, MARK_ZEROCOPY, MARK_STAMP. 0 or -ENOBUFS.
cdef int mark_end(tcp_state *t, tcb *k, uint32_t kind, int64_t now) noexcept nogil
# Of n bytes from seq on, those up to the end of a record.
cdef uint32_t marks_room(tcp_state *t, const tcb *k, uint32_t seq, uint32_t n) noexcept nogil
# Whether a record ends right before seq.
cdef bint marks_end_at(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil
# All below seq has been sent at least once; snd_una has moved.
cdef void marks_sent(tcp_state *t, tcb *k, uint32_t seq, int64_t now) noexcept nogil
cdef void marks_acked(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# The first of the error queue, taken from it. 0 or -EAGAIN.
cdef int note_take(tcp_state *t, uint32_t c, note *out) noexcept nogil


cdef inline aside *aside_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection with TF_ASIDE, awake or at rest."""
    return <aside *>arena_at(&t.asides, t.aside_of[k.id] - 1)


cdef inline aside *aside_if(tcp_state *t, const tcb *k) noexcept nogil:
    """Or NULL."""
    return aside_at(t, k) if k.flags & TF_ASIDE else NULL


cdef inline uint32_t notsent_limit(tcp_state *t, const tcb *k) noexcept nogil:
    """Bytes not sent from which the connection is not writable; 0: no limit."""
    cdef uint32_t limit = aside_at(t, k).notsent_lowat if k.flags & TF_ASIDE else 0
    return limit if limit else t.config.notsent_lowat
