"""Segments that leave the short way: with no options but timestamps, no longer than usual, the way that the one before went (ip/way)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.ip.way cimport way_close, way_open
from usnet.memory.arena cimport NONE
from usnet.memory.pieces cimport queue_near
from usnet.tcp.blocks cimport blocks_due
from usnet.tcp.ecn cimport ECN_NOT_ECT, ECN_QUEUE_CWR, ecn_leaves
from usnet.tcp.lend cimport lend_find, lend_fits, lend_put, lend_queued
from usnet.tcp.rtt cimport tcp_ts_now
from usnet.tcp.segment cimport segment_copy, segment_prepare, segment_window
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_WSCALE, tcb
from usnet.wire.checksum cimport csum_copy_few
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.flow cimport flow_emit, flow_head_len, flow_unmark
from usnet.wire.seq cimport seq_diff, seq_lt
from usnet.wire.tcp cimport TH_CWR


cdef inline uint16_t window_field(tcb *k, uint8_t shift) noexcept nogil:
    """The window as it goes on the wire; moves rcv_adv to what that promises. Rounds up rather than take a promise back, while what that adds up to
    stays within a sixteenth of the buffer: behind that, rounding down (RFC 7323, section 2.4) keeps tiny segments from filling memory without end."""
    cdef uint32_t field = segment_window(k) >> shift, up
    cdef int32_t more = seq_diff(k.rcv_nxt + (field << shift), k.rcv_adv)
    if more < 0:
        up = (<uint32_t>seq_diff(k.rcv_adv, k.rcv_nxt) + (1 << shift) - 1) >> shift
        if (up << shift) + k.rcv_ready <= k.rcvbuf + (k.rcvbuf >> 4):
            field = up
    if field > 65535:
        field = 65535
    if more and seq_diff(k.rcv_nxt + (field << shift), k.rcv_adv) > 0:
        k.rcv_adv = k.rcv_nxt + (field << shift)
    return <uint16_t>field


cdef inline void count_copied(tcp_state *t, const tcb *k, uint32_t seq, uint32_t n) noexcept nogil:
    if seq_lt(seq, k.snd_max):
        t.copies.out_again += n
    else:
        t.copies.out_first += n


cdef inline bint send_plain(tcp_state *t, tcb *k, uint32_t seq, uint8_t flags, uint32_t at, uint32_t n, int64_t now) noexcept nogil:
    """Sends a segment with no options but timestamps, no longer than usual, the way that the one before went. False: it is not of that kind."""
    cdef const uint8_t *to
    cdef uint8_t *l2
    cdef uint64_t total = 0
    cdef uint32_t header, whole = NONE
    cdef uint16_t marked = flags
    cdef uint8_t field = ECN_NOT_ECT
    cdef bint lent = False
    if k.way != t.ip.ways or n > k.mss or blocks_due(k):
        return False
    if k.form.way != k.way:
        segment_prepare(t, k)
    header = flow_head_len(&k.form)
    if header - ETH_HLEN + n > t.ip.netifs[k.netif].mtu:
        return False
    if n and k.snd.first != NONE:
        whole = lend_find(t, k, at, n)
        if whole != NONE and lend_queued(t, k, whole):
            return False
        lent = whole != NONE and lend_fits(t, whole, k.netif, k.form.tcp_len)
    l2 = way_open(t.ip, k.netif, k.hop, lent, now, &to)
    if l2 == NULL:
        return False
    if lent:
        l2 = lend_put(t, whole, k.netif, &total)
    elif n:
        if k.snd.near:
            total = csum_copy_few(l2 + header, queue_near(&k.snd) + at, n)
        else:
            total = segment_copy(t.pieces, &k.snd, at, l2 + header, n)
        count_copied(t, k, seq, n)
    if k.ecn:
        field = ecn_leaves(k, seq, n, &marked)
        if marked & TH_CWR:
            k.ecn &= ~<uint8_t>ECN_QUEUE_CWR
    flow_emit(l2, &k.form, to, seq, k.rcv_nxt, <uint8_t>marked, window_field(k, k.rcv_wscale if k.flags & TF_WSCALE else 0), tcp_ts_now(k, now), k.ts_recent,
              n, total)
    if k.ecn and field == ECN_NOT_ECT:
        flow_unmark(l2, &k.form)
    way_close(t.ip, k.netif, header - ETH_HLEN + n, header + n)
    t.counters.segments_out += 1
    k.segs_out += 1
    k.data_segs_out += n != 0
    k.last_ack_sent = k.rcv_nxt
    return True
