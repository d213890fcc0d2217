"""What ports that are software alone have in common."""
from libc.stdlib cimport calloc, free

from usnet.backends.netmap.standin.adapter cimport NAF_ON, adapter_new, krings_commit
from usnet.backends.netmap.standin.memory cimport region_put
from usnet.backends.netmap.standin.state cimport standin_state

cdef enum:
    RX_BUF_MAX = 4096           # a page: what is taken where a port does not say


cdef adapter *softport_new(void *state, const char *name, int kind, size_t own) noexcept nogil:
    cdef adapter *na = adapter_new(state, name, kind)
    if na == NULL:
        return NULL
    na.own = calloc(1, own)
    if na.own == NULL:
        free(na)
        return NULL
    na.rx_buf_max = RX_BUF_MAX
    return na


cdef void softport_free(adapter *na) noexcept nogil:
    if na.krings[0] != NULL:
        na.krings_delete(na)
    free(na.pipes)
    if na.mem != NULL:
        region_put(&(<standin_state *>na.state).memory, na.mem)
    free(na.own)
    free(na)


cdef uint32_t bounded(uint32_t v, uint32_t preset, uint32_t low, uint32_t high) noexcept nogil:
    preset = low if preset < low else high if preset > high else preset
    return preset if v < low else high if v > high else v


cdef int softport_reg(adapter *na, bint on) noexcept nogil:
    if na.active == 0:
        na.flags = na.flags | NAF_ON if on else na.flags & ~NAF_ON
    krings_commit(na, on)
    return 0
