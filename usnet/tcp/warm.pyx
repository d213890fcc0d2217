"""What a connection touches, asked for step by step: each step knows where to look from what the one before has brought."""
from libc.stdint cimport uint32_t

from usnet.backends.ring cimport NS_MOREFRAG, ring, ring_buf, ring_next
from usnet.memory.arena cimport NONE, arena_at
from usnet.memory.chunks cimport chunk_bytes
from usnet.memory.hash cimport hash_first
from usnet.memory.prefetch cimport prefetch, prefetch_lines
from usnet.tcp.record cimport record
from usnet.tcp.state cimport record_at, tcb_awake, tcp_state
from usnet.tcp.tables cimport tcb_flow_tag
from usnet.tcp.tcb cimport tcb
from usnet.wire.flow cimport flow, flow_parse


cdef void tcp_warm_frames(tcp_state *t, ring *r) noexcept nogil:
    cdef uint32_t tags[WARM_MOST]
    cdef uint32_t conns[WARM_MOST]
    cdef uint32_t i = r.head, n = 0, found = 0, pos, _n
    cdef flow f
    for _n in range(WARM_MOST):
        if i == r.tail:
            break
        if not r.slots[i].flags & NS_MOREFRAG and flow_parse(ring_buf(r, i), r.slots[i].len, &f):
            tags[n] = tcb_flow_tag(t, f.dst, f.src, f.dst_port, f.src_port)
            prefetch(&t.conns.entries[tags[n] & t.conns.mask])
            n += 1
        i = ring_next(r, i)
    for i in range(n):
        pos = hash_first(&t.conns, tags[i])
        if pos != NONE:
            conns[found] = t.conns.entries[pos].index
            found += 1
    tcp_warm(t, conns, found)


cdef void tcp_warm(tcp_state *t, const uint32_t *conns, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef tcb *k
    for i in range(n):
        prefetch(&t.whole[conns[i]])
        prefetch(&t.output.member[conns[i]])
    for i in range(n):
        k = tcb_awake(t, conns[i])
        if k != NULL:
            prefetch_lines(k, TCB_HOT)
            prefetch_lines(&k.snd, QUEUE_HOT)
            prefetch_lines(&k.rcv, QUEUE_HOT)
        else:
            prefetch_lines(record_at(t, conns[i]), sizeof(record))
    for i in range(n):
        k = tcb_awake(t, conns[i])
        if k == NULL:
            prefetch(&t.notify.member[record_at(t, conns[i]).owner])
            continue
        prefetch(&t.notify.member[k.owner])
        if k.snd.c.first != NONE:           # it will be acknowledged, and go back
            prefetch(arena_at(&t.chunks.heads, k.snd.c.first))
            prefetch(&t.chunks.heads.generation[k.snd.c.first])
        if k.rcv.c.first != NONE:
            prefetch(chunk_bytes(t.chunks, k.rcv.c.first) + k.rcv.c.offset)
