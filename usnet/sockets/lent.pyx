"""Buffers in the application's hands: see lent.pxd."""
cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pythread cimport PyThread_get_thread_ident
from libc.errno cimport EAGAIN, EOPNOTSUPP
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.sockets.convert cimport os_error
from usnet.sockets.ready cimport stream_read, stream_written
from usnet.sockets.table cimport CALL_RECV, CALL_SEND, KIND_TCP, net, sock, sock_find, told
from usnet.tcp.state cimport tcb_at
from usnet.tcp.lent cimport tcp_commit, tcp_give_back, tcp_recv_lent, tcp_send_lent


cdef int64_t stream(net *n, int fd, sock **so) noexcept nogil:
    cdef int status = sock_find(n, fd, so)
    return -EOPNOTSUPP if status == 0 and so[0].kind != KIND_TCP else status


cdef int64_t usn_recv_buffer(net *n, int fd, usn_buffer *b, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int64_t done = stream(n, fd, &so)
    b.p, b.n, b.handle = NULL, 0, 0
    if done == 0:
        done = tcp_recv_lent(&n.s.tcp, so.pcb, b, now)
        stream_read(n, fd, so, tcb_at(&n.s.tcp, so.pcb))
    return told(n, CALL_RECV, fd, done, b.p, b.n)


cdef int usn_give_buffer(net *n, usn_buffer *b) noexcept nogil:
    return tcp_give_back(&n.s.tcp, b.handle, False)


cdef int64_t usn_send_buffer_get(net *n, int fd, uint32_t want, usn_buffer *b, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int64_t done = stream(n, fd, &so)
    b.p, b.n, b.handle = NULL, 0, 0
    if done == 0:
        done = tcp_send_lent(&n.s.tcp, so.pcb, want, b, now)
    if done == -EAGAIN:
        stream_written(n, fd, tcb_at(&n.s.tcp, so.pcb))
    return done


cdef int64_t usn_send_buffer_commit(net *n, int fd, usn_buffer *b, uint32_t length, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int64_t done = stream(n, fd, &so)
    if done == 0:
        done = tcp_commit(&n.s.tcp, so.pcb, b.handle, length)
        stream_written(n, fd, tcb_at(&n.s.tcp, so.pcb))
    return told(n, CALL_SEND, fd, done, NULL, 0)


@cython.no_gc_clear             # the stack's memory must be there when it goes
cdef class LentBuffer:
    """Bytes of the stack's memory: len(), memoryview() and slices show them. release() gives them back, as the end of a `with` statement does."""

    def __init__(self):
        raise TypeError("buffers come from recv_buffer() and send_buffer()")

    cdef void start(self, Stack stack, int fd, usn_buffer *b):
        self.stack_, self.core, self.thread = stack, stack.core, stack.thread
        self.fd, self.b = fd, b[0]

    cdef int check(self) except -1:
        if self.fd < 0:
            raise ValueError("the buffer was given back")
        if PyThread_get_thread_ident() != self.thread:
            raise RuntimeError("a stack belongs to the thread that made it")
        return 0

    cdef int take_back(self) except -1:
        self.check()
        if self.views:
            raise BufferError(f"{self.views} views of the buffer exist: release them first")
        return 0

    @property
    def released(self):
        """Whether it was given back."""
        return self.fd < 0

    def release(self):
        """Gives it back; may be called again. BufferError while views of it exist."""
        if self.fd >= 0:
            self.take_back()
            self.fd = -1
            if self.b.handle:
                usn_give_buffer(&self.stack_.n, &self.b)

    def __len__(self):
        return self.b.n if self.fd >= 0 else 0

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.check()
        PyBuffer_FillInfo(view, self, self.b.p if self.b.n else <uint8_t *>&self.b, self.b.n, not self.writable, flags)
        self.views += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.views -= 1

    def __getitem__(self, key):
        with memoryview(self) as view:
            return bytes(view[key]) if isinstance(key, slice) else view[key]

    def __enter__(self):
        self.check()
        return self

    def __exit__(self, *exc):
        self.release()

    def __dealloc__(self):
        if self.fd >= 0 and self.b.handle and PyThread_get_thread_ident() == self.thread:
            tcp_give_back(&self.core.s.tcp, self.b.handle, True)

    def __repr__(self):
        return f"<{type(self).__name__} {'given back' if self.fd < 0 else f'of {self.b.n} bytes'}>"


cdef class ReceivedBuffer(LentBuffer):
    """What arrived on a stream, where it lies; read-only. Empty at the end of the stream."""


cdef class SendBuffer(LentBuffer):
    """Room for one segment of a stream, to be filled and sent with commit()."""

    def __setitem__(self, key, value):
        with memoryview(self) as view:
            view[key] = value

    def commit(self, length=None):
        """Sends the first `length` bytes (all of them when None), and gives the buffer up. ValueError for more bytes than it has, BufferError while
        views of it exist; OSError when the connection is over, and then the buffer is given up too."""
        cdef int64_t done
        cdef int fd
        self.take_back()
        n = self.b.n if length is None else length
        if not 0 <= n <= self.b.n:
            raise ValueError(f"{n} bytes of a buffer of {self.b.n}")
        self.stack_.enter()
        fd, self.fd = self.fd, -1
        done = usn_send_buffer_commit(&self.stack_.n, fd, &self.b, n, self.stack_.now())
        if done < 0:
            usn_give_buffer(&self.stack_.n, &self.b)        # if it is not yet
            raise os_error(done)
        self.stack_.flush()
        return done


cdef ReceivedBuffer received_buffer(Stack stack, int fd, usn_buffer *b):
    cdef ReceivedBuffer made = ReceivedBuffer.__new__(ReceivedBuffer)
    made.start(stack, fd, b)
    return made


cdef SendBuffer send_buffer(Stack stack, int fd, usn_buffer *b):
    cdef SendBuffer made = SendBuffer.__new__(SendBuffer)
    made.start(stack, fd, b)
    made.writable = True
    return made
