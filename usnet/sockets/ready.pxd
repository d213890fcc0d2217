"""Readiness: from the stack's notify set to epoll's ready lists and to blocked programs. Semantics are those of Linux's
epoll(7).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.ip.state cimport READY_ERR, READY_IN, READY_OUT
from usnet.memory.arena cimport NONE
from usnet.sockets.table cimport net, sock
from usnet.tcp.calls cimport still_writable
from usnet.tcp.tcb cimport tcb

# Event bits beside READY_* (ip/state), with Linux's numbers.
cdef enum:
    EV_PRI = 0x0002
    EV_RDNORM = 0x0040
    EV_RDBAND = 0x0080
    EV_WRNORM = 0x0100
    EV_WRBAND = 0x0200
    EV_EXCLUSIVE = 1 << 28
    EV_WAKEUP = 1 << 29
    EV_ONESHOT = 1 << 30
    EV_ET = 0x80000000
    EV_PRIVATE = 0xf0000000     # not events: how they are told
    EV_QUEUED = 0x08000000      # ours: the item stands in the ready list
    EV_OFF = 0x04000000         # ours: ONESHOT has fired

cdef enum ctl_op:
    CTL_ADD = 1
    CTL_DEL = 2
    CTL_MOD = 3

cdef struct usn_epoll_event:
    uint32_t events
    int fd
    uint64_t data               # the user's own, from registering

cdef enum:
    EP_DEPTH = 5                # instances inside instances at most

# READY_* of an open descriptor as things stand.
cdef uint32_t fd_ready(net *n, uint32_t fd) noexcept nogil
# Everything in the notify set: ready lists filled, waiters marked.
cdef void news_drain(net *n) noexcept nogil
# One descriptor may have changed: tells its registrations and its waiters.
cdef void news_of(net *n, uint32_t fd) noexcept nogil
# For news_consumed.
cdef void news_used(net *n, uint32_t fd, uint32_t bits) noexcept nogil

cdef int ep_create(net *n) noexcept nogil                                           # descriptor, or -EMFILE, -ENOMEM
# 0, -EBADF, -EINVAL, -EEXIST, -ENOENT, -ENOSPC (as many registrations as can be), -ELOOP (instances in a circle, or
# too deep)
cdef int ep_ctl(net *n, int epfd, int op, int fd, uint32_t events, uint64_t data) noexcept nogil
# how many; -EBADF, -EINVAL
cdef int ep_wait(net *n, int epfd, usn_epoll_event *events, int max_events) noexcept nogil
# whether ep_wait would report something now
cdef bint ep_has_ready(net *n, uint32_t ep_index) noexcept nogil
cdef void ep_free(net *n, uint32_t ep_index) noexcept nogil
# Its descriptor is being closed: registrations go, waiters are woken for good.
cdef void fd_forget(net *n, uint32_t fd) noexcept nogil

# A program goes to sleep until fd may be something of mask; mask 0: until the next run. Its index, or NONE when there
# are too many.
cdef uint32_t waiter_add(net *n, uint32_t fd, uint32_t mask) noexcept nogil
cdef void waiter_drop(net *n, uint32_t w) noexcept nogil
# Those who wait for fd look again, whatever it is.
cdef void waiters_wake(net *n, uint32_t fd) noexcept nogil


cdef inline void news_consumed(net *n, uint32_t fd, uint32_t bits) noexcept nogil:
    """A call used readiness up (it met EAGAIN, or took the last of it): what comes next is new again."""
    if n.socks[fd].seen & bits and n.socks[fd].items != NONE:
        news_used(n, fd, bits)


cdef inline void stream_read(net *n, uint32_t fd, sock *so, const tcb *k) noexcept nogil:
    """A call read from a TCP socket, or tried to."""
    if k.error:
        news_consumed(n, fd, READY_IN | READY_ERR)
    else:
        so.seen &= <unsigned short>~(READY_IN | READY_ERR)


cdef inline void stream_written(net *n, uint32_t fd, const tcb *k) noexcept nogil:
    """The same of writing."""
    if not still_writable(k):
        news_consumed(n, fd, READY_OUT)
