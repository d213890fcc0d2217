"""Header prediction."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.input cimport accept_text, new_ack, record_timestamp, text, update_window
from usnet.tcp.output cimport tcp_ack_now
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tables cimport tcb_find_flow
from usnet.tcp.tcb cimport (
    TCPS_ESTABLISHED, TF_FIN_HELD, TF_FIN_QUEUED, TF_FIN_RECEIVED, TF_PROBE, TF_RCV_SHUT, TF_RECOVERY, TF_REXMT_NOW, TF_TIMESTAMPS, tcb,
)
from usnet.wire.flow cimport flow
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le
from usnet.wire.tcp cimport TCPO_TIMESTAMP, TH_ACK, TH_PSH, tcp_repr

cdef enum:
    UNUSUAL = TF_RECOVERY | TF_REXMT_NOW | TF_PROBE | TF_FIN_QUEUED | TF_FIN_RECEIVED | TF_FIN_HELD | TF_RCV_SHUT


cdef inline bint expected(const tcp_state *t, const tcb *k, const flow *f) noexcept nogil:
    """Whether it is the next in order, or acknowledges something, and no step of RFC 9293, 3.10.7.4 would do anything but go on."""
    if (k.state != TCPS_ESTABLISHED or k.way != t.ip.ways or f.flags & ~<uint32_t>TH_PSH != TH_ACK
            or k.flags & UNUSUAL or k.board != NONE or k.ooo != NONE or k.dupacks):
        return False
    if f.timestamps != (k.flags & TF_TIMESTAMPS != 0) or (f.timestamps and not seq_ge(f.ts_val, k.ts_recent)):
        return False
    if f.seq != k.rcv_nxt or f.n > k.rcv_adv - k.rcv_nxt or seq_gt(k.rcv_nxt, k.rcv_adv):
        return False
    if f.ack == k.snd_una and f.n == 0:
        return False                        # a duplicate ACK, or a window update
    return seq_ge(f.ack, k.snd_una) and seq_le(f.ack, k.snd_max) and f.window != 0 and k.snd_wnd != 0


cdef bint tcp_predict(tcp_state *t, const flow *f, int64_t now) noexcept nogil:
    cdef uint32_t c = tcb_find_flow(t, f)
    cdef tcb *k
    cdef tcp_repr r
    cdef text s
    if c == NONE:
        return False
    k = tcb_at(t, c)
    if not expected(t, k, f):
        return False
    t.counters.segments_in += 1
    r.flags = f.flags
    r.seq = f.seq
    r.ack = f.ack
    r.window = f.window
    r.options = TCPO_TIMESTAMP if f.timestamps else 0
    r.ts_val = f.ts_val
    r.ts_ecr = f.ts_ecr
    r.n_sack = 0
    s.p = f.payload
    s.n = s.size = f.n
    s.seq = f.seq
    s.fin = s.syn = 0
    record_timestamp(k, &r, &s, now)
    k.last_recv = now
    k.keep_probes = 0
    if f.ack != k.snd_una:
        new_ack(t, c, &r, now)              # the connection stays: no FIN of ours is out
    update_window(k, &r)
    if s.n and accept_text(t, c, &s, now):
        tcp_ack_now(t, c, now)
    return True
