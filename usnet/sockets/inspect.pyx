"""Connections as records, for people and for NumPy. Nothing is changed by looking."""
import ipaddress
from typing import NamedTuple

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

from usnet.ip.state cimport READY_IN
from usnet.ip.udp cimport udp_pcb
from usnet.memory.arena cimport arena_at
from usnet.sockets.constants cimport IPPROTO_TCP, IPPROTO_UDP
from usnet.sockets.host cimport Stack
from usnet.sockets.table cimport FIRST_FD, KIND_EPOLL, KIND_TCP, KIND_UDP, net, sock, sock_at, waiter, waiter_at
from usnet.tcp.metrics cimport METRIC_PATHS, metrics_state
from usnet.tcp.state cimport listener, listener_at, tcb_live, tcb_seen
from usnet.tcp.tcb cimport TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_LISTEN, tcb

from usnet.tcp.congestion.registry import name_of
from usnet.tcp.states import NAMES

FIELDS = [
    ("protocol", "u1"), ("state", "u1"), ("lport", "u2"), ("rport", "u2"), ("snd_wscale", "u1"), ("rcv_wscale", "u1"),
    ("laddr", "u1", 16), ("raddr", "u1", 16), ("fd", "i4"), ("recv_queue", "u4"), ("send_queue", "u4"),
    ("in_flight", "u4"), ("sndbuf", "u4"), ("rcvbuf", "u4"), ("mss", "u4"), ("cwnd", "u4"), ("ssthresh", "u4"),
    ("snd_wnd", "u4"), ("rcv_wnd", "u4"), ("backoff", "u4"), ("congestion", "u4"), ("srtt", "i8"), ("rttvar", "i8"), ("min_rtt", "i8"),
    ("rto", "i8"), ("idle", "i8"), ("retransmits", "u8"),
]
"""The fields of CONNECTION, NumPy's dtype of a record; connection_record in inspect.pxd says what each is."""


class Connection(NamedTuple):
    """One connection, listener or datagram socket. Sizes are bytes, times nanoseconds."""

    protocol: str                       # "tcp" or "udp"
    state: str                          # RFC 9293's name; udp: "CONNECTED" or "UNCONNECTED"
    descriptor: int                     # -1: no program holds it
    recv_queue: int                     # can be read; LISTEN: connections that wait for accept
    send_queue: int                     # not acknowledged yet; LISTEN: how many may wait
    local: tuple                        # (address, port)
    peer: tuple                         # (address, port); ("0.0.0.0", 0): none
    in_flight: int
    mss: int
    cwnd: int
    ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    sndbuf: int
    rcvbuf: int
    srtt: int                           # 0: never measured
    rttvar: int
    min_rtt: int
    rto: int
    backoff: int
    retransmits: int
    idle: int                           # since the last segment from the peer; -1: none yet
    congestion: str                     # name of its congestion controller; udp: none


cdef uint32_t window_of(const tcb *k) noexcept nogil:
    """Bytes between what arrived and what was promised."""
    cdef uint32_t window = k.rcv_adv - k.rcv_nxt
    return window if <int32_t>window >= 0 else 0


cdef void tcp_record(net *n, uint32_t c, connection_record *r, int64_t now) noexcept nogil:
    cdef tcb room
    cdef const tcb *k = tcb_seen(&n.s.tcp, c, &room)
    cdef listener *q
    r.protocol = IPPROTO_TCP
    r.state = k.state
    r.fd = -1
    if k.owner < n.capacity and n.socks[k.owner].kind == KIND_TCP and n.socks[k.owner].pcb == c:
        r.fd = <int>k.owner
    memcpy(r.laddr, &k.laddr, 16)
    memcpy(r.raddr, &k.raddr, 16)
    r.lport = k.lport
    r.rport = k.rport
    r.sndbuf = k.sndbuf
    r.rcvbuf = k.rcvbuf
    r.idle = -1
    if k.state == TCPS_LISTEN:
        q = listener_at(&n.s.tcp, k.listener)
        r.recv_queue = q.n_ready
        r.send_queue = q.backlog
        return
    r.snd_wscale = k.snd_wscale
    r.rcv_wscale = k.rcv_wscale
    r.recv_queue = k.rcv_ready
    r.send_queue = k.snd.span
    r.in_flight = k.snd_max - k.snd_una
    r.mss = k.mss
    r.cwnd = k.cc.cwnd
    r.ssthresh = k.cc.ssthresh
    r.snd_wnd = k.snd_wnd
    r.rcv_wnd = window_of(k)
    r.backoff = k.backoff
    r.congestion = k.cc_ops
    r.srtt = k.srtt
    r.rttvar = k.rttvar
    r.min_rtt = k.min_rtt
    r.rto = k.rto
    r.retransmits = k.retransmits
    if k.last_recv:
        r.idle = now - k.last_recv


cdef void udp_record_of(net *n, int fd, connection_record *r) noexcept nogil:
    cdef udp_pcb *u = <udp_pcb *>arena_at(&n.s.ip.udp, n.socks[fd].pcb)
    r.protocol = IPPROTO_UDP
    r.state = TCPS_ESTABLISHED if u.rport else TCPS_CLOSED
    r.fd = fd
    memcpy(r.laddr, &u.laddr, 16)
    memcpy(r.raddr, &u.raddr, 16)
    r.lport = u.lport
    r.rport = u.rport
    r.recv_queue = u.queue.span
    r.rcvbuf = u.rcvbuf
    r.idle = -1


cdef uint32_t inspect_connections(net *n, connection_record *out, uint32_t most, int64_t now) noexcept nogil:
    cdef uint32_t c, found = 0
    cdef int fd
    cdef sock *so
    cdef tcb room
    for c in range(n.s.tcp.records.used):
        if tcb_live(&n.s.tcp, c) and tcb_seen(&n.s.tcp, c, &room).state != TCPS_CLOSED:
            if found < most:
                memset(&out[found], 0, sizeof(connection_record))
                tcp_record(n, c, &out[found], now)
            found += 1
    for fd in range(FIRST_FD, <int>n.capacity):
        if n.s.ip.udp.live == 0:
            break
        so = &n.socks[fd]
        if so.kind == KIND_UDP and (<udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)).lport:
            if found < most:
                memset(&out[found], 0, sizeof(connection_record))
                udp_record_of(n, fd, &out[found])
            found += 1
    return found


def connection_dtype():
    """CONNECTION: the dtype of connection_record."""
    import numpy
    dtype = numpy.dtype(FIELDS, align=True)
    if dtype.itemsize != sizeof(connection_record):
        raise RuntimeError(f"a record has {sizeof(connection_record)} bytes, its dtype {dtype.itemsize}")
    return dtype


def connection_table(Stack stack not None):
    """All connections, listeners and bound datagram sockets of a stack: a structured array of connection_dtype()."""
    import numpy
    cdef int64_t now = stack.now()
    cdef uint32_t most = inspect_connections(&stack.n, NULL, 0, now)
    cdef bytearray memory = bytearray(most * sizeof(connection_record))
    inspect_connections(&stack.n, <connection_record *>PyByteArray_AS_STRING(memory), most, now)
    return numpy.frombuffer(memory, connection_dtype())


def address_text(const unsigned char[:] raw):
    """16 bytes as people write them; all zero, which is any, as 0.0.0.0."""
    address = ipaddress.IPv6Address(bytes(raw))
    return str(address.ipv4_mapped or (address if int(address) else "0.0.0.0"))


def connection_list(Stack stack not None):
    """The same as a list of Connection."""
    found = []
    for row in connection_table(stack):
        tcp = row["protocol"] == IPPROTO_TCP
        state = NAMES[row["state"]] if tcp else "CONNECTED" if row["rport"] else "UNCONNECTED"
        given = {name: int(row[name]) for name in Connection._fields if name in row.dtype.names and name not in ("protocol", "state", "congestion")}
        congestion = name_of(row["congestion"]) if tcp else ""
        found.append(Connection(
            protocol="tcp" if tcp else "udp", state=state, descriptor=int(row["fd"]),
            local=(address_text(row["laddr"]), int(row["lport"])), peer=(address_text(row["raddr"]), int(row["rport"])),
            congestion=congestion, **given,
        ))
    return found


def wait_text(Stack stack not None, uint32_t token):
    """What the blocked program whose wait has that number (Poller.wait_for) waits for, for people."""
    cdef waiter *w = waiter_at(&stack.n, token)
    cdef sock *so = sock_at(&stack.n, <int>w.fd)
    if so == NULL:
        return "a closed descriptor"
    known = "epoll" if so.kind == KIND_EPOLL else "not bound"
    for c in connection_list(stack):
        if c.descriptor == <int>w.fd:
            peer = f" to {c.peer[0]}:{c.peer[1]}" if c.peer[1] else ""
            known = f"{c.protocol} {c.local[0]}:{c.local[1]}{peer} {c.state}"
    ready = "anything new" if w.mask == 0 else "something to read" if w.mask & READY_IN else "room to write"
    return f"{ready} of descriptor {w.fd} ({known})"


def path_metrics(Stack stack not None):
    """What the stack remembers of paths (setting `metrics`): a list of dicts with the fields of path_metric (tcp/metrics.pxd), addresses as text."""
    cdef const metrics_state *s = &stack.n.s.tcp.metrics
    cdef int64_t since = stack.n.s.now - stack.n.s.tcp.config.metrics_timeout
    cdef uint32_t i
    found = []
    for i in range(METRIC_PATHS if s.uses else 0):
        if s.paths[i].used and s.paths[i].stamp >= since:
            one = dict(s.paths[i])
            one["laddr"] = address_text((<const unsigned char *>&s.paths[i].laddr)[:16])
            one["raddr"] = address_text((<const unsigned char *>&s.paths[i].raddr)[:16])
            found.append(one)
    return found
