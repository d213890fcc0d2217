"""Who answers netmap's calls (device.pxd): the base, and the kernel's module."""
cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from libc.errno cimport EBADF, EMFILE, ENOSYS, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset, strncpy

from usnet.backends.netmap.abi cimport (
    NETMAP_API, NETMAP_REQ_IFNAMSIZ, NIOCCTRL, NIOCRXSYNC_FREEBSD, NIOCRXSYNC_LINUX, NIOCTXSYNC_FREEBSD, NIOCTXSYNC_LINUX, nmreq_header,
    nmreq_option,
)

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <poll.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <sys/mman.h>
    #include <time.h>
    #include <unistd.h>

    #ifdef __FreeBSD__
    #define US_NM_FREEBSD 1
    #else
    #define US_NM_FREEBSD 0
    #endif

    static int us_nm_poll(int fd, int events, long long timeout_ns)
    {
        struct pollfd p = {.fd = fd, .events = (short)events};
        struct timespec t = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
        return ppoll(&p, 1, timeout_ns < 0 ? NULL : &t, NULL) < 0 ? -errno : p.revents;
    }

    #ifdef __linux__
    #include <sys/epoll.h>

    /* An epoll descriptor with fd in it. Where there is no epoll, fd itself. */
    static int us_nm_watch(int *epoll_fd, int fd, int events)
    {
        struct epoll_event e;
        int made = 0;
        memset(&e, 0, sizeof e);
        e.data.fd = fd;
        e.events = (events & 1 ? EPOLLIN : 0) | (events & 4 ? EPOLLOUT : 0);
        if (*epoll_fd < 0) {
            *epoll_fd = epoll_create1(EPOLL_CLOEXEC);
            if (*epoll_fd < 0)
                return -errno;
            made = 1;
        }
        if (epoll_ctl(*epoll_fd, made ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e) < 0) {
            int error = errno;
            if (made) {
                close(*epoll_fd);
                *epoll_fd = -1;
            }
            return -error;
        }
        return *epoll_fd;
    }
    #else
    static int us_nm_watch(int *epoll_fd, int fd, int events)
    {
        return fd;
    }
    #endif
    """
    bint US_NM_FREEBSD
    int us_nm_poll(int fd, int events, long long timeout_ns) nogil
    int us_nm_watch(int *epoll_fd, int fd, int events) nogil
    int c_open "open"(const char *path, int flags)
    int c_close "close"(int fd)
    int c_ioctl "ioctl"(int fd, unsigned long request, void *arg) nogil
    void *c_mmap "mmap"(void *at, size_t size, int protection, int flags, int fd, long offset)
    int c_munmap "munmap"(void *at, size_t size)
    int O_RDWR, O_CLOEXEC, PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_ANON, MAP_FIXED
    void *MAP_FAILED


cdef class Device:
    """Base of those who answer netmap's calls: answers none (ENOSYS).

    The call_* methods are its calls as Python sees them, for tests and tools. Errors come back as -errno.
    """

    def __cinit__(self, *args, **kwargs):
        self.path = "no netmap device"
        self.txsync_request = NIOCTXSYNC_FREEBSD if US_NM_FREEBSD else NIOCTXSYNC_LINUX
        self.rxsync_request = NIOCRXSYNC_FREEBSD if US_NM_FREEBSD else NIOCRXSYNC_LINUX

    cdef int open(self) noexcept:
        return -ENOSYS

    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil:
        return -ENOSYS

    cdef void *map(self, int fd, uint64_t size, int *status) noexcept:
        status[0] = -ENOSYS
        return NULL

    cdef void unmap(self, void *at, uint64_t size) noexcept:
        pass

    cdef bint forget(self, void *at, uint64_t size) noexcept:
        return False

    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil:
        return -ENOSYS

    cdef int close(self, int fd) noexcept:
        return -ENOSYS

    cdef int watch(self, int fd, int events) noexcept nogil:
        return -ENOSYS

    def call_open(self):
        """A new descriptor, or -errno."""
        return self.open()

    def call_close(self, int fd):
        return self.close(fd)

    def call_txsync(self, int fd):
        """0, or -errno: ENXIO not registered."""
        cdef int status
        with nogil:
            status = self.ioctl(fd, self.txsync_request, NULL)
        return status

    def call_rxsync(self, int fd):
        """0, or -errno: ENXIO not registered."""
        cdef int status
        with nogil:
            status = self.ioctl(fd, self.rxsync_request, NULL)
        return status

    def call_ioctl(self, int fd, uint64_t request, argument=None):
        """Any call. `argument`: a bytearray, which takes the answer; None: NULL."""
        cdef uint8_t[::1] view
        cdef void *arg = NULL
        cdef int status
        if argument is not None:
            view = argument
            arg = &view[0]
        with nogil:
            status = self.ioctl(fd, request, arg)
        return status

    def call_control(self, int fd, uint16_t kind, name=b"", body=None, options=(), uint16_t version=NETMAP_API, uint32_t reserved=0):
        """NIOCCTRL: (0 or -errno, the name in the answer). `kind`: NETMAP_REQ_*; `body` and each of `options` are bytearrays laid out as abi.layout()
        says, and take the answer. Links between options are set here."""
        cdef nmreq_header h
        cdef nmreq_option *option
        cdef uint8_t[::1] view
        cdef const char *text = name
        cdef int status
        memset(&h, 0, sizeof(h))
        h.nr_version = version
        h.nr_reqtype = kind
        h.nr_reserved = reserved
        strncpy(h.nr_name, text, NETMAP_REQ_IFNAMSIZ)
        if body is not None:
            view = body
            h.nr_body = <uint64_t>&view[0]
        for each in reversed(options):
            view = each
            if view.shape[0] < <Py_ssize_t>sizeof(nmreq_option):
                raise ValueError("an option begins with an nmreq_option")
            option = <nmreq_option *>&view[0]
            option.nro_next = h.nr_options
            h.nr_options = <uint64_t>option
        with nogil:
            status = self.ioctl(fd, NIOCCTRL, &h)
        return status, (<bytes>h.nr_name[:NETMAP_REQ_IFNAMSIZ]).partition(b"\0")[0]

    def call_map(self, int fd, uint64_t size):
        """The memory as an object with the buffer protocol, unmapped with the last view of it; or -errno."""
        cdef int status = 0
        cdef void *at = self.map(fd, size, &status)
        if at == NULL:
            return status
        return Mapping.of(self, at, size)

    def call_poll(self, int fd, int events, int64_t timeout_ns=0):
        """NM_POLL* that are ready (POLLIN 1, POLLOUT 4, POLLERR 8), or -errno."""
        cdef int status
        with nogil:
            status = self.poll(fd, events, timeout_ns)
        return status

    def call_watch(self, int fd, int events):
        """A descriptor to wait for, or -errno."""
        cdef int status
        with nogil:
            status = self.watch(fd, events)
        return status

    def __repr__(self):
        return f"<{type(self).__name__} {self.path}>"


@cython.no_gc_clear                     # its end needs the device
cdef class Mapping:
    """netmap's memory, as bytes: memoryview(mapping)."""
    cdef Device device
    cdef void *at
    cdef Py_ssize_t size

    @staticmethod
    cdef Mapping of(Device device, void *at, uint64_t size):
        cdef Mapping m = Mapping.__new__(Mapping)
        m.device = device
        m.at = at
        m.size = size
        return m

    def __getbuffer__(self, Py_buffer *b, int flags):
        PyBuffer_FillInfo(b, self, self.at, self.size, False, flags)

    def __len__(self):
        return self.size

    def __dealloc__(self):
        if self.at != NULL:
            self.device.unmap(self.at, self.size)


cdef class KernelDevice(Device):
    """The kernel's module behind `path`. Linux; the parts for FreeBSD are untried."""

    def __cinit__(self, path="/dev/netmap"):
        cdef int i
        self.path = path
        for i in range(KERNEL_DESCRIPTORS):
            self.fds[i] = self.epolls[i] = -1

    cdef int open(self) noexcept:
        cdef int i
        cdef int fd
        cdef bytes path = self.path.encode("utf-8", "surrogateescape")
        for i in range(KERNEL_DESCRIPTORS):
            if self.fds[i] < 0:
                fd = c_open(path, O_RDWR | O_CLOEXEC)
                if fd < 0:
                    return -errno
                self.epolls[i] = -1
                self.fds[i] = fd
                return fd
        return -EMFILE

    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil:
        return -errno if c_ioctl(fd, request, arg) < 0 else 0

    cdef void *map(self, int fd, uint64_t size, int *status) noexcept:
        cdef void *at = c_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if at == MAP_FAILED:
            status[0] = -errno
            return NULL
        status[0] = 0
        return at

    cdef void unmap(self, void *at, uint64_t size) noexcept:
        c_munmap(at, size)

    cdef bint forget(self, void *at, uint64_t size) noexcept:
        return c_mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) != MAP_FAILED

    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil:
        return us_nm_poll(fd, events, timeout_ns)

    cdef int close(self, int fd) noexcept:
        cdef int i
        for i in range(KERNEL_DESCRIPTORS):
            if self.fds[i] == fd:
                if self.epolls[i] >= 0:
                    c_close(self.epolls[i])
                self.fds[i] = self.epolls[i] = -1
                break
        return -errno if c_close(fd) < 0 else 0

    cdef int watch(self, int fd, int events) noexcept nogil:
        cdef int i
        for i in range(KERNEL_DESCRIPTORS):
            if self.fds[i] == fd and fd >= 0:
                return us_nm_watch(&self.epolls[i], fd, events)
        return -EBADF
