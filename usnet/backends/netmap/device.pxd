"""Who answers netmap's system calls: the kernel's module behind /dev/netmap, or the stand-in. Everything above speaks to this, and does not ask
which.

The calls are those of the module's descriptor, and they mean exactly what they mean there (netmap(4)): nothing is added or smoothed over here.
Descriptors are numbers of the device's own; the kernel's are real ones, the stand-in's are not.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    NM_POLLIN = 0x1             # poll(2)'s values
    NM_POLLOUT = 0x4
    NM_POLLERR = 0x8
    KERNEL_DESCRIPTORS = 256    # that one KernelDevice has open at most


cdef class Device:
    """One source of descriptors. Errors are -errno; nothing here raises.

    Calls for one descriptor come from one thread at a time.
    """
    cdef readonly str path                  # "/dev/netmap", or what the stand-in calls itself: for messages
    cdef uint64_t txsync_request            # the numbers of NIOCTXSYNC and NIOCRXSYNC here: they differ between Linux and FreeBSD
    cdef uint64_t rxsync_request
    cdef int open(self) noexcept                                                # a descriptor, or -errno
    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil    # 0 or -errno
    cdef void *map(self, int fd, uint64_t size, int *status) noexcept           # the memory from offset 0, or NULL and status
    cdef void unmap(self, void *at, uint64_t size) noexcept
    # Puts private memory of zeros in the place of the mapping, for those who still look at it: the module is rid of it, and unmap() comes later.
    # False: not here; the mapping stays as it is
    cdef bint forget(self, void *at, uint64_t size) noexcept
    # NM_POLL* that are ready of those asked for, as poll(2) would say (with NM_POLLERR), or -errno. It syncs rings as the module's poll does.
    # timeout_ns: 0 does not block, negative waits for ever
    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil
    cdef int close(self, int fd) noexcept                                       # gives all back: 0 or -errno
    # For waiting beside other things: a real descriptor that polls readable (level-triggered) while one of the events asked for last is ready,
    # until the next sync or poll; never for events of 0. watch() makes or changes it: the descriptor, or -errno. It belongs to the device and ends with close().
    cdef int watch(self, int fd, int events) noexcept nogil


cdef class KernelDevice(Device):
    """The kernel's module. `path`: the device file."""
    cdef int fds[256]                       # open ones; -1: a free entry
    cdef int epolls[256]                    # what watch() made for them; -1: nothing yet
