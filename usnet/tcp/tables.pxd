"""Where connections are kept and found: arenas, the table of connections, the table of bound ports; initial sequence numbers."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.memory.arena cimport NONE
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.hash cimport hash_first, hash_next, hash_three
from usnet.memory.idset cimport idset, idset_push
from usnet.memory.pieces cimport piece_pool
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.tcp.state cimport tcb_awake, tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.addr cimport ip_addr
from usnet.wire.flow cimport flow, flow_answers

cdef int tcp_init(tcp_state *t, ip_state *ip, chunk_pool *chunks, piece_pool *pieces, wheel *timers, idset *notify, rng *random,
                  uint32_t max_connections) noexcept nogil              # 0 or -ENOMEM; default config
cdef void tcp_free(tcp_state *t) noexcept nogil
cdef void tcp_reset(tcp_state *t) noexcept nogil                        # no connections; config stays

cdef uint32_t tcb_new(tcp_state *t) noexcept nogil                      # a CLOSED one with the stack's defaults, or NONE
cdef void tcb_defaults(const tcp_state *t, tcb *k) noexcept nogil        # the stack's, in a zeroed TCB
cdef void tcb_drop(tcp_state *t, uint32_t c) noexcept nogil             # gives everything it holds back, and itself
cdef void tcb_clear_queues(tcp_state *t, tcb *k, bint keep_unread) noexcept nogil

cdef uint32_t tcb_find(tcp_state *t, const ip_addr *laddr, uint16_t lport, const ip_addr *raddr, uint16_t rport) noexcept nogil
# For tcb_find_flow: whether the frame is for c.
cdef bint is_of_flow(tcp_state *t, uint32_t c, const flow *f) noexcept nogil
cdef int tcb_enter(tcp_state *t, uint32_t c) noexcept nogil             # into the table of connections: 0, -EADDRNOTAVAIL when taken, -ENOSPC
# The same where it is known that nobody else has them.
cdef int tcb_enter_new(tcp_state *t, uint32_t c) noexcept nogil
cdef void tcb_leave(tcp_state *t, uint32_t c) noexcept nogil            # out of both tables
cdef void tcb_share(tcp_state *t, uint32_t c, uint32_t flag, bint on) noexcept nogil               # sets TF_REUSE or TF_REUSEPORT
cdef uint32_t tcb_find_listener(tcp_state *t, const ip_addr *laddr, uint16_t lport, const ip_addr *raddr, uint16_t rport) noexcept nogil
cdef int tcb_bind(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil     # 0, -EADDRINUSE, -ENOSPC
# Whether a connection that lives or waits in TIME-WAIT keeps c from (addr, port): as Linux, unless both have SO_REUSEADDR. However many there are,
# it looks at one of each local address and SO_REUSE*.
cdef bint tcb_connections_conflict(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil
# Whether another connection may take the ends of c now (config.time_wait_reuse).
cdef bint tcb_may_inherit(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
cdef int tcb_pick_port(tcp_state *t, uint32_t c, int64_t now) noexcept nogil         # a local port for laddr, raddr, rport: 0; 1: one in TIME-WAIT has it; -EADDRNOTAVAIL
cdef int tcb_pick_bound_port(tcp_state *t, uint32_t c, const ip_addr *addr) noexcept nogil         # bind to port 0
cdef void tcp_new_isn(tcp_state *t, tcb *k, int64_t now) noexcept nogil        # RFC 6528: where numbers begin; and ts_offset
cdef uint32_t tcp_ts_offset(tcp_state *t, const tcb *k) noexcept nogil                             # RFC 7323, section 5.4


cdef inline uint32_t tcb_flow_tag(const tcp_state *t, uint32_t laddr, uint32_t raddr, uint16_t lport, uint16_t rport) noexcept nogil:
    """Of IPv4 addresses as they lie on the wire, and ports: the tag in the table of connections."""
    return hash_three(t.flow_key, laddr, raddr, <uint32_t>lport << 16 | rport)


cdef inline uint32_t tcb_find_flow(tcp_state *t, const flow *f) noexcept nogil:
    """The one that such a frame is for, or NONE."""
    cdef uint32_t tag = tcb_flow_tag(t, f.dst, f.src, f.dst_port, f.src_port), pos = hash_first(&t.conns, tag), c
    cdef const tcb *k
    while pos != NONE:
        c = t.conns.entries[pos].index
        k = tcb_awake(t, c)
        if k == NULL:
            if is_of_flow(t, c, f):
                return c
        elif flow_answers(&k.form, f) if k.form.way else is_of_flow(t, c, f):      # what stands there is in the lines that a segment touches
            return c
        pos = hash_next(&t.conns, tag, pos)
    return NONE


cdef inline void tcp_notify(tcp_state *t, tcb *k) noexcept nogil:
    """The owner of k has news."""
    if k.owner != NONE:
        idset_push(t.notify, k.owner)
