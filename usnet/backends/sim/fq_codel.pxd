"""Flow queues with CoDel (RFC 8290): each flow has a queue, those that send little come first, the others take turns by bytes (DRR++)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.backends.sim.codel cimport codel, codel_model
from usnet.backends.sim.queue cimport disc

cdef enum:
    # flow_queue.state
    FLOW_IDLE = 0
    FLOW_NEW = 1
    FLOW_OLD = 2

cdef struct flow_queue:
    codel c
    int64_t credits             # bytes that it may send in this turn
    flow_queue *next            # in its list
    int state

cdef struct flow_list:
    flow_queue *first
    flow_queue *last

cdef struct fq_codel:
    codel_model m
    uint32_t quantum            # bytes of a turn
    uint32_t n
    flow_list new_flows
    flow_list old_flows
    flow_queue *flows

# From malloc, in q.own, with so many queues; -ENOMEM
cdef int fq_codel_init(disc *q, const codel_model *model, uint32_t flows, uint32_t quantum) noexcept nogil
