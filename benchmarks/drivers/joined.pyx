"""usnet's own work, without Python in it: two stacks joined in memory in one thread, driven through usnet.sockets.api."""
from libc.errno cimport EINPROGRESS
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from posix.time cimport CLOCK_MONOTONIC

from usnet.memory.hash cimport hash_entry
from usnet.memory.wheel cimport wheel_node
from usnet.sockets.api cimport (
    USN_EPOLL_CTL_ADD, USN_EPOLLIN, addr_from_v4, ip_addr, net, usn_accept, usn_bind, usn_close, usn_connect, usn_epoll_create, usn_epoll_ctl_data,
    usn_epoll_event, usn_epoll_wait, usn_flush, usn_listen, usn_recv, usn_run, usn_send, usn_socket,
)
from usnet.sockets.host cimport Stack
from usnet.sockets.lent cimport usn_buffer, usn_give_buffer, usn_recv_buffer, usn_send_buffer_commit, usn_send_buffer_get
from usnet.sockets.table cimport ep_item, sock
from usnet.tcp.record cimport record

from common cimport (
    EVENTS, FLIGHT, MESSAGE, PERIOD, PIECE, ROOM, choose, clock_of, less, message_differs, message_of, processor, stream_differs, stream_fill, tally,
)

cdef enum:
    AF_INET = 2
    SOCK_STREAM = 1
    SERVER = 0x0a000002         # 10.0.0.2
    FIRST_PORT = 1000
    A_PORT = 20000              # connections to each of the server's ports: fewer than there are ephemeral ones
    BACKLOG = 1024
    SETTLE = 10000000           # ns of a step of settling
    SETTLES = 10
    PATIENCE = 1000             # turns in a row in which nothing moved


def sizes():
    """Bytes of each struct that an established connection has, at one end."""
    return {"record": sizeof(record), "socket": sizeof(sock), "hash entry": sizeof(hash_entry), "timer": sizeof(wheel_node),
            "epoll registration": sizeof(ep_item)}


cdef class Joined:
    """near: the client's stack. far: the server's, 10.0.0.2. most: connections at once. step: ns that the stacks' clock goes on a turn, so that runs
    repeat to the instruction; 0: the real clock. check: every byte is compared with what it should be."""
    cdef readonly Stack near
    cdef readonly Stack far
    cdef net *a
    cdef net *b
    cdef ip_addr server
    cdef int *listeners
    cdef int *clients
    cdef int *servers
    cdef readonly int n
    cdef int most
    cdef int ea
    cdef int eb
    cdef int watched            # connections that epoll knows
    cdef bint check
    cdef int64_t step
    cdef int64_t t
    cdef uint64_t dice
    cdef uint8_t *stream
    cdef uint8_t *room

    def __cinit__(self, Stack near, Stack far, int most, int64_t step=0, bint check=False):
        self.near, self.far, self.most, self.step, self.check = near, far, most, step, check
        self.a, self.b = &near.n, &far.n
        self.t = clock_of(CLOCK_MONOTONIC)
        self.dice = 88172645463325252
        addr_from_v4(&self.server, SERVER)
        self.listeners = <int *>calloc(most // A_PORT + 1, sizeof(int))
        self.clients = <int *>calloc(most, sizeof(int))
        self.servers = <int *>calloc(most, sizeof(int))
        self.stream = <uint8_t *>calloc(1, ROOM)
        self.room = <uint8_t *>calloc(1, PIECE)
        if not (self.listeners and self.clients and self.servers and self.stream and self.room):
            raise MemoryError
        stream_fill(self.stream)
        self.ea, self.eb = usn_epoll_create(self.a), usn_epoll_create(self.b)
        if self.listen() or self.ea < 0 or self.eb < 0:
            raise OSError("no listener, or no epoll")

    def __dealloc__(self):
        free(self.listeners)
        free(self.clients)
        free(self.servers)
        free(self.stream)
        free(self.room)

    cdef int listen(self) noexcept:
        cdef ip_addr wildcard
        cdef int i
        memset(&wildcard, 0, sizeof(wildcard))
        for i in range(self.most // A_PORT + 1):
            self.listeners[i] = usn_socket(self.b, AF_INET, SOCK_STREAM, 0)
            if usn_bind(self.b, self.listeners[i], &wildcard, <unsigned short>(FIRST_PORT + i)) or usn_listen(self.b, self.listeners[i], BACKLOG):
                return -1
        return 0

    cdef inline int64_t now(self) noexcept nogil:
        if self.step == 0:
            return clock_of(CLOCK_MONOTONIC)
        self.t += self.step
        return self.t

    cdef void count(self, tally *w, int sign) noexcept nogil:
        """Adds to w, or takes from it, what has been used and sent so far."""
        w.ns += sign * processor()
        w.frames += sign * <int64_t>self.a.s.tcp.counters.segments_out
        w.acks += sign * <int64_t>self.b.s.tcp.counters.segments_out

    cdef int join(self, int more) noexcept nogil:
        """Sets up `more` connections side by side: how many there are in addition."""
        cdef int first = self.n, i, fd, idle = 0
        cdef int64_t now = self.now()
        for i in range(first, first + more):
            fd = usn_socket(self.a, AF_INET, SOCK_STREAM, 0)
            if fd < 0:
                break
            usn_connect(self.a, fd, &self.server, <unsigned short>(FIRST_PORT + i // A_PORT), now)
            self.clients[i] = fd
        while self.n < first + more and idle < PATIENCE:
            now = self.now()
            usn_flush(self.a, now)
            usn_run(self.b, now)
            usn_run(self.a, now)
            usn_run(self.b, now)
            idle += 1
            while self.n < first + more:
                # In order of ports, so that a client's server is not too far from it in the list; which one is its own is not asked.
                fd = usn_accept(self.b, self.listeners[self.n // A_PORT], NULL, NULL)
                if fd < 0:
                    break
                self.servers[self.n] = fd
                self.n += 1
                idle = 0
        return self.n - first

    def connect(self, int more):
        """Establishes `more` connections, in batches, and registers both ends with epoll."""
        cdef int batch, had = self.n
        if self.n + more > self.most:
            raise ValueError(f"at most {self.most} connections")
        while more:
            batch = min(more, FLIGHT)
            with nogil:
                had = self.join(batch)
            if had != batch:
                raise RuntimeError(f"{self.n} connections, and no more")
            more -= batch
        while self.watched < self.n:
            if (usn_epoll_ctl_data(self.a, self.ea, USN_EPOLL_CTL_ADD, self.clients[self.watched], USN_EPOLLIN, self.watched)
                    or usn_epoll_ctl_data(self.b, self.eb, USN_EPOLL_CTL_ADD, self.servers[self.watched], USN_EPOLLIN, self.watched)):
                raise RuntimeError("epoll takes no more")
            self.watched += 1

    # --- A client without its server, which somebody else is: connections to `port`

    def dial(self, int port):
        """One more connection on its way."""
        cdef int64_t now = self.now()
        self.clients[self.n] = usn_socket(self.a, AF_INET, SOCK_STREAM, 0)
        if (usn_connect(self.a, self.clients[self.n], &self.server, <unsigned short>port, now) != -EINPROGRESS
                or usn_epoll_ctl_data(self.a, self.ea, USN_EPOLL_CTL_ADD, self.clients[self.n], USN_EPOLLIN, self.n)):
            raise OSError("connect")
        self.n += 1
        usn_flush(self.a, now)

    def ask_all(self):
        cdef int i
        cdef int64_t now = self.now()
        with nogil:
            for i in range(self.n):
                self.ask(i, now)
            usn_flush(self.a, now)

    def collect(self, int64_t to_ask):
        """(answers that have come, wrong ones). As many connections, but no more than to_ask, are asked again."""
        cdef tally w
        cdef int got
        memset(&w, 0, sizeof(w))
        with nogil:
            got = self.answers(self.now(), &to_ask, &w)
        return got, w.wrong

    # --- Bulk

    cdef int64_t put(self, int64_t at, int64_t total, int64_t now) noexcept nogil:
        """Sends the stream from `at` on: to where."""
        cdef int64_t got
        while at < total:
            got = usn_send(self.a, self.clients[0], self.stream + at % PERIOD, <size_t>less(PIECE, total - at), 0, now)
            if got <= 0:
                break
            at += got
        return at

    cdef int64_t take(self, int64_t at, int64_t now, tally *w) noexcept nogil:
        cdef int64_t got
        while True:
            got = usn_recv(self.b, self.servers[0], self.room, PIECE, 0, now)
            if got <= 0:
                return at
            if self.check:
                w.wrong += stream_differs(self.stream, at, self.room, got)
            at += got

    cdef int64_t put_lent(self, int64_t at, int64_t total, int64_t now) noexcept nogil:
        cdef usn_buffer b
        while at < total:
            if usn_send_buffer_get(self.a, self.clients[0], <uint32_t>less(PIECE, total - at), &b, now) <= 0:
                break
            if self.check:
                memcpy(b.p, self.stream + at % PERIOD, b.n)
            if usn_send_buffer_commit(self.a, self.clients[0], &b, b.n, now) < 0:
                break
            at += b.n
        return at

    cdef int64_t take_lent(self, int64_t at, int64_t now, tally *w) noexcept nogil:
        cdef usn_buffer b
        while usn_recv_buffer(self.b, self.servers[0], &b, now) > 0:
            if self.check:
                w.wrong += stream_differs(self.stream, at, b.p, b.n)
            at += b.n
            usn_give_buffer(self.b, &b)
        return at

    def bulk(self, int64_t total, bint lent=False):
        """`total` bytes from the first client to its server. lent: through calls that copy nothing; then nobody touches the bytes unless they are
        checked."""
        cdef tally w
        cdef int64_t sent = 0, received = 0, before, now
        cdef int idle = 0
        memset(&w, 0, sizeof(w))
        self.count(&w, -1)
        with nogil:
            while received < total and idle < PATIENCE:
                before = received
                now = self.now()
                sent = self.put_lent(sent, total, now) if lent else self.put(sent, total, now)
                usn_run(self.a, now)
                now = self.now()
                usn_run(self.b, now)
                received = self.take_lent(received, now, &w) if lent else self.take(received, now, &w)
                usn_run(self.b, now)
                idle = idle + 1 if received == before else 0
        self.count(&w, 1)
        w.bytes, w.units = received, w.frames
        return w

    # --- Echo

    cdef inline void ask(self, int i, int64_t now) noexcept nogil:
        if self.check:
            message_of(self.room, i)
        usn_send(self.a, self.clients[i], self.room, MESSAGE, 0, now)

    cdef void serve(self, int64_t now) noexcept nogil:
        """The server's turn: what has arrived goes back."""
        cdef usn_epoll_event events[EVENTS]
        cdef int i, got
        cdef int64_t n
        usn_run(self.b, now)
        while True:
            got = usn_epoll_wait(self.b, self.eb, events, EVENTS)
            for i in range(got):
                n = usn_recv(self.b, events[i].fd, self.room, PIECE, 0, now)
                if n > 0:
                    usn_send(self.b, events[i].fd, self.room, n, 0, now)
            if got < EVENTS:
                break
        usn_flush(self.b, now)

    cdef int answers(self, int64_t now, int64_t *to_ask, tally *w) noexcept nogil:
        """The client's turn: how many answers. Each is followed by the next request of this connection, as long as there are some to ask."""
        cdef usn_epoll_event events[EVENTS]
        cdef int i, got, all_of_them = 0
        cdef int64_t n
        usn_run(self.a, now)
        while True:
            got = usn_epoll_wait(self.a, self.ea, events, EVENTS)
            for i in range(got):
                n = usn_recv(self.a, events[i].fd, self.room, PIECE, 0, now)
                if self.check:
                    w.wrong += message_differs(self.room, n, <uint32_t>events[i].data)
                if to_ask[0] > 0:
                    to_ask[0] -= 1
                    self.ask(<int>events[i].data, now)
            if got > 0:
                all_of_them += got
            if got < EVENTS:
                break
        usn_flush(self.a, now)
        return all_of_them

    def echo(self, int rounds):
        """Each connection's message goes to its server and back, `rounds` times: all of them are under way at once."""
        cdef tally w
        cdef int64_t left = <int64_t>rounds * self.n, to_ask = left - self.n, now
        cdef int i, got, idle = 0
        memset(&w, 0, sizeof(w))
        self.count(&w, -1)
        with nogil:
            now = self.now()
            for i in range(self.n):
                self.ask(i, now)
            usn_flush(self.a, now)
            while left > 0 and idle < PATIENCE:
                now = self.now()
                self.serve(now)
                got = self.answers(now, &to_ask, &w)
                idle = 0 if got else idle + 1
                left -= got
        self.count(&w, 1)
        w.wrong += left
        w.units, w.frames = <int64_t>rounds * self.n, w.frames + w.acks
        return w

    cdef int exchange(self, int left, int64_t now, tally *w) noexcept nogil:
        """So many messages leave, and their answers come. How many do not."""
        cdef int64_t none = 0
        cdef int got, idle = 0
        usn_flush(self.a, now)
        while left > 0 and idle < PATIENCE:
            self.serve(now)
            got = self.answers(now, &none, w)
            left -= got
            idle = 0 if got else idle + 1
        return left

    def each_once(self):
        """Each connection sends a message and gets it back, FLIGHT of them at once, in their order."""
        cdef tally w
        cdef int64_t now
        cdef int i, batch, at = 0
        memset(&w, 0, sizeof(w))
        self.count(&w, -1)
        with nogil:
            while at < self.n:
                now = self.now()
                batch = <int>less(FLIGHT, self.n - at)
                for i in range(at, at + batch):
                    self.ask(i, now)
                w.wrong += self.exchange(batch, now, &w)
                at += batch
        self.count(&w, 1)
        w.units, w.frames = self.n, w.frames + w.acks
        return w

    def chosen(self, int rounds):
        """FLIGHT connections at once, chosen at random (one out of each FLIGHT-th of all), send a message and get it back; then others."""
        cdef tally w
        cdef int64_t now
        cdef uint32_t part = self.n // FLIGHT
        cdef int i, _r
        memset(&w, 0, sizeof(w))
        if part == 0:
            raise ValueError(f"at least {FLIGHT} connections")
        self.count(&w, -1)
        with nogil:
            for _r in range(rounds):
                now = self.now()
                for i in range(FLIGHT):
                    self.ask(i * part + choose(&self.dice, part), now)
                w.wrong += self.exchange(FLIGHT, now, &w)
        self.count(&w, 1)
        w.units, w.frames = <int64_t>rounds * FLIGHT, w.frames + w.acks
        return w

    def settle(self):
        """Time goes on until what waits for an acknowledgement has it, and until TIME-WAIT is over: outside of what is measured."""
        cdef int _i
        cdef uint64_t before
        cdef int64_t now = self.now()
        with nogil:
            for _i in range(SETTLES):
                now = now + SETTLE if self.step else self.now()
                before = 0
                while before != self.a.s.tcp.counters.segments_in + self.b.s.tcp.counters.segments_in:
                    before = self.a.s.tcp.counters.segments_in + self.b.s.tcp.counters.segments_in
                    usn_run(self.a, now)
                    usn_run(self.b, now)
                    now += 1
        self.t = now

    # --- Connections

    cdef void part(self, int batch) noexcept nogil:
        """Closes the last `batch` connections at both ends, the client first."""
        cdef int i, _t
        cdef int64_t now = self.now()
        for i in range(self.n - batch, self.n):
            usn_close(self.a, self.clients[i], now)
        usn_flush(self.a, now)
        usn_run(self.b, now)
        for i in range(self.n - batch, self.n):
            usn_close(self.b, self.servers[i], now)
        usn_flush(self.b, now)
        usn_run(self.a, now)
        usn_run(self.b, now)
        self.n -= batch

    def open_and_close(self, int rounds, int batch):
        """`batch` connections side by side are set up, accepted and closed by both ends, `rounds` times."""
        cdef tally w
        cdef int _r
        memset(&w, 0, sizeof(w))
        self.count(&w, -1)
        with nogil:
            for _r in range(rounds):
                w.wrong += batch - self.join(batch)
                self.part(batch)
        self.count(&w, 1)
        w.units, w.frames = <int64_t>rounds * batch, w.frames + w.acks
        return w
