"""Calls of a socket that are made of others: messages in several pieces, whole files, files over the socket, and what
has no meaning for descriptors of a stack's own.

Each piece goes through the socket's own send and recv, so these calls wait, time out and fail as those do.
"""
import io
import socket as std

from libc.errno cimport EINVAL, EOPNOTSUPP

from usnet.sockets.constants cimport MSG_TRUNC, SOCK_STREAM
from usnet.sockets.convert cimport os_error
from usnet.sockets.endpoint cimport Endpoint
from usnet.sockets.queues cimport usn_ioctl

cdef enum:
    BLOCK = 65536               # bytes of a file read at a time


cdef list flat(object buffers, str caller, bint writable):
    """The pieces as memoryviews of bytes."""
    try:
        pieces = list(buffers)
    except TypeError:
        raise TypeError(f"{caller}() argument 1 must be iterable") from None
    views = [memoryview(piece).cast("B") for piece in pieces]
    if writable and any(view.readonly for view in views):
        raise TypeError(f"{caller}() argument 1 must be an iterable of single-segment read-write buffers")
    return views


cdef class Messages(Endpoint):
    """Base of usnet.socket, between what an endpoint is and what it does."""

    # Messages in pieces

    def sendmsg(self, buffers, ancdata=(), int flags=0, address=None, /):
        """Sends the pieces as one: a datagram, or a stretch of the stream. Ancillary data is not taken (EINVAL)."""
        self.enter()
        views = flat(buffers, "sendmsg", False)
        if len(list(ancdata)):
            raise os_error(-EINVAL)
        data = views[0] if len(views) == 1 else b"".join(views)
        if address is None:
            return self.send(data, flags)
        return self.sendto(data, flags, address)

    cdef tuple take(self, object room, int flags):
        """(bytes got, flags of the message, sender) into a buffer."""
        cdef int found = 0
        if self.type_ == SOCK_STREAM:
            return self.recvfrom_into(room, 0, flags)[0], 0, None
        got, sender = self.recvfrom_into(room, 0, flags | MSG_TRUNC)
        if got > len(room):
            found = MSG_TRUNC
            got = got if flags & MSG_TRUNC else len(room)
        return got, found, sender

    def recvmsg(self, Py_ssize_t bufsize, Py_ssize_t ancbufsize=0, int flags=0, /):
        """(data, ancillary data: none, MSG_TRUNC if a datagram was cut off, sender)."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        if ancbufsize < 0:
            raise ValueError("invalid ancillary data buffer length")
        self.enter()
        room = bytearray(bufsize)
        n, found, sender = self.take_message([memoryview(room)], flags)
        return bytes(room[:n]), [], found, sender

    def recvmsg_into(self, buffers, Py_ssize_t ancbufsize=0, int flags=0, /):
        """As recvmsg, into the pieces, one after the other: (bytes, ancillary data: none, flags, sender)."""
        if ancbufsize < 0:
            raise ValueError("invalid ancillary data buffer length")
        self.enter()
        n, found, sender = self.take_message(flat(buffers, "recvmsg_into", True), flags)
        return n, [], found, sender

    cdef tuple take_message(self, list views, int flags):
        total = sum(map(len, views))
        if len(views) == 1 and total:
            return self.take(views[0], flags)
        room = bytearray(total)
        n, found, sender = self.take_any(room, flags)
        at = 0
        for view in views:
            part = room[at:min(at + len(view), n)]
            view[:len(part)] = part
            at += len(part)
        return n, found, sender

    cdef tuple take_any(self, object room, int flags):
        """take() that also takes a datagram into no room at all."""
        if len(room) or self.type_ == SOCK_STREAM:
            return self.take(room, flags)
        n, sender = self.recvfrom_into(bytearray(1), 0, flags | MSG_TRUNC)
        return (n if flags & MSG_TRUNC else 0), (MSG_TRUNC if n else 0), sender

    def ioctl(self, unsigned long request, /):
        """What a request of ioctl(2) asks for, an int: SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), SIOCOUTQNSD, SIOCATMARK."""
        cdef int value = 0
        self.enter()
        status = usn_ioctl(&self.stack_.n, self.fd, request, &value)
        if status < 0:
            raise os_error(status)
        return value

    # Files

    def sendfile(self, file, offset=0, count=None):
        """Sends a file opened for binary reading, from `offset` on, up to `count` bytes: how many. The file's position
        ends behind what was sent.
        """
        self.enter()
        if "b" not in getattr(file, "mode", "b"):
            raise ValueError("file should be opened in binary mode")
        if self.type_ != SOCK_STREAM:
            raise ValueError("only SOCK_STREAM type sockets are supported")
        if count is not None and (not isinstance(count, int) or count <= 0):
            raise (ValueError if isinstance(count, int) else TypeError)(f"count must be a positive integer (got {count!r})")
        if self.timeout_ns == 0:
            raise ValueError("non-blocking sockets are not supported")
        if offset:
            file.seek(offset)
        sent = 0
        try:
            while count is None or sent < count:
                data = memoryview(file.read(BLOCK if count is None else min(BLOCK, count - sent)))
                if not data:
                    break
                while data:
                    n = self.send(data)
                    sent += n
                    data = data[n:]
            return sent
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)

    def makefile(self, mode="r", buffering=None, *, encoding=None, errors=None, newline=None):
        """A file over the socket, as the standard library's. The socket is closed once it and all its files are."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing = "w" in mode
        reading = "r" in mode or not writing
        binary = "b" in mode
        raw = std.SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))
        self.io_refs += 1
        if buffering is None or buffering < 0:
            buffering = io.DEFAULT_BUFFER_SIZE
        if buffering == 0:
            if not binary:
                raise ValueError("unbuffered streams must be binary")
            return raw
        if reading and writing:
            buffer = io.BufferedRWPair(raw, raw, buffering)
        else:
            buffer = (io.BufferedReader if reading else io.BufferedWriter)(raw, buffering)
        if binary:
            return buffer
        text = io.TextIOWrapper(buffer, io.text_encoding(encoding), errors, newline)
        text.mode = mode
        return text

    def _decref_socketios(self):
        """A file made of the socket was closed."""
        if self.io_refs > 0:
            self.io_refs -= 1
        if self.closed_:
            self.close()

    # What descriptors of a stack cannot do

    def dup(self):
        """A second descriptor of one socket is not offered (EOPNOTSUPP): a descriptor of a stack is the socket."""
        self.enter()
        raise os_error(-EOPNOTSUPP)

    def get_inheritable(self):
        """False: the stack's descriptors mean nothing to another process."""
        self.enter()
        return False

    def set_inheritable(self, inheritable):
        self.enter()
        if inheritable:
            raise os_error(-EOPNOTSUPP)
