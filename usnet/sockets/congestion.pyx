"""Controllers by name. One that an installed package brings along is loaded when it is asked for."""
from libc.errno cimport EINVAL, ENOENT
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset, strncpy

from usnet.tcp.congestion.choice cimport cc_choose
from usnet.tcp.congestion.ops cimport CC_NAME_MAX, cc_find, cc_table
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
