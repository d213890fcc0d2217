"""Setting an ip_state up: interfaces, addresses, routes."""
from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from usnet.ip.neighbour cimport neighbour_clear
from usnet.ip.reassembly cimport reassembly, reassembly_clear
from usnet.ip.state cimport DEFAULT_TTL, MAX_ADDRS, MAX_REASSEMBLIES, ip_changed, ip_config, ip_state, neighbour
from usnet.ip.udp cimport udp_clear, udp_pcb
from usnet.memory.arena cimport NONE, arena_free, arena_init
from usnet.memory.chunks cimport chain_clear, chain_init, chunk_pool
from usnet.memory.hash cimport hash_free, hash_init
from usnet.memory.idset cimport idset
from usnet.memory.random cimport rng, rng_u64
from usnet.memory.wheel cimport wheel

cdef enum:
    SECOND = 1000000000     # ns


cdef void defaults(ip_config *c) noexcept nogil:
    c.arp_timeout = <int64_t>60 * SECOND
    c.arp_retry = SECOND
    c.arp_failed = <int64_t>3 * SECOND
    c.reassembly_timeout = <int64_t>30 * SECOND
    c.path_mtu_timeout = <int64_t>600 * SECOND
    c.arp_tries = 3
    c.max_neighbours = 1024
    c.neighbour_bytes = 512 << 10
    c.loopback_bytes = 1 << 20
    c.reassembly_bytes = 256 << 10
    c.icmp_rate = 100
    c.icmp_burst = 20
    c.ttl = DEFAULT_TTL
    c.forward = 0
    c.verify_checksums = 1
    c.answer_echo = 1


cdef void start(ip_state *ip) noexcept nogil:
    """The part of an empty state that is not all zero bytes."""
    cdef int i
    ip_changed(ip)
    ip.neighbour_last = NONE
    ip.neighbour_held = 0
    ip.reassembly_held = 0
    ip.reassembly_order = 0
    ip.n_unreachable = 0
    ip.udp_blocked = ip.udp_binds = 0
    ip.n_loopback = 0
    chain_init(&ip.loopback)
    for i in range(2):
        ip.lru_head[i] = NONE
        ip.lru_tail[i] = NONE
        ip.lru_count[i] = 0
        ip.hash_key[i] = rng_u64(ip.random)
    for i in range(64):
        ip.icmp_next_to[i] = INT64_MIN
    for i in range(MAX_ADDRS):
        ip.addrs[i].defended_at = INT64_MIN
    ip.icmp_next = INT64_MIN
    memset(ip.paths, 0, sizeof(ip.paths))
    memset(ip.ident, 0, sizeof(ip.ident))
    memset(&ip.counters, 0, sizeof(ip.counters))
    memset(ip.drops, 0, sizeof(ip.drops))


cdef uint8_t *buffer_new() noexcept nogil:
    """64 KiB, and room for an IP header in front."""
    cdef uint8_t *p = <uint8_t *>calloc(1, 65536 + DATAGRAM_HEADROOM)
    return NULL if p == NULL else p + DATAGRAM_HEADROOM


cdef int ip_init(ip_state *ip, chunk_pool *chunks, wheel *timers, idset *notify, rng *random,
                 uint32_t max_udp) noexcept nogil:
    memset(ip, 0, sizeof(ip_state))
    ip.chunks = chunks
    ip.timers = timers
    ip.notify = notify
    ip.random = random
    defaults(&ip.config)
    ip.datagram = buffer_new()
    ip.build = buffer_new()
    if (ip.datagram == NULL or ip.build == NULL
            or arena_init(&ip.neighbours, sizeof(neighbour), MAX_NEIGHBOURS, 8) < 0
            or hash_init(&ip.neighbour_index, MAX_NEIGHBOURS) < 0
            or arena_init(&ip.reassemblies, sizeof(reassembly), MAX_REASSEMBLIES, 8) < 0
            or arena_init(&ip.udp, sizeof(udp_pcb), max_udp, 8) < 0
            or hash_init(&ip.udp_ports, max_udp) < 0):
        ip_free(ip)
        return -ENOMEM
    start(ip)
    return 0


cdef void ip_free(ip_state *ip) noexcept nogil:
    """Gives the state's own memory back; what it holds in the stack's pools goes with those."""
    if ip.datagram != NULL:
        free(ip.datagram - DATAGRAM_HEADROOM)
    if ip.build != NULL:
        free(ip.build - DATAGRAM_HEADROOM)
    if ip.neighbours.base != NULL:
        arena_free(&ip.neighbours)
    if ip.neighbour_index.entries != NULL:
        hash_free(&ip.neighbour_index)
    if ip.reassemblies.base != NULL:
        arena_free(&ip.reassemblies)
    if ip.udp.base != NULL:
        arena_free(&ip.udp)
    if ip.udp_ports.entries != NULL:
        hash_free(&ip.udp_ports)
    memset(ip, 0, sizeof(ip_state))


cdef void ip_reset(ip_state *ip) noexcept nogil:
    cdef uint32_t i
    reassembly_clear(ip)
    neighbour_clear(ip)
    udp_clear(ip)
    chain_clear(ip.chunks, &ip.loopback)
    for i in range(ip.n_netifs):
        ip.netifs[i].tx_pending = 0
        ip.netifs[i].tx_wanted = 0
    start(ip)
