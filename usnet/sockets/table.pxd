"""What the descriptors of one stack stand for: sockets, epoll instances, registrations, and programs that wait.

A descriptor is the index of its `sock`: the lowest free number from 3 on, given out again only after close. It is also
the owner id that TCP and UDP put into the stack's notify set. Nothing here allocates after net_init, knows a clock or
touches Python.
"""
from libc.errno cimport EAGAIN, EBADF, ENOTSOCK
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena, arena_at
from usnet.stack cimport stack

cdef enum:
    FIRST_FD = 3                # 0, 1 and 2 are never ours, so that a mix-up with the terminal's is noticed
    FD_LEVELS = 5               # of the tree of free descriptors: up to 64^5 of them

cdef enum sock_kind:
    KIND_FREE = 0
    KIND_TCP = 1
    KIND_UDP = 2
    KIND_EPOLL = 3

# sock.flags
cdef enum:
    SF_CONNECTING = 0x0001      # connect said EINPROGRESS and its outcome has not been told by connect yet
    SF_LINGER = 0x0002          # SO_LINGER is on
    SF_SHUT_RD = 0x0004         # UDP: shutdown for reading
    SF_SHUT_WR = 0x0008         # UDP: shutdown for writing
    SF_REUSEADDR = 0x0010
    SF_REUSEPORT = 0x0020
    SF_KEEPALIVE = 0x0040
    SF_BROADCAST = 0x0080
    SF_STAMPS = 0x0100          # SO_TIMESTAMPING asks for times of sends
    SF_ZEROCOPY = 0x0200        # SO_ZEROCOPY
    SF_INQ = 0x0400             # TCP_INQ
    SF_FASTOPEN_CONNECT = 0x0800    # TCP_FASTOPEN_CONNECT
    SF_NO_COOKIE = 0x1000       # TCP_FASTOPEN_NO_COOKIE
    SF_DEFERRED = 0x2000        # connect said 0 by TCP_FASTOPEN_CONNECT: the SYN waits for data
    SF_INHERITED = 0x03f2       # accepted sockets have these of their listener's

cdef struct sock:               # 32 bytes
    uint32_t pcb                # TCP: index of the TCB; UDP: of the udp_pcb; epoll: of the ep. Held until close
    uint32_t items              # first of its epoll registrations (linked by sock_next), or NONE
    uint32_t waiters            # first program that waits for it, or NONE
    # what could be read at the last news, to notice that more came: rcv_nxt, or connections or datagrams waiting
    uint32_t mark
    uint32_t linger             # seconds, while SF_LINGER
    uint32_t times              # its sock_times, or NONE: calls may block for ever
    uint16_t seen               # READY_* at the last news, minus what calls have used up since
    uint16_t flags              # SF_*
    uint8_t kind                # sock_kind

# How long blocking calls may take, ns: SO_RCVTIMEO and SO_SNDTIMEO. 0: for ever, below 0: not at all.
cdef struct sock_times:
    int64_t receive
    int64_t send

# One registration: a descriptor in an epoll instance. 40 bytes.
cdef struct ep_item:
    uint32_t fd
    uint32_t events             # as asked for, with ET and ONESHOT; and EV_QUEUED
    uint32_t ep                 # instance
    uint32_t sock_next          # registrations of the same descriptor
    uint32_t ep_next            # registrations of the same instance
    uint32_t ep_prev
    uint32_t ready_next         # in the instance's ready list, while EV_QUEUED
    uint32_t ready_prev
    uint64_t data               # the user's own

cdef struct ep:
    uint32_t fd                 # its own descriptor
    uint32_t items              # all registrations
    uint32_t ready_head         # those that may be ready, first come, first served
    uint32_t ready_tail
    uint32_t n_ready

# A blocked program: it is woken when its descriptor may be what it waits for.
cdef struct waiter:
    uint32_t fd                 # NONE when the descriptor was closed under it
    # READY_* that it waits for; ERR and HUP always count; 0: the next run whatever it brings
    uint32_t mask
    uint32_t next               # waiters of the same descriptor
    uint8_t woken

# Calls whose results a run's digest counts.
cdef enum observed_call:
    CALL_ACCEPT = 1
    CALL_CONNECT = 2
    CALL_SHUTDOWN = 3
    CALL_CLOSE = 4
    CALL_SEND = 5
    CALL_RECV = 6

# Told of each call's result (>= 0 or -errno, but not of "not now") and of the bytes that it gave.
ctypedef void (*call_observer)(void *ctx, int call, int fd, int64_t result, const uint8_t *p, uint32_t n) noexcept nogil

cdef struct net:
    stack *s
    call_observer observe       # or NULL: nobody watches; private to the process
    void *observe_ctx
    sock *socks                 # [capacity]
    uint64_t *free_bits[5]      # [level]: bit set while something below it is free
    uint32_t capacity           # descriptors are below it
    uint32_t n_socks            # open now
    arena epolls                # of ep
    arena items                 # of ep_item
    arena waiters               # of waiter
    arena times                 # of sock_times
    uint32_t n_woken            # waiters that should run and have not left yet
    uint32_t n_any              # waiters with mask 0

# 0 or -ENOMEM. Descriptors are as many as the stack's notify set has room for.
cdef int net_init(net *n, stack *s) noexcept nogil
cdef void net_free(net *n) noexcept nogil
# Forgets all descriptors without a word to their peers: for a stack that was reset.
cdef void net_reset(net *n) noexcept nogil
# The lowest free descriptor, now of `kind`, all else zero or NONE; -EMFILE.
cdef int fd_take(net *n, uint8_t kind) noexcept nogil
cdef void fd_give(net *n, uint32_t fd) noexcept nogil
# The socket's times, made if it has none; NULL when there is no memory, which cannot be: there are as many as sockets.
cdef sock_times *fd_times(net *n, sock *so) noexcept nogil


cdef inline sock *sock_at(net *n, int fd) noexcept nogil:
    """The open descriptor, or NULL (EBADF)."""
    if <uint32_t>fd >= n.capacity or n.socks[fd].kind == KIND_FREE:
        return NULL
    return &n.socks[fd]


cdef inline int sock_find(net *n, int fd, sock **so) noexcept nogil:
    """0 and the socket, or -EBADF, -ENOTSOCK (an epoll instance)."""
    so[0] = sock_at(n, fd)
    if so[0] == NULL:
        return -EBADF
    return -ENOTSOCK if so[0].kind == KIND_EPOLL else 0


cdef inline int64_t told(net *n, int call, int fd, int64_t result, const uint8_t *p, size_t length) noexcept nogil:
    """The result of a call, after whoever watches was told of it."""
    if n.observe != NULL and result != -EAGAIN:
        n.observe(n.observe_ctx, call, fd, result, p, <uint32_t>length)
    return result


cdef inline sock_times *times_at(net *n, const sock *so) noexcept nogil:
    """Of a socket that has some, or NULL."""
    return NULL if so.times == NONE else <sock_times *>arena_at(&n.times, so.times)


cdef inline ep_item *item_at(net *n, uint32_t i) noexcept nogil:
    return <ep_item *>n.items.base + i       # as arena_at, whose items are no larger: a size that the compiler knows


cdef inline ep *ep_at(net *n, uint32_t i) noexcept nogil:
    return <ep *>arena_at(&n.epolls, i)


cdef inline waiter *waiter_at(net *n, uint32_t i) noexcept nogil:
    return <waiter *>arena_at(&n.waiters, i)
