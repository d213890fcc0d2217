"""The one file that knows every layer: owns the memory, runs the burst loop.

(frames, calls, now) in; (frames, news, next deadline) out. No clock, no system call, no Python object on the way.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.ring cimport Port, port
from usnet.ip.state cimport ip_state
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.idset cimport idset
from usnet.memory.pieces cimport piece_pool
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.tcp.state cimport tcp_state

cdef struct stack_config:
    uint32_t burst              # frames of one ring between two rounds of output; default 64
    uint32_t rounds             # of receive and send in one run; then the application gets its turn; default 64
    int64_t tx_retry            # ns until a full transmit ring is looked at again; default 100 us

cdef struct stack_set:          # what a port is told to call before its buffers go
    void *s                     # the stack
    uint32_t number             # of its set of spare buffers

cdef struct stack:
    ip_state ip
    tcp_state tcp
    chunk_pool chunks
    piece_pool pieces
    stack_set sets[8]           # [as in pieces]; private to the process
    wheel timers
    idset notify                # owners (sockets) with news; emptied by sockets/
    rng random
    int64_t now                 # ns: of the last run
    uint8_t *gather             # 64 KiB: a frame that spans slots, put together; private to the process
    uint64_t runs
    uint64_t rx_frames
    stack_config config

# Everything that can be done at `now`: due timers, all waiting frames in bursts, all output that rings and windows allow, one sync a ring. Returns
# the next deadline in ns (INT64_MAX: none; never later than the earliest true one).
cdef int64_t stack_run(stack *s, int64_t now) noexcept nogil
# After calls that may have queued output (send, recv, close ...): sends it. Cheaper than stack_run: looks at no receive ring and no timer.
cdef int64_t stack_flush(stack *s, int64_t now) noexcept nogil


cdef class StackCore:
    """Owner of one stack's memory. Python sees it through usnet.sockets; Cython users reach `s`."""
    cdef stack s
    cdef readonly list ports
    cdef tuple held             # the same: what a collection does not take away before this object
    cdef readonly dict settings
    cdef int _use_spares(self, port *p, uint32_t number) except -1
    cdef uint64_t kept_buffers(self)
    cdef object check(self, int status, str what)
