"""Many messages a call: what the calls for batches have in common with each other, and with those for one message."""
from libc.stdint cimport int64_t, uint32_t

from usnet.sockets.host cimport Stack
from usnet.sockets.table cimport KIND_TCP, net, sock, sock_at
from usnet.tcp.state cimport tcb_awake
from usnet.tcp.tcb cimport tcb


cdef inline uint32_t stream_ready(net *n, int fd) noexcept nogil:
    """Bytes of a stream that can be read at once; 0 for anything else."""
    cdef sock *so = sock_at(n, fd)
    cdef tcb *k = tcb_awake(&n.s.tcp, so.pcb) if so != NULL and so.kind == KIND_TCP else NULL
    return k.rcv_ready if k != NULL else 0      # one at rest has nothing


# The number of a descriptor, or of what has a fileno(); -1 of what is closed. TypeError for anything else.
cdef int descriptor_of(object fd) except? -2
# What there is of one descriptor, up to `most` bytes: bytes, None, or an OSError, as Stack.recv_many() says.
cdef object receive_one(Stack stack, int fd, Py_ssize_t most, int64_t now)
