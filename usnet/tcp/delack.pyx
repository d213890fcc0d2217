"""Delayed ACKs that adapt."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.tcp.segment cimport segment_our_mss
from usnet.tcp.tcb cimport T_DELACK, TF_DELACK, TF_TIMESTAMPS
from usnet.tcp.timers cimport tcb_arm
from usnet.wire.seq cimport seq_diff
from usnet.wire.tcp cimport TCP_MSS_DEFAULT, TCPOLEN_TSTAMP_APPA, TH_FIN, TH_PSH, TH_SYN, TH_URG

cdef enum:
    REMNANT = TH_FIN | TH_URG | TH_SYN | TH_PSH     # what a segment may have that its sender could not fill
    TCP_MIN_MSS = 88
    DELACK_LIMIT = 500          # ms: RFC 9293, 3.8.6.3


cdef void more_quick(tcb *k, uint8_t most) noexcept nogil:
    """One for each two segments that the window has room for, or two where that is none."""
    cdef int64_t promised = seq_diff(k.rcv_adv, k.rcv_nxt)
    cdef uint32_t n = <uint32_t>promised // (2 * <uint32_t>k.rcv_mss) if promised > 0 and k.rcv_mss else 0
    n = 2 if n == 0 else n
    n = most if n > most else n
    if n > k.quick:
        k.quick = <uint8_t>n


cdef void measure(tcp_state *t, tcb *k, uint32_t n, uint32_t size, uint16_t flags) noexcept nogil:
    """rcv_mss: the longest segment yet, as far as we take it; or a shorter one that comes twice in a row and is not the end of a write."""
    cdef uint32_t last = k.last_seg, most
    k.last_seg = 0
    if size >= k.rcv_mss:
        if size > k.rcv_mss:
            most = segment_our_mss(t, k) - (TCPOLEN_TSTAMP_APPA if k.flags & TF_TIMESTAMPS else 0)
            k.rcv_mss = <uint16_t>(size if size < most else most)
        if n == size and flags & TH_PSH:
            k.acks |= ACK_PUSHED            # the end of a write that happens to fill a segment
        return
    if size >= TCP_MSS_DEFAULT or (size >= TCP_MIN_MSS and not flags & REMNANT):
        k.last_seg = <uint16_t>size
        if size == last:
            k.rcv_mss = <uint16_t>size
            return
    k.acks |= ACK_PUSHED2 | ACK_PUSHED if k.acks & ACK_PUSHED else ACK_PUSHED


cdef void delack_arrival(tcp_state *t, tcb *k, uint32_t n, uint32_t size, uint16_t flags, int64_t now) noexcept nogil:
    cdef int64_t since = (now - k.last_data) // ATO_MS, rto = k.rto // ATO_MS, ato = k.ato
    measure(t, k, n, size, flags)
    if ato == 0:
        more_quick(k, TCP_MAX_QUICKACKS)
        ato = TCP_ATO_MIN
    elif since <= TCP_ATO_MIN // 2:
        ato = ato // 2 + TCP_ATO_MIN // 2
    elif since < ato:
        ato = ato // 2 + since
        ato = rto if ato > rto else ato
    elif since > rto:                       # a sender that began anew has little out
        more_quick(k, TCP_MAX_QUICKACKS)
    k.ato = <uint16_t>(ato if 0 < ato < 65535 else TCP_ATO_MIN)


cdef int64_t delack_patience(const tcp_state *t, const tcb *k) noexcept nogil:
    cdef int64_t ato = k.ato, most = DELACK_LIMIT, rtt
    if not t.config.adaptive_acks:
        return t.config.delack
    if ato == 0:
        ato = TCP_ATO_MIN
    if ato > TCP_DELACK_MIN:
        if k.acks & (ACK_PINGPONG | ACK_PUSHED):
            most = TCP_DELACK_MAX
        if k.srtt:
            rtt = k.srtt // ATO_MS
            rtt = TCP_DELACK_MIN if rtt < TCP_DELACK_MIN else rtt
            most = rtt if rtt < most else most
        ato = most if ato > most else ato
    return (ato if ato < TCP_DELACK_MAX else TCP_DELACK_MAX) * ATO_MS


cdef bint delack_owe(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef int64_t wait
    k.flags |= TF_DELACK
    if k.rcv_nxt - k.last_ack_sent > k.rcv_mss or delack_quickly(k):
        return True
    wait = delack_patience(t, k)
    if k.deadline[T_DELACK]:
        if k.deadline[T_DELACK] <= now + wait // 4:
            return True                     # it is about to leave
        if now + wait >= k.deadline[T_DELACK]:
            return False
    tcb_arm(t, k, T_DELACK, now + wait)
    return False


cdef void delack_quick(const tcp_state *t, tcb *k, uint8_t most) noexcept nogil:
    if not t.config.adaptive_acks:
        k.quick = most if k.quick < most else k.quick
        return
    more_quick(k, most)
    k.acks &= ~<uint8_t>ACK_PINGPONG
    k.ato = TCP_ATO_MIN


cdef void delack_missed(tcb *k) noexcept nogil:
    """No answer came: there is none, or it takes longer."""
    cdef int64_t twice = 2 * <int64_t>k.ato, rto = k.rto // ATO_MS
    if k.acks & ACK_PINGPONG:
        k.acks &= ~<uint8_t>ACK_PINGPONG
        k.ato = TCP_ATO_MIN
    elif k.ato:
        twice = rto if twice > rto else twice
        k.ato = <uint16_t>(twice if 0 < twice < 65535 else TCP_ATO_MIN)


cdef bint delack_read(const tcb *k, uint32_t n) noexcept nogil:
    """Of a burst of three segments the second was acknowledged when it came: the sender of a small window would wait for the third's."""
    if k.rcv_ready:
        return False
    return k.acks & ACK_PUSHED2 or (k.acks & (ACK_PUSHED | ACK_PINGPONG) == ACK_PUSHED) or (n > k.rcv_mss and not k.acks & ACK_PINGPONG)
