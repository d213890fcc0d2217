"""The kernel's TCP over loopback, without Python in the loop: both ends in one thread, which never sleeps; frames cross inside the calls."""
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from common cimport (
    EVENTS, FLIGHT, MESSAGE, PERIOD, PIECE, ROOM, less, message_differs, message_of, processor, stream_differs, stream_fill, tally,
)

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    int AF_INET, SOCK_STREAM, SOCK_NONBLOCK, SOL_SOCKET, SO_SNDBUF, SO_RCVBUF
    int socket(int domain, int type, int protocol)
    int bind(int fd, const sockaddr *a, socklen_t n)
    int listen(int fd, int backlog)
    int accept4(int fd, sockaddr *a, socklen_t *n, int flags)
    int connect(int fd, const sockaddr *a, socklen_t n)
    int getsockname(int fd, sockaddr *a, socklen_t *n)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t n)
    ssize_t send(int fd, const void *p, size_t n, int flags)
    ssize_t recv(int fd, void *p, size_t n, int flags)
cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        uint32_t s_addr
    struct sockaddr_in:
        int sin_family
        uint16_t sin_port
        in_addr sin_addr
    int IPPROTO_TCP
    uint32_t htonl(uint32_t x)
    uint16_t htons(uint16_t x)
cdef extern from "<netinet/tcp.h>" nogil:
    int TCP_NODELAY
cdef extern from "<unistd.h>" nogil:
    int close(int fd)
cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int EPOLL_CTL_ADD, EPOLLIN
    int epoll_create1(int flags)
    int epoll_ctl(int ep, int op, int fd, epoll_event *e)
    int epoll_wait(int ep, epoll_event *events, int n, int timeout)

cdef enum:
    LOOPBACK = 0x7f000001
    PATIENCE = 100000           # turns in which nothing moved


cdef class Joined:
    """Room for `most` connections. buffer: SO_SNDBUF and SO_RCVBUF, which the kernel doubles; 0: as it likes. check: every byte is compared."""
    cdef sockaddr_in address
    cdef int listener
    cdef int *clients
    cdef int *servers
    cdef int ea
    cdef int eb
    cdef readonly int n
    cdef int most
    cdef int buffer
    cdef bint check
    cdef uint8_t *stream
    cdef uint8_t *room

    def __cinit__(self, int most, int buffer=0, bint check=False):
        cdef socklen_t n = sizeof(sockaddr_in)
        self.listener = self.ea = self.eb = -1
        self.most, self.buffer, self.check = most, buffer, check
        self.clients = <int *>calloc(most, sizeof(int))
        self.servers = <int *>calloc(most, sizeof(int))
        self.stream = <uint8_t *>calloc(1, ROOM)
        self.room = <uint8_t *>calloc(1, PIECE)
        if not (self.clients and self.servers and self.stream and self.room):
            raise MemoryError
        stream_fill(self.stream)
        memset(&self.address, 0, sizeof(sockaddr_in))
        self.address.sin_family = AF_INET
        self.address.sin_addr.s_addr = htonl(LOOPBACK)
        self.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)
        if (bind(self.listener, <sockaddr *>&self.address, n) or listen(self.listener, 1024)
                or getsockname(self.listener, <sockaddr *>&self.address, &n)):
            raise OSError(errno, "listen")
        self.ea, self.eb = epoll_create1(0), epoll_create1(0)

    def close(self):
        while self.n:
            self.n -= 1
            close(self.clients[self.n])
            close(self.servers[self.n])
        for fd in (self.listener, self.ea, self.eb):
            if fd >= 0:
                close(fd)
        self.listener = self.ea = self.eb = -1

    def __dealloc__(self):
        self.close()
        free(self.clients)
        free(self.servers)
        free(self.stream)
        free(self.room)

    cdef int prepare(self, int fd) noexcept nogil:
        cdef int one = 1
        if self.buffer:
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &self.buffer, sizeof(int))
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &self.buffer, sizeof(int))
        return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(int))

    cdef int join(self, int more) noexcept nogil:
        cdef int first = self.n, i, idle = 0
        for i in range(first, first + more):
            self.clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)
            if self.clients[i] < 0:
                break
            self.prepare(self.clients[i])
            connect(self.clients[i], <const sockaddr *>&self.address, sizeof(sockaddr_in))
        while self.n < first + more and idle < PATIENCE:
            self.servers[self.n] = accept4(self.listener, NULL, NULL, SOCK_NONBLOCK)
            if self.servers[self.n] < 0:
                idle += 1
                continue
            self.prepare(self.servers[self.n])
            self.n += 1
            idle = 0
        return self.n - first

    def connect(self, int more):
        """Establishes `more` connections, and registers both ends with epoll. OSError when there are no more descriptors."""
        cdef int batch, had, i, first = self.n
        cdef epoll_event e
        while more:
            batch = min(more, FLIGHT)
            had = self.join(batch)
            if had != batch:
                raise OSError(errno, f"{self.n} connections, and no more")
            more -= batch
        for i in range(first, self.n):
            e.events, e.data.u32 = EPOLLIN, i
            if epoll_ctl(self.ea, EPOLL_CTL_ADD, self.clients[i], &e) or epoll_ctl(self.eb, EPOLL_CTL_ADD, self.servers[i], &e):
                raise OSError(errno, "epoll_ctl")

    def bulk(self, int64_t total, bint lent=False):
        """As Joined.bulk of drivers/joined.pyx; units are 1,460 bytes, however the kernel cuts them."""
        cdef tally w
        cdef int64_t sent = 0, received = 0, before, got
        cdef int idle = 0
        memset(&w, 0, sizeof(w))
        w.ns = -processor()
        with nogil:
            while received < total and idle < PATIENCE:
                before = received
                while sent < total:
                    got = send(self.clients[0], self.stream + sent % PERIOD, <size_t>less(PIECE, total - sent), 0)
                    if got <= 0:
                        break
                    sent += got
                while True:
                    got = recv(self.servers[0], self.room, PIECE, 0)
                    if got <= 0:
                        break
                    if self.check:
                        w.wrong += stream_differs(self.stream, received, self.room, got)
                    received += got
                idle = idle + 1 if received == before else 0
        w.ns += processor()
        w.bytes, w.units = received, received // 1460
        return w

    cdef inline void ask(self, int i) noexcept nogil:
        if self.check:
            message_of(self.room, i)
        send(self.clients[i], self.room, MESSAGE, 0)

    # --- A client without its server, which somebody else is: connections to `port`

    def dial(self, int port):
        """One more connection. It blocks until it is there, and no longer."""
        cdef sockaddr_in there = self.address
        cdef epoll_event e
        cdef int fd = socket(AF_INET, SOCK_STREAM, 0)
        there.sin_port = htons(<uint16_t>port)
        e.events, e.data.u32 = EPOLLIN, self.n
        if fd < 0 or connect(fd, <const sockaddr *>&there, sizeof(sockaddr_in)) or epoll_ctl(self.ea, EPOLL_CTL_ADD, fd, &e):
            raise OSError(errno, "connect")
        self.prepare(fd)
        self.clients[self.n], self.servers[self.n] = fd, -1
        self.n += 1

    def ask_all(self):
        cdef int i
        with nogil:
            for i in range(self.n):
                self.ask(i)

    def collect(self, int64_t to_ask, int timeout=0):
        """(answers that have come, wrong ones), after at most `timeout` ms. As many connections, but no more than to_ask, are asked again."""
        cdef tally w
        cdef int got
        memset(&w, 0, sizeof(w))
        with nogil:
            got = self.answers(&to_ask, &w, timeout)
        return max(got, 0), w.wrong

    cdef void serve(self) noexcept nogil:
        cdef epoll_event events[EVENTS]
        cdef int i, fd, got = epoll_wait(self.eb, events, EVENTS, 0)
        cdef int64_t n
        for i in range(got):
            fd = self.servers[events[i].data.u32]
            n = recv(fd, self.room, PIECE, 0)
            if n > 0:
                send(fd, self.room, n, 0)

    cdef int answers(self, int64_t *to_ask, tally *w, int timeout) noexcept nogil:
        cdef epoll_event events[EVENTS]
        cdef int i, which, got = epoll_wait(self.ea, events, EVENTS, timeout)
        cdef int64_t n
        for i in range(got):
            which = <int>events[i].data.u32
            n = recv(self.clients[which], self.room, PIECE, 0)
            if self.check:
                w.wrong += message_differs(self.room, n, which)
            if to_ask[0] > 0:
                to_ask[0] -= 1
                self.ask(which)
        return got

    def echo(self, int rounds):
        """As Joined.echo of drivers/joined.pyx."""
        cdef tally w
        cdef int64_t left = <int64_t>rounds * self.n, to_ask = left - self.n
        cdef int i, got, idle = 0
        memset(&w, 0, sizeof(w))
        w.ns = -processor()
        with nogil:
            for i in range(self.n):
                self.ask(i)
            while left > 0 and idle < PATIENCE:
                self.serve()
                got = self.answers(&to_ask, &w, 0)
                idle = 0 if got > 0 else idle + 1
                left -= got
        w.ns += processor()
        w.wrong += left
        w.units = <int64_t>rounds * self.n
        return w

    cdef void part(self, int batch) noexcept nogil:
        cdef int i
        for i in range(self.n - batch, self.n):
            close(self.clients[i])
        for i in range(self.n - batch, self.n):
            close(self.servers[i])
        self.n -= batch

    def open_and_close(self, int rounds, int batch):
        """As Joined.open_and_close of drivers/joined.pyx."""
        cdef tally w
        cdef int _r
        memset(&w, 0, sizeof(w))
        w.ns = -processor()
        with nogil:
            for _r in range(rounds):
                w.wrong += batch - self.join(batch)
                self.part(batch)
        w.ns += processor()
        w.units = <int64_t>rounds * batch
        return w
