"""The kinds of ports beside NICs, and the requests that they answer."""
from usnet.backends.netmap.abi cimport (
    NETMAP_REQ_PORT_HDR_SET, NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DELIF, NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_LIST,
    NETMAP_REQ_VALE_NEWIF, NETMAP_REQ_VALE_POLLING_DISABLE, NETMAP_REQ_VALE_POLLING_ENABLE,
)
from usnet.backends.netmap.standin.bridge cimport switches_free, switches_new, vale_find
from usnet.backends.netmap.standin.monitor cimport monitor_find
from usnet.backends.netmap.standin.null cimport null_find
from usnet.backends.netmap.standin.pipe cimport pipe_find
from usnet.backends.netmap.standin.state cimport FIND_MONITOR, FIND_NULL, FIND_PIPE, FIND_VALE
from usnet.backends.netmap.standin.switching cimport (
    request_attach, request_delif, request_detach, request_hdr_set, request_list, request_newif, request_polling,
)


cdef int plug_kinds(standin_state *s) noexcept nogil:
    cdef int status = switches_new(s)
    if status < 0:
        return status
    s.find[FIND_NULL] = null_find
    s.find[FIND_MONITOR] = monitor_find
    s.find[FIND_PIPE] = pipe_find
    s.find[FIND_VALE] = vale_find
    s.request[NETMAP_REQ_VALE_ATTACH] = request_attach
    s.request[NETMAP_REQ_VALE_DETACH] = request_detach
    s.request[NETMAP_REQ_VALE_LIST] = request_list
    s.request[NETMAP_REQ_VALE_NEWIF] = request_newif
    s.request[NETMAP_REQ_VALE_DELIF] = request_delif
    s.request[NETMAP_REQ_VALE_POLLING_ENABLE] = request_polling
    s.request[NETMAP_REQ_VALE_POLLING_DISABLE] = request_polling
    s.request[NETMAP_REQ_PORT_HDR_SET] = request_hdr_set
    s.end = switches_free
    return 0
