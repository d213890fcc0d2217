"""Readiness as Python knows it: select.epoll over a usnet stack."""
import math
import select as std

from cpython.pythread cimport PyThread_get_thread_ident
from libc.errno cimport EBADF, EINVAL
from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.stdlib cimport free, malloc

from usnet.ip.state cimport READY_ERR, READY_HUP, READY_IN, READY_RDHUP
from usnet.sockets.api cimport usn_close, usn_epoll_create, usn_epoll_ctl, usn_epoll_wait, usn_ready
from usnet.sockets.batch cimport receive_one
from usnet.sockets.convert cimport os_error
from usnet.sockets.host cimport Stack
from usnet.sockets.ready cimport CTL_ADD, CTL_DEL, CTL_MOD, usn_epoll_event
from usnet.sockets.table cimport KIND_EPOLL, sock_at

from usnet.backends.bell import Bell
from usnet.sockets import context
from usnet.sockets.host import seconds_to_ns

cdef enum:
    ON_STACK = 96               # events of one poll that need no allocation
    DEFAULT_MAX = 1023          # as select.epoll: FD_SETSIZE - 1


cdef int descriptor(object fd) except -1:
    """The descriptor that `fd` is or has."""
    if isinstance(fd, epoll):
        if (<epoll>fd).fd < 0:
            raise ValueError("I/O operation on closed epoll object")
        return (<epoll>fd).fd                   # its fileno() is the operating system's
    if not isinstance(fd, int):
        try:
            fd = fd.fileno()
        except AttributeError:
            raise TypeError("argument must be an int, or have a fileno() method.") from None
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


cdef class epoll:
    """Waits for many sockets of one stack; poll() drives it. Events are (descriptor, mask) pairs with the numbers of
    the `select` module.
    """
    cdef Stack stack_
    cdef int fd
    cdef object bell
    cdef bint woken                 # by wake(): the next poll does not wait
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.fd = -1

    def __init__(self, sizehint=-1, flags=0, *, stack=None):
        if sizehint != -1 and sizehint <= 0:
            raise ValueError("sizehint must be positive or -1")
        if flags & ~getattr(std, "EPOLL_CLOEXEC", 0):
            raise os_error(-EINVAL)
        if self.fd >= 0:
            raise RuntimeError("an epoll object is set up once")
        self.stack_ = <Stack?>(context.current() if stack is None else stack)
        self.stack_.enter()
        cdef int fd = usn_epoll_create(&self.stack_.n)
        if fd < 0:
            raise os_error(fd)
        self.fd = fd

    @classmethod
    def fromfd(cls, int fd, *, stack=None):
        """An object over an instance that exists: `fd` is its `descriptor`. Each may be closed; the first ends it."""
        cdef epoll made = cls.__new__(cls)
        made.stack_ = <Stack?>(context.current() if stack is None else stack)
        made.stack_.enter()
        if sock_at(&made.stack_.n, fd) == NULL:
            raise os_error(-EBADF)
        if sock_at(&made.stack_.n, fd).kind != KIND_EPOLL:
            raise os_error(-EINVAL)
        made.fd = fd
        return made

    cdef int enter(self) except -1:
        if self.fd < 0 or not self.stack_.is_open:
            raise ValueError("I/O operation on closed epoll object")
        return self.stack_.enter()

    cdef object ctl(self, int op, object fd, uint32_t events):
        cdef int status
        self.enter()
        status = usn_epoll_ctl(&self.stack_.n, self.fd, op, descriptor(fd), events)
        if status < 0:
            raise os_error(status)
        self.stack_.tell()
        if self.bell is not None:
            self.stack_.flush()

    def register(self, fd, eventmask=std.EPOLLIN | std.EPOLLPRI | std.EPOLLOUT):
        """Watches a socket, another instance, or a descriptor. FileExistsError when it is watched already; OSError
        (EBADF) when it is closed, (ELOOP) when instances would form a circle.
        """
        self.ctl(CTL_ADD, fd, <uint32_t>(eventmask & 0xffffffff))

    def modify(self, fd, eventmask):
        """Changes what is watched, and arms ONESHOT again. FileNotFoundError when it is not watched."""
        self.ctl(CTL_MOD, fd, <uint32_t>(eventmask & 0xffffffff))

    def unregister(self, fd):
        """FileNotFoundError when it is not watched. Closing a socket does it too."""
        self.ctl(CTL_DEL, fd, 0)

    def poll(self, timeout=None, maxevents=-1):
        """Waits up to `timeout` seconds (None or negative: for ever) for events: a list of (descriptor, mask), those
        that waited longest first.
        """
        return self.report(self.deadline_in(timeout), maxevents, -1)

    def poll_until(self, int64_t deadline, maxevents=-1):
        """poll() up to a reading of the stack's clock, ns; a time that has passed: at once."""
        return self.report(deadline, maxevents, -1)

    def recv_many(self, Py_ssize_t bufsize, timeout=None, maxevents=-1):
        """poll() that reads: a list of (descriptor, what there is), up to `bufsize` bytes of each, as Stack.recv_many() says of sockets. None also of
        those that are reported for something else than reading, and of listeners, which have somebody to accept.
        """
        if bufsize < 0:
            raise ValueError("negative buffersize in recv_many")
        return self.report(self.deadline_in(timeout), maxevents, bufsize)

    cdef int64_t deadline_in(self, timeout) except -1:
        cdef int64_t now
        self.enter()
        if timeout is None:
            return INT64_MAX
        now = self.stack_.now()
        if isinstance(timeout, float) and math.isnan(timeout):
            raise ValueError("Invalid value NaN (not a number)")
        if timeout >= 0 and timeout < (INT64_MAX - now) // 1_000_000_000:
            return now + <int64_t>seconds_to_ns(timeout)
        return INT64_MAX

    cdef list report(self, int64_t deadline, maxevents, Py_ssize_t bufsize):
        """Events; or what can be read, where bufsize is not negative."""
        cdef int most = DEFAULT_MAX if maxevents == -1 else maxevents
        cdef int n
        cdef usn_epoll_event few[ON_STACK]
        cdef usn_epoll_event *events = few
        self.enter()
        if most <= 0:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        most = min(most, <int>self.stack_.n.n_socks)     # no more can have any
        if most > ON_STACK:
            events = <usn_epoll_event *>malloc(most * sizeof(usn_epoll_event))
            if events == NULL:
                raise MemoryError
        try:
            n = self.wait(events, most, deadline)
            if bufsize < 0:
                return [(events[i].fd, events[i].events) for i in range(n)]
            return self.read(events, n, bufsize)
        finally:
            if events != few:
                free(events)

    cdef list read(self, const usn_epoll_event *events, int n, Py_ssize_t bufsize):
        cdef int64_t now = self.stack_.now()
        cdef list found = []
        cdef int i
        for i in range(n):
            if events[i].events & (READY_IN | READY_RDHUP | READY_HUP | READY_ERR):
                found.append((events[i].fd, receive_one(self.stack_, events[i].fd, bufsize, now)))
            else:
                found.append((events[i].fd, None))
        if self.stack_.n.s.tcp.output.count:
            self.stack_.flush_at(now)           # windows may have opened
        return found

    cdef int wait(self, usn_epoll_event *events, int most, int64_t deadline) except -1:
        cdef int n
        while True:
            if not self.stack_.block(<uint32_t>self.fd, READY_IN, 0 if self.woken else deadline):
                n = 0
            else:
                self.enter()
                n = usn_epoll_wait(&self.stack_.n, self.fd, events, most)
                if n < 0:
                    raise os_error(n)
                if n == 0 and not self.woken:
                    continue
            self.woken = False
            if self.bell is not None:
                self.stack_.flush()
            return n

    def wake(self):
        """Has a poll() that waits, or the next one, return at once, with what is there. From any thread and from signal handlers; in simulation
        from the world's thread. Nothing happens when it is closed.
        """
        if not self.closed and not self.woken:
            self.woken = True
            self.stack_.ring(<uint32_t>self.fd)

    def has_ready(self):
        """Whether poll(0) would report something without driving the stack."""
        self.enter()
        return usn_ready(&self.stack_.n, self.fd) > 0

    def step(self, deadline):
        """The stack was driven and wants to be again at `deadline` (ns): its own fileno() follows."""
        self.bell.step(self.has_ready(), deadline)

    def fileno(self):
        """A real descriptor of the operating system that polls readable when there is something to do: then call
        poll(0), which drives the stack.

        For select(), asyncio and the like. It covers events that are ready, frames that wait in the ports, and the
        stack's timers.
        """
        self.enter()
        if self.bell is None:
            self.bell = Bell(self.stack_.clock, self.stack_.poller)
            self.stack_.add_follower(self)
            self.stack_.run()
        return self.bell.fileno()

    @property
    def descriptor(self):
        """Its number among the stack's descriptors; -1 when closed."""
        return self.fd

    @property
    def closed(self):
        return self.fd < 0 or not self.stack_.is_open

    def close(self):
        """Forgets all registrations. May be called again."""
        cdef int fd = self.fd
        self.fd = -1
        if self.bell is not None:
            self.stack_.remove_follower(self)
            self.bell.close()
            self.bell = None
        if fd >= 0 and self.stack_.is_open:
            self.stack_.enter()
            usn_close(&self.stack_.n, fd, self.stack_.now())

    def __del__(self):
        if self.fd >= 0 and self.stack_ is not None and PyThread_get_thread_ident() == self.stack_.thread:
            self.close()

    def __enter__(self):
        self.enter()
        return self

    def __exit__(self, *exc):
        self.close()

    def __repr__(self):
        return f"<usnet.epoll{' [closed]' if self.closed else ''} of {self.stack_!r}>"
