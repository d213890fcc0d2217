"""Sends that are told of later, and how they are."""
from libc.errno cimport EAGAIN, ENOMSG
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.sockets.constants cimport MSG_EOR, MSG_ERRQUEUE, MSG_MORE, MSG_OOB, MSG_TRUNC, MSG_ZEROCOPY
from usnet.sockets.table cimport KIND_TCP, SF_STAMPS, SF_ZEROCOPY, net, sock, sock_find
from usnet.tcp.aside cimport (
    MARK_EOR, MARK_STAMP, MARK_ZEROCOPY, ORIGIN_TIMESTAMPING, ORIGIN_ZEROCOPY, SOF_OPT_TSONLY, aside_at, mark_end, note, note_take,
)
from usnet.tcp.calls cimport tcp_send, tcp_send_frames
from usnet.tcp.state cimport tcb_at
from usnet.tcp.tcb cimport tcb
from usnet.tcp.urgent cimport urgent_send

cdef enum:
    COPIED = 1                  # SO_EE_CODE_ZEROCOPY_COPIED


cdef int mark_send(net *n, const sock *so, int flags, int64_t now) noexcept nogil:
    """Behind what was sent."""
    cdef tcb *k = tcb_at(&n.s.tcp, so.pcb)
    cdef uint32_t kinds = (MARK_EOR if flags & MSG_EOR else 0) | (MARK_STAMP if so.flags & SF_STAMPS else 0)
    cdef int status = 0
    if flags & MSG_ZEROCOPY and so.flags & SF_ZEROCOPY:
        status = mark_end(&n.s.tcp, k, MARK_ZEROCOPY, now)
    if status == 0 and kinds:
        status = mark_end(&n.s.tcp, k, kinds, now)
    if status == 0 and flags & MSG_OOB:
        status = urgent_send(&n.s.tcp, k)
    return status


cdef int64_t send_marked(net *n, sock *so, const uint8_t *p, uint32_t length, int flags, int64_t now) noexcept nogil:
    cdef int64_t done
    if n.s.tcp.config.charged_buffers:
        done = tcp_send_frames(&n.s.tcp, so.pcb, p, length, flags & MSG_MORE != 0, now)
    else:
        done = tcp_send(&n.s.tcp, so.pcb, tcb_at(&n.s.tcp, so.pcb), p, length, flags & MSG_MORE != 0)
    if done <= 0 or flags & USN_NOMARK:
        return done
    if done < length:
        flags &= ~(MSG_EOR | MSG_OOB)       # what they are about has not been taken
    mark_send(n, so, flags, now)
    return done


cdef int usn_mark(net *n, int fd, int flags, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0 or so.kind != KIND_TCP:
        return status
    return mark_send(n, so, flags, now)


cdef int usn_recverr(net *n, int fd, usn_note *out) noexcept nogil:
    cdef sock *so
    cdef note found
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if so.kind != KIND_TCP:
        return -EAGAIN
    status = note_take(&n.s.tcp, so.pcb, &found)
    if status < 0:
        return status
    out.time = found.time
    out.ee_origin = found.origin
    out.ee_info = found.info
    out.ee_data = found.data
    out.ee_errno = ENOMSG if found.origin == ORIGIN_TIMESTAMPING else 0
    out.ee_code = COPIED if found.origin == ORIGIN_ZEROCOPY else 0
    out.msg_flags = MSG_ERRQUEUE
    if found.origin == ORIGIN_TIMESTAMPING and not aside_at(&n.s.tcp, tcb_at(&n.s.tcp, so.pcb)).stamps & SOF_OPT_TSONLY:
        out.msg_flags |= MSG_TRUNC
    return 0
