"""Clocks: 64-bit signed nanoseconds that never go back. A stack has one; the core is handed its readings."""
from libc.stdint cimport int64_t

ctypedef int64_t (*clock_read)(void *self) noexcept nogil


cdef class Clock:
    cdef clock_read read                # reads the clock without the GIL
    cdef void *self_                    # passed to it


cdef class MonotonicClock(Clock):
    """CLOCK_MONOTONIC of the operating system."""


cdef class ManualClock(Clock):
    """Stands still until it is moved: for tests, and for replaying at one's own pace."""
    cdef int64_t ns


cdef inline int64_t clock_now(Clock clock):
    return clock.read(clock.self_)
