"""How much stands in the queues of a socket: ioctl(2) of tcp(7) and udp(7)."""
from libc.errno cimport EINVAL, ENOTTY

from usnet.ip.udp cimport udp_pcb, udp_record
from usnet.memory.arena cimport arena_at
from usnet.memory.chunks cimport chain_read
from usnet.sockets.constants cimport SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD
from usnet.sockets.table cimport KIND_TCP, net, sock, sock_find
from usnet.tcp.aside cimport aside_at
from usnet.tcp.state cimport tcb_seen
from usnet.tcp.urgent cimport urgent_at_mark, urgent_before
from usnet.tcp.tcb cimport TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_ASIDE, TF_FIN_QUEUED, TF_FIN_SENT, tcb


cdef int of_stream(net *n, const sock *so, unsigned long request) noexcept nogil:
    """The FIN takes a sequence number, and counts in what waits to be sent, as in Linux."""
    cdef tcb room
    cdef const tcb *k = tcb_seen(&n.s.tcp, so.pcb, &room)
    cdef bint fin = k.flags & TF_FIN_QUEUED != 0
    if request == SIOCATMARK:
        return urgent_at_mark(&n.s.tcp, k)
    if k.state == TCPS_LISTEN:
        return -EINVAL
    if request == SIOCINQ:
        return <int>(urgent_before(&n.s.tcp, k) if k.flags & TF_ASIDE and not aside_at(&n.s.tcp, k).oob_inline else k.rcv_ready)
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        return 0
    if request == SIOCOUTQ:
        return <int>(k.snd.span + (1 if fin and not (k.flags & TF_FIN_SENT and k.snd_una == k.snd_max) else 0))
    return <int>(k.snd.span + fin - (k.snd_nxt - k.snd_una)) if k.snd.span or not k.flags & TF_FIN_SENT else 0


cdef int of_datagrams(net *n, const sock *so, unsigned long request) noexcept nogil:
    """Of the next datagram; none ever waits to be sent."""
    cdef udp_pcb *u = <udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)
    cdef udp_record record
    if request == SIOCOUTQ or u.n_queued == 0:
        return 0
    if request != SIOCINQ:
        return -ENOTTY
    chain_read(n.s.ip.chunks, &u.queue, 0, <unsigned char *>&record, sizeof(udp_record))
    return <int>record.length


cdef int usn_ioctl(net *n, int fd, unsigned long request, int *value) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if request != SIOCINQ and request != SIOCOUTQ and request != SIOCOUTQNSD and request != SIOCATMARK:
        return -ENOTTY
    status = of_stream(n, so, request) if so.kind == KIND_TCP else of_datagrams(n, so, request)
    if status < 0:
        return status
    value[0] = status
    return 0
