"""One segment out. The payload is copied and summed in one pass from the send queue into the slot."""
from libc.errno cimport EAGAIN, EALREADY
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.ip.config cimport ip_mtu
from usnet.ip.output cimport ip_count_lost, ip_large_most, ip_tx_close, ip_tx_open, ip_tx_open_large, ip_tx_put
from usnet.ip.known cimport known_find, known_put
from usnet.ip.state cimport known_host, packet, tx_frame
from usnet.ip.way cimport way_close, way_of, way_open
from usnet.memory.arena cimport NONE
from usnet.memory.pieces cimport piece_pool, piece_queue, queue_peek
from usnet.tcp.accecn cimport accecn_leaves, accecn_left
from usnet.tcp.blocks cimport blocks_due, blocks_report
from usnet.tcp.ecn cimport ECN_ACCECN, ECN_ECT_0, ECN_NOT_ECT, ECN_QUEUE_CWR, ECN_RFC3168, ecn_leaves, ecn_syn_flags
from usnet.tcp.fastopen cimport fastopen_syn
from usnet.tcp.lend cimport lend_find, lend_fits, lend_put, lend_queued, lend_way
from usnet.tcp.mtu cimport mtu_probing
from usnet.tcp.plain cimport count_copied, send_plain, window_field
from usnet.tcp.rtt cimport tcp_ts_now
from usnet.tcp.signature cimport signature_find, signature_put, signer
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tables cimport tcb_find, tcb_find_listener
from usnet.tcp.tcb cimport TF_SACK, TF_TIMESTAMPS, TF_WSCALE, TFO_GIVES, UTO_DUE, UTO_PEERS, tcb, tcb_header_len
from usnet.tcp.urgent cimport urgent_pointer
from usnet.wire.addr cimport addr_as_it_lies, addr_is_v4
from usnet.wire.checksum cimport csum_copy, csum_copy_at
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.flow cimport FLOW_SYN_OPTIONS, flow_emit_syn, flow_prepare, flow_unmark
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPV4_HLEN
from usnet.wire.tcp cimport (
    LAYOUT_ALIGNED,
    TCP_CSUM_AT,
    TCP_HLEN,
    TCP_MAX_HLEN,
    TCP_MSS_DEFAULT,
    TCPO_MD5,
    TCPO_MSS,
    TCPO_SACK_OK,
    TCPO_TIMESTAMP,
    TCPO_UTO,
    TCPO_WSCALE,
    TCPOLEN_MD5_APPA,
    TH_ACK,
    TH_CWR,
    TH_RST,
    TH_SYN,
    TH_URG,
    tcp_emit,
    tcp_finish,
    tcp_finish_partial,
    tcp_header_len,
    tcp_repr,
    tcp_uto,
)

cdef enum:
    USUAL_OPTIONS = TCPO_MSS | TCPO_SACK_OK | TCPO_TIMESTAMP | TCPO_WSCALE      # of a SYN
    SYN_HEADER = TCP_HLEN + FLOW_SYN_OPTIONS
    UTO_BYTES = 4               # of the user timeout option


cdef uint32_t segment_our_mss(tcp_state *t, const tcb *k) noexcept nogil:
    cdef uint32_t mtu = ip_mtu(t.ip, &k.raddr)
    cdef uint32_t mss = mtu - IPV4_HLEN - TCP_HLEN if mtu > IPV4_HLEN + TCP_HLEN else TCP_MSS_DEFAULT
    if t.config.mss and t.config.mss < mss:
        mss = t.config.mss
    if k.user_mss and k.user_mss < mss:
        mss = k.user_mss
    return mss if mss < 65535 else 65535


cdef uint64_t segment_copy(piece_pool *pool, piece_queue *q, uint32_t at, uint8_t *dst, uint32_t n) noexcept nogil:
    """Copies n bytes of the queue and returns their partial checksum."""
    cdef uint64_t total = 0
    cdef uint32_t done = 0, run
    cdef uint8_t *src
    while done < n:
        src = queue_peek(pool, q, at + done, &run)
        if run > n - done:
            run = n - done
        total = csum_copy_at(total, done, dst + done, src, run) if done & 1 else csum_copy(total, dst + done, src, run)
        done += run
    return total


cdef inline bint takes_long_way(tcp_state *t, const tcb *k) noexcept nogil:
    """What of a connection the short way does not know of: it takes the long one, in and out."""
    return k.signs or k.ecn & ECN_ACCECN or mtu_probing(t, k)


cdef uint32_t segment_most(tcp_state *t, const tcb *k, int64_t now) noexcept nogil:
    cdef uint32_t most = ip_large_most(t.ip, &k.laddr, &k.raddr, now)
    cdef uint32_t header = TCP_MAX_HLEN
    if most < header + 2 * <uint32_t>k.mss or takes_long_way(t, k):
        return k.mss
    most -= header
    return most - most % k.mss


cdef void put_payload(tcp_state *t, piece_queue *q, uint32_t at, tx_frame *f, uint32_t n) noexcept nogil:
    """Copies n bytes of the queue into the slots of a large frame."""
    cdef uint32_t run
    cdef uint8_t *src
    while n:
        src = queue_peek(t.pieces, q, at, &run)
        if run > n:
            run = n
        ip_tx_put(t.ip, f, src, run)
        at += run
        n -= run


cdef int emit_large(tcp_state *t, tcb *k, tcp_repr *r, uint32_t at, uint32_t n, uint8_t tos, int64_t now) noexcept nogil:
    """Several segments in one frame, which the port cuts. Those of more header than usual are shorter, as they would be alone."""
    cdef tx_frame f
    cdef uint32_t header = tcp_header_len(r)
    cdef uint32_t size = k.mss - (header - tcb_header_len(k))
    cdef int status = ip_tx_open_large(t.ip, &k.laddr, &k.raddr, header, header + n, <uint16_t>size, now, &f)
    if status == 0:
        f.tos = tos
        f.cwr = r.flags & TH_CWR != 0
        r.header_len = <uint8_t>header
        tcp_emit(f.l4, f.room, r)
        put_payload(t, &k.snd, at, &f, n)
        count_copied(t, k, r.seq, n)
        tcp_finish_partial(f.l4, header + n, &k.laddr, &k.raddr)
        f.csum_offset = TCP_CSUM_AT
        ip_tx_close(t.ip, &f, header + n, now)
    if status != -EAGAIN:
        t.counters.segments_out += (n + size - 1) // size
        k.segs_out += (n + size - 1) // size
        k.data_segs_out += (n + size - 1) // size
    return status


cdef int emit(tcp_state *t, tcb *k, tcp_repr *r, uint32_t at, uint32_t n, int64_t now) noexcept nogil:
    cdef tx_frame f
    cdef uint32_t header
    cdef uint64_t total = 0
    cdef uint32_t whole, ahead
    cdef uint8_t tos = k.tos
    cdef int status
    if k.ecn and not r.flags & (TH_SYN | TH_RST):
        tos |= accecn_leaves(t, k, r, n, now) if k.ecn & ECN_ACCECN else ecn_leaves(k, r.seq, n, &r.flags)
    if k.signs:
        r.options |= TCPO_MD5
    header = tcp_header_len(r)
    if n > k.mss and not mtu_probing(t, k):
        return emit_large(t, k, r, at, n, tos, now)
    whole = lend_find(t, k, at, n) if n else NONE
    if whole != NONE and lend_queued(t, k, whole):
        t.copies.out_waiting += n
        return -EALREADY
    status = ip_tx_open(t.ip, &k.laddr, &k.raddr, IPPROTO_TCP, header + n, now, &f)
    if status == 0:
        f.tos = tos
        if k.ttl:
            f.ttl = k.ttl
        r.header_len = <uint8_t>header
        lend_way(t, k, &f)
        k.way = way_of(t.ip, &f) if t.config.short_way and not takes_long_way(t, k) else 0
        if k.way:
            known_put(t.ip, &f)
        k.form.way = 0
        k.hop = f.neighbour
        if whole != NONE and f.ring_slot != NONE and lend_fits(t, whole, f.netif, header):
            ahead = <uint32_t>(f.l4 - f.l2)
            f.l2 = lend_put(t, whole, f.netif, &total)
            f.l4 = f.l2 + ahead
        elif n:
            total = segment_copy(t.pieces, &k.snd, at, f.l4 + header, n)
            count_copied(t, k, r.seq, n)
        tcp_emit(f.l4, f.room, r)
        if k.signs:
            signature_put(signature_find(t, k, &k.raddr), f.l4, header, n, &k.laddr, &k.raddr)
        if f.offload:
            tcp_finish_partial(f.l4, header + n, &k.laddr, &k.raddr)
            f.csum_offset = TCP_CSUM_AT
            f.l4_header = <uint16_t>header
        else:
            tcp_finish(f.l4, header, n, total, &k.laddr, &k.raddr)
        ip_tx_close(t.ip, &f, header + n, now)
    if status != -EAGAIN:
        t.counters.segments_out += 1
        k.segs_out += 1
        k.data_segs_out += n != 0
        if k.ecn & ECN_ACCECN and not r.flags & (TH_SYN | TH_RST):
            accecn_left(t, k, r, now)
    return status


cdef void fill(tcb *k, tcp_repr *r, uint32_t seq, uint16_t flags, int64_t now) noexcept nogil:
    memset(r, 0, sizeof(tcp_repr))
    r.src_port = k.lport
    r.dst_port = k.rport
    r.seq = seq
    r.flags = flags
    if flags & TH_ACK:
        r.ack = k.rcv_nxt
    if k.flags & TF_TIMESTAMPS:
        r.options |= TCPO_TIMESTAMP
        r.ts_val = tcp_ts_now(k, now)
        r.ts_ecr = k.ts_recent if flags & TH_ACK else 0


cdef void segment_prepare(tcp_state *t, tcb *k) noexcept nogil:
    cdef uint8_t tos = k.tos | <uint8_t>(ECN_ECT_0 if k.ecn else ECN_NOT_ECT)      # as most of its data has it
    flow_prepare(&k.form, t.ip.netifs[k.netif].mac, addr_as_it_lies(&k.laddr), addr_as_it_lies(&k.raddr), k.lport, k.rport, tos,
                 k.ttl if k.ttl else t.ip.config.ttl, k.flags & TF_TIMESTAMPS != 0)
    k.form.way = k.way


cdef void tell_uto(const tcp_state *t, tcb *k, tcp_repr *r) noexcept nogil:
    """RFC 5482, 3.1: what the program has asked for."""
    k.uto &= ~<uint8_t>UTO_DUE
    if t.config.uto and k.user_timeout and not k.uto & UTO_PEERS:
        r.options |= TCPO_UTO
        r.uto = tcp_uto(k.user_timeout)


cdef int segment_send(tcp_state *t, tcb *k, uint32_t seq, uint8_t flags, uint32_t at, uint32_t n, int64_t now) noexcept nogil:
    cdef tcp_repr r
    cdef uint32_t promised = k.rcv_adv
    cdef int status
    if flags & TH_ACK and not flags & TH_URG and send_plain(t, k, seq, flags, at, n, now):
        return 0
    fill(k, &r, seq, flags, now)
    if blocks_due(k):
        blocks_report(t, k, n, &r)
    if flags & TH_URG:
        r.urgent = <uint16_t>urgent_pointer(t, k, seq)
    if k.uto & UTO_DUE and flags & TH_ACK and n + UTO_BYTES <= k.mss and r.n_sack == 0:
        tell_uto(t, k, &r)
    r.window = window_field(k, k.rcv_wscale if k.flags & TF_WSCALE else 0)
    status = emit(t, k, &r, at, n, now)
    if status == -EAGAIN or status == -EALREADY:
        k.rcv_adv = promised
        return status
    if r.flags & TH_CWR and k.ecn & ECN_RFC3168:
        k.ecn &= ~<uint8_t>ECN_QUEUE_CWR
    t.counters.sacks_out += r.n_sack != 0
    k.last_ack_sent = k.rcv_nxt
    return status


cdef bint send_syn_plain(tcp_state *t, tcb *k, const tcp_repr *r, int64_t now) noexcept nogil:
    """The usual SYN, or SYN-ACK, to a host that is known, the short way. False: it is not of that kind."""
    cdef const known_host *host = known_find(t.ip, &k.raddr)
    cdef const uint8_t *to
    cdef uint8_t *l2
    if (k.ecn & ECN_ACCECN or host == NULL or host.from_ != addr_as_it_lies(&k.laddr) or not addr_is_v4(&k.laddr) or r.options != USUAL_OPTIONS
            or r.layout != LAYOUT_ALIGNED or k.signs or not t.config.short_way or host.mtu < IPV4_HLEN + SYN_HEADER):
        return False
    l2 = way_open(t.ip, host.netif, host.hop, False, now, &to)
    if l2 == NULL:
        return False
    k.netif = <uint8_t>host.netif
    k.way = t.ip.ways
    k.hop = host.hop
    segment_prepare(t, k)
    flow_emit_syn(l2, &k.form, to, r.seq, r.ack, <uint8_t>r.flags, r.window, r.mss, r.wscale, r.ts_val, r.ts_ecr)
    if k.ecn:
        flow_unmark(l2, &k.form)
    way_close(t.ip, k.netif, IPV4_HLEN + SYN_HEADER, ETH_HLEN + IPV4_HLEN + SYN_HEADER)
    t.counters.segments_out += 1
    k.segs_out += 1
    k.last_ack_sent = k.rcv_nxt
    return True


cdef int segment_send_syn(tcp_state *t, tcb *k, bint ack, int64_t now) noexcept nogil:
    cdef tcp_repr r
    cdef uint32_t promised = k.rcv_adv, n = 0
    cdef int status
    fill(k, &r, k.iss, TH_SYN | (TH_ACK if ack else 0), now)
    r.options |= TCPO_MSS
    r.layout = t.config.option_layout
    r.mss = <uint16_t>segment_our_mss(t, k)
    if k.flags & TF_WSCALE:
        r.options |= TCPO_WSCALE
        r.wscale = k.rcv_wscale
    if k.flags & TF_SACK:
        r.options |= TCPO_SACK_OK
    tell_uto(t, k, &r)
    r.window = window_field(k, 0)
    if not ack:
        k.rcv_adv = promised                # nothing is promised before the peer's sequence numbers are known
    if k.fast != NONE or k.fastopen & TFO_GIVES:
        n = fastopen_syn(t, k, &r)
    if k.ecn:
        r.flags |= ecn_syn_flags(t, k, ack, &r)
    if n == 0 and send_syn_plain(t, k, &r, now):
        return 0
    status = emit(t, k, &r, 0, n, now)
    if status == -EAGAIN:
        k.rcv_adv = promised
        return status
    k.last_ack_sent = k.rcv_nxt
    return status


cdef void segment_reset(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """RST where the peer takes it, with an ACK for one that is not synchronized yet."""
    cdef tcp_repr r
    fill(k, &r, segment_seq(k), TH_RST | TH_ACK, now)
    if not t.config.rst_timestamps:
        r.options = 0                       # RFC 7323, section 3.2: a RST need not carry timestamps
    emit(t, k, &r, 0, 0, now)
    t.counters.rsts_out += 1


cdef const signer *signature_of(tcp_state *t, const packet *p, const tcp_repr *seg) noexcept nogil:
    """The key for an answer to a segment that no connection takes: that of whoever is there at all."""
    cdef uint32_t c
    if t.signers.live == 0:
        return NULL
    c = tcb_find(t, &p.dst, seg.dst_port, &p.src, seg.src_port)
    if c == NONE:
        c = tcb_find_listener(t, &p.dst, seg.dst_port, &p.src, seg.src_port)
    return signature_find(t, tcb_at(t, c), &p.src) if c != NONE else NULL


cdef void segment_refuse(tcp_state *t, const packet *p, const tcp_repr *seg, uint32_t seg_len, int64_t now) noexcept nogil:
    cdef tcp_repr r
    cdef tx_frame f
    cdef const signer *key = signature_of(t, p, seg)
    cdef uint32_t header = TCP_HLEN + (TCPOLEN_MD5_APPA if key != NULL else 0)
    cdef int status
    if seg.flags & TH_RST:                  # never an answer to a RST
        return
    memset(&r, 0, sizeof(r))
    r.src_port = seg.dst_port
    r.dst_port = seg.src_port
    if seg.flags & TH_ACK:
        r.seq = seg.ack
        r.flags = TH_RST
    else:
        r.ack = seg.seq + seg_len
        r.flags = TH_RST | TH_ACK
    r.header_len = <uint8_t>header
    r.options = TCPO_MD5 if key != NULL else 0
    status = ip_tx_open(t.ip, &p.dst, &p.src, IPPROTO_TCP, header, now, &f)
    if status:
        ip_count_lost(t.ip, status)
        return
    tcp_emit(f.l4, f.room, &r)
    if key != NULL:
        signature_put(key, f.l4, header, 0, &p.dst, &p.src)
    tcp_finish(f.l4, header, 0, 0, &p.dst, &p.src)
    ip_tx_close(t.ip, &f, header, now)
    t.counters.segments_out += 1
    t.counters.rsts_out += 1
