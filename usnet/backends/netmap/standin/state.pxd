"""All that one stand-in has: what a kernel with the module loaded would."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.backends.netmap.abi cimport nmreq_header, nmreq_option
from usnet.backends.netmap.standin.adapter cimport adapter, opened
from usnet.backends.netmap.standin.memory cimport region, regions

cdef enum:
    FIND_NULL = 0               # in the order in which a name is offered to the kinds; NICs come last
    FIND_MONITOR = 1
    FIND_PIPE = 2
    FIND_VALE = 3
    FINDS = 4
    REQUESTS = 16

cdef struct standin_state

# A kind's answer to a name: *na with a reference more; 0 and *na NULL when the name is not of its kind; or -errno and *na NULL.
# hdr.nr_body is a nmreq_register, which may be changed; m: the region asked for, or NULL; create: whether to make what does not exist
ctypedef int (*find_adapter)(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
# A control request of a kind: hdr.nr_body is the request's body (NULL where it has none), copied back when this is 0
ctypedef int (*control_request)(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil

cdef struct standin_state:
    regions memory
    adapter *interfaces         # of the system, by name: NICs and persistent VALE ports, each with a reference
    find_adapter find[4]        # NULL: the kind is not there
    # [NETMAP_REQ_*] of the kinds: VALE_*, PORT_HDR_*; NULL: EOPNOTSUPP
    control_request request[16]
    void (*end)(standin_state *s) noexcept nogil        # frees vale; NULL: nothing to do
    void *vale                  # of the kinds' own
    # Parameters of the module
    bint fwd
    bint no_timestamp
    bint no_pendintr
    uint32_t bridge_batch
    uint32_t max_bridges
    # Time for ring.ts, in ns; NULL: none, and it stays 0
    const int64_t *now
    # Whoever else makes progress while a poll blocks: waits at most timeout_ns (negative: for ever) until anything happens. 0: nothing more can
    int (*wait)(void *ctx, int64_t timeout_ns) noexcept nogil
    void *wait_ctx

cdef int state_init(standin_state *s) noexcept nogil
cdef void state_end(standin_state *s) noexcept nogil
# The port that a register request names, with a reference more, as the module cascades through the kinds. 0 or -errno
cdef int find_port(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
cdef void unfind_port(adapter *na) noexcept nogil
# An interface of the system by its name, without a reference; NULL: none
cdef adapter *find_interface(standin_state *s, const char *name) noexcept nogil
# It can be found by its name from now on, and holds a reference: 0 or -EEXIST
cdef int add_interface(standin_state *s, adapter *na) noexcept nogil
cdef void remove_interface(standin_state *s, adapter *na) noexcept nogil    # without giving the reference back
# An interface's adapter asks for region m from now on, unless it is in use or has memory of its own
cdef void interface_memory(adapter *na, region *m) noexcept nogil
# The first option of a kind in a request's list, as the kernel has copied it
cdef nmreq_option *find_option(nmreq_header *hdr, uint32_t kind) noexcept nogil
