"""A learning bridge."""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from usnet.backends.sim.frames cimport frame, frame_bytes
from usnet.backends.sim.link cimport link_forward, link_send
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.peek cimport eth_dst, eth_src, mac_is_group, mac_number

cdef uint64_t UNUSED = <uint64_t>-1


cdef mac_entry *find(switch_state *w, uint64_t mac) noexcept nogil:
    """The entry of that address, or the unused one where it belongs."""
    cdef uint32_t i = <uint32_t>((mac * <uint64_t>0x9e3779b97f4a7c15) >> 40) & (w.table_room - 1)
    while w.table[i].mac != mac and w.table[i].mac != UNUSED:
        i = (i + 1) & (w.table_room - 1)
    return &w.table[i]


cdef void forget_aged(switch_state *w, int64_t now) noexcept nogil:
    """Takes out the entries that have aged, and closes the gaps that they leave in the runs of probes."""
    cdef uint32_t i
    cdef mac_entry e
    cdef mac_entry *to
    cdef bint again = True
    for i in range(w.table_room):
        if w.table[i].mac != UNUSED and now - w.table[i].heard >= w.ageing:
            w.table[i].mac = UNUSED
            w.table_used -= 1
    while again:
        again = False
        for i in range(w.table_room):
            if w.table[i].mac == UNUSED:
                continue
            e = w.table[i]
            to = find(w, e.mac)
            if to != &w.table[i]:
                w.table[i].mac = UNUSED
                to[0] = e
                again = True


cdef void learn(switch_state *w, uint64_t mac, uint32_t number, int64_t now) noexcept nogil:
    cdef mac_entry *e = find(w, mac)
    if e.mac == UNUSED:
        if w.table_used * 4 >= w.table_room * 3:
            forget_aged(w, now)
            if w.table_used * 4 >= w.table_room * 3:
                w.n.table_full += 1
                return
            e = find(w, mac)
        w.table_used += 1
        e.mac = mac
    e.number = number
    e.heard = now


cdef int switch_accept(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil:
    return 0


cdef bint switch_forward(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil:
    cdef switch_state *w = <switch_state *>ctx
    cdef const uint8_t *p = frame_bytes(f)
    cdef mac_entry *e
    cdef uint32_t i
    if f.length < ETH_HLEN:
        w.n.too_short += 1
        return False
    if not mac_is_group(eth_src(p)):
        learn(w, mac_number(eth_src(p)), number, now)
    if not mac_is_group(eth_dst(p)):
        e = find(w, mac_number(eth_dst(p)))
        if e.mac != UNUSED and now - e.heard < w.ageing:
            if e.number == number:
                w.n.filtered += 1
            elif w.out[e.number] != NULL:
                w.n.forwarded += 1
                return link_forward(w.out[e.number], f)
            return False
    w.n.flooded += 1
    for i in range(w.n_ports):
        if i != number and w.out[i] != NULL:
            link_send(w.out[i], p, f.length)
    return False


cdef class Switch:
    """Made by Network.switch(); its ports are the ends of links."""

    def __cinit__(self, network, str name, int64_t ageing, uint32_t table):
        cdef uint32_t i
        if not 16 <= table <= 1 << 20 or table & (table - 1):
            raise ValueError(f"a table of {table} addresses: a power of two from 16 to {1 << 20}")
        self.network = network
        self.name = name
        self.w.ageing = ageing
        self.w.table_room = table
        self.w.table = <mac_entry *>malloc(table * sizeof(mac_entry))
        if self.w.table == NULL:
            raise MemoryError
        for i in range(table):
            self.w.table[i].mac = UNUSED

    def __dealloc__(self):
        free(self.w.table)
        free(self.w.out)

    cdef void reset(self) noexcept:
        """It has learned nothing yet."""
        cdef uint32_t i
        for i in range(self.w.table_room):
            self.w.table[i].mac = UNUSED
        self.w.table_used = 0
        memset(&self.w.n, 0, sizeof(switch_counters))

    cdef int add_port(self, link_dir *out) except -1:
        """Number of a new port that sends into `out`."""
        cdef link_dir **ports
        if self.w.n_ports == self.w.room_ports:
            ports = <link_dir **>realloc(self.w.out, (self.w.room_ports * 2 + 8) * sizeof(link_dir *))
            if ports == NULL:
                raise MemoryError
            self.w.out = ports
            self.w.room_ports = self.w.room_ports * 2 + 8
        self.w.out[self.w.n_ports] = out
        self.w.n_ports += 1
        return <int>self.w.n_ports - 1

    def table(self):
        """What it has learned and not forgotten: {MAC as 6 bytes: port number}, in the order of addresses."""
        cdef uint32_t i
        now = self.network.now
        found = {}
        for i in range(self.w.table_room):
            if self.w.table[i].mac != UNUSED and now - self.w.table[i].heard < self.w.ageing:
                found[self.w.table[i].mac.to_bytes(6, "big")] = self.w.table[i].number
        return dict(sorted(found.items()))

    @property
    def ports(self):
        """How many it has."""
        return self.w.n_ports

    def statistics(self):
        """The counters of `switch_counters`, as a dict."""
        return dict(self.w.n)

    def __repr__(self):
        return f"<Switch {self.name}>"
