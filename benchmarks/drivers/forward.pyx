"""The wire between two TAP devices: what the one's kernel sends, whole frames of up to 64 KiB behind their virtio-net headers, is given to the
other's as it is. One thread, one read and one write a frame, a wait when nothing is there."""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long n, int timeout)
    short POLLIN, POLLOUT
cdef extern from "<unistd.h>" nogil:
    ssize_t c_read "read"(int fd, void *p, size_t n)
    ssize_t c_write "write"(int fd, const void *p, size_t n)

cdef enum:
    ROOM = 1 << 17              # bytes: more than the longest frame and its header
    TURN = 64                   # frames of one direction before the other one has its turn


cdef int carry(int source, int target, uint8_t *room) noexcept nogil:
    """Up to TURN frames: how many; -1 when a descriptor is of no more use."""
    cdef ssize_t n
    cdef pollfd full
    cdef int moved = 0
    while moved < TURN:
        n = c_read(source, room, ROOM)
        if n < 0:
            return moved if errno == EAGAIN or errno == EINTR else -1
        while c_write(target, room, n) < 0:
            if errno == EAGAIN:
                full.fd, full.events = target, POLLOUT
                poll(&full, 1, -1)
            elif errno != EINTR:
                break                   # a frame that the kernel refuses is lost, as on a wire
        moved += 1
    return moved


def forward(int a, int b, int stop):
    """Between the devices behind two non-blocking descriptors, until something can be read from `stop`. Returns (frames a to b, b to a)."""
    cdef pollfd p[3]
    cdef int64_t there = 0, back = 0
    cdef int n = 0, m = 0
    cdef uint8_t *room = <uint8_t *>malloc(ROOM)
    if room == NULL:
        raise MemoryError
    p[0].fd, p[1].fd, p[2].fd = a, b, stop
    p[0].events = p[1].events = p[2].events = POLLIN
    with nogil:
        while n >= 0 and m >= 0:
            n = carry(a, b, room)
            m = carry(b, a, room)
            there += n
            back += m
            if n == 0 and m == 0:
                poll(p, 3, -1)
                if p[2].revents:
                    break
    free(room)
    return there, back
