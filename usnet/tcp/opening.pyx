"""SYNs and SYN-ACKs, the short way: read in one go, they go to the steps of the handshake as all others do."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from usnet.ip.known cimport known_both
from usnet.ip.state cimport packet
from usnet.tcp.input cimport dispatch, text
from usnet.tcp.state cimport tcp_state
from usnet.wire.addr cimport addr_set_v4
from usnet.wire.flow cimport FLOW_SYN_OPTIONS, flow, flow_parse_syn, flow_verify
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.tcp cimport TCP_HLEN, TCPO_MSS, TCPO_SACK_OK, TCPO_TIMESTAMP, TCPO_WSCALE, tcp_repr


cdef bint tcp_opening(tcp_state *t, uint32_t netif, const uint8_t *frame, uint32_t length, flow *f, int64_t now) noexcept nogil:
    cdef packet p
    cdef tcp_repr r
    cdef text s
    if (not flow_parse_syn(frame, length, f) or not known_both(t.ip, f.src, f.dst) or not t.config.short_way or f.src_port == 0 or f.dst_port == 0
            or (t.ip.config.verify_checksums and not flow_verify(f))):
        return False
    memset(&p, 0, sizeof(p))
    memset(&r, 0, sizeof(r))
    addr_set_v4(&p.src, <const uint8_t *>&f.src)
    addr_set_v4(&p.dst, <const uint8_t *>&f.dst)
    p.l4 = f.l4
    p.l4_len = TCP_HLEN + FLOW_SYN_OPTIONS
    p.netif = netif
    p.tos = (f.l4 - IPV4_HLEN)[1]
    p.ttl = (f.l4 - IPV4_HLEN)[8]
    r.src_port, r.dst_port = f.src_port, f.dst_port
    r.seq, r.ack, r.window, r.flags = f.seq, f.ack, f.window, f.flags
    r.header_len = TCP_HLEN + FLOW_SYN_OPTIONS
    r.options = TCPO_MSS | TCPO_SACK_OK | TCPO_TIMESTAMP | TCPO_WSCALE
    r.mss, r.wscale, r.ts_val, r.ts_ecr = f.mss, f.wscale, f.ts_val, f.ts_ecr
    s.p = f.payload
    s.n = s.size = s.fin = 0
    s.seq = f.seq
    s.syn = s.segments = 1
    t.counters.segments_in += 1
    dispatch(t, &p, &r, &s, now)
    return True
