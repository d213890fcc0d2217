"""Controllers by name. One that an installed package brings along is loaded when it is asked for."""
from libc.errno cimport EINVAL, ENOENT
from libc.stdint cimport UINT32_MAX, UINT64_MAX, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strncpy

from usnet.tcp.congestion.choice cimport cc_choose
from usnet.tcp.congestion.ops cimport CC_NAME_MAX, cc_find, cc_table
from usnet.memory.arena cimport NONE
from usnet.tcp.pacing cimport pacer_at, pacing_limit
from usnet.tcp.state cimport tcb_at, tcb_seen
from usnet.tcp.tcb cimport tcb

from usnet.tcp.congestion.registry import number_of


cdef int find_installed(const char *name) noexcept with gil:
    """-ENOENT also where the package cannot be imported: the caller asked for a name, and there is no controller behind it."""
    try:
        return number_of(name.decode())
    except Exception:
        return -ENOENT


cdef int congestion_set(net *n, sock *so, const void *value, uint32_t length) noexcept nogil:
    cdef char name[16]          # CC_NAME_MAX
    cdef int number
    if length < 1:
        return -EINVAL
    memset(name, 0, CC_NAME_MAX)
    memcpy(name, value, length if length < CC_NAME_MAX else CC_NAME_MAX - 1)
    number = cc_find(name)
    if number < 0:
        number = find_installed(name)
    if number < 0:
        return number
    cc_choose(&n.s.tcp, tcb_at(&n.s.tcp, so.pcb), <uint32_t>number)
    return 0


cdef int congestion_get(net *n, sock *so, void *value, uint32_t *length) noexcept nogil:
    cdef char name[16]
    cdef tcb room
    strncpy(name, cc_table(tcb_seen(&n.s.tcp, so.pcb, &room).cc_ops).name, CC_NAME_MAX)
    if length[0] > CC_NAME_MAX:
        length[0] = CC_NAME_MAX
    memcpy(value, name, length[0])
    return 0


cdef int max_rate_set(net *n, sock *so, const void *value, uint32_t length) noexcept nogil:
    cdef uint32_t small
    cdef uint64_t rate
    if length >= sizeof(uint64_t):
        memcpy(&rate, value, sizeof(uint64_t))
    elif length >= sizeof(uint32_t):
        memcpy(&small, value, sizeof(uint32_t))
        rate = UINT64_MAX if small == UINT32_MAX else small
    else:
        return -EINVAL
    return pacing_limit(&n.s.tcp, tcb_at(&n.s.tcp, so.pcb), 0 if rate == UINT64_MAX else (rate if rate else 1))


cdef int max_rate_get(net *n, sock *so, void *value, uint32_t *length) noexcept nogil:
    cdef tcb room
    cdef const tcb *k = tcb_seen(&n.s.tcp, so.pcb, &room)
    cdef uint64_t rate = UINT64_MAX
    cdef uint32_t small
    if k.pacer != NONE and pacer_at(&n.s.tcp, k).max_rate:
        rate = pacer_at(&n.s.tcp, k).max_rate
    if length[0] >= sizeof(uint64_t):
        length[0] = sizeof(uint64_t)
        memcpy(value, &rate, sizeof(uint64_t))
        return 0
    small = UINT32_MAX if rate > UINT32_MAX else <uint32_t>rate
    if length[0] > sizeof(uint32_t):
        length[0] = sizeof(uint32_t)
    memcpy(value, &small, length[0])
    return 0
