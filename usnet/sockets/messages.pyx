"""Calls of a socket that are made of others: messages in several pieces, whole files, files over the socket, and what
has no meaning for descriptors of a stack's own.

Each piece goes through the socket's own send and recv, so these calls wait, time out and fail as those do.
"""
import io
import socket as std
import struct

from libc.errno cimport EINVAL, EOPNOTSUPP

from usnet.ip.state cimport READY_RDHUP
from usnet.sockets.api cimport usn_ready
from usnet.sockets.constants cimport IP_RECVERR, MSG_CTRUNC, MSG_ERRQUEUE, MSG_TRUNC, SIOCINQ, SO_TIMESTAMPING, SOCK_STREAM, TCP_INQ
from usnet.sockets.convert cimport os_error
from usnet.sockets.endpoint cimport Endpoint
from usnet.sockets.errors cimport usn_note, usn_recverr
from usnet.sockets.queues cimport usn_ioctl
from usnet.sockets.table cimport SF_INQ, sock, sock_at

cdef enum:
    BLOCK = 65536               # bytes of a file read at a time
    SECOND = 1000000000         # ns


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


cdef tuple fitting(list told, Py_ssize_t room):
    """Those that `room` bytes of ancillary data hold, and MSG_CTRUNC if that is not all."""
    kept = []
    for one in told:
        need = std.CMSG_LEN(len(one[2]))
        if need > room:
            return kept, MSG_CTRUNC
        kept.append(one)
        room -= min(room, std.CMSG_SPACE(len(one[2])))
    return kept, 0


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
        """(data, ancillary data: TCP_INQ, MSG_TRUNC if a datagram was cut off, sender). MSG_ERRQUEUE: what the error queue tells, as Linux does."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        if ancbufsize < 0:
            raise ValueError("invalid ancillary data buffer length")
        self.enter()
        if flags & MSG_ERRQUEUE:
            told, found = self.take_note(ancbufsize)
            return b"", told, found, None
        room = bytearray(bufsize)
        n, found, sender = self.take_message([memoryview(room)], flags)
        told, more = self.unread(ancbufsize)
        return bytes(room[:n]), told, found | more, sender

    def recvmsg_into(self, buffers, Py_ssize_t ancbufsize=0, int flags=0, /):
        """As recvmsg, into the pieces, one after the other: (bytes, ancillary data, flags, sender)."""
        if ancbufsize < 0:
            raise ValueError("invalid ancillary data buffer length")
        self.enter()
        if flags & MSG_ERRQUEUE:
            told, found = self.take_note(ancbufsize)
            return 0, told, found, None
        n, found, sender = self.take_message(flat(buffers, "recvmsg_into", True), flags)
        told, more = self.unread(ancbufsize)
        return n, told, found | more, sender

    cdef tuple unread(self, Py_ssize_t room):
        """TCP_INQ: how much is left to read, 1 where only the end of the stream is; and MSG_CTRUNC where there is no room for it."""
        cdef sock *so = sock_at(&self.stack_.n, self.fd)
        cdef int left = 0
        if so == NULL or not so.flags & SF_INQ:
            return [], 0
        usn_ioctl(&self.stack_.n, self.fd, SIOCINQ, &left)
        if left == 0 and usn_ready(&self.stack_.n, self.fd) & READY_RDHUP:
            left = 1
        return fitting([(std.IPPROTO_TCP, TCP_INQ, left.to_bytes(4, "little"))], room)

    cdef tuple take_note(self, Py_ssize_t room):
        """The first of the error queue as ancillary data; BlockingIOError where it is empty, whatever the timeout."""
        cdef usn_note note
        cdef int status = usn_recverr(&self.stack_.n, self.fd, &note)
        if status < 0:
            raise os_error(status)
        told = []
        if note.ee_errno:
            told.append((std.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("=6q", note.time // SECOND, note.time % SECOND, 0, 0, 0, 0)))
        extended = struct.pack("=IBBBBII", note.ee_errno, note.ee_origin, 0, note.ee_code, 0, note.ee_info, note.ee_data)
        told.append((std.IPPROTO_IP, IP_RECVERR, extended + bytes(16)))
        told, more = fitting(told, room)
        return told, note.msg_flags | more

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
