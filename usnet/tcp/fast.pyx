"""Fast Open's memory: cookies that servers gave, keys of those that this end gives (RFC 7413, sections 4.1.2 and 4.1.3)."""
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from usnet.memory.arena cimport arena_free, arena_init, arena_reset
from usnet.memory.hash cimport siphash
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.wire.addr cimport addr_eq, addr_is_v4, ip_addr

cdef enum:
    SET = 4                     # servers of one set
    PATH_BYTES = 32             # laddr and raddr as they lie in a fast_path
    PAUSES = 6                  # doublings of the time for which Fast Open is stopped, at most


cdef int fast_init(fast_state *s, uint32_t max_connections) noexcept nogil:
    s.paths = <fast_path *>map_reserve(page_round(FAST_PATHS * sizeof(fast_path)))
    return -ENOMEM if s.paths == NULL or arena_init(&s.opens, sizeof(fast_open), max_connections, 8) else 0


cdef void fast_free(fast_state *s) noexcept nogil:
    map_release(s.paths, page_round(FAST_PATHS * sizeof(fast_path)))
    s.paths = NULL
    arena_free(&s.opens)


cdef void fast_reset(fast_state *s, const uint64_t secret[2]) noexcept nogil:
    cdef uint64_t drawn[6]
    cdef uint64_t uses = s.uses
    cdef arena opens = s.opens
    cdef fast_path *paths = s.paths
    cdef uint8_t i
    cdef uint8_t label[2]
    for i in range(6):
        label[0], label[1] = 70, i              # as no other use of that key: a message of its own
        drawn[i] = siphash(secret, label, 2)
    memset(s, 0, sizeof(fast_state))
    s.opens, s.paths = opens, paths
    arena_reset(&s.opens)
    memcpy(s.path_key, drawn, sizeof(s.path_key))
    memcpy(s.key, &drawn[2], sizeof(s.key))
    s.n_keys = 1
    if uses:
        fast_paths_forget(s)


# --- Servers ----------------------------------------------------------------------------------------------------------------

cdef fast_path *set_of(fast_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil:
    cdef ip_addr ends[2]
    ends[0], ends[1] = laddr[0], raddr[0]
    return s.paths + (siphash(s.path_key, <const uint8_t *>ends, PATH_BYTES) & (FAST_PATHS // SET - 1)) * SET


cdef fast_path *fast_path_find(fast_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil:
    cdef fast_path *first = set_of(s, laddr, raddr)
    cdef uint32_t i
    for i in range(SET):
        if first[i].used and addr_eq(&first[i].raddr, raddr) and addr_eq(&first[i].laddr, laddr):
            s.uses += 1
            first[i].used = s.uses
            return &first[i]
    return NULL


cdef fast_path *fast_path_learn(fast_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil:
    cdef fast_path *found = fast_path_find(s, laddr, raddr)
    cdef fast_path *first
    cdef uint32_t i
    if found != NULL:
        return found
    found = first = set_of(s, laddr, raddr)
    for i in range(1, SET):
        if first[i].used < found.used:
            found = &first[i]
    memset(found, 0, sizeof(fast_path))
    found.laddr, found.raddr = laddr[0], raddr[0]
    s.uses += 1
    found.used = s.uses
    return found


cdef void fast_paths_forget(fast_state *s) noexcept nogil:
    memset(s.paths, 0, FAST_PATHS * sizeof(fast_path))


# --- Cookies of ours --------------------------------------------------------------------------------------------------------

cdef void fast_keys_set(uint64_t key[4], const uint8_t *raw, uint32_t n) noexcept nogil:
    cdef uint32_t i
    memset(key, 0, FAST_KEYS * FAST_KEY_BYTES)
    for i in range(n * FAST_KEY_BYTES):         # numbers whose least significant byte comes first, as SipHash has it
        key[i // 8] |= <uint64_t>raw[i] << 8 * (i % 8)


cdef void fast_cookie(const uint64_t key[2], const ip_addr *raddr, const ip_addr *laddr, uint8_t *out) noexcept nogil:
    """SipHash of the client's address and ours, as they lie in the header: what Linux makes of the same key."""
    cdef uint8_t ends[32]
    cdef uint64_t made
    cdef bint four = addr_is_v4(raddr) and addr_is_v4(laddr)
    cdef uint32_t n = 4 if four else 16, i
    memcpy(ends, <const uint8_t *>raddr + (16 - n), n)
    memcpy(ends + n, <const uint8_t *>laddr + (16 - n), n)
    made = siphash(key, ends, 2 * n)
    for i in range(COOKIE_OURS):
        out[i] = <uint8_t>(made >> 8 * i)


cdef int fast_cookie_check(const uint64_t *key, uint32_t n, const ip_addr *raddr, const ip_addr *laddr, const uint8_t *cookie,
                           uint32_t length) noexcept nogil:
    cdef uint8_t made[8]
    cdef uint32_t i
    if length != COOKIE_OURS:
        return 0
    for i in range(n):
        fast_cookie(key + 2 * i, raddr, laddr, made)
        if memcmp(made, cookie, COOKIE_OURS) == 0:
            return <int>i + 1
    return 0


# --- Paths that swallow it --------------------------------------------------------------------------------------------------

cdef bint fast_clear(const fast_state *s, int64_t pause, int64_t now) noexcept nogil:
    cdef uint32_t doublings = s.blackholes - 1 if s.blackholes else 0
    if pause == 0 or s.blackholes == 0:
        return True
    return now >= s.blackhole_at + (pause << (doublings if doublings < PAUSES else PAUSES))


cdef void fast_stop(fast_state *s, int64_t now) noexcept nogil:
    s.blackholes += 1
    s.blackhole_at = now
    s.blackholed += 1
