"""Clocks: 64-bit signed nanoseconds that never go back."""
from libc.stdint cimport int64_t

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec *t)


cdef int64_t read_nothing(void *self) noexcept nogil:
    return 0


cdef int64_t read_monotonic(void *self) noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1000000000 + t.tv_nsec


cdef int64_t read_manual(void *self) noexcept nogil:
    return (<ManualClock>self).ns


cdef class Clock:
    """Base of all clocks. Alone it stands at 0."""

    def __cinit__(self, *args, **kwargs):
        self.read = read_nothing
        self.self_ = <void *>self

    def now(self):
        """Nanoseconds, as an int. Where they count from is the clock's own affair."""
        return self.read(self.self_)


cdef class MonotonicClock(Clock):
    """CLOCK_MONOTONIC of the operating system: the same readings as time.monotonic_ns()."""

    def __cinit__(self):
        self.read = read_monotonic


cdef class ManualClock(Clock):
    """Stands still at `now` until it is moved: for tests, and for replaying at one's own pace."""

    def __cinit__(self, int64_t now=0):
        self.ns = now
        self.read = read_manual

    def advance(self, int64_t by):
        """Moves it on by so many nanoseconds. ValueError when that would be back."""
        if by < 0:
            raise ValueError(f"a clock never goes back: {by} ns")
        self.ns += by

    def set(self, int64_t now):
        """Moves it on to a time. ValueError when that would be back."""
        self.advance(now - self.ns)
