"""The link under a port: see link.pxd."""
import os

from libc.errno cimport errno
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <net/if.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <unistd.h>

    static int us_nm_is_up(int s, const char *name)
    {
        struct ifreq r;
        int wanted = IFF_UP;
    #ifdef __linux__
        wanted |= IFF_RUNNING;      /* connected; elsewhere this flag means something else */
    #endif
        memset(&r, 0, sizeof r);
        strncpy(r.ifr_name, name, sizeof r.ifr_name - 1);
        return ioctl(s, SIOCGIFFLAGS, &r) < 0 ? -1 : (r.ifr_flags & wanted) == wanted;
    }
    """
    int us_nm_is_up(int s, const char *name) nogil
    int socket(int family, int kind, int protocol)
    int AF_INET, SOCK_DGRAM, SOCK_CLOEXEC
    int c_close "close"(int fd)


cdef class Interface:
    """Base: always up."""

    cdef int state(self) noexcept nogil:
        return 1

    @property
    def up(self):
        """It is there, up and connected."""
        return self.state() == 1


cdef class SystemInterface(Interface):
    """SystemInterface("em0"): asked by its flags."""

    def __cinit__(self, str name not None):
        cdef bytes raw = os.fsencode(name)
        self.query = -1
        if not 0 < len(raw) < sizeof(self.text):
            raise ValueError(f"{name!r} is no name of an interface")
        self.name = name
        memcpy(self.text, <const char *>raw, len(raw))
        self.query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        if self.query < 0:
            raise OSError(errno, os.strerror(errno), name)

    def __dealloc__(self):
        if self.query >= 0:
            c_close(self.query)

    cdef int state(self) noexcept nogil:
        return us_nm_is_up(self.query, self.text)
