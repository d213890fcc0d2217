"""A device that writes down what goes through it: each call, what the user had changed in the rings since the last one, and what the call changed.

What is written, and how it is replayed on another device: trace.py.
"""
cimport cython
from cpython.buffer cimport PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint64_t, uintptr_t

from usnet.backends.netmap.abi cimport NIOCCTRL, NIOCGINFO, NIOCREGIF, nmreq_header, nmreq_legacy, nmreq_option
from usnet.backends.netmap.device cimport Device

from usnet.backends.netmap import trace


cdef object view(const void *at, Py_ssize_t size):
    return PyMemoryView_FromMemory(<char *>at, size, PyBUF_WRITE)


@cython.no_gc_clear                     # descriptors may outlive everything but their device
cdef class Recorder(Device):
    """`device` with a witness. `journal` (a trace.Journal) takes the calls.

    What goes wrong in the journal does not stop a call: it is kept in `failure`, and checked by check().
    """
    cdef readonly Device device
    cdef readonly object journal
    cdef public object failure

    def __cinit__(self, Device device, journal):
        self.device = device
        self.journal = journal
        self.path = device.path
        self.txsync_request = device.txsync_request
        self.rxsync_request = device.rxsync_request

    def check(self):
        """Raises what went wrong while writing."""
        if self.failure is not None:
            raise self.failure

    cdef int open(self) noexcept:
        cdef int fd = self.device.open()
        try:
            self.journal.opened(fd)
        except Exception as e:
            self.failure = self.failure or e
        return fd

    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil:
        with gil:
            return self.witnessed(fd, request, arg)

    cdef int witnessed(self, int fd, uint64_t request, void *arg) noexcept:
        cdef int status
        try:
            self.journal.before()
            name, said = self.describe(request, arg)
        except Exception as e:
            self.failure = self.failure or e
            return self.device.ioctl(fd, request, arg)
        with nogil:
            status = self.device.ioctl(fd, request, arg)
        try:
            self.journal.asked(fd, name, said, self.describe(request, arg)[1], status)
        except Exception as e:
            self.failure = self.failure or e
        return status

    cdef tuple describe(self, uint64_t request, void *arg):
        """(what the request is called, its fields as they stand)."""
        cdef nmreq_header *h
        cdef nmreq_option *o
        if request == self.txsync_request:
            return "TXSYNC", None
        if request == self.rxsync_request:
            return "RXSYNC", None
        if arg == NULL:
            return hex(request), None
        if request == NIOCCTRL:
            h = <nmreq_header *>arg
            kind, body = trace.BODIES.get(h.nr_reqtype, (f"REQUEST {h.nr_reqtype}", None))
            said = {"version": h.nr_version, "name": trace.text(h.nr_name[:64]), "reserved": h.nr_reserved}
            if h.nr_body == 0:
                said["no_body"] = True
            elif body is not None:
                said["body"] = body.read(view(<void *><uintptr_t>h.nr_body, body.size))
            options = []
            o = <nmreq_option *><uintptr_t>h.nr_options
            while o != NULL and len(options) < 16:
                options.append(trace.option(o.nro_reqtype).read(view(o, trace.option(o.nro_reqtype).size)))
                o = <nmreq_option *><uintptr_t>o.nro_next
            if options:
                said["options"] = options
            return kind, said
        if request in (NIOCREGIF, NIOCGINFO):
            return ("LEGACY_REGIF" if request == NIOCREGIF else "LEGACY_GINFO",
                    {"body": trace.LEGACY.read(view(arg, sizeof(nmreq_legacy)))})
        return hex(request), None

    cdef void *map(self, int fd, uint64_t size, int *status) noexcept:
        cdef void *at
        try:
            self.journal.before()
            at = self.device.map(fd, size, status)
            self.journal.mapped(fd, size, status[0], None if at == NULL else view(at, size), <uintptr_t>at)
        except Exception as e:
            self.failure = self.failure or e
        return at

    cdef void unmap(self, void *at, uint64_t size) noexcept:
        try:
            self.journal.unmapped(<uintptr_t>at)
        except Exception as e:
            self.failure = self.failure or e
        self.device.unmap(at, size)

    cdef bint forget(self, void *at, uint64_t size) noexcept:
        try:
            self.journal.unmapped(<uintptr_t>at)
        except Exception as e:
            self.failure = self.failure or e
        return self.device.forget(at, size)

    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil:
        cdef int ready
        with gil:
            try:
                self.journal.before()
            except Exception as e:
                self.failure = self.failure or e
        ready = self.device.poll(fd, events, timeout_ns)
        with gil:
            try:
                self.journal.polled(fd, events, timeout_ns, ready)
            except Exception as e:
                self.failure = self.failure or e
        return ready

    cdef int close(self, int fd) noexcept:
        cdef int status
        try:
            self.journal.before()
        except Exception as e:
            self.failure = self.failure or e
        status = self.device.close(fd)
        try:
            self.journal.closed(fd, status)
        except Exception as e:
            self.failure = self.failure or e
        return status

    cdef int watch(self, int fd, int events) noexcept nogil:
        return self.device.watch(fd, events)
