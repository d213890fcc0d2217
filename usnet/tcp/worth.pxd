"""Whether a small segment is worth sending."""
from libc.stdint cimport uint32_t

from usnet.tcp.output cimport tcp_corked
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_FIN_QUEUED, TF_FORCE, TF_NODELAY, tcb
from usnet.wire.seq cimport seq_lt


cdef inline bint small_is_out(const tcb *k) noexcept nogil:
    """Whether a segment that was not full is out (Minshall). snd_sml may lie half the sequence space behind."""
    return seq_lt(k.snd_una, k.snd_sml) and not seq_lt(k.snd_max, k.snd_sml)


cdef inline bint tail_may_go(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether a last segment that is not full may follow others that are out."""
    if k.flags & TF_FIN_QUEUED:
        return True
    return not tcp_corked(k) and (k.flags & TF_NODELAY or (t.config.minshall and not small_is_out(k)))


cdef inline bint worth_sending(const tcp_state *t, const tcb *k, uint32_t n, uint32_t left) noexcept nogil:
    """Whether n bytes, of `left` that wait, make a segment: RFC 9293, 3.8.6.2.1 (silly windows) and 3.7.4 (Nagle), and TCP_CORK."""
    if n >= k.mss or k.flags & TF_FORCE or seq_lt(k.snd_nxt, k.snd_max):
        return n > 0
    if n == 0:
        return False
    if n == left and (tail_may_go(t, k) or (k.snd_nxt == k.snd_una and not tcp_corked(k))):
        return True
    return n >= k.max_window // 2 and n < left     # the window, not the data, is what is small
