"""One stack, its ports, its clock and its poller, driven from one thread."""
from libc.stdint cimport int64_t, uint32_t

from usnet.backends.clock cimport Clock
from usnet.backends.poller cimport Poller
from usnet.sockets.table cimport net
from usnet.stack cimport StackCore

# Told of each new next deadline that a call leaves behind (a scheduler that drives the stack arms its timer with it).
ctypedef void (*deadline_hook)(void *ctx, int64_t deadline) noexcept nogil

# For a scheduler that drives the stack: one run, and ready lists and waiters brought up to date. `n` is a `net *`.
# Returns the next deadline, ns.
cdef int64_t host_run(void *n, int64_t now) noexcept nogil
# Whether some blocked program should be woken: something that it waits for may be ready.
cdef bint host_has_news(void *n) noexcept nogil


cdef class Stack:
    cdef net n                          # for usnet.sockets.api: &stack.n
    cdef readonly StackCore core
    cdef readonly Clock clock
    cdef readonly Poller poller
    cdef readonly object hosts          # names.Hosts: what names mean here
    cdef unsigned long thread           # the one that may use it
    cdef bint is_open
    cdef bint own_poller
    cdef bint must_poll                 # some port has no descriptor to wait for
    cdef deadline_hook hook             # not NULL: a scheduler drives the stack, not the calls
    cdef void *hook_ctx
    cdef uint32_t rung                  # waiters that were woken when the doorbell last rang
    cdef list followers                 # epoll instances whose descriptors follow what the stack has
    cdef list tokens                    # of `with stack:`
    cdef uint32_t rings                 # calls of ring()
    cdef readonly int64_t look_interval     # ns: calls that would say EAGAIN look at the rings at most this often
    cdef readonly int64_t poll_interval     # ns: ports without a descriptor are looked at this often while waiting
    cdef object door                    # the control socket, or None
    cdef int64_t door_look              # ns: when it is to be looked at next
    cdef bint door_busy                 # somebody is being answered
    cdef object __weakref__
    # A scheduler takes over: it calls host_run(&stack.n, now) and the hook tells it of deadlines.
    cdef void attach(self, deadline_hook hook, void *ctx) noexcept
    # Raises unless the stack is open and this is its thread.
    cdef int enter(self) except -1
    cdef int64_t now(self) noexcept
    cdef int64_t run(self) except -1    # one run at the clock's time; the next deadline
    # After a run: the control socket gets its turn. The deadline, or an earlier one that it needs.
    cdef int64_t attend(self, int64_t now, int64_t deadline) except -1
    cdef int flush(self) except -1      # after calls that queued output
    cdef int flush_at(self, int64_t now) except -1      # the same for who has read the clock
    cdef int tell(self) except -1       # after calls that may have made news: whoever else waits on this stack is woken
    cdef bint look(self) except -1      # before a call says EAGAIN: whether there was anything newer to look at
    # From any thread: a block() that waits returns 1 though nothing happened. Where a scheduler drives: who waits for fd.
    cdef int ring(self, uint32_t fd) except -1
    # Waits until fd may be something of mask (1) or the clock reads deadline (0). Also 1 when fd was closed under it.
    # mask 0: until anything happens.
    cdef bint block(self, uint32_t fd, uint32_t mask, int64_t deadline) except -1
