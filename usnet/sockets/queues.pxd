"""What waits in a socket's queues: how much there is to read, how much is not sent or not acknowledged (ioctl)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.sockets.table cimport net

# SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), SIOCOUTQNSD, SIOCATMARK: 0 and *value, or -EBADF, -EINVAL (of a listener), -ENOTTY.
cdef int usn_ioctl(net *n, int fd, unsigned long request, int *value) noexcept nogil
