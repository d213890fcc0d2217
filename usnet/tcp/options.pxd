"""Options of a connection, and what can be asked about it."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state

cdef enum tcp_option:
    OPT_NODELAY = 1
    OPT_KEEPALIVE = 2
    OPT_KEEPIDLE = 3            # seconds
    OPT_KEEPINTVL = 4           # seconds
    OPT_SNDBUF = 5              # bytes
    OPT_RCVBUF = 6              # bytes; takes effect on the window; does not retract what was promised
    OPT_REUSEADDR = 7
    OPT_REUSEPORT = 8
    OPT_USER_TIMEOUT = 9        # milliseconds (RFC 5482's local part)
    OPT_MAXSEG = 10             # bytes of payload; set before connect or listen: the most that is offered and sent
    OPT_STATE = 11              # tcp_phase (get only)
    OPT_ACCEPTCONN = 12         # 1 while listening (get only)
    OPT_KEEPCNT = 13            # unanswered probes that end the connection
    OPT_TTL = 14                # 0: the stack's default
    OPT_CORK = 16
    OPT_QUICKACK = 17           # 1 while ACKs are not delayed
    OPT_NOTSENT_LOWAT = 20      # bytes; from here on to OPT_STAMPS: tcp/rare
    OPT_RCVLOWAT = 21           # bytes
    OPT_SYNCNT = 22
    OPT_DEFER_ACCEPT = 23       # seconds
    OPT_WINDOW_CLAMP = 24       # bytes
    OPT_OOBINLINE = 25
    OPT_PEEK_OFF = 26           # bytes; below 0: off
    OPT_STAMPS = 27             # SOF_* (tcp/aside.pxd)
    OPT_LINGER2 = 40            # seconds: that an orphan waits in FIN-WAIT-2; below 0: not at all, which is told as UINT32_MAX
    OPT_TOS = 15                # DSCP and ECN bits; the latter are ours and stay 0

cdef int tcp_set(tcp_state *t, uint32_t c, int option, int64_t value) noexcept nogil    # 0, -EINVAL, -ENOPROTOOPT
cdef int64_t tcp_get(tcp_state *t, uint32_t c, int option) noexcept nogil           # value or -ENOPROTOOPT
