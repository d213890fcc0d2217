"""Pages of the arenas."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.memory.arena cimport arena
from usnet.memory.chunks cimport CHUNK_BYTES
from usnet.memory.hash cimport hash_entry, hash_table
from usnet.memory.idset cimport idset
from usnet.memory.mapping cimport map_settle
from usnet.sockets.table cimport net, sock


cdef void settle_arena(arena *a, bint huge, uint32_t items) noexcept nogil:
    map_settle(a.base, a.mapped, huge, <uint64_t>items * a.item_size)
    map_settle(a.generation, <uint64_t>a.capacity * sizeof(uint32_t), False, <uint64_t>items * sizeof(uint32_t))


cdef void settle_hash(hash_table *t, bint huge, uint32_t items) noexcept nogil:
    map_settle(t.entries, t.mapped, huge, <uint64_t>items * 2 * sizeof(hash_entry))


cdef void settle_set(idset *s, bint huge, uint32_t items) noexcept nogil:
    map_settle(s.ring, <uint64_t>s.capacity * sizeof(uint32_t), huge, 0)
    map_settle(s.member, s.capacity, huge, items)


cdef void net_settle(net *n, bint huge, uint32_t connections) noexcept nogil:
    cdef uint32_t awake = n.s.tcp.config.working_set if n.s.tcp.config.working_set < connections else connections
    settle_arena(&n.s.tcp.records, huge, connections)
    settle_arena(&n.s.tcp.tcbs, huge, awake)
    settle_arena(&n.s.tcp.histories, huge, 0)
    map_settle(n.s.tcp.whole, <uint64_t>n.s.tcp.records.capacity * sizeof(uint64_t), huge, <uint64_t>connections * sizeof(uint64_t))
    settle_hash(&n.s.tcp.conns, huge, connections)
    settle_set(&n.s.tcp.output, huge, connections)
    settle_set(&n.s.notify, huge, connections)
    settle_arena(&n.s.timers.nodes, huge, connections)
    settle_arena(&n.s.chunks.heads, huge, connections)
    map_settle(n.s.chunks.bytes, n.s.chunks.mapped, huge, <uint64_t>awake * CHUNK_BYTES)
    map_settle(n.socks, <uint64_t>n.capacity * sizeof(sock), huge, <uint64_t>connections * sizeof(sock))
    settle_arena(&n.items, huge, connections)
