"""Building one segment in place in a transmit slot: header, options, window, payload, checksum. Decides nothing but the window field."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.ip.state cimport packet
from usnet.memory.pieces cimport piece_pool, piece_queue
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_ALL_ROOM, TF_WSCALE, tcb
from usnet.wire.seq cimport seq_diff, seq_le
from usnet.wire.tcp cimport tcp_repr

# Sends seq, flags and n bytes of the send queue from `at` bytes behind its front. 0, -EAGAIN (ring full: nothing happened), -EALREADY (just
# these bytes still wait in the ring: nothing happened), or another errno of
# ip_tx_open: the segment is lost, and the sender carries on as if the network had dropped it. Keeps rcv_adv and last_ack_sent.
# Bytes of payload that one frame may carry to the peer now, a multiple of mss; mss itself where only single segments leave.
cdef uint32_t segment_most(tcp_state *t, const tcb *k, int64_t now) noexcept nogil
cdef int segment_send(tcp_state *t, tcb *k, uint32_t seq, uint8_t flags, uint32_t at, uint32_t n, int64_t now) noexcept nogil
# SYN or SYN-ACK with what we offer (all of it on a SYN; on a SYN-ACK what the peer's SYN allowed).
cdef int segment_send_syn(tcp_state *t, tcb *k, bint ack, int64_t now) noexcept nogil
# RST in answer to a segment that fits no connection (RFC 9293, 3.5.2, group 1).
cdef void segment_refuse(tcp_state *t, const packet *p, const tcp_repr *r, uint32_t seg_len, int64_t now) noexcept nogil
# RST of a connection that we give up.
cdef void segment_reset(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# Largest MSS that we can take from the peer of k: interface MTU less 40 (RFC 9293, 3.7.1).
cdef uint32_t segment_our_mss(tcp_state *t, const tcb *k) noexcept nogil
# For tcp/plain: copies n bytes of the queue, from `at` on, and returns their partial checksum; makes k.form for the way that k.way says.
cdef uint64_t segment_copy(piece_pool *pool, piece_queue *q, uint32_t at, uint8_t *dst, uint32_t n) noexcept nogil
cdef void segment_prepare(tcp_state *t, tcb *k) noexcept nogil


cdef inline uint32_t segment_seq(const tcb *k) noexcept nogil:
    """The number that a segment without data carries: the newest one that the peer's window still takes (RFC 9293, 3.10.7.4: it checks)."""
    cdef uint32_t edge = k.snd_una + k.snd_wnd
    return k.snd_max if seq_le(k.snd_max, edge) else edge


cdef inline uint32_t segment_window(const tcb *k) noexcept nogil:
    """The window to promise now: never retracts, and grows by whole steps only (RFC 9293, 3.8.6.2.2), with TF_ALL_ROOM unless it is small."""
    cdef uint32_t promised = <uint32_t>seq_diff(k.rcv_adv, k.rcv_nxt)
    cdef uint32_t room = k.rcvbuf - k.rcv_ready if k.rcvbuf > k.rcv_ready else 0
    cdef uint32_t step = k.rcvbuf // 2 if k.rcvbuf // 2 < k.rcv_mss else k.rcv_mss
    cdef uint32_t most = <uint32_t>65535 << (k.rcv_wscale if k.flags & TF_WSCALE else 0)     # that the field can say
    if seq_diff(k.rcv_adv, k.rcv_nxt) < 0:
        promised = 0
    if room > most:
        room = most
    if room < promised + step:              # silly-window avoidance: the edge moves by at least a step, and never back
        if k.flags & TF_ALL_ROOM and room > promised and (room >= k.rcvbuf // 4 or room >= k.rcv_mss):
            return room
        return promised
    return room
