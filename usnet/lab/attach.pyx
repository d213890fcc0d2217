"""Hangs a stack into the simulator: frames and deadlines run it natively, Python hears of it only when a program waits for news, and what its
socket calls return goes into the run's digest."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.clock cimport Clock
from usnet.backends.sim.digest cimport digest_feed
from usnet.backends.sim.host cimport SimHost
from usnet.backends.sim.journal cimport world
from usnet.backends.sim.network cimport Network
from usnet.backends.sim.scheduler cimport host, host_arm, host_clock
from usnet.sockets.host cimport Stack, host_has_news, host_run

cdef uint64_t CALLS = <uint64_t>1 << 62     # marks a feed of the digest as the result of a call; frames have no such bit


cdef struct watched:
    world *w
    uint64_t number             # of the host


cdef class Watch:
    """Who is told of a stack's calls: the digest of its network, with the host's number."""
    cdef watched told
    cdef Network network        # keeps told.w alive


cdef void rearm(void *ctx, int64_t deadline) noexcept nogil:
    host_arm(<host *>ctx, deadline)


cdef void into_digest(void *ctx, int call, int fd, int64_t result, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef watched *k = <watched *>ctx
    digest_feed(&k.w.digest, CALLS | (k.number << 40) | (<uint64_t>call << 32) | <uint32_t>fd, <uint64_t>result, p, n)


def crash(Stack stack not None, SimHost simulated not None, seed):
    """The stack loses all it knows, at this instant: connections, what they had to send, neighbours. Its host is off; its programs are dead."""
    simulated.switch_off()
    with nogil:
        host_run(&stack.n, host_clock(&simulated.h))   # what lies in its receive rings goes down with it
    stack.reset(seed, host_clock(&simulated.h))


def attach(Stack stack not None, SimHost simulated not None, Network network not None, number):
    """From now on the scheduler runs `stack` whenever a frame for `simulated` arrives or a deadline comes. `number`: of the host, for the digest."""
    cdef Watch watch = Watch.__new__(Watch)
    watch.told.w = &network.w
    watch.told.number = number
    watch.network = network
    stack.n.observe = into_digest
    stack.n.observe_ctx = &watch.told
    simulated.attach(host_run, &stack.n, host_has_news, &stack.n, (stack, watch))
    stack.attach(rearm, &simulated.h)


cdef struct timed:
    void *n                     # net *
    void *clock
    int64_t (*read)(void *clock) noexcept nogil


cdef class Timed:
    """A stack and the clock that it is run by."""
    cdef timed t
    cdef Clock clock            # keeps t.clock alive


cdef int64_t run_by_clock(void *ctx, int64_t now) noexcept nogil:
    cdef timed *k = <timed *>ctx
    return host_run(k.n, k.read(k.clock))


def attach_live(Stack stack not None, SimHost simulated not None):
    """As attach(), but the stack's clock is its own, not the network's, which may lag behind it."""
    cdef Timed by = Timed.__new__(Timed)
    by.clock = stack.clock
    by.t.n = &stack.n
    by.t.clock = stack.clock.self_
    by.t.read = stack.clock.read
    simulated.attach(run_by_clock, &by.t, host_has_news, &stack.n, (stack, by))
    stack.attach(rearm, &simulated.h)
