"""The search for the path MTU. Probes are segments of what waits in the send queue anyway: nothing is sent for their sake. One that is lost is sent
again in segments that get through, and the congestion window knows nothing of it (RFC 4821, section 7.5)."""
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.ip.config cimport ip_mtu
from usnet.memory.arena cimport NONE, arena_take
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.output cimport tcp_resend_until, tcp_want_output
from usnet.tcp.segment cimport segment_our_mss
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport T_REXMT, TF_FIN_SENT, TF_MARKS, TF_PROBE, TF_RECOVERY, TF_RTT_TIMED, tcb, tcb_header_len
from usnet.tcp.timers cimport tcb_arm, tcp_rto
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.seq cimport seq_ge, seq_le, seq_lt
from usnet.wire.tcp cimport TCP_HLEN

cdef enum:
    BEHIND = 4                  # segments that have to follow a probe, so that its loss is seen: duplicate ACKs, and one (RFC 4821, section 7.4)
    LEAST_WINDOW = 11           # segments of cwnd below which there are no probes, as in Linux


cdef inline uint32_t headers(const tcb *k) noexcept nogil:
    return IPV4_HLEN + tcb_header_len(k)


cdef uint32_t most(tcp_state *t, const tcb *k) noexcept nogil:
    """Bytes of the longest packet that both ends take."""
    cdef uint32_t mss = segment_our_mss(t, k)
    return (mss if mss < k.peer_mss else k.peer_mss) + IPV4_HLEN + TCP_HLEN


cdef void resize(tcp_state *t, tcb *k, uint32_t mtu) noexcept nogil:
    k.mss = <uint16_t>(mtu - headers(k))
    cc_table(k.cc_ops).on_mss(&k.cc, k.mss)


cdef uint32_t base(const tcp_state *t) noexcept nogil:
    return t.config.base_mss + IPV4_HLEN + TCP_HLEN


cdef bint begin(tcp_state *t, tcb *k) noexcept nogil:
    """A search between the base and what both ends take. False: there is nothing to be found."""
    cdef uint32_t high = most(t, k)
    cdef mtu_search *s
    if base(t) >= high:
        return False
    k.search = arena_take(&t.searches)
    if k.search == NONE:
        return False
    s = search_at(t, k)
    memset(s, 0, sizeof(mtu_search))
    s.low, s.high = base(t), high
    return True


cdef void mtu_established(tcp_state *t, tcb *k) noexcept nogil:
    if t.config.mtu_probing == MTU_ALWAYS and k.search == NONE and begin(t, k) and search_at(t, k).low < k.mss + headers(k):
        k.mss = <uint16_t>(search_at(t, k).low - headers(k))


cdef bint mtu_told(tcp_state *t, uint32_t c, uint32_t seq, uint32_t mtu, int64_t now) noexcept nogil:
    """The search goes on below what the router says, if that makes sense (RFC 8899, section 4.6)."""
    cdef tcb *k = tcb_at(t, c)
    cdef mtu_search *s
    if k.search == NONE:
        return False
    s = search_at(t, k)
    if s.size and seq_le(s.probe_start, seq) and seq_lt(seq, s.probe_end):
        if mtu_probe_lost(t, c, now) and s.low <= mtu < s.high:
            s.high = mtu
        return True
    return False


cdef void mtu_timed_out(tcp_state *t, tcb *k) noexcept nogil:
    """A probe that is out says nothing any more: all may be lost. Where nothing comes back of full segments again and again, smaller ones are tried:
    the base, then half of that, and so on (RFC 4821, section 7.7)."""
    cdef mtu_search *s
    cdef uint32_t mss
    if k.search != NONE:
        search_at(t, k).size = 0
    if t.config.mtu_probing == MTU_OFF or k.unanswered + 1 < t.config.mtu_blackhole or k.snd_max - k.snd_una < k.mss:
        return
    if k.search == NONE:
        if not begin(t, k):
            return
        s = search_at(t, k)
    else:
        s = search_at(t, k)
        mss = (s.low - IPV4_HLEN - TCP_HLEN) // 2
        mss = t.config.base_mss if t.config.base_mss < mss else mss
        s.low = (mss if mss > t.config.mtu_floor else t.config.mtu_floor) + IPV4_HLEN + TCP_HLEN
    s.ended_at = 0
    if s.low < k.mss + headers(k):
        t.counters.mtu_blackholes += 1
        resize(t, k, s.low)


cdef bint over(tcp_state *t, const tcb *k, mtu_search *s, int64_t now) noexcept nogil:
    """Whether the search is, for now (RFC 4821, section 7.3)."""
    if s.high >= s.low + t.config.mtu_threshold:
        return False
    if not s.ended_at:
        s.ended_at = now
    elif now - s.ended_at >= t.config.mtu_raise and most(t, k) >= s.low + t.config.mtu_threshold:
        s.ended_at = 0
        s.high = most(t, k)
        return False
    return True


cdef int32_t mtu_probe_due(tcp_state *t, tcb *k, uint32_t window, int64_t now) noexcept nogil:
    """Halfway between what gets through and what may, where enough waits behind it for its loss to be noticed."""
    cdef mtu_search *s = search_at(t, k)
    cdef uint32_t n, out = k.snd_nxt - k.snd_una
    if (s.size or k.dupacks or k.board != NONE or k.snd_nxt != k.snd_max or k.flags & (TF_RECOVERY | TF_PROBE | TF_MARKS | TF_FIN_SENT)
            or k.backoff or seq_lt(k.snd_una, k.recover) or k.cc.cwnd < LEAST_WINDOW * <uint32_t>k.mss or over(t, k, s, now)):
        return 0
    n = (s.low + s.high + 1) // 2 - headers(k)
    if n <= k.mss:
        s.low = k.mss + headers(k)          # the handshake, or a router, said that this gets through
        return 0
    if k.snd.span - out < n + BEHIND * <uint32_t>k.mss or k.snd_wnd < n + BEHIND * <uint32_t>k.mss:
        return 0
    if out + n > window:
        return -1 if out else 0
    return <int32_t>n


cdef void mtu_probe_begin(tcp_state *t, tcb *k, uint32_t seq, uint32_t n) noexcept nogil:
    cdef mtu_search *s = search_at(t, k)
    s.size = n + headers(k)
    s.probe_start = seq
    s.probe_end = seq + n
    k.way = 0                               # its ACK takes the long way
    t.counters.mtu_probes += 1


cdef void mtu_probe_undone(tcp_state *t, tcb *k) noexcept nogil:
    search_at(t, k).size = 0
    t.counters.mtu_probes -= 1


cdef void mtu_acked(tcp_state *t, tcb *k) noexcept nogil:
    cdef mtu_search *s = search_at(t, k)
    if s.size and seq_ge(k.snd_una, s.probe_end):
        s.low = s.size
        s.size = 0
        t.counters.mtup_success += 1
        if s.low > k.mss + headers(k):
            resize(t, k, s.low)


cdef bint mtu_probe_lost(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """What else is out needs no repair: duplicate ACKs of this flight find no loss any more."""
    cdef tcb *k = tcb_at(t, c)
    cdef mtu_search *s
    cdef uint32_t was = k.snd_nxt
    if not mtu_probing(t, k) or k.snd_una != search_at(t, k).probe_start:
        return False
    s = search_at(t, k)
    s.high = s.size - 1
    s.size = 0
    t.counters.mtup_fail += 1
    k.dupacks = 0
    k.recover = k.snd_max
    k.flags &= ~<uint32_t>TF_RTT_TIMED
    k.snd_nxt = s.probe_start
    if tcp_resend_until(t, c, s.probe_end, now) == 0:
        k.snd_nxt = was
    tcb_arm(t, k, T_REXMT, now + tcp_rto(t, k))
    tcp_want_output(t, c)
    return True


cdef uint32_t mtu_of(tcp_state *t, const tcb *k) noexcept nogil:
    cdef uint32_t mtu = k.mss + headers(k)
    return mtu if mtu < most(t, k) else ip_mtu(t.ip, &k.raddr)
