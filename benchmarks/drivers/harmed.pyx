"""A wire between two of usnet's ports: what arrives through the one is sent through the other, one frame a slot. What harms the frames, and holds them
back, is a FaultPort around one of them. One thread, a wait when nothing is there."""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from usnet.backends.ring cimport Port, port, ring, ring_buf, ring_next, ring_space

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long n, int timeout)
    short POLLIN


cdef int carry(port *source, port *target) noexcept nogil:
    """All that has arrived, as far as there is room: how many frames; below 0 when a port is of no more use."""
    cdef ring *rx = source.rx[0]
    cdef ring *tx = target.tx[0]
    cdef int status = source.rx_sync(source.self, 0), moved = 0
    if status < 0:
        return status
    while rx.head != rx.tail and ring_space(tx):
        tx.slots[tx.head].len = rx.slots[rx.head].len
        tx.slots[tx.head].flags = 0
        memcpy(ring_buf(tx, tx.head), ring_buf(rx, rx.head), rx.slots[rx.head].len)
        target.tx_meta[0][tx.head] = source.rx_meta[0][rx.head]
        tx.head = ring_next(tx, tx.head)
        rx.head = ring_next(rx, rx.head)
        moved += 1
    rx.cur = rx.head
    tx.cur = tx.head
    status = target.tx_sync(target.self, 0)
    return status if status < 0 else moved


def forward(Port a, Port b, int stop):
    """Between two ports with descriptors and without offloads, until something can be read from `stop`. Returns (frames a to b, b to a)."""
    cdef pollfd p[3]
    cdef int64_t there = 0, back = 0
    cdef int n = 0, m = 0
    p[0].fd, p[1].fd, p[2].fd = a.fileno(), b.fileno(), stop
    p[0].events = p[1].events = p[2].events = POLLIN
    with nogil:
        while True:
            n = carry(&a.p, &b.p)
            m = carry(&b.p, &a.p)
            if n < 0 or m < 0:
                break
            there += n
            back += m
            if n == 0 and m == 0:
                a.p.arm(a.p.self, False)
                b.p.arm(b.p.self, False)
                poll(p, 3, -1)
                if p[2].revents:
                    break
    return there, back
