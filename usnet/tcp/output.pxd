"""What may leave now: the sender's side of RFC 9293 (3.8.6), Nagle, silly windows, delayed ACKs, FIN, probes."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.idset cimport idset_push
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_ACK_NOW, TF_CORK, TF_FIN_QUEUED, TF_FIN_SENT, TF_FORCE, TF_MORE, TF_RECOVERY, TF_REXMT_NOW, tcb

# Sends all that connection c may send at `now`, and sets its timers. 0, or -EAGAIN when the transmit ring filled up: call again later.
cdef int tcp_output(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# An ACK at once. 0 or -EAGAIN (then it stays owed).
cdef int tcp_ack_now(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The segment at snd_una once more, whatever the window of congestion says. 0 or -EAGAIN.
cdef int tcp_resend_first(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# What was out, from snd_nxt up to `end`, again in segments of its own, as far as the peer's window allows. 0 or -EAGAIN.
cdef int tcp_resend_until(tcp_state *t, uint32_t c, uint32_t end, int64_t now) noexcept nogil
# One byte into a closed window (RFC 9293, 3.8.6.1), or what a small window takes.
cdef void tcp_send_probe(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# A tail loss probe (RFC 8985, 7.3): a segment of new data whatever cwnd says, else the last one again. False: nothing left.
cdef bint tcp_send_loss_probe(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# A keepalive probe: an empty segment from before the window (RFC 9293, 3.8.4).
cdef void tcp_send_keepalive(tcp_state *t, uint32_t c, int64_t now) noexcept nogil


cdef inline void tcp_want_output(tcp_state *t, uint32_t c) noexcept nogil:
    """Says that c may have something to send: stack_run and stack_flush will call tcp_output."""
    idset_push(&t.output, c)


cdef inline bint tcp_may_send(const tcb *k) noexcept nogil:
    """Whether tcp_output could find something to do: bytes that are not out (behind a timeout, not out again), a FIN, an ACK, a repair."""
    cdef uint32_t due = k.flags & (TF_FIN_QUEUED | TF_ACK_NOW | TF_RECOVERY | TF_REXMT_NOW | TF_FORCE)
    if due == TF_FIN_QUEUED and k.flags & TF_FIN_SENT and k.snd_nxt == k.snd_max:
        due = 0                             # it is out, once
    return k.snd.span > k.snd_nxt - k.snd_una or due


cdef inline bint tcp_corked(const tcb *k) noexcept nogil:
    """Only full segments may leave, and what ends the stream."""
    return k.flags & (TF_CORK | TF_MORE) != 0


cdef inline uint32_t tcp_window_again(const tcb *k) noexcept nogil:
    """Bytes behind snd_una that may be sent again: a window that is told in units seems to shrink by less than one where it does not (RFC 7323, 2.4)."""
    return k.snd_wnd + (1 << k.snd_wscale) - 1 if k.snd_wnd else 0


cdef inline uint32_t tcp_flight(const tcb *k) noexcept nogil:
    """Sequence numbers sent and not acknowledged."""
    return k.snd_max - k.snd_una
