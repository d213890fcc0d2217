"""Hangs a stack into the simulator: frames and deadlines run it natively, Python hears of it only when a program waits for news."""
from libc.stdint cimport int64_t

from usnet.backends.sim.host cimport SimHost
from usnet.backends.sim.scheduler cimport host, host_arm
from usnet.sockets.host cimport Stack, host_has_news, host_run


cdef void rearm(void *ctx, int64_t deadline) noexcept nogil:
    host_arm(<host *>ctx, deadline)


def attach(Stack stack not None, SimHost simulated not None):
    """From now on the scheduler runs `stack` whenever a frame for `simulated` arrives or a deadline comes."""
    simulated.attach(host_run, &stack.n, host_has_news, &stack.n, stack)
    stack.attach(rearm, &simulated.h)
