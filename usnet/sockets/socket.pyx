"""Sockets as Python knows them: the standard library's socket class over a usnet stack. errno becomes OSError here and only here.

What differs from the standard library's: descriptors are the stack's own numbers (for usnet.epoll, not for select.select), and addresses are numeric.
"""
import io
import math
import operator
import os
import socket as std
import warnings

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_XDECREF
from libc.errno cimport EAGAIN, EALREADY, EBADF, EINPROGRESS
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.ip.state cimport READY_IN, READY_OUT
from usnet.sockets.api cimport (usn_accept, usn_bind, usn_close, usn_connect, usn_getpeername, usn_getsockname, usn_getsockopt, usn_listen, usn_recvfrom,
                                usn_sendto, usn_setsockopt, usn_shutdown, usn_socket)
from usnet.sockets.constants cimport (AF_INET, MSG_DONTWAIT, MSG_WAITALL, SHUT_WR, SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOCK_CLOEXEC, SOCK_NONBLOCK,
                                      SOCK_STREAM, SOL_SOCKET)
from usnet.sockets.host cimport Stack
from usnet.sockets.table cimport SF_LINGER, sock_at
from usnet.tcp.calls cimport OPT_STATE, tcp_get
from usnet.wire.addr cimport addr_bytes, addr_is_any, addr_is_v4, addr_set_v4, ip_addr

from usnet.sockets import context
from usnet.sockets.host import seconds_to_ns

cdef extern from "Python.h":
    PyObject *PyBytes_FromStringAndSize(const char *p, Py_ssize_t n) except NULL
    char *PyBytes_AS_STRING(PyObject *b)
    int _PyBytes_Resize(PyObject **b, Py_ssize_t n) except -1

cdef enum:
    FOREVER = -1
    MOMENT = 10_000_000         # ns

STATE_NAMES = ("CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT")


cdef object os_error(int64_t status):
    """The OSError of a negative status; Python picks the subclass."""
    return OSError(-status, os.strerror(-status))


cdef int parse_address(object address, str caller, ip_addr *addr, uint16_t *port) except -1:
    """("10.9.0.2", 80) in the core's form; "" is any address. Errors as the standard library's."""
    cdef bytes four
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError(f"{caller}(): AF_INET address must be a pair (host, port)")
    host, number = address
    if not isinstance(number, int):
        raise TypeError(f"'{type(number).__name__}' object cannot be interpreted as an integer")
    if not 0 <= number <= 0xffff:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    port[0] = number
    if host == "":
        memset(addr, 0, sizeof(ip_addr))
        return 0
    try:
        four = b"\xff\xff\xff\xff" if host == "<broadcast>" else std.inet_pton(std.AF_INET, host)
    except OSError:
        raise std.gaierror(std.EAI_NONAME, "Name or service not known (usnet takes numeric addresses)") from None
    addr_set_v4(addr, <const uint8_t *>four)
    if addr_is_any(addr):
        memset(addr, 0, sizeof(ip_addr))
    return 0


cdef object format_address(ip_addr *addr, uint16_t port):
    cdef uint8_t *p = addr_bytes(addr)
    if addr_is_v4(addr):
        return f"{p[12]}.{p[13]}.{p[14]}.{p[15]}", port
    return "0.0.0.0", port                      # all zero: not bound


cdef class socket:
    """A socket of the current stack (or of `stack`), like the standard library's: a blocking call drives the stack until it is done.

    fileno: takes over a descriptor of the stack (from detach(), or from Cython) and learns the rest from it.
    """
    cdef Stack stack_
    cdef int fd
    cdef int family_, type_, proto_
    cdef int64_t timeout_ns             # FOREVER: blocks; 0: never
    cdef int io_refs                    # files made of it that are open
    cdef bint closed_
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.fd = -1

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None, *, stack=None):
        cdef int fd
        if self.fd >= 0:
            raise RuntimeError("a socket is set up once")
        self.stack_ = <Stack?>(context.current() if stack is None else stack)
        self.stack_.enter()
        if fileno is None:
            self.family_ = AF_INET if family == -1 else family
            self.type_ = SOCK_STREAM if type == -1 else type
            self.proto_ = 0 if proto == -1 else proto
            fd = usn_socket(&self.stack_.n, self.family_, self.type_, self.proto_)
            if fd < 0:
                raise os_error(fd)
            self.fd = fd
        else:
            fd = fileno
            self.family_ = self.option(fd, SO_DOMAIN)
            self.type_ = self.option(fd, SO_TYPE) if type == -1 else type
            self.proto_ = self.option(fd, SO_PROTOCOL) if proto == -1 else proto
            self.fd = fd
        self.settimeout(std.getdefaulttimeout())
        if self.type_ & SOCK_NONBLOCK:
            self.timeout_ns = 0
        self.type_ &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC)

    def option(self, int fd, int name):
        cdef int value = 0
        cdef uint32_t size = sizeof(int)
        cdef int status = usn_getsockopt(&self.stack_.n, fd, SOL_SOCKET, name, &value, &size)
        if status < 0:
            raise os_error(status)
        return value

    cdef int enter(self) except -1:
        """Raises unless the socket can be used."""
        if self.fd < 0 or not self.stack_.is_open:
            raise os_error(-EBADF)
        return self.stack_.enter()

    # What it is

    @property
    def family(self):
        return std.AddressFamily(self.family_)

    @property
    def type(self):
        return std.SocketKind(self.type_)

    @property
    def proto(self):
        return self.proto_

    @property
    def stack(self):
        """The Stack that it belongs to."""
        return self.stack_

    def fileno(self):
        """Its descriptor, a number of the stack's own; -1 when closed."""
        return self.fd

    @property
    def state(self):
        """A stream's state by RFC 9293's name; None for datagrams and when closed."""
        if self.fd < 0 or not self.stack_.is_open or self.type_ != SOCK_STREAM:
            return None
        return STATE_NAMES[tcp_get(&self.stack_.n.s.tcp, self.stack_.n.socks[self.fd].pcb, OPT_STATE)]

    def __repr__(self):
        text = f"<usnet.{self.__class__.__name__}{' [closed]' if self.fd < 0 else ''} fd={self.fd}"
        text += f", family={self.family_}, type={self.type_}, proto={self.proto_}"
        for name, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                text += f", {name}={ask()}"
            except (OSError, RuntimeError):
                pass
        return f"{text}, state={self.state}>" if self.state else text + ">"

    # Timeouts

    def settimeout(self, timeout):
        """Seconds that a call may block; None: for ever; 0: never."""
        if timeout is None:
            self.timeout_ns = FOREVER
            return
        if isinstance(timeout, float) and math.isnan(timeout):
            raise ValueError("Invalid value NaN (not a number)")
        if not isinstance(timeout, (int, float)):
            timeout = float(timeout) if hasattr(timeout, "__float__") else operator.index(timeout)
        if timeout < 0:
            raise ValueError("Timeout value out of range")
        if timeout > INT64_MAX // 1_000_000_000:
            raise OverflowError("timestamp too large to convert to C _PyTime_t")
        self.timeout_ns = seconds_to_ns(timeout)

    def gettimeout(self):
        return None if self.timeout_ns == FOREVER else self.timeout_ns / 1e9

    @property
    def timeout(self):
        return self.gettimeout()

    def setblocking(self, flag):
        self.timeout_ns = FOREVER if flag else 0

    def getblocking(self):
        return self.timeout_ns != 0

    cdef int64_t start(self) noexcept:
        """The deadline of a call that begins now."""
        cdef int64_t now = self.stack_.now()
        return INT64_MAX if self.timeout_ns == FOREVER or self.timeout_ns > INT64_MAX - now else now + self.timeout_ns

    cdef bint wait(self, uint32_t mask, int64_t deadline) except -1:
        """After EAGAIN: True to try again. BlockingIOError where the socket does not block, TimeoutError when its time is up."""
        if self.timeout_ns == 0:
            if self.stack_.look():
                return True
            raise os_error(-EAGAIN)
        if not self.stack_.block(<uint32_t>self.fd, mask, deadline):
            raise TimeoutError("timed out")
        self.enter()
        return True

    cdef int pause(self, int64_t deadline) except -1:
        """Waits until anything at all happens, or for a moment."""
        cdef int64_t now = self.stack_.now()
        if now >= deadline:
            raise TimeoutError("timed out")
        self.stack_.block(<uint32_t>self.fd, 0, min(deadline, now + MOMENT))
        self.enter()
        return 0

    # Names

    def bind(self, address, /):
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status
        self.enter()
        parse_address(address, "bind", &addr, &port)
        status = usn_bind(&self.stack_.n, self.fd, &addr, port)
        if status < 0:
            raise os_error(status)

    def getsockname(self):
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status
        self.enter()
        status = usn_getsockname(&self.stack_.n, self.fd, &addr, &port)
        if status < 0:
            raise os_error(status)
        return format_address(&addr, port)

    def getpeername(self):
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status
        self.enter()
        status = usn_getpeername(&self.stack_.n, self.fd, &addr, &port)
        if status < 0:
            raise os_error(status)
        return format_address(&addr, port)

    # Connections

    def listen(self, int backlog=128, /):
        cdef int status
        self.enter()
        status = usn_listen(&self.stack_.n, self.fd, max(0, backlog))
        if status < 0:
            raise os_error(status)

    def accept(self):
        """Waits for a connection: (its socket, the peer's address)."""
        cdef ip_addr addr
        cdef uint16_t port
        cdef int fd
        cdef int64_t deadline
        self.enter()
        deadline = self.start()
        while True:
            fd = usn_accept(&self.stack_.n, self.fd, &addr, &port)
            if fd >= 0:
                break
            if fd != -EAGAIN:
                raise os_error(fd)
            self.wait(READY_IN, deadline)
        made = self.__class__(self.family_, self.type_, self.proto_, fileno=fd, stack=self.stack_)
        return made, format_address(&addr, port)

    cdef int do_connect(self, object address) except 1:
        """0 or -errno of a connect, waited for as the timeout says."""
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status
        cdef int64_t deadline
        self.enter()
        parse_address(address, "connect", &addr, &port)
        deadline = self.start()
        status = usn_connect(&self.stack_.n, self.fd, &addr, port, self.stack_.now())
        self.stack_.flush()
        while (status == -EINPROGRESS or status == -EALREADY) and self.timeout_ns != 0:
            if not self.stack_.block(<uint32_t>self.fd, READY_OUT, deadline):
                raise TimeoutError("timed out")
            self.enter()
            status = usn_connect(&self.stack_.n, self.fd, &addr, port, self.stack_.now())
        return status

    def connect(self, address, /):
        """Connects; a stream that blocks waits for the outcome. Non-blocking: BlockingIOError (EINPROGRESS), writable when it is decided."""
        cdef int status = self.do_connect(address)
        if status < 0:
            raise os_error(status)

    def connect_ex(self, address, /):
        """connect() that returns the errno, or 0."""
        try:
            return -self.do_connect(address)
        except TimeoutError:
            return EAGAIN

    def shutdown(self, int how, /):
        cdef int status
        self.enter()
        status = usn_shutdown(&self.stack_.n, self.fd, how, self.stack_.now())
        self.stack_.flush()
        if status < 0:
            raise os_error(status)

    # Sending

    cdef int64_t transmit(self, const uint8_t *p, Py_ssize_t n, int flags, const ip_addr *addr, uint16_t port, int64_t deadline) except -1:
        """Bytes taken, once the socket takes some."""
        cdef int64_t done
        cdef bint waited = False
        while True:
            done = usn_sendto(&self.stack_.n, self.fd, p, n, flags, addr, port, self.stack_.now())
            self.stack_.flush()
            if done >= 0:
                return done
            if done != -EAGAIN or flags & MSG_DONTWAIT or (waited and self.timeout_ns == 0):
                raise os_error(done)
            if waited:
                self.pause(deadline)            # "ready", and yet there is no room: memory or a ring is short
            else:
                self.wait(READY_OUT, deadline)
            waited = True

    def send(self, data, int flags=0, /):
        """Sends what fits; returns how many bytes that was."""
        cdef Py_buffer b
        self.enter()
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        try:
            return self.transmit(<const uint8_t *>b.buf, b.len, flags, NULL, 0, self.start())
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
            deadline = self.start()
            while True:
                done += self.transmit(<const uint8_t *>b.buf + done, b.len - done, flags, NULL, 0, deadline)
                if done >= b.len:
                    return
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
        parse_address(args[len(args) - 1], "sendto", &addr, &port)
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        try:
            return self.transmit(<const uint8_t *>b.buf, b.len, flags, &addr, port, self.start())
        finally:
            PyBuffer_Release(&b)

    # Receiving

    cdef int64_t receive(self, uint8_t *p, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port) except -1:
        """Bytes received, once there are some (or the end of the stream)."""
        cdef int64_t done, deadline = self.start()
        cdef Py_ssize_t had = 0
        cdef bint waited = False
        while True:
            done = usn_recvfrom(&self.stack_.n, self.fd, p + had, n - had, flags, addr, port, self.stack_.now())
            if done >= 0:
                if self.stack_.n.s.tcp.output.count:
                    self.stack_.flush()         # the window may have opened
                had += done
                if done == 0 or had >= n or not flags & MSG_WAITALL or self.type_ != SOCK_STREAM:
                    return had
                continue
            if had > 0:
                if done != -EAGAIN or self.timeout_ns == 0:
                    return had
            elif done != -EAGAIN or flags & MSG_DONTWAIT or (waited and self.timeout_ns == 0):
                raise os_error(done)
            self.wait(READY_IN, deadline)
            waited = True

    cdef object receive_bytes(self, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port):
        cdef PyObject *b = PyBytes_FromStringAndSize(NULL, n)
        cdef int64_t got
        cdef object result
        try:
            got = self.receive(<uint8_t *>PyBytes_AS_STRING(b), n, flags, addr, port)
            if got < n:
                _PyBytes_Resize(&b, got)
            result = <object>b
        finally:
            Py_XDECREF(b)
        return result

    cdef int64_t receive_into(self, object buffer, Py_ssize_t n, int flags, ip_addr *addr, uint16_t *port, str caller) except -1:
        cdef Py_buffer b
        self.enter()
        PyObject_GetBuffer(buffer, &b, PyBUF_WRITABLE)
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
            return self.receive(<uint8_t *>b.buf, n, flags, addr, port)
        finally:
            PyBuffer_Release(&b)

    def recv(self, Py_ssize_t bufsize, int flags=0, /):
        """Up to `bufsize` bytes; b"" at the end of the stream."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        self.enter()
        return self.receive_bytes(bufsize, flags, NULL, NULL) if bufsize else b""

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

    # Options

    def getsockopt(self, int level, int optname, int buflen=0, /):
        """An int, or with `buflen` up to so many bytes."""
        cdef int value = 0
        cdef uint32_t size = sizeof(int)
        cdef int status
        cdef bytearray raw
        self.enter()
        if buflen < 0 or buflen > 1024:
            raise OSError("getsockopt buflen out of range")
        if buflen == 0:
            status = usn_getsockopt(&self.stack_.n, self.fd, level, optname, &value, &size)
            if status < 0:
                raise os_error(status)
            return value
        raw = bytearray(buflen)
        size = buflen
        status = usn_getsockopt(&self.stack_.n, self.fd, level, optname, <char *>raw, &size)
        if status < 0:
            raise os_error(status)
        return bytes(raw[:size])

    def setsockopt(self, int level, int optname, value, /):
        """value: an int, or bytes where the kernel takes a struct (SO_LINGER)."""
        cdef int number
        cdef int status
        cdef Py_buffer b
        self.enter()
        if isinstance(value, int):
            number = value
            status = usn_setsockopt(&self.stack_.n, self.fd, level, optname, &number, sizeof(int))
        else:
            PyObject_GetBuffer(value, &b, PyBUF_SIMPLE)
            status = usn_setsockopt(&self.stack_.n, self.fd, level, optname, b.buf, <uint32_t>b.len)
            PyBuffer_Release(&b)
        self.stack_.flush()
        if status < 0:
            raise os_error(status)

    # Files

    def makefile(self, mode="r", buffering=None, *, encoding=None, errors=None, newline=None):
        """A file over the socket, as the standard library's. The socket is closed once it and all its files are."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing = "w" in mode
        reading = "r" in mode or not writing
        binary = "b" in mode
        raw = std.SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))
        self.io_refs += 1
        if buffering is None or buffering < 0:
            buffering = io.DEFAULT_BUFFER_SIZE
        if buffering == 0:
            if not binary:
                raise ValueError("unbuffered streams must be binary")
            return raw
        if reading and writing:
            buffer = io.BufferedRWPair(raw, raw, buffering)
        else:
            buffer = (io.BufferedReader if reading else io.BufferedWriter)(raw, buffering)
        if binary:
            return buffer
        text = io.TextIOWrapper(buffer, io.text_encoding(encoding), errors, newline)
        text.mode = mode
        return text

    def _decref_socketios(self):
        """A file made of the socket was closed."""
        if self.io_refs > 0:
            self.io_refs -= 1
        if self.closed_:
            self.close()

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
