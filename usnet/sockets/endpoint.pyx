"""What every socket object has: its stack and descriptor, timeouts and how to wait, names, options."""
import math
import operator
import socket as std

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EBADF, EFAULT
from libc.stdint cimport INT64_MAX, int64_t, uint16_t, uint32_t

from usnet.sockets.api cimport usn_bind, usn_getpeername, usn_getsockname, usn_getsockopt, usn_setsockopt, usn_socket
from usnet.sockets.constants cimport (
    AF_INET, SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET,
)
from usnet.sockets.convert cimport format_address, os_error, parse_address
from usnet.sockets.host cimport Stack
from usnet.sockets.table cimport sock_times, times_at
from usnet.tcp.options cimport OPT_STATE, tcp_get
from usnet.wire.addr cimport ip_addr

from usnet.sockets import context
from usnet.sockets.host import seconds_to_ns
from usnet.tcp.states import NAMES as STATE_NAMES

cdef enum:
    MOMENT = 10_000_000         # ns


cdef class Endpoint:
    """Base of usnet.socket: everything but connecting, sending and receiving."""

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
        if self.fd < 0:
            raise os_error(-EBADF)
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
        if self.fd < 0:
            raise os_error(-EBADF)
        self.timeout_ns = FOREVER if operator.index(flag) else 0

    def getblocking(self):
        return self.timeout_ns != 0

    cdef int64_t start(self, bint sends) noexcept:
        """The deadline of a call that begins now. For one that blocks without a time of its own, SO_RCVTIMEO and
        SO_SNDTIMEO decide.
        """
        cdef int64_t now = self.stack_.now(), limit = self.timeout_ns
        cdef const sock_times *times
        if limit == FOREVER:
            times = times_at(&self.stack_.n, &self.stack_.n.socks[self.fd])
            limit = 0 if times == NULL else (times.send if sends else times.receive)
            if limit == 0:
                return INT64_MAX
            limit = max(limit, 0)
        return INT64_MAX if limit > INT64_MAX - now else now + limit

    cdef bint late(self, bint had) except -1:
        """The call's time is up: False if it has something to return all the same."""
        if had:
            return False
        if self.timeout_ns == FOREVER:          # SO_RCVTIMEO or SO_SNDTIMEO: as the kernel says it
            raise os_error(-EAGAIN)
        raise TimeoutError("timed out")

    cdef bint wait(self, uint32_t mask, int64_t deadline, bint had) except -1:
        """After EAGAIN: True to try again. BlockingIOError where the socket does not block, TimeoutError when its time
        is up; but False if the call already `had` something.
        """
        if self.timeout_ns == 0:
            if self.stack_.look():
                return True
            raise os_error(-EAGAIN)
        if not self.stack_.block(<uint32_t>self.fd, mask, deadline):
            return self.late(had)
        self.enter()
        return True

    cdef bint pause(self, int64_t deadline, bint had) except -1:
        """Waits until anything at all happens, or for a moment. As wait()."""
        cdef int64_t now = self.stack_.now()
        if now >= deadline:
            return self.late(had)
        self.stack_.block(<uint32_t>self.fd, 0, min(deadline, now + MOMENT))
        self.enter()
        return True

    # Names

    def bind(self, address, /):
        cdef ip_addr addr
        cdef uint16_t port
        cdef int status
        self.enter()
        parse_address(address, "bind", self.stack_.hosts, &addr, &port)
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

    def setsockopt(self, int level, int optname, value, optlen=None, /):
        """value: an int, or bytes where the kernel takes a struct (SO_LINGER). None with a length has no meaning here
        (EFAULT).
        """
        cdef int number
        cdef int status
        cdef Py_buffer b
        self.enter()
        if optlen is not None:
            if value is not None:
                raise TypeError("socket option should be None when optlen is given")
            raise os_error(-EFAULT)
        if isinstance(value, int):
            try:
                number = value
            except OverflowError:
                raise TypeError("an option's value is an int of 32 bits, or bytes") from None
            status = usn_setsockopt(&self.stack_.n, self.fd, level, optname, &number, sizeof(int))
        else:
            PyObject_GetBuffer(value, &b, PyBUF_SIMPLE)
            status = usn_setsockopt(&self.stack_.n, self.fd, level, optname, b.buf, <uint32_t>b.len)
            PyBuffer_Release(&b)
        self.stack_.flush()
        if status < 0:
            raise os_error(status)
