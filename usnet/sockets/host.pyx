"""One stack and what drives it.

Inline, a blocking call or an epoll.poll() drives the stack: it does all that can be done, and waits through the poller
until a frame, a deadline or the caller's timeout. While the application computes, nobody drives it; Stack.run_once()
may be called from long computations. Where a scheduler drives the stack (simulation), calls only leave word of what
they queued and wait.
"""
import functools
import ipaddress
import os

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport INT64_MAX, int64_t, uint32_t

from usnet.backends.clock cimport Clock
from usnet.backends.poller cimport OSPoller, Poller
from usnet.backends.ring cimport PORT_FILENO, Port
from usnet.ip.state cimport READY_ERR, READY_HUP
from usnet.memory.arena cimport NONE
from usnet.sockets.api cimport usn_close, usn_flush, usn_run
from usnet.sockets.ready cimport fd_ready, news_drain, waiter_add, waiter_drop, waiters_wake
from usnet.sockets.table cimport FIRST_FD, KIND_FREE, net, net_free, net_init, net_reset, sock_at, waiter_at
from usnet.stack cimport StackCore
from usnet.tcp.state cimport tcb_live, tcb_seen
from usnet.tcp.tcb cimport TCPS_CLOSED, TCPS_FIN_WAIT_2, TCPS_LISTEN, TCPS_TIME_WAIT, TF_HELD, tcb

from usnet.backends.clock import MonotonicClock
from usnet.sockets import context
from usnet.sockets.names import Hosts


cdef int64_t host_run(void *n, int64_t now) noexcept nogil:
    return usn_run(<net *>n, now)


cdef bint host_has_news(void *n) noexcept nogil:
    return (<net *>n).n_woken > 0 or (<net *>n).n_any > 0


interface_of = functools.lru_cache(1024)(ipaddress.IPv4Interface)


def deadline_after(clock, timeout):
    """Reading of the clock in `timeout` seconds, in ns; None: never."""
    if timeout is None:
        return INT64_MAX
    return min(clock.now() + max(0, seconds_to_ns(timeout)), INT64_MAX)


def seconds_to_ns(seconds):
    """Nanoseconds, rounded up, so that a wait is never too short."""
    if isinstance(seconds, int):
        return seconds * 1_000_000_000
    whole = int(seconds)
    part = (seconds - whole) * 1e9
    return whole * 1_000_000_000 + int(part) + (part > int(part))


cdef class Stack:
    """A TCP/IP stack on a port.

    backend:  a URL-like name ("tap:tap0", "sim:..."), a Port, or None (ports are added with add_port).
    address:  "10.9.0.2/24", or a list of such.
    gateway:  address of the default route.
    routes:   ("10.8.0.0/16", "10.9.0.7") pairs; gateway None: on-link.
    vlan:     identifier of the VLAN whose frames are taken and sent.
    config:   settings by name, as StackCore.configure takes them.
    seed:     of all random draws; from the operating system unless given, which is only for tests and simulation.
    hosts:    names and their addresses, {"server": "10.9.0.1"}, or the path of a file like /etc/hosts.
    clock, poller: the port's clock and the operating system's poller, unless given.
    control:  path of a unix socket through which `usnet ss` and `usnet stat` may look at the stack; True: a path of its
              own in the runtime directory. Whoever drives the stack serves it.
    look_interval, poll_interval: ns; see usnet.sockets.settings.Driver.

    One stack belongs to the thread that made it; calls from another raise RuntimeError. Context manager: the stack is
    the current one inside (usnet.socket() and the others use it), and closed at the end.
    """
    def __cinit__(self, *args, **kwargs):
        self.thread = PyThread_get_thread_ident()
        self.followers = []
        self.tokens = []

    def __init__(self, backend=None, address=None, gateway=None, routes=(), vlan=None, config=None, *, seed=None,
                 clock=None, poller=None,
                 max_connections=65536, max_chunks=65536, max_sockets=65536, hosts=None, control=None,
                 look_interval=50_000, poll_interval=1_000_000):
        if self.core is not None:
            raise RuntimeError("a stack is set up once")
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        port = open_backend(backend)
        if clock is None:
            clock = port.clock if port is not None and port.clock is not None else MonotonicClock()
        self.look_interval, self.poll_interval = look_interval, poll_interval
        self.clock = <Clock?>clock
        self.core = StackCore(seed, max_connections, max_chunks, max_sockets + FIRST_FD)
        if net_init(&self.n, &self.core.s) < 0:
            raise MemoryError
        self.hosts = Hosts(hosts)
        self.own_poller = poller is None
        self.poller = OSPoller(clock) if poller is None else <Poller?>poller
        self.is_open = True
        try:
            if config:
                self.core.configure(**config)
            if port is not None:
                self.add_port(port, address, vlan)
            if gateway is not None:
                self.add_route("0.0.0.0/0", gateway)
            for network, hop in routes:
                self.add_route(network, hop)
            if control:
                self.open_control(None if control is True else control)
        except BaseException:
            self.close(linger=0)
            raise

    def __dealloc__(self):
        net_free(&self.n)

    @classmethod
    def from_settings(cls, settings, backend=None, **more):
        """A stack as usnet.Settings say. `backend` (a Port or a name) and others of Stack's arguments win over them."""
        where, limits, driver = settings.interface, settings.limits, settings.driver
        arguments = {
            "address": where.address, "gateway": where.gateway, "vlan": where.vlan or None, "config": settings.core(),
            "routes": [(network, hop or None) for network, hop in where.routes], "hosts": settings.hosts,
            "max_connections": limits.connections, "max_chunks": limits.chunks, "max_sockets": limits.sockets,
            "look_interval": driver.look_interval, "poll_interval": driver.poll_interval,
            "control": settings.control.path if settings.control.enabled else None, **more,
        }
        if backend is None:
            from usnet.backends.registry import configure_peer, open_port
            backend = open_port(where.backend, **where.options)
            if where.peer_address:
                try:
                    configure_peer(where.backend, backend, where.peer_address)
                except BaseException:
                    backend.close()
                    raise
        stack = cls(backend, **arguments)
        for address, mac in where.neighbours.items():
            stack.core.add_neighbour(0, address, bytes.fromhex(mac.replace(":", "")))
        return stack

    # Set-up

    def add_port(self, port, address=None, vlan=None):
        """Puts a port (or its URL-like name) under the stack: the number of its interface. `address` as for Stack."""
        self.enter()
        port = open_backend(port)
        netif = self.core.add_port(port, vlan)
        if self.own_poller and not (<Port>port).p.caps & PORT_FILENO:
            self.must_poll = True
        else:
            self.poller.add_port(port)
        for a in [address] if isinstance(address, str) else address or []:
            self.add_address(a, netif)
        return netif

    def add_address(self, address, netif=0):
        """Gives an interface the address "10.9.0.2/24"."""
        self.enter()
        interface = interface_of(address)
        self.core.add_address(netif, str(interface.ip), interface.network.prefixlen)

    def add_route(self, network, gateway=None, netif=None):
        """Packets for "10.8.0.0/16" go to the gateway, or straight out of the interface where it is None."""
        self.enter()
        net_ = ipaddress.IPv4Network(network)
        if netif is None:
            netif = 0
        self.core.add_route(str(net_.network_address), net_.prefixlen, gateway, netif)

    def configure(self, **settings):
        """Changes settings (see StackCore.configure)."""
        self.enter()
        self.core.configure(**settings)

    @property
    def ports(self):
        return list(self.core.ports)

    @property
    def closed(self):
        return not self.is_open

    @property
    def descriptors(self):
        """How many are open."""
        return self.n.n_socks

    def statistics(self):
        """Counters of every layer, as nested dicts; under "memory", what is held now, descriptors too."""
        found = self.core.statistics()
        found["memory"]["descriptors"] = self.n.n_socks
        return found

    def connections(self):
        """All connections, listeners and bound datagram sockets, each an usnet.sockets.inspect.Connection."""
        from usnet.sockets.inspect import connection_list
        return connection_list(self)

    def connection_table(self):
        """The same as a NumPy structured array; its dtype is documented in usnet/sockets/inspect.pxd."""
        from usnet.sockets.inspect import connection_table
        return connection_table(self)

    def open_control(self, path=None):
        """Opens the control socket (see `control` above): its path. OSError when it cannot be had; ValueError where a
        scheduler drives the stack.
        """
        self.enter()
        if not isinstance(self.poller, OSPoller):
            raise ValueError("a stack that is not driven in real time has no control socket")
        if self.door is None:
            from usnet.sockets.answers import open_door
            door = open_door(self, path)
            self.poller.add_port(door)
            self.door = door
        return str(self.door.path)

    def __repr__(self):
        names = ", ".join(p.name for p in self.core.ports) if self.core is not None else ""
        return f"<usnet.Stack {names or 'without ports'}, {self.n.n_socks} sockets{'' if self.is_open else ', closed'}>"

    # What is made on it

    def socket(self, *args, **kwargs):
        """usnet.socket(...) on this stack."""
        from usnet.sockets.socket import socket
        return socket(*args, stack=self, **kwargs)

    def epoll(self, *args, **kwargs):
        """usnet.epoll(...) on this stack."""
        from usnet.sockets.epoll import epoll
        return epoll(*args, stack=self, **kwargs)

    def create_connection(self, *args, **kwargs):
        from usnet.sockets.helpers import create_connection
        return create_connection(*args, stack=self, **kwargs)

    def create_server(self, *args, **kwargs):
        from usnet.sockets.helpers import create_server
        return create_server(*args, stack=self, **kwargs)

    # Many messages a call

    def recv_many(self, fds, bufsize, /):
        """What there is of many sockets (objects or descriptors), up to `bufsize` bytes of each, without waiting: a list with bytes for each of them
        (b"": the end of the stream), None where nothing is there now, as of listeners always, or the OSError that its recv() would have raised.
        """
        return batch().recv_many(self, fds, bufsize)

    def send_many(self, messages, /):
        """Sends (socket or descriptor, data) pairs, in their order, without waiting: a list with the bytes that were taken of each, which may be
        fewer than there are, None where nothing can be taken now, or the OSError that its send() would have raised. What is not a pair, or no data,
        is TypeError or ValueError, and what stands before it is sent.
        """
        return batch().send_many(self, messages)

    # Driving

    cdef void attach(self, deadline_hook hook, void *ctx) noexcept:
        self.hook = hook
        self.hook_ctx = ctx

    cdef int enter(self) except -1:
        if not self.is_open:
            raise RuntimeError("the stack is closed")
        if PyThread_get_thread_ident() != self.thread:
            raise RuntimeError("a stack belongs to the thread that made it")
        return 0

    cdef int64_t now(self) noexcept:
        return self.clock.read(self.clock.self_)

    cdef int64_t run(self) except -1:
        cdef int64_t now = self.now(), deadline
        if self.hook != NULL:
            self.flush()
            return INT64_MAX                    # the scheduler knows
        with nogil:
            deadline = usn_run(&self.n, now)
        if self.door is not None:
            deadline = self.attend(now, deadline)
        if self.followers:
            self.tell_followers(deadline)
        return deadline

    cdef int64_t attend(self, int64_t now, int64_t deadline) except -1:
        if now >= self.door_look:
            self.door_busy = self.door.serve(now) is not None
            self.door_look = self.door.next_look
        return min(deadline, self.door_look) if self.door_busy else deadline

    cdef int flush(self) except -1:
        return self.flush_at(self.now())

    cdef int flush_at(self, int64_t now) except -1:
        cdef int64_t deadline = usn_flush(&self.n, now)
        if self.hook != NULL:
            self.hook(self.hook_ctx, deadline)
            self.tell()
        elif self.followers:
            self.tell_followers(deadline)
        return 0

    cdef int tell(self) except -1:
        if self.hook == NULL:
            return 0                            # nobody else can be waiting
        news_drain(&self.n)
        if self.n.n_woken > self.rung:
            self.poller.ring_doorbell()
        self.rung = self.n.n_woken
        return 0

    cdef bint look(self) except -1:
        if self.hook != NULL:
            self.poller.give_way()
            return False
        if self.now() - self.n.s.now < self.look_interval:
            return False
        self.run()
        return True

    def tell_followers(self, int64_t deadline):
        if isinstance(self.poller, OSPoller):
            (<OSPoller>self.poller).arm_ports()  # nobody calls wait(): the ports' descriptors must wake by themselves
        for follower in self.followers:
            follower.step(deadline)

    def add_follower(self, follower):
        """Has follower.step(next deadline in ns) called whenever the stack has been driven."""
        self.followers.append(follower)

    def remove_follower(self, follower):
        if follower in self.followers:
            self.followers.remove(follower)

    cdef bint block(self, uint32_t fd, uint32_t mask, int64_t deadline) except -1:
        cdef int64_t until, now
        cdef uint32_t w, rings = self.rings
        cdef bint gone
        while True:
            until = self.run()
            if sock_at(&self.n, <int>fd) == NULL or (mask and fd_ready(&self.n, fd) & (mask | READY_ERR | READY_HUP)):
                return True
            now = self.now()
            if now >= deadline:
                self.poller.give_way()
                return False
            w = waiter_add(&self.n, fd, mask)
            if w == NONE:
                raise MemoryError("too many programs wait on one stack")
            try:
                if self.must_poll:
                    until = min(until, now + self.poll_interval)
                self.poller.wait_for(min(until, deadline), w)
            finally:
                gone = waiter_at(&self.n, w).fd == NONE
                waiter_drop(&self.n, w)
            if PyErr_CheckSignals() < 0:
                return -1
            self.enter()
            if gone or mask == 0 or rings != self.rings:
                self.run()
                return True

    cdef int ring(self, uint32_t fd) except -1:
        self.rings += 1
        if self.hook == NULL:
            self.poller.ring_doorbell()
            return 0
        waiters_wake(&self.n, fd)
        return self.tell()

    def is_woken(self, uint32_t token):
        """Whether the blocked program whose wait has that number (Poller.wait_for) should look again."""
        return waiter_at(&self.n, token).woken != 0 or waiter_at(&self.n, token).mask == 0

    def wait_text(self, uint32_t token):
        """What that program waits for, for people."""
        from usnet.sockets.inspect import wait_text
        return wait_text(self, token)

    def run_once(self):
        """Does everything that can be done now, without waiting. Returns the next deadline (ns of the clock), or None.
        """
        self.enter()
        deadline = self.run()
        return None if deadline == INT64_MAX else deadline

    def wait(self, deadline=None):
        """Runs once, waits until something may have happened or the clock reads `deadline` (ns; None: no limit), and
        runs again.
        """
        self.enter()
        until = min(self.run(), INT64_MAX if deadline is None else deadline)
        if self.must_poll:
            until = min(until, self.now() + self.poll_interval)
        self.poller.wait(until)
        self.enter()
        self.run()

    # The end

    def reset(self, seed, now=0):
        """As new, without sockets and with another seed; ports, addresses, routes and settings stay. For worlds that
        are used again.

        Socket objects of the time before must not be used again: their descriptors may be another's.
        """
        self.enter()
        self.core.reset(seed, now)
        net_reset(&self.n)
        self.rung = 0

    def close(self, linger=1.0):
        """Closes all sockets, gives what they still have to say up to `linger` seconds to arrive, and closes the ports.
        May be called again.
        """
        cdef int fd
        if not self.is_open:
            return
        self.enter()
        for fd in range(FIRST_FD, self.n.capacity):
            if self.n.n_socks == 0:
                break
            if self.n.socks[fd].kind != KIND_FREE:
                usn_close(&self.n, fd, self.now())
        self.flush()
        try:
            if linger and self.hook == NULL:
                end = deadline_after(self.clock, linger)
                while self.has_unsaid() and self.now() < end:
                    self.wait(end)
        finally:
            self.is_open = False
            if self.door is not None:
                self.poller.remove_port(self.door)
                self.door.close()
            for port in self.core.ports:
                port.close()
            if self.own_poller:
                self.poller.close()

    def has_unsaid(self):
        """Whether a closed socket's connection still has something to send or to have acknowledged."""
        cdef uint32_t i
        cdef const tcb *c
        cdef tcb room
        for i in range(self.n.s.tcp.records.used):
            if tcb_live(&self.n.s.tcp, i):
                c = tcb_seen(&self.n.s.tcp, i, &room)
                if not c.flags & TF_HELD and c.state not in (TCPS_CLOSED, TCPS_LISTEN, TCPS_FIN_WAIT_2, TCPS_TIME_WAIT):
                    return True
        return False

    def __enter__(self):
        self.enter()
        self.tokens.append(context.set_current(self))
        return self

    def __exit__(self, kind, *exc):
        context.reset_current(self.tokens.pop())
        self.close(linger=1.0 if kind is None else 0)


cdef object batch_module = None


cdef object batch():
    """The calls for many messages, which are above this module: looked up once."""
    global batch_module
    if batch_module is None:
        from usnet.sockets import batch as batch_module
    return batch_module


def open_backend(backend):
    """The Port that `backend` is or names; None for None."""
    if backend is None or isinstance(backend, Port):
        return backend
    if not isinstance(backend, str):
        raise TypeError(f"a port or the name of one is wanted, not {type(backend).__name__}")
    from usnet.backends.registry import open_port
    return open_port(backend)
