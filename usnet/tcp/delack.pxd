"""When an ACK of data in order leaves, where tcp_config.adaptive_acks has it as Linux does. Each second full segment, and what is out of order, is
acknowledged at once as without; otherwise an ACK waits for as long as the next segment is about to take (ato), not at all while the connection begins,
behind silence, marks and what arrived twice (k.quick), unless the program's answers acknowledge (pingpong); and not behind a read of the last bytes
that the peer pushed, or of the last of several segments. Names as in Linux's inet_connection_sock.icsk_ack."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_DELACK, tcb

cdef enum:                      # tcb.acks
    ACK_PUSHED = 0x01           # a segment that was not full, or pushed, is not acknowledged yet
    ACK_PUSHED2 = 0x02          # ... and another
    ACK_PINGPONG = 0x04         # the program answers before the ACK is due

cdef enum:
    TCP_ATO_MIN = 40            # ms
    TCP_DELACK_MIN = 40         # ms: a round trip below counts as this
    TCP_DELACK_MAX = 200        # ms
    TCP_MAX_QUICKACKS = 16
    ATO_MS = 1000000            # ns

# n bytes in order, in segments of `size`, with these flags, are about to be taken; k.last_data is the time of those before.
cdef void delack_arrival(tcp_state *t, tcb *k, uint32_t n, uint32_t size, uint16_t flags, int64_t now) noexcept nogil
# They were. True if their ACK is due at once; else its timer runs.
cdef bint delack_owe(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# The sender needs ACKs: so many at most do not wait. In either mode.
cdef void delack_quick(const tcp_state *t, tcb *k, uint8_t most) noexcept nogil
# The timer ran out.
cdef void delack_missed(tcb *k) noexcept nogil
# The program has read n bytes while an ACK was owed: True if that is due.
cdef bint delack_read(const tcb *k, uint32_t n) noexcept nogil
# When an ACK that is owed from now on leaves, ns from now.
cdef int64_t delack_patience(const tcp_state *t, const tcb *k) noexcept nogil


cdef inline bint delack_quickly(const tcb *k) noexcept nogil:
    return k.quick != 0 and not k.acks & ACK_PINGPONG


cdef inline void delack_answered(tcb *k, int64_t now) noexcept nogil:
    """New data leaves: if that is an answer, so are those to come, and ACKs wait for them."""
    if now - k.last_data < k.ato * <int64_t>ATO_MS:
        k.acks |= ACK_PINGPONG


cdef inline void delack_acked(tcb *k) noexcept nogil:
    """What is owed has left."""
    k.acks &= ACK_PINGPONG
    if k.quick and k.flags & TF_DELACK:
        k.quick -= 1
        if k.quick == 0:
            k.ato = TCP_ATO_MIN
