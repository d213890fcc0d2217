"""Zero copy, for Cython and for Python: buffers of the stack in the application's hands.

    from usnet.sockets.lent cimport usn_buffer, usn_recv_buffer, usn_give_buffer, usn_send_buffer_get, usn_send_buffer_commit

They count neither against the socket's buffers nor against its window; what others find is that fewer spare buffers are left, and that they copy. So
give them back soon. They stay valid when the socket is closed or the connection ends, until they are given back or the stack goes.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.sockets.host cimport Stack
from usnet.sockets.table cimport net
from usnet.stack cimport StackCore
from usnet.tcp.lent cimport tcp_lent

ctypedef tcp_lent usn_buffer    # n bytes at p, and a handle

# The next bytes of a stream, where they lie: how many (b.n), 0 at its end (then there is nothing to give back), or -errno as usn_recv;
# -EOPNOTSUPP: not a stream; -ENOBUFS. Not to be written to.
cdef int64_t usn_recv_buffer(net *n, int fd, usn_buffer *b, int64_t now) noexcept nogil
# 0; -EINVAL: it was given back already.
cdef int usn_give_buffer(net *n, usn_buffer *b) noexcept nogil
# Room to fill for at most `want` bytes, and for no more than one segment takes: how many (b.n), or -errno as usn_send; -ENOBUFS.
# While the socket is not writable (epoll) it is a whole segment, or -EAGAIN.
cdef int64_t usn_send_buffer_get(net *n, int fd, uint32_t want, usn_buffer *b, int64_t now) noexcept nogil
# Sends the first `length` of them on that socket, and takes the buffer back: length, or -errno as usn_send. -EINVAL: longer than the buffer, not that
# socket's, or given back already: nothing happened. To send nothing: usn_give_buffer.
cdef int64_t usn_send_buffer_commit(net *n, int fd, usn_buffer *b, uint32_t length, int64_t now) noexcept nogil


cdef class LentBuffer:
    cdef usn_buffer b
    cdef Stack stack_
    cdef StackCore core
    cdef unsigned long thread
    cdef int fd                 # -1: given back
    cdef int views
    cdef bint writable
    cdef void start(self, Stack stack, int fd, usn_buffer *b)
    cdef int check(self) except -1
    cdef int take_back(self) except -1


cdef class ReceivedBuffer(LentBuffer):
    pass


cdef class SendBuffer(LentBuffer):
    pass


cdef ReceivedBuffer received_buffer(Stack stack, int fd, usn_buffer *b)
cdef SendBuffer send_buffer(Stack stack, int fd, usn_buffer *b)
