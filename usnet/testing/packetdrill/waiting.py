"""Calls of scripts that ask what is ready: poll, epoll."""

import errno
import os
import select
from collections.abc import Callable
from typing import Any

from usnet.testing.packetdrill.language import ANY
from usnet.testing.packetdrill.packets import Unsupported

Prepared = tuple[Callable[[], Any], bool]
"""A function that raises BlockingIOError until the call can return, and whether the program waits for it."""
ASKED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLPRI
ADD, MODIFY = 1, 3


class Wrong(AssertionError):  # noqa: N818
    """Something is not what the script says."""


class Waiting:
    """Part of Calls."""

    stack: Any
    open: dict[int, Any]
    of: Callable[[Any], Any]
    value: Callable[[Any], Any]
    number: Callable[[Any], int]
    keep: Callable[[Any, Any], int]

    def call_poll(self, entries: Any, count: Any, timeout: Any) -> Prepared:
        wait = self.number(timeout)

        def polled() -> int:
            ready = [(one, self.events(self.of(one["fd"])) & (self.value(one["events"]) | select.POLLERR | select.POLLHUP)) for one in entries]
            n = sum(1 for _, found in ready if found)
            if n == 0 and wait:
                raise BlockingIOError(errno.EAGAIN, "")
            for one, found in ready:
                if "revents" in one and self.value(one["revents"]) != found:
                    raise Wrong(f"poll() gives {found:#x} for {one['fd']}, not {self.value(one['revents']):#x}")
            return n

        return polled, wait != 0

    def events(self, sock: Any) -> int:
        with self.stack.epoll() as ep:
            ep.register(sock, ASKED)
            found = ep.poll(0)
        return found[0][1] if found else 0

    def call_epoll_create(self, result: Any, size: Any) -> Prepared:
        if self.number(size) <= 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return lambda: self.keep(result, self.stack.epoll()), False

    def call_epoll_create1(self, result: Any, flags: Any) -> Prepared:
        return lambda: self.keep(result, self.stack.epoll()), False

    def call_epoll_ctl(self, epoll: Any, operation: Any, fd: Any, event: Any) -> Prepared:
        def controlled() -> int:
            instance, sock, what = self.of(epoll), self.of(fd), self.value(operation)
            if what == ADD:
                instance.register(sock, self.value(event["events"]))
            elif what == MODIFY:
                instance.modify(sock, self.value(event["events"]))
            else:
                instance.unregister(sock)
            return 0

        return controlled, False

    def call_epoll_wait(self, epoll: Any, events: Any, count: Any, timeout: Any) -> Prepared:
        """An event of the script is compared with the first that there is."""
        wait = self.number(timeout)

        def waited() -> int:
            found = self.of(epoll).poll(0, self.number(count))
            if not found and wait:
                raise BlockingIOError(errno.EAGAIN, "")
            wanted = events[0] if isinstance(events, list) and events else events
            if not found or wanted == ANY:
                return len(found)
            if not isinstance(wanted, dict):
                raise Unsupported(f"the events {events}")
            fd, bits = found[0]
            if self.value(wanted["events"]) != bits:
                raise Wrong(f"epoll_wait() gives {bits:#x}, not {self.value(wanted['events']):#x}")
            if "fd" in wanted and self.of(wanted["fd"]).fileno() != fd:
                raise Wrong(f"epoll_wait() gives another descriptor than {wanted['fd']}")
            return len(found)

        return waited, wait != 0


def writable(stack: Any, sock: Any) -> bool:
    with stack.epoll() as ep:
        ep.register(sock, select.EPOLLOUT)
        return bool(ep.poll(0))
