"""Linux's eventfd(2) as a bell: a descriptor that is readable while it rings, with a system call only when that changes."""
from libc.stdint cimport uint64_t

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int start, int flags)
    int EFD_CLOEXEC, EFD_NONBLOCK
cdef extern from "<unistd.h>" nogil:
    Py_ssize_t read(int fd, void *to, size_t n)
    Py_ssize_t write(int fd, const void *what, size_t n)


cdef inline void eventfd_set(int fd, bint *rings, bint on) noexcept nogil:
    """Has `fd` (-1: nothing) ring or not; `rings`: whether it did, and does."""
    cdef uint64_t count = 1
    if fd < 0 or rings[0] == on:
        return
    rings[0] = on
    if on:
        write(fd, &count, 8)
    else:
        read(fd, &count, 8)
