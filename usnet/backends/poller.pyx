"""Waiting for ports, for a doorbell and for a time."""
import os

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR, errno
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from usnet.backends.clock cimport Clock, clock_now
from usnet.backends.ring cimport PORT_FILENO, Port

from usnet.backends.clock import MonotonicClock

cdef extern from *:
    """
    #include <errno.h>
    #include <poll.h>
    #include <signal.h>
    #include <stdint.h>
    #include <sys/epoll.h>
    #include <sys/eventfd.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>

    /* Nanoseconds: epoll_wait() counts in milliseconds. Where the kernel has no epoll_pwait2() the epoll descriptor
       itself is polled with ppoll(). */
    static int us_epoll_wait_ns(int fd, struct epoll_event *events, int n, int64_t ns)
    {
        struct timespec t = {ns / 1000000000, ns % 1000000000};
        struct pollfd p = {fd, POLLIN, 0};
        int r;
    #ifdef SYS_epoll_pwait2
        static int missing = 0;
        if (!missing) {
            struct { int64_t sec, nsec; } kt = {t.tv_sec, t.tv_nsec};
            r = (int)syscall(SYS_epoll_pwait2, fd, events, n, ns < 0 ? NULL : (void *)&kt, NULL, 0);
            if (r >= 0 || (errno != ENOSYS && errno != EPERM))
                return r;
            missing = 1;
        }
    #endif
        r = ppoll(&p, 1, ns < 0 ? NULL : &t, NULL);
        return r <= 0 ? r : epoll_wait(fd, events, n, 0);
    }
    """
    ctypedef union epoll_data_t:
        int fd
    cdef struct epoll_event:
        unsigned int events
        epoll_data_t data
    int us_epoll_wait_ns(int fd, epoll_event *events, int n, int64_t ns) nogil
    int epoll_create1(int flags)
    int epoll_ctl(int fd, int op, int of, epoll_event *event)
    int eventfd(unsigned int start, int flags)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN, EFD_CLOEXEC, EFD_NONBLOCK
    Py_ssize_t read(int fd, void *to, size_t n) nogil
    Py_ssize_t write(int fd, const void *what, size_t n) nogil
    int close(int fd)


cdef class Poller:
    """Base of pollers: what a stack waits with. See poller.pxd for the contract."""

    cpdef object add_port(self, port):
        """Wakes on this port from now on."""
        raise NotImplementedError

    cpdef object remove_port(self, port):
        raise NotImplementedError

    cpdef bint wait(self, int64_t deadline_ns) except -1:
        """Blocks until something may have happened (True) or the clock reads `deadline_ns` (False)."""
        raise NotImplementedError

    cpdef bint wait_for(self, int64_t deadline_ns, uint32_t token) except -1:
        """wait(), by the one of several whom `token` names."""
        return self.wait(deadline_ns)

    cpdef object ring_doorbell(self):
        """Wakes a wait, or the next one, from any thread or signal handler."""
        raise NotImplementedError

    cpdef object give_way(self):
        """A call found nothing and will not wait."""

    cpdef object close(self):
        pass


cdef class OSPoller(Poller):
    """Waits in the operating system. `clock` (CLOCK_MONOTONIC when None) is what deadlines are measured by.

    Context manager. Its fileno() polls readable when a wait would return at once for another reason than time: for
    select() and asyncio.
    """
    def __cinit__(self, clock=None):
        self.epoll_fd = self.bell_fd = -1
        self.made = True
        self.clock = <Clock?>clock if clock is not None else MonotonicClock()
        self.entries = []
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.epoll_fd < 0:
            raise OSError(errno, os.strerror(errno))
        self.bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.bell_fd < 0:
            raise OSError(errno, os.strerror(errno))
        self._epoll_add(self.bell_fd)

    def __dealloc__(self):
        if not self.made:
            return
        if self.epoll_fd >= 0:
            close(self.epoll_fd)
        if self.bell_fd >= 0:
            close(self.bell_fd)

    def _epoll_add(self, int fd):
        cdef epoll_event e
        e.events = EPOLLIN
        e.data.fd = fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0:
            raise OSError(errno, os.strerror(errno))

    cpdef object add_port(self, port):
        """Adds a port, an object with a fileno() or a descriptor. ValueError for a port that has none; OSError
        (EEXIST) when it is there already."""
        cdef int fd
        self._check_open()
        if isinstance(port, Port) and not (<Port>port).p.caps & PORT_FILENO:
            raise ValueError(f"{port.name} has no descriptor to wait for")
        fd = port if isinstance(port, int) else port.fileno()
        self._epoll_add(fd)
        self.entries.append((port, fd))

    cpdef object remove_port(self, port):
        """Removes what add_port() added; also when its descriptor is closed already. KeyError when it is not there."""
        cdef epoll_event e
        cdef int i
        self._check_open()
        for i, (known, fd) in enumerate(self.entries):
            if known is port or (isinstance(port, int) and known == port):
                epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, fd, &e)
                del self.entries[i]
                return None
        raise KeyError(port)

    cpdef bint wait(self, int64_t deadline_ns) except -1:
        """Blocks until a port or descriptor is ready or the doorbell rang (True), or the clock reads `deadline_ns`
        (False). Never returns False early."""
        cdef int64_t timeout
        cdef int n
        self._check_open()
        self.arm_ports()
        while True:
            timeout = -1
            if deadline_ns != INT64_MAX:
                timeout = max(<int64_t>0, deadline_ns - clock_now(self.clock))
            n = self.block(timeout)
            if n > 0:
                return True
            if n == 0 and deadline_ns != INT64_MAX and clock_now(self.clock) >= deadline_ns:
                return False

    cdef int arm_ports(self) except -1:
        cdef Port p
        for known, _ in self.entries:
            if isinstance(known, Port):
                p = <Port>known
                if p.p.arm != NULL:
                    p.p.arm(p.p.self, False)    # an error shows at the next sync
        return 0

    cdef int block(self, int64_t timeout_ns) except -2:
        """One wait in the kernel: how many are ready; 0 on time or after a signal whose handler raised nothing."""
        cdef epoll_event events[16]
        cdef uint64_t rung
        cdef int i, n, error
        with nogil:
            n = us_epoll_wait_ns(self.epoll_fd, events, 16, timeout_ns)
            error = errno
            for i in range(n):
                if events[i].data.fd == self.bell_fd:
                    read(self.bell_fd, &rung, 8)
        if n < 0 and error != EINTR:
            raise OSError(error, os.strerror(error))
        if n < 0:
            n = 0
            if PyErr_CheckSignals() < 0:
                return -2
        return n

    cpdef object ring_doorbell(self):
        """Wakes a wait, or the next one. Safe from any thread and from signal handlers; ringing twice wakes once."""
        cdef uint64_t one = 1
        self._check_open()
        with nogil:
            write(self.bell_fd, &one, 8)

    cpdef object close(self):
        """Gives the descriptors back. Ports stay open. May be called again."""
        if self.epoll_fd >= 0:
            close(self.epoll_fd)
            close(self.bell_fd)
        self.epoll_fd = self.bell_fd = -1
        self.entries = []

    def fileno(self):
        self._check_open()
        return self.epoll_fd

    def _check_open(self):
        if self.epoll_fd < 0:
            raise ValueError("the poller is closed")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
