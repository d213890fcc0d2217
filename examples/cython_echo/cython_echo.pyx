"""An echo server on usnet's Cython API: the sockets are served without the GIL; only waiting takes it.

    with usnet.Stack("tap:tap0", "10.9.0.2/24") as stack:
        EchoServer(stack, 7).serve()

What libusnet's sample is in C: a listener, an epoll instance, and a turn for each event.
"""
from libc.errno cimport EAGAIN, ECONNABORTED
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from usnet.sockets.api cimport (
    USN_EPOLL_CTL_ADD, USN_EPOLL_CTL_MOD, USN_EPOLLIN, USN_EPOLLOUT, ip_addr, net, usn_accept, usn_bind, usn_close,
    usn_epoll_create, usn_epoll_ctl, usn_epoll_event, usn_epoll_wait, usn_flush, usn_listen, usn_recv, usn_send, usn_socket,
)
from usnet.sockets.host cimport Stack

import os
import socket

cdef enum:
    EVENTS = 64
    PIECE = 16384               # bytes that a connection may hold

cdef struct connection:
    uint32_t held               # bytes of data that wait to go back
    uint32_t sent               # of these, gone already
    uint8_t data[16384]

cdef struct server:
    net *n
    int listener
    int epoll
    uint32_t capacity           # descriptors are below it
    connection **of             # [descriptor], or NULL
    int64_t served              # connections that have ended
    int64_t echoed              # bytes


cdef void end(server *s, int fd, int64_t now) noexcept nogil:
    usn_close(s.n, fd, now)
    free(s.of[fd])
    s.of[fd] = NULL
    s.served += 1


cdef void welcome(server *s, int64_t now) noexcept nogil:
    """Takes all connections that wait."""
    cdef int fd
    while True:
        fd = usn_accept(s.n, s.listener, NULL, NULL)
        if fd == -ECONNABORTED:
            continue
        if fd < 0:
            return                          # -EAGAIN: that was all; -EMFILE: the others wait
        if <uint32_t>fd < s.capacity:
            s.of[fd] = <connection *>malloc(sizeof(connection))
        if <uint32_t>fd >= s.capacity or s.of[fd] == NULL:
            usn_close(s.n, fd, now)
            continue
        s.of[fd].held = s.of[fd].sent = 0
        usn_epoll_ctl(s.n, s.epoll, USN_EPOLL_CTL_ADD, fd, USN_EPOLLIN)


cdef void echo(server *s, int fd, int64_t now) noexcept nogil:
    """One turn of a connection: sends back what waits, then reads more, until either has to wait."""
    cdef connection *c = s.of[fd]
    cdef int64_t n
    while True:
        if c.sent == c.held:
            n = usn_recv(s.n, fd, c.data, PIECE, 0, now)
            if n == -EAGAIN:
                usn_epoll_ctl(s.n, s.epoll, USN_EPOLL_CTL_MOD, fd, USN_EPOLLIN)
                return
            if n <= 0:
                end(s, fd, now)             # the end of the stream, or of the connection
                return
            c.held = <uint32_t>n
            c.sent = 0
        n = usn_send(s.n, fd, c.data + c.sent, c.held - c.sent, 0, now)
        if n == -EAGAIN:
            usn_epoll_ctl(s.n, s.epoll, USN_EPOLL_CTL_MOD, fd, USN_EPOLLOUT)
            return
        if n < 0:
            end(s, fd, now)
            return
        c.sent += <uint32_t>n
        s.echoed += n


cdef int turn(server *s, int64_t now) noexcept nogil:
    """Serves everything that is ready: how many events that was."""
    cdef usn_epoll_event events[EVENTS]
    cdef int i, n = usn_epoll_wait(s.n, s.epoll, events, EVENTS)
    for i in range(n):
        if events[i].fd == s.listener:
            welcome(s, now)
        elif s.of[events[i].fd] != NULL:
            echo(s, events[i].fd, now)
    if n > 0:
        usn_flush(s.n, now)
    return n


cdef class EchoServer:
    """Listens on `port` of all addresses of a stack. OSError when it cannot."""
    cdef Stack stack
    cdef server s

    def __cinit__(self, Stack stack not None, uint16_t port, int backlog=500):
        cdef ip_addr any_address
        cdef int status
        memset(&any_address, 0, sizeof(any_address))
        self.stack = stack
        self.s.n = &stack.n
        self.s.capacity = stack.n.capacity
        self.s.of = <connection **>calloc(self.s.capacity, sizeof(connection *))
        if self.s.of == NULL:
            raise MemoryError
        self.s.epoll = usn_epoll_create(self.s.n)
        self.s.listener = usn_socket(self.s.n, socket.AF_INET, socket.SOCK_STREAM, 0)
        status = usn_bind(self.s.n, self.s.listener, &any_address, port)
        if status == 0:
            status = usn_listen(self.s.n, self.s.listener, backlog)
        if status == 0:
            status = usn_epoll_ctl(self.s.n, self.s.epoll, USN_EPOLL_CTL_ADD, self.s.listener, USN_EPOLLIN)
        if status < 0:
            raise OSError(-status, os.strerror(-status))

    def __dealloc__(self):
        cdef uint32_t fd
        for fd in range(self.s.capacity if self.s.of != NULL else 0):
            free(self.s.of[fd])
        free(self.s.of)

    def turn(self):
        """Serves what is ready now, without waiting: how many events that was."""
        cdef int64_t now = self.stack.now()
        cdef int n
        with nogil:
            n = turn(&self.s, now)
        return n

    def serve(self, connections=None):
        """Serves until Ctrl-C, or until so many connections have ended."""
        while connections is None or self.s.served < connections:
            # Drives the stack, and waits through its poller: for frames of a device, or in the simulator's virtual time
            self.stack.block(<uint32_t>self.s.epoll, USN_EPOLLIN, INT64_MAX)
            while self.turn():
                pass

    @property
    def served(self):
        return self.s.served

    @property
    def echoed(self):
        return self.s.echoed
