"""Calls of a socket that are made of others."""
from usnet.sockets.endpoint cimport Endpoint


cdef class Messages(Endpoint):
    cdef tuple take(self, object room, int flags)
    cdef tuple unread(self, Py_ssize_t room)
    cdef tuple take_note(self, Py_ssize_t room)
    cdef tuple take_any(self, object room, int flags)
    cdef tuple take_message(self, list views, int flags)
