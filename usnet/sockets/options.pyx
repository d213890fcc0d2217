"""Socket options. TCP's own live in the connection; those that both kinds of socket accept are kept in the socket, and
handed down where they matter.

Buffer sizes are what was asked for, in bytes of payload (Linux would double them to pay for its own bookkeeping).
"""
from libc.errno cimport EDOM, EINVAL, ENOBUFS, ENOPROTOOPT, EOPNOTSUPP
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from usnet.ip.udp cimport UDP_REUSEADDR, UDP_REUSEPORT, udp_pcb
from usnet.memory.arena cimport arena_at
from usnet.sockets.constants cimport (
    AF_INET, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SO_ACCEPTCONN, SO_BROADCAST, SO_DOMAIN, SO_ERROR,
    SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_PEEK_OFF, SO_PROTOCOL, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT,
    SO_SNDBUF, SO_SNDLOWAT, SO_SNDTIMEO, SO_TIMESTAMPING, SO_TYPE, SO_ZEROCOPY, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, TCP_CORK,
    TCP_DEFER_ACCEPT, TCP_INFO, TCP_INQ, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_LINGER2, TCP_MAXSEG, TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_NODELAY,
    TCP_NOTSENT_LOWAT,
    TCP_QUICKACK, TCP_SYNCNT, TCP_USER_TIMEOUT, TCP_WINDOW_CLAMP, linger, timeval,
)
from usnet.sockets.congestion cimport congestion_option, congestion_option_get, congestion_option_set
from usnet.sockets.fastopen cimport fast_get, fast_option, fast_set
from usnet.sockets.table cimport (
    KIND_TCP, SF_BROADCAST, SF_INQ, SF_KEEPALIVE, SF_LINGER, SF_REUSEADDR, SF_REUSEPORT, SF_STAMPS, SF_ZEROCOPY, fd_times, net, sock, sock_times,
    times_at,
)
from usnet.sockets.tcp_info cimport tcp_info, tcp_info_of
from usnet.tcp.aside cimport SOF_TX
from usnet.tcp.calls cimport tcp_take_error
from usnet.tcp.options cimport (
    OPT_ACCEPTCONN, OPT_CORK, OPT_DEFER_ACCEPT, OPT_KEEPALIVE, OPT_KEEPCNT, OPT_KEEPIDLE, OPT_KEEPINTVL, OPT_LINGER2, OPT_MAXSEG,
    OPT_NODELAY, OPT_NOTSENT_LOWAT, OPT_OOBINLINE, OPT_PEEK_OFF, OPT_QUICKACK, OPT_RCVBUF, OPT_RCVLOWAT, OPT_REUSEADDR, OPT_REUSEPORT,
    OPT_SNDBUF, OPT_STAMPS, OPT_SYNCNT, OPT_TOS, OPT_TTL, OPT_USER_TIMEOUT, OPT_WINDOW_CLAMP, tcp_get, tcp_set,
)
from usnet.tcp.signature cimport signature_set
from usnet.wire.addr cimport addr_set_v4, ip_addr

cdef enum:
    UDP_SNDBUF = 65507          # a datagram is sent or refused at once: there is no queue to size
    LEAST_BUF = 2048
    SECOND = 1000000000         # ns
    MD5SIG_PREFIX = 1           # TCP_MD5SIG_FLAG_PREFIX


cdef inline udp_pcb *udp_at(net *n, sock *so) noexcept nogil:
    return <udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)


cdef uint16_t flag_of(int name) noexcept nogil:
    """The flag in which an on-off option of level SOL_SOCKET is kept, or 0."""
    if name == SO_REUSEADDR:
        return SF_REUSEADDR
    if name == SO_REUSEPORT:
        return SF_REUSEPORT
    if name == SO_KEEPALIVE:
        return SF_KEEPALIVE
    if name == SO_BROADCAST:
        return SF_BROADCAST
    if name == SO_ZEROCOPY:
        return SF_ZEROCOPY
    return 0


cdef int tcp_option(int name) noexcept nogil:
    """OPT_* of a name of level IPPROTO_TCP, or 0."""
    if name == TCP_NODELAY:
        return OPT_NODELAY
    if name == TCP_KEEPIDLE:
        return OPT_KEEPIDLE
    if name == TCP_KEEPINTVL:
        return OPT_KEEPINTVL
    if name == TCP_KEEPCNT:
        return OPT_KEEPCNT
    if name == TCP_USER_TIMEOUT:
        return OPT_USER_TIMEOUT
    if name == TCP_MAXSEG:
        return OPT_MAXSEG
    if name == TCP_CORK:
        return OPT_CORK
    if name == TCP_QUICKACK:
        return OPT_QUICKACK
    if name == TCP_NOTSENT_LOWAT:
        return OPT_NOTSENT_LOWAT
    if name == TCP_SYNCNT:
        return OPT_SYNCNT
    if name == TCP_LINGER2:
        return OPT_LINGER2
    if name == TCP_DEFER_ACCEPT:
        return OPT_DEFER_ACCEPT
    if name == TCP_WINDOW_CLAMP:
        return OPT_WINDOW_CLAMP
    return 0


cdef int stream_option(int name) noexcept nogil:
    """OPT_* of a name of level SOL_SOCKET that only streams have, or 0."""
    if name == SO_RCVLOWAT:
        return OPT_RCVLOWAT
    if name == SO_OOBINLINE:
        return OPT_OOBINLINE
    if name == SO_PEEK_OFF:
        return OPT_PEEK_OFF
    return 0


# --- get ---

cdef int64_t socket_option(net *n, sock *so, int name) noexcept nogil:
    """Value of an option of level SOL_SOCKET, or -ENOPROTOOPT."""
    cdef int64_t value
    cdef udp_pcb *u
    cdef bint tcp = so.kind == KIND_TCP
    if name == SO_ERROR:
        if tcp:
            return tcp_take_error(&n.s.tcp, so.pcb)
        u = udp_at(n, so)
        value = u.error
        u.error = 0
        return value
    if name == SO_TYPE:
        return SOCK_STREAM if tcp else SOCK_DGRAM
    if name == SO_DOMAIN:
        return AF_INET
    if name == SO_PROTOCOL:
        return IPPROTO_TCP if tcp else IPPROTO_UDP
    if name == SO_ACCEPTCONN:
        return tcp_get(&n.s.tcp, so.pcb, OPT_ACCEPTCONN) if tcp else 0
    if name == SO_SNDBUF:
        return tcp_get(&n.s.tcp, so.pcb, OPT_SNDBUF) if tcp else UDP_SNDBUF
    if name == SO_RCVBUF:
        return tcp_get(&n.s.tcp, so.pcb, OPT_RCVBUF) if tcp else udp_at(n, so).rcvbuf
    if name == SO_KEEPALIVE and tcp:
        return tcp_get(&n.s.tcp, so.pcb, OPT_KEEPALIVE)     # also when a setting, or the listener, turned it on
    if name == SO_SNDLOWAT:
        return 1
    if tcp and (stream_option(name) or name == SO_TIMESTAMPING):
        return tcp_get(&n.s.tcp, so.pcb, OPT_STAMPS if name == SO_TIMESTAMPING else stream_option(name)) & <int64_t>0xffffffff   # -1 too
    if flag_of(name) and (tcp or name != SO_ZEROCOPY):
        return 1 if so.flags & flag_of(name) else 0
    return -ENOPROTOOPT


cdef int64_t ip_option(net *n, sock *so, int name) noexcept nogil:
    """Value of an option of level IPPROTO_IP, or -ENOPROTOOPT."""
    if name != IP_TTL and name != IP_TOS:
        return -ENOPROTOOPT
    if so.kind == KIND_TCP:
        return tcp_get(&n.s.tcp, so.pcb, OPT_TTL if name == IP_TTL else OPT_TOS)
    if name == IP_TOS:
        return udp_at(n, so).tos
    return udp_at(n, so).ttl if udp_at(n, so).ttl else n.s.ip.config.ttl


cdef timeval time_limit(net *n, sock *so, int name) noexcept nogil:
    """SO_RCVTIMEO or SO_SNDTIMEO; none and not at all read the same, as in Linux."""
    cdef timeval v
    cdef const sock_times *times = times_at(n, so)
    cdef int64_t ns = 0
    if times != NULL:
        ns = times.receive if name == SO_RCVTIMEO else times.send
    v.tv_sec = <long>(ns // SECOND) if ns > 0 else 0
    v.tv_usec = <long>(ns % SECOND // 1000) if ns > 0 else 0
    return v


cdef int option_get(net *n, sock *so, int level, int name, void *value, uint32_t *length) noexcept nogil:
    cdef int64_t found = -ENOPROTOOPT
    cdef linger l
    cdef timeval v
    cdef tcp_info info
    cdef int small
    cdef const void *source = &small
    cdef uint32_t size = sizeof(int)
    if level == IPPROTO_TCP and so.kind == KIND_TCP and fast_option(name):
        return fast_get(n, so, name, value, length)
    if congestion_option(so, level, name):
        return congestion_option_get(n, so, name, value, length)
    if level == SOL_SOCKET and name == SO_LINGER:
        l.l_onoff = 1 if so.flags & SF_LINGER else 0
        l.l_linger = <int>so.linger
        source = &l
        size = sizeof(linger)
        found = 0
    elif level == SOL_SOCKET and (name == SO_RCVTIMEO or name == SO_SNDTIMEO):
        v = time_limit(n, so, name)
        source = &v
        size = sizeof(timeval)
        found = 0
    elif level == SOL_SOCKET:
        found = socket_option(n, so, name)
    elif level == IPPROTO_TCP and so.kind == KIND_TCP and tcp_option(name):
        found = tcp_get(&n.s.tcp, so.pcb, tcp_option(name))
        if name == TCP_NOTSENT_LOWAT:
            found &= <int64_t>0xffffffff    # no errno: all 32 bits are its value
    elif level == IPPROTO_TCP and so.kind == KIND_TCP and name == TCP_INQ:
        found = so.flags & SF_INQ != 0
    elif level == IPPROTO_TCP and so.kind == KIND_TCP and name == TCP_INFO:
        tcp_info_of(&n.s.tcp, so.pcb, n.s.now, &info)
        source = &info
        size = sizeof(tcp_info)
        found = 0
    elif level == IPPROTO_IP:
        found = ip_option(n, so, name)
    elif level != (IPPROTO_TCP if so.kind == KIND_TCP else IPPROTO_UDP):
        found = -EOPNOTSUPP
    if found < 0:
        return <int>found
    small = <int>found
    if level == IPPROTO_IP and 0 < length[0] < size and small <= 255:
        length[0] = 1                           # as Linux: one byte is enough
    if length[0] > size:
        length[0] = size
    memcpy(value, source, length[0])
    return 0


# --- set ---

cdef int set_flag(net *n, sock *so, int name, int value) noexcept nogil:
    """An on-off option of level SOL_SOCKET."""
    cdef uint16_t flag = flag_of(name)
    cdef int status = 0
    if value:
        so.flags |= flag
    else:
        so.flags &= <uint16_t>~flag
    if so.kind != KIND_TCP:
        udp_at(n, so).reuse = ((UDP_REUSEADDR if so.flags & SF_REUSEADDR else 0)
                               | (UDP_REUSEPORT if so.flags & SF_REUSEPORT else 0))
        udp_at(n, so).broadcast = 1 if so.flags & SF_BROADCAST else 0
    elif name == SO_REUSEADDR:
        status = tcp_set(&n.s.tcp, so.pcb, OPT_REUSEADDR, value != 0)
    elif name == SO_REUSEPORT:
        status = tcp_set(&n.s.tcp, so.pcb, OPT_REUSEPORT, value != 0)
    elif name == SO_KEEPALIVE:
        status = tcp_set(&n.s.tcp, so.pcb, OPT_KEEPALIVE, value != 0)
    return status


cdef int set_stream_option(net *n, sock *so, int name, int value) noexcept nogil:
    cdef int status = tcp_set(&n.s.tcp, so.pcb, OPT_STAMPS if name == SO_TIMESTAMPING else stream_option(name), value)
    if status == 0 and name == SO_TIMESTAMPING:
        so.flags &= <uint16_t>~SF_STAMPS
        if value & SOF_TX:
            so.flags |= SF_STAMPS
    return status


cdef int set_inq(sock *so, int value) noexcept nogil:
    if value < 0 or value > 1:
        return -EINVAL
    so.flags &= <uint16_t>~SF_INQ
    if value:
        so.flags |= SF_INQ
    return 0


cdef int set_socket_option(net *n, sock *so, int name, int value) noexcept nogil:
    if name == SO_ZEROCOPY and (so.kind != KIND_TCP or value < 0 or value > 1):
        return -EINVAL if so.kind == KIND_TCP else -ENOPROTOOPT
    if flag_of(name):
        return set_flag(n, so, name, value)
    if so.kind == KIND_TCP and (stream_option(name) or name == SO_TIMESTAMPING):
        return set_stream_option(n, so, name, value)
    if name == SO_SNDBUF or name == SO_RCVBUF:
        if value < LEAST_BUF:
            value = LEAST_BUF                   # as the kernel: too little is raised, not refused
        if so.kind == KIND_TCP:
            return tcp_set(&n.s.tcp, so.pcb, OPT_SNDBUF if name == SO_SNDBUF else OPT_RCVBUF, value)
        if name == SO_RCVBUF:
            udp_at(n, so).rcvbuf = <uint32_t>value
        return 0
    return -ENOPROTOOPT                         # and those that can only be read


cdef int set_linger(sock *so, const void *value, uint32_t length) noexcept nogil:
    cdef linger l
    if length < sizeof(linger):
        return -EINVAL
    memcpy(&l, value, sizeof(linger))
    if not l.l_onoff:
        so.flags &= <uint16_t>~SF_LINGER
        return 0
    so.flags |= SF_LINGER
    so.linger = <uint32_t>l.l_linger if l.l_linger >= 0 else 0x7fffffff
    return 0


cdef int set_time_limit(net *n, sock *so, int name, const void *value, uint32_t length) noexcept nogil:
    cdef timeval v
    cdef int64_t ns
    cdef sock_times *times
    if length < sizeof(timeval):
        return -EINVAL
    memcpy(&v, value, sizeof(timeval))
    if v.tv_usec < 0 or v.tv_usec >= 1000000:
        return -EDOM
    if v.tv_sec < 0:
        ns = -1
    elif v.tv_sec >= INT64_MAX // SECOND:
        ns = 0
    else:
        ns = v.tv_sec * SECOND + v.tv_usec * 1000
    times = fd_times(n, so)
    if times == NULL:
        return -ENOBUFS
    if name == SO_RCVTIMEO:
        times.receive = ns
    else:
        times.send = ns
    return 0


cdef int set_ip_option(net *n, sock *so, int name, int value) noexcept nogil:
    if name == IP_TOS:
        value &= 0xff
    elif name != IP_TTL:
        return -ENOPROTOOPT
    elif value < -1 or value == 0 or value > 255:
        return -EINVAL
    elif value == -1:
        value = 0                               # the stack's default again
    if so.kind == KIND_TCP:
        return tcp_set(&n.s.tcp, so.pcb, OPT_TTL if name == IP_TTL else OPT_TOS, value)
    if name == IP_TTL:
        udp_at(n, so).ttl = <uint8_t>value
    else:
        udp_at(n, so).tos = <uint8_t>value
    return 0


cdef struct md5sig:             # struct tcp_md5sig of Linux
    uint8_t addr[128]           # struct sockaddr_storage
    uint8_t flags
    uint8_t prefix
    uint16_t keylen
    int32_t ifindex
    uint8_t key[80]


cdef int set_signature(net *n, sock *so, int name, const void *value, uint32_t length) noexcept nogil:
    """A key (RFC 2385) for one peer, or with TCP_MD5SIG_EXT and its flag for those of a prefix; of no bytes: it is taken away."""
    cdef md5sig m
    cdef ip_addr peer
    cdef uint16_t family
    cdef uint32_t bits = 128
    if length < sizeof(md5sig):
        return -EINVAL
    memcpy(&m, value, sizeof(md5sig))
    memcpy(&family, m.addr, sizeof(family))
    if family != AF_INET or m.keylen > sizeof(m.key):
        return -EINVAL
    if name == TCP_MD5SIG_EXT and m.flags & MD5SIG_PREFIX:
        if m.prefix > 32:
            return -EINVAL
        bits = 96 + m.prefix
    addr_set_v4(&peer, m.addr + 4)
    return signature_set(&n.s.tcp, so.pcb, &peer, <uint8_t>bits, m.key, m.keylen)


cdef int option_set(net *n, sock *so, int level, int name, const void *value, uint32_t length) noexcept nogil:
    cdef int small
    if level == IPPROTO_TCP and so.kind == KIND_TCP and fast_option(name):
        return fast_set(n, so, name, value, length)
    if congestion_option(so, level, name):
        return congestion_option_set(n, so, name, value, length)
    if level == SOL_SOCKET and name == SO_LINGER:
        return set_linger(so, value, length)
    if level == SOL_SOCKET and (name == SO_RCVTIMEO or name == SO_SNDTIMEO):
        return set_time_limit(n, so, name, value, length)
    if level == IPPROTO_TCP and so.kind == KIND_TCP and (name == TCP_MD5SIG or name == TCP_MD5SIG_EXT):
        return set_signature(n, so, name, value, length)
    if level != SOL_SOCKET and level != IPPROTO_IP and (level != IPPROTO_TCP or so.kind != KIND_TCP):
        return -ENOPROTOOPT
    if level == IPPROTO_IP and length < sizeof(int):
        small = (<const uint8_t *>value)[0] if length else 0    # one byte is enough for what has no more
    elif length < sizeof(int):
        return -EINVAL
    else:
        memcpy(&small, value, sizeof(int))
    if level == SOL_SOCKET:
        return set_socket_option(n, so, name, small)
    if level == IPPROTO_TCP and so.kind == KIND_TCP and tcp_option(name):
        return tcp_set(&n.s.tcp, so.pcb, tcp_option(name), small)
    if level == IPPROTO_TCP and so.kind == KIND_TCP and name == TCP_INQ:
        return set_inq(so, small)
    return set_ip_option(n, so, name, small) if level == IPPROTO_IP else -ENOPROTOOPT
