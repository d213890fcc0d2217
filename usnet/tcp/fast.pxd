"""What Fast Open (RFC 7413) remembers: of a connection or listener, of the servers that a client has cookies of, and of the whole stack.

Nothing of it lies in a TCB but its number and one byte of flags, and nothing is touched by who does not use it.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.memory.arena cimport arena
from usnet.wire.addr cimport ip_addr

# tcp_config.fastopen: the bits of Linux's net.ipv4.tcp_fastopen
cdef enum:
    FASTOPEN_CLIENT = 0x1
    FASTOPEN_SERVER = 0x2
    FASTOPEN_CLIENT_NO_COOKIE = 0x4     # data in a SYN though the server has given no cookie
    FASTOPEN_SERVER_NO_COOKIE = 0x200   # data of a SYN is taken without a cookie
    FASTOPEN_EVERY_LISTENER = 0x400     # listeners do not have to ask for it

cdef enum:
    COOKIE_OURS = 8             # bytes of the cookies that this end makes
    FAST_PATHS = 256            # servers remembered at most
    FAST_KEYS = 2               # of a server: the one in use, and the one before, whose cookies hold until they are replaced
    FAST_KEY_BYTES = 16

cdef enum fast_role:
    FAST_CLIENT = 1             # an attempt to connect, until it ends or succeeds
    FAST_LISTENER = 2           # what was asked for by options; of a socket that does not listen yet, too
    FAST_CHILD = 3              # a connection that was taken by its cookie, until its handshake ends
    FAST_RESET = 4              # one that ended by a RST of the peer's: for a minute it counts as pending all the same

# Beside a TCB (tcb.fast).
cdef struct fast_open:
    uint8_t role                # fast_role
    uint8_t option              # client: the SYN has the option
    uint8_t exp                 # ... by the experimental kind
    uint8_t len                 # bytes of `cookie`; 0: the server is asked for one
    uint8_t cookie[16]
    uint8_t deferred            # client: the SYN waits for the first data (TCP_FASTOPEN_CONNECT)
    uint8_t sent                # client: the SYN has left once; when it is sent again, it is an ordinary one
    uint8_t no_cookie           # TCP_FASTOPEN_NO_COOKIE
    uint8_t n_keys              # listener: keys of its own
    uint32_t in_syn             # client: bytes of the send queue that the SYN carries
    uint32_t limit              # listener: pending ones at most (TCP_FASTOPEN); 0: off
    uint32_t pending            # listener: taken by a cookie, and not acknowledged yet
    uint32_t resets             # listener: first of its FAST_RESET, or NONE; in order of `until`
    uint32_t last_reset
    uint32_t parent             # child: its listener's fast_open, as long as that has the same number
    uint64_t number             # listener: its own, never used twice; child: its listener's
    int64_t until               # reset: ns
    uint32_t next               # reset: in the listener's list
    uint64_t key[4]             # listener: SipHash, FAST_KEYS of them

# A server as seen from one local address.
cdef struct fast_path:
    ip_addr laddr
    ip_addr raddr
    uint64_t used               # in which order they were last looked for or learned; 0: the entry is free
    int64_t quiet_until         # ns: it gives no cookie, and is not asked before
    uint16_t mss                # as in its last SYN-ACK; 0: not known
    uint8_t len                 # bytes of `cookie`, or 0
    uint8_t exp                 # the cookie came by the experimental option
    uint8_t try_exp             # 1: asked by RFC 7413's option it gave none: the experimental one is next; 2: neither helped
    uint8_t cookie[16]

cdef struct fast_state:
    arena opens                 # of fast_open
    fast_path *paths            # [FAST_PATHS]; private to the process
    uint64_t path_key[2]        # SipHash: where a server is kept
    uint64_t key[4]             # SipHash of cookies, for listeners without keys of their own
    uint32_t n_keys
    uint64_t numbers            # listeners so far
    uint64_t uses               # of servers' entries since the last reset
    uint32_t blackholes         # times in a row that a path swallowed what a Fast Open connection sent
    int64_t blackhole_at        # ns: the last
    uint64_t asked              # cookies asked for, by us
    uint64_t active             # connections whose data was taken with the SYN
    uint64_t active_fails       # ... was not
    uint64_t passive            # the same of SYNs that came
    uint64_t passive_fails      # a cookie that is not ours
    uint64_t passive_old_key    # a cookie of the key before: a new one was given
    uint64_t overflows          # SYNs that were opened the ordinary way since too many were pending
    uint64_t blackholed         # times that Fast Open was stopped because of a blackhole

cdef int fast_init(fast_state *s, uint32_t max_connections) noexcept nogil      # 0 or -ENOMEM
cdef void fast_free(fast_state *s) noexcept nogil
# Nothing is open, no server known, and keys are drawn from `secret`.
cdef void fast_reset(fast_state *s, const uint64_t secret[2]) noexcept nogil

# The server behind raddr as laddr knows it, or NULL.
cdef fast_path *fast_path_find(fast_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil
# The same, made if need be: the one of its set that was used longest ago gives way.
cdef fast_path *fast_path_learn(fast_state *s, const ip_addr *laddr, const ip_addr *raddr) noexcept nogil
cdef void fast_paths_forget(fast_state *s) noexcept nogil

# A key as a listener or the stack has it: 1 or 2 of 16 bytes each.
cdef void fast_keys_set(uint64_t key[4], const uint8_t *raw, uint32_t n) noexcept nogil
# The cookie of a client at raddr for our address: COOKIE_OURS bytes.
cdef void fast_cookie(const uint64_t key[2], const ip_addr *raddr, const ip_addr *laddr, uint8_t *out) noexcept nogil
# Which of n keys made it: 1, 2, or 0 for none.
cdef int fast_cookie_check(const uint64_t *key, uint32_t n, const ip_addr *raddr, const ip_addr *laddr, const uint8_t *cookie,
                           uint32_t length) noexcept nogil

# Whether data may go with SYNs, as far as paths that swallow them are concerned; `pause`: ns of the first stop, which doubles each time up to 64 of it.
cdef bint fast_clear(const fast_state *s, int64_t pause, int64_t now) noexcept nogil
cdef void fast_stop(fast_state *s, int64_t now) noexcept nogil
