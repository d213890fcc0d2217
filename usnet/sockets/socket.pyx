"""Sockets as Python knows them: the standard library's socket class over a usnet stack.

What differs from the standard library's: descriptors are the stack's own numbers (for usnet.epoll, not for
select.select), and addresses are numeric.
"""
import operator
import warnings

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_XDECREF
from libc.errno cimport EAGAIN, EALREADY, EBADF, EINPROGRESS, EISCONN, ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.ip.state cimport READY_ERR, READY_IN, READY_OUT, READY_RDHUP
from usnet.sockets.api cimport (
    usn_accept, usn_close, usn_connect, usn_listen, usn_ready, usn_recvfrom, usn_sendto, usn_shutdown,
)
from usnet.sockets.batch cimport stream_ready
from usnet.sockets.constants cimport MSG_DONTWAIT, MSG_FASTOPEN, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SHUT_WR, SOCK_STREAM
from usnet.sockets.convert cimport format_address, os_error, parse_address
from usnet.sockets.endpoint cimport FOREVER
from usnet.sockets.lent cimport received_buffer, send_buffer, usn_buffer, usn_recv_buffer, usn_send_buffer_get
from usnet.sockets.messages cimport Messages
from usnet.sockets.errors cimport USN_NOMARK, usn_mark
from usnet.sockets.table cimport KIND_TCP, SF_DEFERRED, SF_LINGER, SF_STAMPS, net, sock, sock_at
from usnet.tcp.state cimport tcb_at
from usnet.wire.addr cimport ip_addr

cdef enum:
    NOT_BEGUN = -1              # the deadline of a call that has not waited yet: it is worked out when it does

cdef extern from "Python.h":
    bint PyBytes_CheckExact(object b)
    PyObject *PyBytes_FromStringAndSize(const char *p, Py_ssize_t n) except NULL
    char *PyBytes_AS_STRING(PyObject *b)
    int _PyBytes_Resize(PyObject **b, Py_ssize_t n) except -1


cdef inline bint failed(net *n, int fd) noexcept nogil:
    """Whether an error waits to be told: not one of the error queue."""
    cdef sock *so = sock_at(n, fd)
    if so.kind == KIND_TCP:
        return tcb_at(&n.s.tcp, so.pcb).error != 0
    return usn_ready(n, fd) & READY_ERR != 0


cdef class socket(Messages):
    """A socket of the current stack (or of `stack`), like the standard library's: a blocking call drives the stack
    until it is done.

    fileno: takes over a descriptor of the stack (from detach(), or from Cython) and learns the rest from it.
    """

    # Connections

    def listen(self, backlog=128, /):
        cdef int most = operator.index(backlog), status
        self.enter()
        status = usn_listen(&self.stack_.n, self.fd, max(0, most))
        if status < 0:
            raise os_error(status)

    def accept(self):
        """Waits for a connection: (its socket, the peer's address)."""
        fd, address = self._accept()
        return self.__class__(self.family_, self.type_, self.proto_, fileno=fd, stack=self.stack_), address

    def _accept(self):
        """Waits for a connection: (its descriptor, the peer's address)."""
        cdef ip_addr addr
        cdef uint16_t port
        cdef int fd
        cdef int64_t deadline
        self.enter()
        deadline = self.start(False)
        while True:
            fd = usn_accept(&self.stack_.n, self.fd, &addr, &port)
            if fd >= 0:
                break
            if fd != -EAGAIN:
                raise os_error(fd)
            self.wait(READY_IN, deadline, False)
        return fd, format_address(&addr, port)

    cdef int do_connect(self, object address) except 1:
        """0 or -errno of a connect, waited for as the timeout says."""
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status, under_way
        cdef int64_t deadline
        self.enter()
        parse_address(address, "connect", self.stack_.hosts, &addr, &port)
        deadline = self.start(True)
        status = usn_connect(&self.stack_.n, self.fd, &addr, port, self.stack_.now())
        self.stack_.flush()
        under_way = status
        while (status == -EINPROGRESS or status == -EALREADY) and self.timeout_ns != 0:
            if not self.stack_.block(<uint32_t>self.fd, READY_OUT, deadline):
                if self.timeout_ns == FOREVER:
                    return under_way            # SO_SNDTIMEO
                raise TimeoutError("timed out")
            self.enter()
            status = usn_connect(&self.stack_.n, self.fd, &addr, port, self.stack_.now())
        return status

    def connect(self, address, /):
        """Connects; a stream that blocks waits for the outcome. Non-blocking: BlockingIOError (EINPROGRESS), writable
        when it is decided.
        """
        cdef int status = self.do_connect(address)
        if status < 0:
            raise os_error(status)

    def connect_ex(self, address, /):
        """connect() that returns the errno, or 0."""
        if self.fd < 0:
            return EBADF
        try:
            return -self.do_connect(address)
        except TimeoutError:
            return EAGAIN

    def shutdown(self, how, /):
        cdef int way = operator.index(how), status
        self.enter()
        status = usn_shutdown(&self.stack_.n, self.fd, way, self.stack_.now())
        self.stack_.flush()
        if status < 0:
            raise os_error(status)

    # Sending

    cdef int64_t transmit(self, const uint8_t *p, Py_ssize_t n, int flags, const ip_addr *addr, uint16_t port,
                          int64_t deadline) except -1:
        """Bytes taken, once the socket takes some; of a stream that blocks, all of them. What ends it behind some is left for the
        next call.
        """
        cdef int64_t done, had = 0
        cdef bint waited = False, on
        cdef bint whole = self.type_ == SOCK_STREAM and self.timeout_ns == FOREVER and not flags & MSG_DONTWAIT
        cdef int64_t now
        if (flags & MSG_FASTOPEN and self.type_ == SOCK_STREAM) or self.stack_.n.socks[self.fd].flags & SF_DEFERRED:
            had = self.transmit_opening(p, n, flags, addr, port)
            if had >= n or not whole:
                return had
            flags &= ~MSG_FASTOPEN
        while True:
            if had > 0 and failed(&self.stack_.n, self.fd):
                return had
            now = self.stack_.now()
            done = usn_sendto(&self.stack_.n, self.fd, p + had, n - had, flags | USN_NOMARK if whole else flags, addr, port, now)
            if whole and done > 0 and had + done >= n and (flags or sock_at(&self.stack_.n, self.fd).flags & SF_STAMPS):
                usn_mark(&self.stack_.n, self.fd, flags, now)
            self.stack_.flush_at(now)
            if deadline == NOT_BEGUN and (done < 0 or (whole and had + done < n)):
                deadline = self.start(True)
            if done >= 0:
                had += done
                if not whole or had >= n:
                    return had
                waited = False
                continue
            if done == -ENOBUFS and self.timeout_ns != 0 and self.type_ == SOCK_STREAM:
                on = self.pause(deadline, had > 0)  # the stack's memory is short: others must let go of some
            elif had > 0 and done != -EAGAIN:
                return had
            elif done != -EAGAIN or (flags & MSG_DONTWAIT and self.timeout_ns == FOREVER) or (waited and self.timeout_ns == 0):
                raise os_error(done)
            elif waited:
                on = self.pause(deadline, had > 0)  # "ready", and yet there is no room: memory or a ring is short
            else:
                on = waited = self.wait(READY_OUT, deadline, had > 0)
            if not on:
                return had

    cdef int64_t transmit_opening(self, const uint8_t *p, Py_ssize_t n, int flags, const ip_addr *addr, uint16_t port) except -1:
        """Opens a stream with its first bytes (RFC 7413), which may be more than its SYN carries if it blocks: then it waits for the outcome.
        How many were taken.
        """
        cdef bint waits = self.timeout_ns == FOREVER and not flags & MSG_DONTWAIT
        cdef int64_t deadline = self.start(True), done
        cdef ip_addr nowhere
        cdef int status
        done = usn_sendto(&self.stack_.n, self.fd, p, n, flags | MSG_WAITALL if waits else flags, addr, port, self.stack_.now())
        self.stack_.flush()
        if done < 0 and not (waits and (done == -EINPROGRESS or done == -EAGAIN)):
            raise os_error(done)
        done = max(done, 0)
        if not waits:
            return done
        memset(&nowhere, 0, sizeof(nowhere))
        while True:
            status = usn_connect(&self.stack_.n, self.fd, &nowhere, 0, self.stack_.now())    # only says what has become of it
            if status != -EALREADY:
                break
            if not self.stack_.block(<uint32_t>self.fd, READY_OUT, deadline):
                if done == 0:
                    raise os_error(-EINPROGRESS)            # SO_SNDTIMEO
                return done
            self.enter()
        if status < 0 and status != -EISCONN:
            raise os_error(status)
        return done

    def send(self, data, int flags=0, /):
        """Sends what fits, or all of it where a stream blocks without a timeout; returns how many bytes that was."""
        cdef Py_buffer b
        self.enter()
        if PyBytes_CheckExact(data):
            return self.transmit(<const uint8_t *>PyBytes_AS_STRING(<PyObject *>data), len(<bytes>data), flags, NULL, 0, NOT_BEGUN)
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        try:
            return self.transmit(<const uint8_t *>b.buf, b.len, flags, NULL, 0, NOT_BEGUN)
        finally:
            PyBuffer_Release(&b)

    def sendall(self, data, int flags=0, /):
        """Sends all of it. After an error nobody knows how much was sent."""
        cdef Py_buffer b
        cdef Py_ssize_t done = 0
        cdef int64_t deadline
        self.enter()
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        try:
            deadline = self.start(True)
            while True:
                done += self.transmit(<const uint8_t *>b.buf + done, b.len - done, flags, NULL, 0, deadline)
                if done >= b.len:
                    return
                if self.timeout_ns == FOREVER:
                    deadline = self.start(True)     # SO_SNDTIMEO is the time of one send
        finally:
            PyBuffer_Release(&b)

    def sendto(self, data, *args):
        """sendto(data, address) or sendto(data, flags, address)."""
        cdef Py_buffer b
        cdef ip_addr addr
        cdef uint16_t port
        cdef int flags = 0
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        if len(args) == 2:
            flags = args[0]
        self.enter()
        parse_address(args[len(args) - 1], "sendto", self.stack_.hosts, &addr, &port)
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        try:
            return self.transmit(<const uint8_t *>b.buf, b.len, flags, &addr, port, self.start(True))
        finally:
            PyBuffer_Release(&b)

    # Receiving

    cdef int64_t receive(self, uint8_t *p, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port) except -1:
        """Bytes received, once there are some (or the end of the stream). An error behind some is left for the next
        call.
        """
        cdef int64_t done, deadline = NOT_BEGUN
        cdef Py_ssize_t had = 0
        cdef bint waited = False, peek = flags & MSG_PEEK != 0
        cdef bint whole = flags & MSG_WAITALL and self.type_ == SOCK_STREAM and self.timeout_ns == FOREVER and not flags & MSG_DONTWAIT
        while True:
            if had > 0 and failed(&self.stack_.n, self.fd):
                return had
            done = usn_recvfrom(&self.stack_.n, self.fd, p + had, n - had, flags, addr, port, self.stack_.now())
            if done >= 0:
                if self.stack_.n.s.tcp.output.count:
                    self.stack_.flush()         # the window may have opened
                had += done
                if done == 0 or had >= n or not whole:
                    return had
                if deadline == NOT_BEGUN:
                    deadline = self.start(False)
                if peek:                        # the same bytes again, once there are more
                    if usn_ready(&self.stack_.n, self.fd) & READY_RDHUP or not self.pause(deadline, True):
                        return had
                    had = 0
                continue
            if deadline == NOT_BEGUN:
                deadline = self.start(False)
            if had > 0:
                if done != -EAGAIN:
                    return had
            elif done == -EAGAIN and self.timeout_ns != 0 and self.reads_no_more(flags):
                if self.timeout_ns == FOREVER:
                    return 0
                self.pause(deadline, False)     # as the standard library: until its time is up
                continue
            elif done != -EAGAIN or (flags & MSG_DONTWAIT and self.timeout_ns == FOREVER) or (waited and self.timeout_ns == 0):
                raise os_error(done)
            if not self.wait(READY_IN, deadline, had > 0):
                return had
            waited = True

    cdef bint reads_no_more(self, int flags) noexcept:
        """A datagram socket that was shut down for reading: nothing will come."""
        return (self.type_ != SOCK_STREAM and not (flags & MSG_DONTWAIT and self.timeout_ns == FOREVER)
                and usn_ready(&self.stack_.n, self.fd) & READY_RDHUP != 0)

    cdef object receive_bytes(self, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port):
        cdef uint32_t ready = stream_ready(&self.stack_.n, self.fd)
        cdef PyObject *b
        cdef int64_t got
        cdef object result
        if 0 < ready < n and not flags & MSG_WAITALL:
            n = ready                           # no more will come in this call: no bytes are made to be cut off
        b = PyBytes_FromStringAndSize(NULL, n)
        try:
            if flags & MSG_TRUNC:
                memset(PyBytes_AS_STRING(b), 0, n)  # of a stream nothing is written there
            got = self.receive(<uint8_t *>PyBytes_AS_STRING(b), n, flags, addr, port)
            if got < n:
                _PyBytes_Resize(&b, got)
            result = <object>b
        finally:
            Py_XDECREF(b)
        return result

    cdef int64_t receive_into(self, object buffer, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port,
                              str caller) except -1:
        cdef Py_buffer b
        try:
            PyObject_GetBuffer(buffer, &b, PyBUF_WRITABLE)
        except BufferError as e:
            raise TypeError(f"{caller}() argument 1 must be read-write bytes-like object: {e}") from None
        try:
            if n < 0:
                raise ValueError(f"negative buffersize in {caller}")
            if n > b.len:
                raise ValueError("nbytes is greater than the length of the buffer" if caller == "recvfrom_into" else
                                 "buffer too small for requested bytes")
            if n == 0:
                n = b.len
            if n == 0 and addr == NULL:
                return 0
            self.enter()
            return self.receive(<uint8_t *>b.buf, n, flags, addr, port)
        finally:
            PyBuffer_Release(&b)

    def recv(self, Py_ssize_t bufsize, int flags=0, /):
        """Up to `bufsize` bytes; b"" at the end of the stream."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        if bufsize == 0:
            return b""
        self.enter()
        return self.receive_bytes(bufsize, flags, NULL, NULL)

    def recv_into(self, buffer, Py_ssize_t nbytes=0, int flags=0):
        return self.receive_into(buffer, nbytes, flags, NULL, NULL, "recv_into")

    def recvfrom(self, Py_ssize_t bufsize, int flags=0, /):
        cdef ip_addr addr
        cdef uint16_t port = 0
        memset(&addr, 0, sizeof(addr))
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        self.enter()
        data = self.receive_bytes(bufsize, flags, &addr, &port)
        return data, (format_address(&addr, port) if self.type_ != SOCK_STREAM else None)

    def recvfrom_into(self, buffer, Py_ssize_t nbytes=0, int flags=0):
        cdef ip_addr addr
        cdef uint16_t port = 0
        memset(&addr, 0, sizeof(addr))
        n = self.receive_into(buffer, nbytes, flags, &addr, &port, "recvfrom_into")
        return n, (format_address(&addr, port) if self.type_ != SOCK_STREAM else None)

    # Without a copy

    def recv_buffer(self, int flags=0, /):
        """Waits for bytes of a stream, and hands them out where they lie: a ReceivedBuffer, empty at the end of the stream. Give it back
        (`with`, or release()) before long: the stack's spare buffers are few."""
        cdef usn_buffer b
        cdef int64_t done, deadline
        self.enter()
        deadline = self.start(False)
        while True:
            done = usn_recv_buffer(&self.stack_.n, self.fd, &b, self.stack_.now())
            if done >= 0:
                break
            if done != -EAGAIN or flags & MSG_DONTWAIT:
                raise os_error(done)
            self.wait(READY_IN, deadline, False)
        made = received_buffer(self.stack_, self.fd, &b)
        if self.stack_.n.s.tcp.output.count:
            self.stack_.flush()                 # the window may have opened
        return made

    def send_buffer(self, n=None, int flags=0, /):
        """Room for up to `n` bytes of a stream (None: as many as a segment takes; it is never more), to be filled in place: a SendBuffer. Its
        commit() sends."""
        cdef usn_buffer b
        cdef int64_t done, deadline
        cdef uint32_t want = 0xffff if n is None else min(max(n, 0), 0xffff)
        self.enter()
        if want == 0:
            raise ValueError(f"a buffer of {n} bytes")
        deadline = self.start(True)
        while True:
            done = usn_send_buffer_get(&self.stack_.n, self.fd, want, &b, self.stack_.now())
            if done >= 0:
                return send_buffer(self.stack_, self.fd, &b)
            if done != -EAGAIN or flags & MSG_DONTWAIT:
                raise os_error(done)
            self.wait(READY_OUT, deadline, False)

    # The end

    def detach(self):
        """Lets go of the descriptor without closing it, and returns it."""
        fd = self.fd
        self.fd = -1
        self.closed_ = True
        return fd

    def close(self):
        """Closes it; what is queued is still sent while the stack is driven. May be called again."""
        cdef int fd = self.fd
        self.closed_ = True
        if fd < 0 or self.io_refs > 0:
            return
        if not self.stack_.is_open:
            self.fd = -1
            return
        self.stack_.enter()
        if self.type_ == SOCK_STREAM and self.timeout_ns != 0 and sock_at(&self.stack_.n, fd).flags & SF_LINGER:
            self.linger(fd)
        self.fd = -1
        usn_close(&self.stack_.n, fd, self.stack_.now())
        self.stack_.flush()

    cdef int linger(self, int fd) except -1:
        """SO_LINGER with a time: waits until the peer has acknowledged everything, or the time is up."""
        cdef int64_t deadline = self.stack_.now() + <int64_t>self.stack_.n.socks[fd].linger * 1_000_000_000
        if self.stack_.n.socks[fd].linger == 0 or usn_shutdown(&self.stack_.n, fd, SHUT_WR, self.stack_.now()) < 0:
            return 0
        self.stack_.flush()
        while self.state in ("FIN_WAIT_1", "CLOSING", "LAST_ACK") and self.stack_.block(<uint32_t>fd, 0, deadline):
            pass
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __del__(self):
        if self.fd < 0 or self.stack_ is None or not self.stack_.is_open:
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
        if PyThread_get_thread_ident() == self.stack_.thread:
            self.io_refs = 0
            self.timeout_ns = 0
            self.close()

    def __reduce__(self):
        raise TypeError(f"cannot pickle {self.__class__.__name__!r} object")
