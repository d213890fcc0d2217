"""Fast Open (RFC 7413) as Linux's sockets offer it, errors included."""
from libc.errno cimport EINPROGRESS, EINVAL, EOPNOTSUPP
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from usnet.ip.state cimport READY_HUP, READY_OUT
from usnet.memory.arena cimport NONE
from usnet.sockets.api cimport connect_outcome, here_if_any
from usnet.sockets.constants cimport MSG_MORE, MSG_WAITALL
from usnet.sockets cimport constants as c
from usnet.sockets.host cimport Stack
from usnet.sockets.ready cimport news_consumed
from usnet.sockets.table cimport (
    SF_CONNECTING, SF_DEFERRED, SF_FASTOPEN_CONNECT, SF_NO_COOKIE, net, sock,
)
from usnet.tcp.calls cimport tcp_send
from usnet.tcp.fast cimport FAST_KEY_BYTES, FASTOPEN_CLIENT, fast_keys_set, fast_paths_forget, fast_state
from usnet.tcp.fastopen cimport (
    FAST_DEFER, FAST_NO_COOKIE, FAST_WAITS, fastopen_begin, fastopen_connect, fastopen_keys, fastopen_limit, fastopen_set_keys,
    fastopen_set_limit, fastopen_set_no_cookie,
)
from usnet.tcp.state cimport tcb_at
from usnet.tcp.tcb cimport TCPS_CLOSED, TCPS_SYN_SENT, tcb

# Names that Python's socket does not have everywhere
MSG_FASTOPEN = c.MSG_FASTOPEN
TCP_FASTOPEN_CONNECT = c.TCP_FASTOPEN_CONNECT
TCP_FASTOPEN_KEY = c.TCP_FASTOPEN_KEY
TCP_FASTOPEN_NO_COOKIE = c.TCP_FASTOPEN_NO_COOKIE


cdef inline uint32_t how(const sock *so, int flags) noexcept nogil:
    return (FAST_NO_COOKIE if so.flags & SF_NO_COOKIE else 0) | (FAST_WAITS if flags & MSG_WAITALL else 0)


cdef int64_t fast_sendto(net *n, int fd, sock *so, const uint8_t *p, uint32_t length, int flags, const ip_addr *addr, uint16_t port,
                         int64_t now) noexcept nogil:
    cdef const tcb *k = tcb_at(&n.s.tcp, so.pcb)
    cdef int64_t done
    cdef ip_addr to
    if not n.s.tcp.config.fastopen & FASTOPEN_CLIENT:
        return -EOPNOTSUPP
    if so.flags & SF_DEFERRED:
        so.flags &= <uint16_t>~SF_DEFERRED
        if k.state == TCPS_SYN_SENT and k.fast != NONE:
            news_consumed(n, fd, READY_OUT)
            return fastopen_begin(&n.s.tcp, so.pcb, p, length, how(so, flags), now)
    if so.flags & SF_CONNECTING:
        done = connect_outcome(n, so)
        if done == 0:
            done = tcp_send(&n.s.tcp, so.pcb, tcb_at(&n.s.tcp, so.pcb), p, length, flags & MSG_MORE != 0)
            news_consumed(n, fd, READY_OUT)
        return done
    if addr == NULL:
        return -EINVAL
    to = here_if_any(addr, port)
    done = fastopen_connect(&n.s.tcp, so.pcb, &to, port, p, length, how(so, flags), now)
    if done >= 0 or done == -EINPROGRESS:
        so.flags |= SF_CONNECTING
        news_consumed(n, fd, READY_OUT | READY_HUP)
    return done


cdef int fast_connect(net *n, sock *so, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil:
    cdef int64_t status = fastopen_connect(&n.s.tcp, so.pcb, addr, port, NULL, 0, FAST_DEFER | how(so, 0), now)
    if status == 0:
        so.flags |= SF_CONNECTING | SF_DEFERRED
    return <int>status


cdef bint fast_option(int name) noexcept nogil:
    return name == c.TCP_FASTOPEN or name == c.TCP_FASTOPEN_CONNECT or name == c.TCP_FASTOPEN_KEY or name == c.TCP_FASTOPEN_NO_COOKIE


cdef int set_mode(net *n, sock *so, int name, int value) noexcept nogil:
    """One of the two that are on or off."""
    cdef uint16_t flag = SF_FASTOPEN_CONNECT if name == c.TCP_FASTOPEN_CONNECT else SF_NO_COOKIE
    cdef int status = 0
    if value != 0 and value != 1:
        return -EINVAL
    if name == c.TCP_FASTOPEN_NO_COOKIE:
        status = fastopen_set_no_cookie(&n.s.tcp, so.pcb, value)
    elif not n.s.tcp.config.fastopen & FASTOPEN_CLIENT:
        return -EOPNOTSUPP
    elif tcb_at(&n.s.tcp, so.pcb).state != TCPS_CLOSED:
        return -EINVAL
    if status == 0:
        so.flags = so.flags | flag if value else so.flags & <uint16_t>~flag
    return status


cdef int fast_set(net *n, sock *so, int name, const void *value, uint32_t length) noexcept nogil:
    cdef int small
    if name == c.TCP_FASTOPEN_KEY:
        return fastopen_set_keys(&n.s.tcp, so.pcb, <const uint8_t *>value, length)
    if length < sizeof(int):
        return -EINVAL
    memcpy(&small, value, sizeof(int))
    return fastopen_set_limit(&n.s.tcp, so.pcb, small) if name == c.TCP_FASTOPEN else set_mode(n, so, name, small)


cdef int fast_get(net *n, sock *so, int name, void *value, uint32_t *length) noexcept nogil:
    cdef uint8_t raw[32]                        # FAST_KEYS * FAST_KEY_BYTES
    cdef uint32_t size = sizeof(int)
    cdef int small
    if name == c.TCP_FASTOPEN_KEY:
        size = fastopen_keys(&n.s.tcp, so.pcb, raw)
    else:
        if name == c.TCP_FASTOPEN:
            small = <int>fastopen_limit(&n.s.tcp, so.pcb)
        else:
            small = so.flags & (SF_FASTOPEN_CONNECT if name == c.TCP_FASTOPEN_CONNECT else SF_NO_COOKIE) != 0
        memcpy(raw, &small, sizeof(int))
    if length[0] > size:
        length[0] = size
    memcpy(value, raw, length[0])
    return 0


# --- Of a whole stack, in Python ---

def forget_servers(Stack stack not None):
    """Forgets the cookies, and whatever else is known of servers, as `ip tcp_metrics flush` does."""
    stack.enter()
    fast_paths_forget(&stack.n.s.tcp.fast)


def set_keys(Stack stack not None, bytes key not None, bytes before=None):
    """The key (16 bytes) of which cookies are made for listeners without TCP_FASTOPEN_KEY. Those made of the one `before` hold too, and are
    replaced. By default it is drawn from the stack's generator."""
    cdef bytes raw = key + (before or b"")
    if len(key) != FAST_KEY_BYTES or (before is not None and len(before) != FAST_KEY_BYTES):
        raise ValueError(f"a key has {FAST_KEY_BYTES} bytes")
    stack.enter()
    stack.n.s.tcp.fast.n_keys = <uint32_t>(len(raw) // FAST_KEY_BYTES)
    fast_keys_set(stack.n.s.tcp.fast.key, <const uint8_t *>raw, stack.n.s.tcp.fast.n_keys)


def counters(Stack stack not None):
    """What a stack counts of Fast Open: `asked` for a cookie, `active` and `passive` connections whose first data went with the SYN, and those that
    failed, by the names of tcp/fast.pxd."""
    cdef const fast_state *f = &stack.n.s.tcp.fast
    return {
        "asked": f.asked, "active": f.active, "active_fails": f.active_fails, "passive": f.passive, "passive_fails": f.passive_fails,
        "passive_old_key": f.passive_old_key, "overflows": f.overflows, "blackholed": f.blackholed,
    }
