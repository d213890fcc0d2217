"""lwIP's own work, without Python in it: two private copies of the packaged library, through its raw API, each with one interface; frames are copied
into queues between them, and out of these into buffers of the other one. IPv4 without Ethernet, one thread, no lock of the core taken.

The work is that of drivers/joined.pyx, as callbacks do it: what arrives is copied out, what is sent is copied in, unless calls without a copy are
asked for (tcp_write by reference, which keeps the application's bytes until they are acknowledged; and what arrives is read where it lies)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset

from common cimport (
    FLIGHT, MESSAGE, PERIOD, PIECE, ROOM, less, message_differs, message_of, processor, stream_differs, stream_fill, tally,
)

cdef extern from *:
    """
    #define _GNU_SOURCE 1
    #include <dlfcn.h>
    """
    long LM_ID_NEWLM
    int RTLD_NOW, RTLD_LOCAL
    void *dlmopen(long space, const char *name, int flags)
    void *dlsym(void *handle, const char *name)
    char *dlerror()

cdef extern from "lwip/tcp.h" nogil:
    ctypedef signed char err_t
    ctypedef int tcpwnd_size_t
    struct ip4_addr_t "ip4_addr":
        uint32_t addr
    struct ip_addr_t "ip_addr":
        pass
    struct pbuf:
        pbuf *next
        void *payload
        uint16_t tot_len
        uint16_t len
    struct netif:
        err_t (*output)(netif *n, pbuf *p, const ip4_addr_t *to) noexcept nogil
        err_t (*input)(pbuf *p, netif *n) noexcept nogil
        uint16_t mtu
        void *state
        uint8_t flags
    struct tcp_pcb:
        void *callback_arg
        tcp_pcb *next
        tcpwnd_size_t snd_buf
        uint16_t snd_queuelen
    ctypedef err_t (*tcp_accept_fn)(void *arg, tcp_pcb *pcb, err_t err) noexcept nogil
    ctypedef err_t (*tcp_recv_fn)(void *arg, tcp_pcb *pcb, pbuf *p, err_t err) noexcept nogil
    ctypedef err_t (*tcp_connected_fn)(void *arg, tcp_pcb *pcb, err_t err) noexcept nogil
    ctypedef err_t (*netif_init_fn)(netif *n) noexcept nogil
    ctypedef err_t (*netif_input_fn)(pbuf *p, netif *n) noexcept nogil
    int ERR_OK, ERR_MEM, ERR_BUF
    int TCP_WRITE_FLAG_COPY, TCP_WND, TCP_SND_BUF, TCP_MSS, TCP_SND_QUEUELEN
    int NETIF_FLAG_LINK_UP
    int PBUF_RAW, PBUF_RAM
    int tcp_sndbuf(tcp_pcb *pcb)
    void tcp_nagle_disable(tcp_pcb *pcb)
    void IP_ADDR4(ip_addr_t *to, int a, int b, int c, int d)
    void IP4_ADDR(ip4_addr_t *to, int a, int b, int c, int d)

cdef enum:
    SLOTS = 4096                # frames of a queue, of which only the first ones are used when there are few
    SLOT = 1600                 # bytes
    PORT = 7
    ALL_AT_ONCE = 255           # lwIP's backlog is a byte
    PATIENCE = 1000

# One private copy of the library: what is called of it.
cdef struct library:
    void *handle
    void (*init)() noexcept nogil
    void (*timers)() noexcept nogil
    netif *(*add)(netif *n, const ip4_addr_t *address, const ip4_addr_t *mask, const ip4_addr_t *gateway, void *state, netif_init_fn init,
                  netif_input_fn input) noexcept nogil
    void (*set_default)(netif *n) noexcept nogil
    void (*set_up)(netif *n) noexcept nogil
    netif_input_fn input
    pbuf *(*alloc)(int layer, uint16_t n, int kind) noexcept nogil
    uint8_t (*release)(pbuf *p) noexcept nogil
    uint16_t (*copy)(const pbuf *p, void *to, uint16_t n, uint16_t offset) noexcept nogil
    tcp_pcb *(*new)() noexcept nogil
    err_t (*bind)(tcp_pcb *p, const ip_addr_t *address, uint16_t port) noexcept nogil
    tcp_pcb *(*listen)(tcp_pcb *p, uint8_t backlog) noexcept nogil
    void (*accept)(tcp_pcb *p, tcp_accept_fn f) noexcept nogil
    void (*recv)(tcp_pcb *p, tcp_recv_fn f) noexcept nogil
    void (*arg)(tcp_pcb *p, void *arg) noexcept nogil
    err_t (*connect)(tcp_pcb *p, const ip_addr_t *address, uint16_t port, tcp_connected_fn f) noexcept nogil
    err_t (*write)(tcp_pcb *p, const void *data, uint16_t n, uint8_t flags) noexcept nogil
    err_t (*output)(tcp_pcb *p) noexcept nogil
    void (*recved)(tcp_pcb *p, uint16_t n) noexcept nogil
    err_t (*close)(tcp_pcb *p) noexcept nogil
    void (*abort)(tcp_pcb *p) noexcept nogil
    tcp_pcb **time_wait

cdef enum role:
    BULK
    ECHO
    CONNECT

cdef struct queue:
    uint8_t *slots
    uint16_t lengths[SLOTS]
    uint32_t head
    uint32_t tail
    int64_t carried
    int64_t lost

cdef struct side:
    library l
    netif n
    queue *out
    queue *into
    pair *both

cdef struct pair:
    side a
    side b
    queue there
    queue back
    tcp_pcb **clients
    tcp_pcb **servers
    int n                       # connected, seen from the client
    int accepted
    int most
    int work                    # role
    bint check
    bint lent
    int64_t sent                # bytes of a bulk
    int64_t received
    int64_t left                # echoes still to come
    int64_t to_ask              # of these, not yet asked for
    uint8_t *stream
    uint8_t *room
    tally w


cdef err_t on_output(netif *n, pbuf *p, const ip4_addr_t *to) noexcept nogil:
    """A copy of the frame goes into the queue."""
    cdef queue *q = (<side *>n.state).out
    cdef uint8_t *slot
    if q.tail - q.head == SLOTS or p.tot_len > SLOT:
        q.lost += 1
        return <err_t>ERR_BUF
    slot = q.slots + <size_t>(q.tail % SLOTS) * SLOT
    q.lengths[q.tail % SLOTS] = p.tot_len
    while p != NULL:
        memcpy(slot, p.payload, p.len)
        slot += p.len
        p = p.next
    q.tail += 1
    q.carried += 1
    return 0


cdef err_t on_init(netif *n) noexcept nogil:
    n.output = on_output
    n.mtu = 1500
    n.flags = <uint8_t>(n.flags | NETIF_FLAG_LINK_UP)
    return 0


cdef int turn(side *s) noexcept nogil:
    """What has arrived, and timers: how many frames. Into PBUF_RAM: the package's pool has buffers of 592 bytes and takes them for 1,536."""
    cdef queue *q = s.into
    cdef pbuf *p
    cdef uint32_t at
    cdef int taken = 0
    s.l.timers()
    while q.head != q.tail:
        at = q.head % SLOTS
        p = s.l.alloc(PBUF_RAW, q.lengths[at], PBUF_RAM)
        if p == NULL:
            break
        memcpy(p.payload, q.slots + <size_t>at * SLOT, q.lengths[at])
        q.head += 1
        taken += 1
        if s.l.input(p, &s.n) != 0:
            s.l.release(p)
    if q.head == q.tail:
        q.head = q.tail = 0     # the slots that are in the cache
    return taken


cdef pair *the_pair = NULL      # one at a time: callbacks have one argument


# --- The server

cdef void read_stream(pair *z, pbuf *p) noexcept nogil:
    cdef pbuf *q = p
    if not z.lent:
        z.b.l.copy(p, z.room, p.tot_len, 0)
        if z.check:
            z.w.wrong += stream_differs(z.stream, z.received, z.room, p.tot_len)
    elif z.check:
        while q != NULL:
            z.w.wrong += stream_differs(z.stream, z.received, <uint8_t *>q.payload, q.len)
            z.received += q.len
            q = q.next
        z.received -= p.tot_len
    z.received += p.tot_len


cdef err_t on_request(void *arg, tcp_pcb *pcb, pbuf *p, err_t err) noexcept nogil:
    cdef pair *z = <pair *>arg
    cdef uint16_t n
    if p == NULL:
        return z.b.l.close(pcb)
    n = p.tot_len
    if z.work == BULK:
        read_stream(z, p)
    else:
        z.b.l.copy(p, z.room, n, 0)
        if z.b.l.write(pcb, z.room, n, TCP_WRITE_FLAG_COPY) != 0:
            z.w.wrong += 1
    z.b.l.recved(pcb, n)
    z.b.l.release(p)
    return 0


cdef err_t on_accept(void *arg, tcp_pcb *pcb, err_t err) noexcept nogil:
    cdef pair *z = <pair *>arg
    z.b.l.arg(pcb, z)
    z.b.l.recv(pcb, on_request)
    tcp_nagle_disable(pcb)
    z.servers[z.accepted] = pcb
    z.accepted += 1
    return 0


# --- The client: its connection's argument is the place of it in `clients`

cdef err_t on_connected(void *arg, tcp_pcb *pcb, err_t err) noexcept nogil:
    the_pair.n += 1
    return 0


cdef void ask(pair *z, uint32_t i) noexcept nogil:
    if z.check:
        message_of(z.room, i)
    if z.a.l.write(z.clients[i], z.room, MESSAGE, TCP_WRITE_FLAG_COPY) != 0:
        z.w.wrong += 1


cdef err_t on_answer(void *arg, tcp_pcb *pcb, pbuf *p, err_t err) noexcept nogil:
    cdef pair *z = the_pair
    cdef uint32_t i = <uint32_t>((<tcp_pcb **>arg) - z.clients)
    if p == NULL:
        return 0
    z.a.l.copy(p, z.room, p.tot_len, 0)
    if z.check:
        z.w.wrong += message_differs(z.room, p.tot_len, i)
    z.a.l.recved(pcb, p.tot_len)
    z.a.l.release(p)
    z.left -= 1
    if z.to_ask > 0:
        z.to_ask -= 1
        ask(z, i)               # leaves when lwIP is done with the segment
    return 0


cdef void put(pair *z, int64_t total) noexcept nogil:
    """As much of the stream as there is room for."""
    cdef tcp_pcb *pcb = z.clients[0]
    cdef int64_t n
    while z.sent < total:
        n = less(less(tcp_sndbuf(pcb), total - z.sent), 0xffff)
        if n == 0 or z.a.l.write(pcb, z.stream + z.sent % PERIOD, <uint16_t>n, 0 if z.lent else TCP_WRITE_FLAG_COPY) != 0:
            break
        z.sent += n
    z.a.l.output(pcb)


cdef void *found(void *handle, const char *name) except NULL:
    cdef void *it = dlsym(handle, name)
    if it == NULL:
        raise OSError(f"liblwip has no {name.decode()}")
    return it


cdef int load(library *l, const char *path) except -1:
    cdef void *h = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL)
    if h == NULL:
        raise OSError(dlerror().decode())
    l.handle = h
    l.init = <void (*)() noexcept nogil>found(h, b"lwip_init")
    l.timers = <void (*)() noexcept nogil>found(h, b"sys_check_timeouts")
    l.add = <netif *(*)(netif *, const ip4_addr_t *, const ip4_addr_t *, const ip4_addr_t *, void *, netif_init_fn,
                        netif_input_fn) noexcept nogil>found(h, b"netif_add")
    l.set_default = <void (*)(netif *) noexcept nogil>found(h, b"netif_set_default")
    l.set_up = <void (*)(netif *) noexcept nogil>found(h, b"netif_set_up")
    l.input = <netif_input_fn>found(h, b"ip_input")
    l.alloc = <pbuf *(*)(int, uint16_t, int) noexcept nogil>found(h, b"pbuf_alloc")
    l.release = <uint8_t (*)(pbuf *) noexcept nogil>found(h, b"pbuf_free")
    l.copy = <uint16_t (*)(const pbuf *, void *, uint16_t, uint16_t) noexcept nogil>found(h, b"pbuf_copy_partial")
    l.new = <tcp_pcb *(*)() noexcept nogil>found(h, b"tcp_new")
    l.bind = <err_t (*)(tcp_pcb *, const ip_addr_t *, uint16_t) noexcept nogil>found(h, b"tcp_bind")
    l.listen = <tcp_pcb *(*)(tcp_pcb *, uint8_t) noexcept nogil>found(h, b"tcp_listen_with_backlog")
    l.accept = <void (*)(tcp_pcb *, tcp_accept_fn) noexcept nogil>found(h, b"tcp_accept")
    l.recv = <void (*)(tcp_pcb *, tcp_recv_fn) noexcept nogil>found(h, b"tcp_recv")
    l.arg = <void (*)(tcp_pcb *, void *) noexcept nogil>found(h, b"tcp_arg")
    l.connect = <err_t (*)(tcp_pcb *, const ip_addr_t *, uint16_t, tcp_connected_fn) noexcept nogil>found(h, b"tcp_connect")
    l.write = <err_t (*)(tcp_pcb *, const void *, uint16_t, uint8_t) noexcept nogil>found(h, b"tcp_write")
    l.output = <err_t (*)(tcp_pcb *) noexcept nogil>found(h, b"tcp_output")
    l.recved = <void (*)(tcp_pcb *, uint16_t) noexcept nogil>found(h, b"tcp_recved")
    l.close = <err_t (*)(tcp_pcb *) noexcept nogil>found(h, b"tcp_close")
    l.abort = <void (*)(tcp_pcb *) noexcept nogil>found(h, b"tcp_abort")
    l.time_wait = <tcp_pcb **>found(h, b"tcp_tw_pcbs")
    return 0


cdef int start(side *s, pair *z, const char *path, int number, queue *out, queue *into) except -1:
    """Loads and starts a copy at 10.0.0.`number`."""
    cdef ip4_addr_t address, mask, gateway
    load(&s.l, path)
    s.both, s.out, s.into = z, out, into
    s.l.init()
    IP4_ADDR(&address, 10, 0, 0, number)
    IP4_ADDR(&mask, 255, 255, 255, 0)
    gateway.addr = 0
    if s.l.add(&s.n, &address, &mask, &gateway, s, on_init, s.l.input) == NULL:
        raise MemoryError
    s.l.set_default(&s.n)
    s.l.set_up(&s.n)
    return 0


cdef class Joined:
    """Two copies of the library at `path`, with at most `most` connections. They stay loaded, and this object has to stay too: a process has
    room for few copies of a library that keeps something for each thread."""
    cdef pair *z

    def __cinit__(self, bytes path, int most):
        global the_pair
        cdef pair *z = <pair *>calloc(1, sizeof(pair))
        if z == NULL:
            raise MemoryError
        self.z = z
        z.there.slots = <uint8_t *>calloc(SLOTS, SLOT)
        z.back.slots = <uint8_t *>calloc(SLOTS, SLOT)
        z.clients = <tcp_pcb **>calloc(most + FLIGHT, sizeof(tcp_pcb *))
        z.servers = <tcp_pcb **>calloc(most + FLIGHT, sizeof(tcp_pcb *))
        z.stream = <uint8_t *>calloc(1, ROOM)
        z.room = <uint8_t *>calloc(1, PIECE)
        if not (z.there.slots and z.back.slots and z.clients and z.servers and z.stream and z.room):
            raise MemoryError
        if the_pair != NULL:
            raise RuntimeError("one pair at a time")
        the_pair = z
        stream_fill(z.stream)
        z.most, z.work = most, ECHO
        start(&z.a, z, path, 1, &z.there, &z.back)
        start(&z.b, z, path, 2, &z.back, &z.there)
        self.listen()

    cdef int listen(self) except -1:
        cdef side *b = &self.z.b
        cdef tcp_pcb *pcb = b.l.new()
        if pcb == NULL or b.l.bind(pcb, NULL, PORT) != 0:
            raise OSError("tcp_bind")
        pcb = b.l.listen(pcb, ALL_AT_ONCE)
        if pcb == NULL:
            raise OSError("tcp_listen")
        b.l.arg(pcb, self.z)
        b.l.accept(pcb, on_accept)
        return 0

    def clear(self, bint check):
        """All connections are gone. check: of what comes now."""
        cdef pair *z = self.z
        cdef int i
        with nogil:
            for i in range(z.n):
                z.a.l.abort(z.clients[i])       # a reset, and no callback
                turn(&z.b)
        z.n = z.accepted = 0
        z.check = check
        memset(&z.w, 0, sizeof(tally))

    @property
    def limits(self):
        """What this build of lwIP was given."""
        return {"TCP_MSS": TCP_MSS, "TCP_WND": TCP_WND, "TCP_SND_BUF": TCP_SND_BUF, "TCP_SND_QUEUELEN": TCP_SND_QUEUELEN,
                "sizeof(tcp_pcb)": sizeof(tcp_pcb)}

    @property
    def n(self):
        return self.z.n

    cdef void count(self, int sign) noexcept nogil:
        cdef pair *z = self.z
        if sign < 0:
            memset(&z.w, 0, sizeof(tally))
        z.w.ns += sign * processor()
        z.w.frames += sign * z.there.carried
        z.w.acks += sign * z.back.carried

    cdef int join(self, int more) noexcept nogil:
        cdef pair *z = self.z
        cdef int first = z.n, i, idle = 0
        cdef ip_addr_t server
        cdef tcp_pcb *pcb
        IP_ADDR4(&server, 10, 0, 0, 2)
        for i in range(first, first + more):
            pcb = z.a.l.new()
            if pcb == NULL:
                break
            z.clients[i] = pcb
            z.a.l.arg(pcb, &z.clients[i])
            z.a.l.recv(pcb, on_answer)
            tcp_nagle_disable(pcb)
            if z.a.l.connect(pcb, &server, PORT, on_connected) != 0:
                break
        while (z.n < first + more or z.accepted < z.n) and idle < PATIENCE:
            idle = 0 if turn(&z.b) + turn(&z.a) else idle + 1
        return z.n - first

    def connect(self, int more):
        cdef int batch, had
        if self.z.n + more > self.z.most:
            raise ValueError(f"at most {self.z.most} connections")
        while more:
            batch = min(more, FLIGHT)
            with nogil:
                had = self.join(batch)
            if had != batch:
                raise RuntimeError(f"{self.z.n} connections, and no more")
            more -= batch

    def bulk(self, int64_t total, bint lent=False):
        """As Joined.bulk of drivers/joined.pyx."""
        cdef pair *z = self.z
        cdef int64_t before
        cdef int idle = 0
        z.work, z.lent, z.sent, z.received = BULK, lent, 0, 0
        self.count(-1)
        with nogil:
            while z.received < total and idle < PATIENCE:
                before = z.received
                put(z, total)
                turn(&z.b)
                turn(&z.a)
                idle = idle + 1 if z.received == before else 0
        self.count(1)
        z.w.bytes, z.w.units = z.received, z.w.frames
        return z.w

    cdef void answers(self) noexcept nogil:
        cdef int idle = 0
        while self.z.left > 0 and idle < PATIENCE:
            idle = 0 if turn(&self.z.b) + turn(&self.z.a) else idle + 1
        self.z.w.wrong += self.z.left

    def echo(self, int rounds):
        """As Joined.echo of drivers/joined.pyx."""
        cdef pair *z = self.z
        cdef int i
        z.work, z.left, z.to_ask = ECHO, <int64_t>rounds * z.n, (<int64_t>rounds - 1) * z.n
        self.count(-1)
        with nogil:
            for i in range(z.n):
                ask(z, i)
                z.a.l.output(z.clients[i])
            self.answers()
        self.count(1)
        z.w.units, z.w.frames = <int64_t>rounds * z.n, z.w.frames + z.w.acks
        return z.w

    cdef void part(self, int batch) noexcept nogil:
        """The client closes first; what TIME-WAIT holds is let go, since lwIP would look through it for each port and each segment."""
        cdef pair *z = self.z
        cdef int i
        for i in range(z.n - batch, z.n):
            z.a.l.close(z.clients[i])
        while turn(&z.b) + turn(&z.a):
            pass
        while z.a.l.time_wait[0] != NULL:
            z.a.l.abort(z.a.l.time_wait[0])
        z.n -= batch
        z.accepted -= batch

    def open_and_close(self, int rounds, int batch):
        """As Joined.open_and_close of drivers/joined.pyx."""
        cdef pair *z = self.z
        cdef int _r
        z.work = CONNECT
        self.count(-1)
        with nogil:
            for _r in range(rounds):
                z.w.wrong += batch - self.join(batch)
                self.part(batch)
        self.count(1)
        z.w.units, z.w.frames = <int64_t>rounds * batch, z.w.frames + z.w.acks
        return z.w
