"""Limits of what strangers may cause."""
from libc.stdint cimport int64_t, uint32_t

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE
from usnet.memory.random cimport rng_below
from usnet.tcp.handshake cimport handshake_listen, handshake_number_above
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tables cimport tcb_find, tcb_find_listener
from usnet.tcp.tcb cimport TCPS_TIME_WAIT, TF_TIMESTAMPS, tcb
from usnet.tcp.teardown cimport tcp_end
from usnet.wire.seq cimport seq_gt
from usnet.wire.tcp cimport TCPO_TIMESTAMP, TH_ACK, TH_RST, TH_SYN, tcp_repr


cdef bint challenge_allowed(tcp_state *t, int64_t now) noexcept nogil:
    """Whether the stack as a whole may answer once more. How often in a second nobody can tell (CVE-2016-5696): half the limit, and a draw."""
    if t.config.challenge_limit == 0:
        return True
    if now >= t.challenge_until:
        t.challenge_until = now + 1000000000
        t.challenge_left = (t.config.challenge_limit + 1) // 2 + rng_below(t.random, t.config.challenge_limit)
    if t.challenge_left == 0:
        t.counters.challenges_skipped += 1
        return False
    t.challenge_left -= 1
    return True


cdef bint time_wait_reused(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil:
    """A SYN that must be new (RFC 9293, 3.6.1; RFC 6191) takes the place of a connection in TIME-WAIT. True if it did."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t heir, after
    if k.state != TCPS_TIME_WAIT or r.flags & (TH_SYN | TH_ACK | TH_RST) != TH_SYN:
        return False
    if k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP:
        if not (seq_gt(r.ts_val, k.ts_recent) or (r.ts_val == k.ts_recent and seq_gt(r.seq, k.rcv_nxt))):
            return False
    elif not seq_gt(r.seq, k.rcv_nxt):
        return False
    heir = tcb_find_listener(t, &p.dst, r.dst_port, &p.src, r.src_port)
    if heir == NONE:
        return False
    after = k.snd_max
    t.counters.time_wait_reuses += 1
    tcp_end(t, c, 0)
    handshake_listen(t, heir, p, r, n, now)
    c = tcb_find(t, &p.dst, r.dst_port, &p.src, r.src_port)
    if c != NONE:
        handshake_number_above(tcb_at(t, c), after)
    return True
