"""A descriptor of the operating system that is readable while a stack has something for its user (Linux: epoll, eventfd, timerfd)."""
import os

from libc.errno cimport errno
from libc.stdint cimport INT64_MAX, int64_t

from usnet.backends.clock cimport MonotonicClock
from usnet.backends.eventfd cimport EFD_CLOEXEC, EFD_NONBLOCK, eventfd, eventfd_set

cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/epoll.h>
    #include <sys/timerfd.h>
    #include <time.h>
    #include <unistd.h>

    static int us_watch(int epfd, int fd)
    {
        struct epoll_event e = {EPOLLIN, {0}};
        return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
    }

    /* Goes off at t ns of CLOCK_MONOTONIC; INT64_MAX: never. */
    static int us_timer(int fd, int64_t t)
    {
        struct itimerspec s = {{0, 0}, {0, 0}};
        if (t != INT64_MAX) {
            s.it_value.tv_sec = t > 0 ? t / 1000000000 : 0;
            s.it_value.tv_nsec = t > 0 ? t % 1000000000 : 1;
        }
        return timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0);
    }
    """
    int us_watch(int epfd, int fd)
    int us_timer(int fd, int64_t t)
    int epoll_create1(int flags)
    int timerfd_create(int clock, int flags)
    int EPOLL_CLOEXEC, TFD_CLOEXEC, TFD_NONBLOCK, CLOCK_MONOTONIC
    int close(int fd)


cdef class Bell:
    """Readable when events are ready, when a port of `poller` has frames (if that has a descriptor), or when a timer of
    the stack is due (if `clock` is the system's). OSError when the system refuses a descriptor.

    step() after each time that the stack was driven keeps it so; it makes a system call only when something changed.
    """
    cdef int fds[3]                 # epoll, eventfd, timerfd
    cdef bint ringing
    cdef bint timed                 # the stack's clock is the timer's
    cdef int64_t deadline

    def __cinit__(self, clock, poller):
        cdef int i
        self.deadline = INT64_MAX
        self.timed = isinstance(clock, MonotonicClock)
        self.fds[0] = epoll_create1(EPOLL_CLOEXEC)
        self.fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        self.fds[2] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
        for i in range(3):
            if self.fds[i] < 0 or (i and us_watch(self.fds[0], self.fds[i]) < 0):
                raise OSError(errno, os.strerror(errno))
        poller_fd = getattr(poller, "fileno", None)
        if poller_fd is not None and us_watch(self.fds[0], poller_fd()) < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        self.shut()

    cdef void shut(self) noexcept:
        cdef int i
        for i in range(3):
            if self.fds[i] > 0:
                close(self.fds[i])
            self.fds[i] = -1

    def fileno(self):
        """The descriptor; -1 when closed."""
        return self.fds[0]

    def step(self, bint ready, int64_t deadline):
        """The stack was driven: whether it has events now, and when (ns) it wants to be driven again."""
        eventfd_set(self.fds[1], &self.ringing, ready)
        if deadline != self.deadline and self.timed:
            us_timer(self.fds[2], deadline)
            self.deadline = deadline

    def close(self):
        """Gives the descriptors back. May be called again."""
        self.shut()
