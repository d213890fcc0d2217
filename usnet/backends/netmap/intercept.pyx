"""A device in front of another one, whose calls a Python function sees first: to make calls fail, and to watch them."""
import traceback

cimport cython
from cpython.buffer cimport PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EINVAL
from libc.stdint cimport int64_t, uint64_t

from usnet.backends.netmap.device cimport Device


@cython.no_gc_clear                     # descriptors may outlive everything but their device
cdef class Intercept(Device):
    """`seen(call, fd, *details)` is called before each call of `inner`: it returns None to let it through, or the answer to give in its place
    (-errno).

    call and details: "open"; "ioctl" request, a writable memoryview of the argument (None: NULL); "map" size; "poll" events, timeout_ns; "watch"
    events; "close". An exception in it is printed and counts as -EINVAL.
    """
    cdef Device inner
    cdef object seen

    def __init__(self, Device inner not None, seen):
        self.inner = inner
        self.seen = seen
        self.path = inner.path
        self.txsync_request = inner.txsync_request
        self.rxsync_request = inner.rxsync_request

    cdef bint answered(self, int *answer, str call, int fd, tuple details) noexcept:
        try:
            said = self.seen(call, fd, *details)
            if said is not None:
                answer[0] = said
            return said is not None
        except Exception:
            traceback.print_exc()
            answer[0] = -EINVAL
            return True

    cdef int open(self) noexcept:
        cdef int answer = 0
        return answer if self.answered(&answer, "open", -1, ()) else self.inner.open()

    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil:
        cdef int answer = 0
        cdef Py_ssize_t size = (request >> 16) & 0x1fff     # which _IOC put there, on Linux and FreeBSD
        cdef bint done
        with gil:
            view = PyMemoryView_FromMemory(<char *>arg, size, PyBUF_WRITE) if arg != NULL and size else None
            done = self.answered(&answer, "ioctl", fd, (request, view))
            if view is not None:
                view.release()
        return answer if done else self.inner.ioctl(fd, request, arg)

    cdef void *map(self, int fd, uint64_t size, int *status) noexcept:
        return NULL if self.answered(status, "map", fd, (size,)) else self.inner.map(fd, size, status)

    cdef void unmap(self, void *at, uint64_t size) noexcept:
        self.inner.unmap(at, size)

    cdef bint forget(self, void *at, uint64_t size) noexcept:
        return self.inner.forget(at, size)

    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil:
        cdef int answer = 0
        cdef bint done
        with gil:
            done = self.answered(&answer, "poll", fd, (events, timeout_ns))
        return answer if done else self.inner.poll(fd, events, timeout_ns)

    cdef int close(self, int fd) noexcept:
        cdef int answer = 0
        return answer if self.answered(&answer, "close", fd, ()) else self.inner.close(fd)

    cdef int watch(self, int fd, int events) noexcept nogil:
        cdef int answer = 0
        cdef bint done
        with gil:
            done = self.answered(&answer, "watch", fd, (events,))
        return answer if done else self.inner.watch(fd, events)
