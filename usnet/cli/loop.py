"""An event loop over one stack: level-triggered epoll, handlers by descriptor, idle connections by age.

A handler has `sock`, `on_event(mask)` and `close()`. Handlers never block, and believe nothing about a socket but
what its calls say.
"""

from __future__ import annotations

import errno
import logging
import select
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

LOG = logging.getLogger("usnet.serve")
IN, OUT = select.EPOLLIN, select.EPOLLOUT
GONE = select.EPOLLERR | select.EPOLLHUP
BUFFER = 1 << 16
ACCEPTS = 64  # of one turn: then the connections there are get theirs
TURN = 1 << 20  # bytes that one connection may move in a turn
SHORTAGE = (errno.ENFILE, errno.EMFILE, errno.ENOBUFS, errno.ENOMEM)


class Handler(Protocol):
    sock: Any

    def on_event(self, mask: int) -> None: ...
    def close(self) -> None: ...


@dataclass
class Statistics:
    """What a server has done: counts, and bytes of payload."""

    connections: int = 0
    open: int = 0
    failed: int = 0  # ended by an error or an abort
    requests: int = 0
    datagrams: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def line(self) -> str:
        parts = [count(self.connections, "connection")]
        if self.failed:
            parts.append(f"{self.failed} of them failed")
        parts += [count(n, what) for n, what in ((self.requests, "request"), (self.datagrams, "datagram")) if n]
        return ", ".join([*parts, f"{self.bytes_in} bytes in", f"{self.bytes_out} bytes out"])


def count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


class Loop:
    """Loop(stack): add() handlers, then run() until stop() is called, from a handler or a signal's handler."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack
        self.epoll = stack.epoll()
        self.handlers: dict[int, Handler] = {}
        self.statistics = Statistics()
        self.buffer = bytearray(BUFFER)  # of all handlers, for what is read and passed on at once
        self._masks: dict[int, int] = {}
        self._deadlines: OrderedDict[Handler, int] = OrderedDict()  # oldest first; ns
        self._short: list[tuple[Handler, int]] = []  # listeners that wait until something closes
        self._stopping = self._waiting = False

    # Handlers

    def add(self, handler: Handler, mask: int) -> None:
        fd = handler.sock.fileno()
        self.epoll.register(fd, mask)
        self.handlers[fd], self._masks[fd] = handler, mask

    def want(self, handler: Handler, mask: int) -> None:
        """What it waits for from now on: IN, OUT, both or nothing."""
        fd = handler.sock.fileno()
        if self._masks[fd] != mask:
            self.epoll.modify(fd, mask)
            self._masks[fd] = mask

    def remove(self, handler: Handler) -> None:
        """Forgets a handler and closes its socket. May be called again."""
        fd = handler.sock.fileno()
        self._deadlines.pop(handler, None)
        if self.handlers.get(fd) is not handler:
            return
        del self.handlers[fd], self._masks[fd]
        self.epoll.unregister(fd)
        handler.sock.close()
        while self._short:
            self.want(*self._short.pop())

    def rest(self, listener: Handler) -> None:
        """There is no room for more connections: the listener waits until one closes."""
        self.want(listener, 0)
        self._short.append((listener, IN))

    def within(self, handler: Handler, seconds: float) -> None:
        """Closes the handler unless this is called again within so many seconds; all handlers of a loop use the same
        time.
        """
        self._deadlines[handler] = self.stack.clock.now() + int(seconds * 1e9)
        self._deadlines.move_to_end(handler)

    # Running

    def run(self) -> None:
        try:
            while not self._stopping:
                for handler, mask in self._poll():
                    if self.handlers.get(handler.sock.fileno()) is handler:  # not closed by another one of this turn
                        handler.on_event(mask)
                self._close_overdue()
        except _Stop:
            pass

    def stop(self) -> None:
        """Ends run(). A signal's handler may call it: then the wait itself is broken off."""
        self._stopping = True
        if self._waiting:
            raise _Stop

    def _poll(self) -> list[tuple[Handler, int]]:
        self._waiting = True
        try:
            if self._stopping:
                return []
            # Looked up at once: a descriptor that is closed in this turn may be another connection's before its end
            return [(self.handlers[fd], mask) for fd, mask in self.epoll.poll(self._timeout())]
        finally:
            self._waiting = False

    def _timeout(self) -> float | None:
        for deadline in self._deadlines.values():
            return max(0, deadline - self.stack.clock.now()) / 1e9
        return None

    def _close_overdue(self) -> None:
        while self._deadlines:
            handler, deadline = next(iter(self._deadlines.items()))
            if deadline > self.stack.clock.now():
                break
            handler.close()

    def close(self) -> None:
        for handler in list(self.handlers.values()):
            handler.close()
        self.epoll.close()


class _Stop(BaseException):
    """Raised by stop() out of a wait."""


class Listener:
    """A listening socket that makes a handler of each connection: make(loop, sock, peer)."""

    def __init__(self, loop: Loop, address: tuple[str, int], make: Any, backlog: int = 1024) -> None:
        self.loop, self.make = loop, make
        self.sock = loop.stack.create_server(address, backlog=backlog)
        self.sock.setblocking(False)
        loop.add(self, IN)

    def on_event(self, mask: int) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, peer = self.sock.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in SHORTAGE:
                    raise
                self.loop.rest(self)
                return
            sock.setblocking(False)
            self.loop.statistics.connections += 1
            self.loop.statistics.open += 1
            self.make(self.loop, sock, peer)

    def close(self) -> None:
        self.loop.remove(self)


class Connection:
    """One connection of a server. What is written waits in `out`, a view of one piece; nothing more is read or made
    while it waits.
    """

    def __init__(self, loop: Loop, sock: Any, peer: tuple[str, int]) -> None:
        self.loop, self.sock, self.peer = loop, sock, peer
        self.out = memoryview(b"")
        self.closed = False
        LOG.info("%s:%d connected", *peer)
        loop.add(self, IN)

    def on_event(self, mask: int) -> None:
        try:
            if mask & GONE:
                self.fail()
                return
            if mask & OUT:
                self.on_writable()
            if mask & IN and not self.closed:
                self.on_readable()
        except OSError:  # the peer reset it, or is gone
            self.fail()

    def on_readable(self) -> None:
        raise NotImplementedError

    def on_writable(self) -> None:
        raise NotImplementedError

    def read(self) -> memoryview | None:
        """What has arrived, in the loop's buffer; empty at the end of the stream, None when there is nothing yet."""
        try:
            n = self.sock.recv_into(self.loop.buffer)
        except BlockingIOError:
            return None
        self.loop.statistics.bytes_in += n
        return memoryview(self.loop.buffer)[:n]

    def write(self, data: memoryview) -> bool:
        """Sends as much as the socket takes, and keeps the rest in `out`. True when nothing is left."""
        self.out = data
        while self.out:
            try:
                n = self.sock.send(self.out)
            except BlockingIOError:
                self.out = memoryview(bytes(self.out)) if self.out.obj is self.loop.buffer else self.out
                return False
            self.loop.statistics.bytes_out += n
            self.out = self.out[n:]
        return True

    def want(self, mask: int) -> None:
        self.loop.want(self, mask)

    def fail(self) -> None:
        if not self.closed:
            self.loop.statistics.failed += 1
            LOG.warning("%s:%d was lost", *self.peer)
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            LOG.info("%s:%d closed", *self.peer)
            self.loop.statistics.open -= 1
            self.loop.remove(self)
