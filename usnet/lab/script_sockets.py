"""`_socket` and `select` of one script: its sockets are those of its host's stack. `socket` and `selectors` are the standard library's over them."""

import _socket as std
import errno
import io
import os
import select as std_select

from usnet.lab.script_modules import Refused, face
from usnet.lab.script_time import pause
from usnet.sockets import names
from usnet.sockets.epoll import epoll as stack_epoll
from usnet.sockets.socket import socket as stack_socket

READS = std_select.EPOLLIN | std_select.EPOLLHUP | std_select.EPOLLERR
WRITES = std_select.EPOLLOUT | std_select.EPOLLERR
NAMING = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")


def _no_dup(fd):
    raise OSError(errno.EOPNOTSUPP, "a socket of usnet has one descriptor (no dup() or fromfd()): hand the socket object on")


class _Slots(type):
    """Of classes derived from usnet.socket, which has a slot for weak references already: socket.socket asks for another."""

    def __new__(meta, name, bases, names):
        if "__slots__" in names:
            names["__slots__"] = [slot for slot in names["__slots__"] if slot != "__weakref__"]
        return super().__new__(meta, name, bases, names)


def socket_class(script):
    """_socket.socket for one script."""
    stack = script.stack

    class socket(stack_socket, metaclass=_Slots):  # noqa: N801
        __slots__ = ()

        def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
            super().__init__(family, type, proto, fileno, stack=stack)
            if self.gettimeout() is None:
                self.settimeout(script.default_timeout)
            script.opened(self)

        def listen(self, backlog=128, /):
            super().listen(backlog)
            script.started_serving()

        def bind(self, address, /):
            super().bind(address)
            if self.type == std.SOCK_DGRAM and address[1]:
                script.started_serving()

        def abandon(self):
            """Closes it at once, whoever still holds it."""
            if self.fileno() >= 0 and not stack.closed:
                self.settimeout(0)
                stack_socket.close(self)

        __del__ = abandon

    socket.__module__, socket.__qualname__ = "_socket", "socket"
    return socket


def socket_module(script):
    """The `_socket` module: all of the standard one's names."""
    stack = script.stack
    cls = socket_class(script)

    def bound(function):
        return lambda *args, **options: function(*args, stack=stack, **options)

    def set_default_timeout(timeout):
        if timeout is not None and timeout < 0:
            raise ValueError("Timeout value out of range")
        script.default_timeout = None if timeout is None else float(timeout)

    def close(fd):
        stack_socket(fileno=fd, stack=stack).close()

    made = face(
        "_socket", std, socket=cls, SocketType=cls, has_ipv6=False, close=close, dup=_no_dup,
        gethostname=lambda: script.host.name, sethostname=script.refuse("socket.sethostname", "the name that the host was given"),
        getdefaulttimeout=lambda: script.default_timeout, setdefaulttimeout=set_default_timeout,
        **{name: bound(getattr(names, name)) for name in NAMING},
    )  # fmt: skip
    del made.socketpair  # the standard library makes one out of two sockets
    return made


def descriptor(fileobj, stack):
    """The stack's descriptor that a socket, an epoll object or a number is. Refused for a real file."""
    if isinstance(fileobj, stack_epoll):
        return fileobj.descriptor
    if isinstance(fileobj, int):
        fd = fileobj
    else:
        try:
            fd = fileobj.fileno()
        except AttributeError:
            raise TypeError("argument must be an int, or have a fileno() method.") from None
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
        if is_os_file(fileobj):
            raise Refused(f"{fileobj!r} is a file of the operating system: only sockets can be waited for (a thread may read it)")
    if 0 <= fd <= 2:
        raise Refused(f"descriptor {fd} is the terminal's: only sockets can be waited for (a thread may read it)")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def is_os_file(fileobj):
    """Whether a file object reads from the operating system, not from a socket."""
    while not isinstance(fileobj, io.FileIO):
        fileobj = getattr(fileobj, "buffer", None) or getattr(fileobj, "raw", None)
        if fileobj is None:
            return False
    return True


class Selecting:
    """select() and poll() over the stack's epoll."""

    def __init__(self, script):
        self.script = script
        self.stack = script.stack

    def ready(self, masks, timeout):
        """{descriptor: events} of what is ready: waits for `masks` (descriptor -> events) up to `timeout` seconds, None: for ever. What is
        closed is POLLNVAL, at once."""
        closed = {}
        with self.script.epoll() as made:
            for fd, mask in masks.items():
                try:
                    made.register(fd, mask)
                except OSError as error:
                    if error.errno != errno.EBADF:
                        raise
                    closed[fd] = std_select.POLLNVAL
            return closed | dict(made.poll(0 if closed else timeout, max(len(masks), 1)))

    def select(self, rlist, wlist, xlist, timeout=None, /):
        """select.select()."""
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        asked = [[(descriptor(f, self.stack), f) for f in given] for given in (rlist, wlist, xlist)]
        masks: dict[int, int] = {}
        for files, mask in zip(asked, (std_select.EPOLLIN, std_select.EPOLLOUT, std_select.EPOLLPRI), strict=True):
            for fd, _ in files:
                masks[fd] = masks.get(fd, 0) | mask
        if not masks and timeout is not None:
            pause(timeout)
            return [], [], []
        found = self.ready(masks, timeout)
        if std_select.POLLNVAL in found.values():
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        wanted = (READS, WRITES, std_select.EPOLLPRI)
        return tuple([f for fd, f in files if found.get(fd, 0) & mask] for files, mask in zip(asked, wanted, strict=True))

    def module(self):
        """The `select` module."""
        selecting = self

        class poll:  # noqa: N801
            """As select.poll()."""

            def __init__(self):
                self._masks = {}

            def register(self, fd, eventmask=std_select.POLLIN | std_select.POLLPRI | std_select.POLLOUT, /):
                self._masks[descriptor(fd, selecting.stack)] = eventmask

            def modify(self, fd, eventmask, /):
                fd = descriptor(fd, selecting.stack)
                if fd not in self._masks:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                self._masks[fd] = eventmask

            def unregister(self, fd, /):
                del self._masks[descriptor(fd, selecting.stack)]

            def poll(self, timeout=None, /):
                return selecting.poll(self._masks, timeout)

        made = face("select", std_select, select=self.select, poll=poll, epoll=self.script.epoll)
        for name in ("kqueue", "kevent", "devpoll"):
            made.__dict__.pop(name, None)
        return made

    def poll(self, masks, timeout):
        """poll.poll(): milliseconds."""
        found = self.ready(masks, None if timeout is None or timeout < 0 else timeout / 1000)
        return [(fd, found[fd]) for fd in masks if found.get(fd)]


def epoll_class(stack):
    """select.epoll for the sockets of one stack."""

    class epoll(stack_epoll):  # noqa: N801
        def __init__(self, sizehint=-1, flags=0):
            super().__init__(sizehint, flags, stack=stack)

        @classmethod
        def fromfd(cls, fd):  # type: ignore[override]
            return stack_epoll.fromfd(fd, stack=stack)

        def fileno(self):
            """The stack's number of it: for other select() calls of the script."""
            if self.closed:
                raise ValueError("I/O operation on closed epoll object")
            return self.descriptor

    epoll.__module__, epoll.__qualname__ = "select", "epoll"
    return epoll

