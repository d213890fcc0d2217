"""Noting what happens to frames."""
import numpy

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE
from libc.errno cimport ENOMEM
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy


HAPPENING = numpy.dtype([
    ("time", "i8"), ("index", "u8"), ("link", "u4"), ("length", "u4"), ("queue_packets", "u4"), ("queue_bytes", "u4"),
    ("direction", "u1"), ("what", "u1"), ("cause", "u1"), ("altered", "u1"), ("pad", "u4"),
])
"""One row of the event log: `happening` of journal.pxd. Times in ns, lengths in bytes."""

WHAT = ("sent", "delivered", "dropped")
CAUSE = ("", "down", "mtu", "fate", "queue", "loss", "overrun", "aqm")

assert HAPPENING.itemsize == sizeof(happening) and len(CAUSE) == DROP_CAUSES


cdef int keep_old(journal *j) noexcept nogil:
    """The rows are being looked at: they stay where they are until nobody does, and the log goes on in a copy."""
    cdef happening **old = <happening **>realloc(j.old, (j.n_old + 1) * sizeof(happening *))
    if old == NULL:
        return -ENOMEM
    j.old = old
    j.old[j.n_old] = j.rows
    j.n_old += 1
    return 0


cdef int journal_grow(journal *j) noexcept nogil:
    cdef size_t room = j.room * 2 if j.room else 1024
    cdef happening *rows
    if j.views == 0:
        rows = <happening *>realloc(j.rows, room * sizeof(happening))
    else:
        rows = <happening *>malloc(room * sizeof(happening))
        if rows != NULL:
            if keep_old(j) < 0:
                free(rows)
                return -ENOMEM
            memcpy(rows, j.rows, j.n * sizeof(happening))
    if rows == NULL:
        return -ENOMEM
    j.rows = rows
    j.room = room
    return 0


cdef void free_old(journal *j) noexcept nogil:
    cdef size_t i
    for i in range(j.n_old):
        free(j.old[i])
    free(j.old)
    j.old = NULL
    j.n_old = 0


cdef void journal_free(journal *j) noexcept nogil:
    free_old(j)
    free(j.rows)
    j.rows = NULL
    j.n = j.room = 0


cdef void observe(world *w, const happening *h, const uint8_t *p) noexcept nogil:
    if w.log.on:
        if w.log.n == w.log.room and journal_grow(&w.log) < 0:
            w.s.error = ENOMEM
            w.s.interrupted = True
        else:
            w.log.rows[w.log.n] = h[0]
            w.log.n += 1
    if w.tap != NULL:
        w.tap(w.owner, h, p)


cdef class EventLog:
    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if flags & PyBUF_WRITABLE:
            raise BufferError("the event log is read-only")
        self.shape[0] = <Py_ssize_t>(self.log.n * sizeof(happening))
        self.strides[0] = 1
        buffer.buf = <void *>self.log.rows
        buffer.obj = self
        buffer.len = self.shape[0]
        buffer.itemsize = 1
        buffer.readonly = True
        buffer.ndim = 1
        buffer.format = <char *>b"B" if flags & PyBUF_FORMAT else <char *>NULL
        buffer.shape = NULL
        buffer.strides = NULL
        if flags & PyBUF_ND:
            buffer.shape = self.shape
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            buffer.strides = self.strides
        buffer.suboffsets = NULL
        buffer.internal = NULL
        self.log.views += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.log.views -= 1
        if self.log.views == 0:
            free_old(self.log)
