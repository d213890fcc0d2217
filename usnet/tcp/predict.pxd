"""Header prediction (Jacobson, 1990): the segment that is expected, in ESTABLISHED and with nothing else going on, goes straight to its queue."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.delack cimport delack_arrival
from usnet.tcp.ecn cimport ecn_usual
from usnet.tcp.input cimport tcp_known
from usnet.tcp.output cimport tcp_ack_now, tcp_flight
from usnet.tcp.receive cimport receive_next
from usnet.tcp.recovery.flight cimport FLIGHT_RATES
from usnet.tcp.recovery.newreno cimport recovery_calm
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.steps cimport owe_ack, record_timestamp, take_ack, tell_room, update_window
from usnet.tcp.tables cimport tcb_find_flow, tcp_notify
from usnet.tcp.tcb cimport (
    TCPS_ESTABLISHED, TCPS_SYN_SENT, TF_ACK_NOW, TF_FIN_HELD, TF_FIN_QUEUED, TF_FIN_RECEIVED, TF_MARKS, TF_MORE, TF_PROBE, TF_RCV_SHUT,
    TF_RECOVERY, TF_REXMT_NOW, TF_TIMESTAMPS, TF_TRIAL, tcb,
)
from usnet.wire.flow cimport flow, flow_tos, flow_verify
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le
from usnet.wire.tcp cimport TH_ACK, TH_PSH, TH_SYN, TH_URG

cdef enum:
    UNUSUAL = TF_RECOVERY | TF_TRIAL | TF_REXMT_NOW | TF_PROBE | TF_FIN_QUEUED | TF_FIN_RECEIVED | TF_FIN_HELD | TF_RCV_SHUT | TF_MORE | TF_MARKS


cdef inline bint expected(const tcb *k, const flow *f) noexcept nogil:
    """Whether it is the next in order, or acknowledges something, and no step of RFC 9293, 3.10.7.4 would do anything but go on."""
    if (k.state != TCPS_ESTABLISHED or f.flags & ~<uint32_t>TH_PSH != TH_ACK or k.flags & UNUSUAL or k.board != NONE or k.ooo != NONE or k.dupacks or k.timed & FLIGHT_RATES):
        return False
    if f.timestamps != (k.flags & TF_TIMESTAMPS != 0) or (f.timestamps and not seq_ge(f.ts_val, k.ts_recent)):
        return False
    if k.ecn and not ecn_usual(k, f.n, flow_tos(f)):
        return False
    if f.seq != k.rcv_nxt or f.n > k.rcv_adv - k.rcv_nxt or seq_gt(k.rcv_nxt, k.rcv_adv):
        return False
    if f.ack == k.snd_una and f.n == 0:
        return False                        # a duplicate ACK, or a window update
    return seq_ge(f.ack, k.snd_una) and seq_le(f.ack, k.snd_max) and f.window != 0 and k.snd_wnd != 0


cdef inline void next_text(tcp_state *t, uint32_t c, tcb *k, const flow *f, int64_t now) noexcept nogil:
    """What is next in order: kept, told of, and acknowledged now or later."""
    cdef int status
    k.data_segs_in += 1
    if t.config.adaptive_acks:
        delack_arrival(t, k, f.n, f.n, <uint16_t>f.flags, now)
    k.last_data = now
    if f.n > k.rcv_mss and not t.config.adaptive_acks:
        k.rcv_mss = <uint16_t>f.n if f.n < 65535 else 65535
    status = receive_next(t, c, k, f.payload, f.n)
    if status < 0:
        k.flags |= TF_ACK_NOW
        tcp_ack_now(t, c, now)
        return
    tcp_notify(t, k)
    if owe_ack(t, c, k, t.config.delack_small if f.n < k.rcv_mss else 4, now):
        tcp_ack_now(t, c, now)


cdef inline bint tcp_predict(tcp_state *t, const flow *f, int64_t now) noexcept nogil:
    """Takes a segment other than a SYN of a connection past SYN-SENT, if its checksums hold: what is expected at once, others by the steps of RFC 9293
    (tcp_known). False: nothing was done; it goes the long way, which does the same with it."""
    cdef uint32_t c = tcb_find_flow(t, f), acked, flight
    cdef tcb *k
    cdef bint was_full
    if c == NONE:
        return False
    k = tcb_at(t, c)
    if k.way != t.ip.ways or k.state <= TCPS_SYN_SENT or f.flags & (TH_SYN | TH_URG) or (t.ip.config.verify_checksums and not flow_verify(f)):
        return False
    if not expected(k, f):
        tcp_known(t, c, f, now)
        return True
    t.counters.segments_in += 1
    k.segs_in += 1
    if f.timestamps:
        record_timestamp(k, f.seq, f.ts_val, now)
    k.last_recv = now
    k.keep_probes = 0
    acked = f.ack - k.snd_una
    if acked:                               # the connection stays: no FIN of ours is out
        flight = tcp_flight(k)
        was_full = k.snd.span >= k.sndbuf
        take_ack(t, k, f.ack, f.ts_ecr if f.timestamps else 0, now)
        recovery_calm(t, c, k, acked, flight, now)
        tell_room(t, c, k, was_full)
    update_window(k, f.seq, f.ack, f.window)
    if f.n:
        next_text(t, c, k, f, now)
    return True
