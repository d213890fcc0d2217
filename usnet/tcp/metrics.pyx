"""The table of paths: sets of a few entries, found by a keyed hash of both addresses."""
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.hash cimport siphash
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.wire.addr cimport addr_eq, ip_addr

cdef enum:
    SET = 4                     # entries of one set
    PATH_BYTES = 32             # laddr and raddr as they lie in a path_metric


cdef int metrics_init(metrics_state *s) noexcept nogil:
    s.paths = <path_metric *>map_reserve(page_round(METRIC_PATHS * sizeof(path_metric)))
    return -ENOMEM if s.paths == NULL else 0


cdef void metrics_free(metrics_state *s) noexcept nogil:
    if s.paths != NULL:
        map_release(s.paths, page_round(METRIC_PATHS * sizeof(path_metric)))
    s.paths = NULL


cdef void metrics_reset(metrics_state *s, const uint64_t secret[2]) noexcept nogil:
    cdef uint8_t label[2]
    cdef uint32_t i
    for i in range(2):
        label[0], label[1] = 77, <uint8_t>i     # as no other use of that key: a message of its own
        s.key[i] = siphash(secret, label, 2)
    if s.uses:                                  # else the memory was never touched
        memset(s.paths, 0, METRIC_PATHS * sizeof(path_metric))
    s.uses = 0


cdef path_metric *set_of(metrics_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil:
    cdef ip_addr ends[2]
    ends[0], ends[1] = laddr[0], raddr[0]
    return s.paths + (siphash(s.key, <const uint8_t *>ends, PATH_BYTES) & (METRIC_PATHS // SET - 1)) * SET


cdef path_metric *metrics_find(metrics_state *s, const ip_addr *laddr, const ip_addr *raddr, int64_t timeout, int64_t now) noexcept nogil:
    cdef path_metric *first
    cdef uint32_t i
    if s.uses == 0:
        return NULL
    first = set_of(s, laddr, raddr)
    for i in range(SET):
        if first[i].used and addr_eq(&first[i].raddr, raddr) and addr_eq(&first[i].laddr, laddr):
            if now - first[i].stamp > timeout:
                first[i].used = 0
                return NULL
            s.uses += 1
            first[i].used = s.uses
            return &first[i]
    return NULL


cdef path_metric *metrics_learn(metrics_state *s, const ip_addr *laddr, const ip_addr *raddr, int64_t timeout, int64_t now) noexcept nogil:
    cdef path_metric *found = metrics_find(s, laddr, raddr, timeout, now)
    cdef path_metric *first
    cdef uint32_t i
    if found == NULL:
        found = first = set_of(s, laddr, raddr)
        for i in range(1, SET):
            if first[i].used < found.used:
                found = &first[i]
        memset(found, 0, sizeof(path_metric))
        found.laddr, found.raddr = laddr[0], raddr[0]
        s.uses += 1
        found.used = s.uses
    found.stamp = now
    return found
