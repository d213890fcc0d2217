"""The error queue of a stream (MSG_ERRQUEUE), and sends that leave word in it: SO_ZEROCOPY, SO_TIMESTAMPING; records (MSG_EOR)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.sockets.table cimport net, sock

cdef enum:
    USN_NOMARK = 0x10000000     # flag of usn_send: usn_mark will be called behind the last piece

cdef struct usn_note:           # what the error queue holds, in the terms of Linux's struct sock_extended_err and struct scm_timestamping
    int64_t time                # ns of the stack's clock, of a timestamp; else 0
    uint32_t ee_errno           # ENOMSG of a timestamp, else 0
    uint8_t ee_origin           # SO_EE_ORIGIN_TIMESTAMPING or SO_EE_ORIGIN_ZEROCOPY
    uint8_t ee_code             # SO_EE_CODE_ZEROCOPY_COPIED: all sends are copied, as Linux copies over loopback
    uint32_t ee_info            # the first zero-copy send of a range, or SCM_TSTAMP_*
    uint32_t ee_data            # the last of it, or the key of the send
    int msg_flags               # MSG_ERRQUEUE, and MSG_TRUNC where the packet would have followed (it is not kept)

# The first of the error queue. 0, -EAGAIN (nothing there), -EBADF, -ENOTSOCK. It never waits.
cdef int usn_recverr(net *n, int fd, usn_note *out) noexcept nogil
# A send with USN_NOMARK in several pieces, of which the last has been taken: flags as for one in one piece. 0 or -ENOBUFS.
cdef int usn_mark(net *n, int fd, int flags, int64_t now) noexcept nogil

# For sockets/api: usn_send of a stream with such flags, or such a socket.
cdef int64_t send_marked(net *n, sock *so, const uint8_t *p, uint32_t length, int flags, int64_t now) noexcept nogil
