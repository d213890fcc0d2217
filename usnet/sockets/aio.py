"""asyncio's event loop over a stack: the standard library's selector loop, with usnet's sockets and the stack's time. Public in `usnet.aio`.

All of asyncio that knows no socket is used as it is: tasks, streams, protocols, transports, TLS. Here is what reaches out of a loop: sockets
that it makes, names, time, waking, other threads, signals.
"""

import asyncio
import contextlib
import contextvars
import functools
import itertools
import math
import os
import socket as std
import types
import weakref
from asyncio import selector_events, trsock
from collections.abc import Coroutine
from typing import Any, TypeVar

from usnet.backends.poller import OSPoller
from usnet.sockets.aio_executor import Programs
from usnet.sockets.aio_signals import Signals
from usnet.sockets.context import current, use
from usnet.sockets.names import getaddrinfo, getnameinfo
from usnet.sockets.selector import EpollSelector
from usnet.sockets.socket import socket

# The type checker knows the public half of what is used here.
_events: Any = selector_events
_Base: Any = selector_events.BaseSelectorEventLoop
_Task: Any = asyncio.Task
_Result = TypeVar("_Result")
_FOREVER = 2**63 - 1


socket_class: contextvars.ContextVar[Any] = contextvars.ContextVar("usnet.aio.socket", default=socket)
"""What loops make sockets with, here: usnet.socket or a class derived from it. They are made on the current stack."""


class _Sockets:
    """The socket module, as the standard library's loop sees it."""

    def socket(self, *args, **kwargs):
        return socket_class.get()(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(std, name)


def _with(function, **names):
    """The standard library's own function, for which some of its module's names mean something else."""
    made = types.FunctionType(
        function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(made, function)


# dict.fromkeys: addresses are bound in the order in which they were found, where a set has none that is the same in each run.
_create_server = _with(_Base.create_server, socket=_Sockets(), set=dict.fromkeys)
_create_datagram_endpoint = _with(_Base.create_datagram_endpoint, socket=_Sockets())
_connect_sock = _with(_Base._connect_sock, socket=_Sockets())


class _Counted:
    """Hashed by a number that its loop gives it, not by its address: sets of such are in the same order in each run."""

    _number: int

    def __new__(cls, *args, **kwargs):
        made = super().__new__(cls)
        made._number = next((kwargs.get("loop") or args[0]).numbers)
        return made

    def __hash__(self):
        return self._number


class Task(_Counted, _Task):
    """A task in virtual time."""


class SocketTransport(_Counted, _events._SelectorSocketTransport):
    """A stream's transport."""


class DatagramTransport(_Counted, _events._SelectorDatagramTransport):
    """A datagram endpoint's transport."""


class _Generators:
    """What a loop needs of a weak set of asynchronous generators, in their order."""

    def __init__(self):
        self._known = {}

    def add(self, generator):
        key = id(generator)
        self._known[key] = weakref.ref(generator, lambda _: self._known.pop(key, None))

    def discard(self, generator):
        self._known.pop(id(generator), None)

    def clear(self):
        self._known.clear()

    def __len__(self):
        return len(self._known)

    def __iter__(self):
        return iter([g for known in list(self._known.values()) if (g := known()) is not None])


class LoopSelector(EpollSelector):
    """Waits for exactly as many nanoseconds as a loop means with its seconds."""

    def __init__(self, stack):
        super().__init__(stack=stack)
        self._clock = stack.clock

    def select(self, timeout=None):
        if timeout is None:
            return self.select_until(_FOREVER)
        if timeout <= 0:
            return self.select_until(0)
        return self.select_until(self._clock.now() + max(1, int(timeout * 1e9 + 0.5)))


def _of_usnet(method):
    """A loop's sock_...() for sockets of its stack alone."""

    @functools.wraps(method)
    async def call(self, sock, *args, **kwargs):
        self._check(sock)
        return await method(self, sock, *args, **kwargs)

    return call


class EventLoop(_Base):
    """An asyncio event loop on a stack (the current one when None): selects by usnet's epoll, and its time is the stack's.

    Sockets that it is given must be usnet.socket()s of that stack: TypeError for the operating system's, ValueError for another stack's.
    Descriptors given to add_reader() and add_writer() are the stack's numbers.
    """

    _closed = True          # one that could not be made is not left open

    def __init__(self, stack=None):
        self._stack = current() if stack is None else stack
        poller = self._stack.poller
        device = poller if isinstance(poller, OSPoller) else getattr(poller, "os_poller", None)  # where signals can wake it
        self._virtual = not isinstance(poller, OSPoller)
        self.numbers = itertools.count()
        super().__init__(LoopSelector(self._stack))
        self._programs = Programs(self._stack) if self._virtual else None
        self._signals = None if device is None else Signals(self, device)
        if self._virtual:
            self._asyncgens = _Generators()

    @property
    def stack(self):
        """The Stack that it runs on."""
        return self._stack

    # Time

    def time(self):
        """The stack's clock, in seconds. In simulation this is virtual time."""
        return self._stack.clock.now() / 1e9

    @property
    def _clock_resolution(self):
        """Timers are due when they lie so little ahead: less than a tick of a clock that counts nanoseconds."""
        return max(0.5e-9, math.ulp(self.time()))

    @_clock_resolution.setter
    def _clock_resolution(self, seconds):
        pass

    # Waking: no pair of sockets

    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        if self._signals is not None:
            self._signals.close()

    def _write_to_self(self):
        selector = self._selector
        if selector is not None:
            with contextlib.suppress(ValueError):      # closed at this moment
                selector.wake()

    # What a loop makes

    def _check(self, sock):
        if not isinstance(sock, socket):
            raise TypeError(f"a loop of usnet's takes sockets of usnet's (usnet.socket(...)), not {sock!r}")
        if sock.stack is not self._stack:
            raise ValueError(f"{sock!r} belongs to another stack than the loop's")

    def _ensure_fd_no_transport(self, fd):
        if isinstance(fd, trsock.TransportSocket):
            fd = getattr(fd, "_sock", fd)
        if not isinstance(fd, int):
            self._check(fd)
        super()._ensure_fd_no_transport(fd)

    async def _connect_sock(self, *args, **kwargs):
        with use(self._stack):
            return await _connect_sock(self, *args, **kwargs)

    async def create_connection(self, protocol_factory, host=None, port=None, *, sock=None, **options):
        if sock is not None:
            self._check(sock)
        return await super().create_connection(protocol_factory, host, port, sock=sock, **options)

    async def create_server(self, protocol_factory, host=None, port=None, *, sock=None, **options):
        if sock is not None:
            self._check(sock)
        with use(self._stack):
            return await _create_server(self, protocol_factory, host, port, sock=sock, **options)

    async def create_datagram_endpoint(self, protocol_factory, local_addr=None, remote_addr=None, *, sock=None, **options):
        if sock is not None:
            self._check(sock)
        with use(self._stack):
            return await _create_datagram_endpoint(self, protocol_factory, local_addr, remote_addr, sock=sock, **options)

    async def connect_accepted_socket(self, protocol_factory, sock, **options):
        self._check(sock)
        return await super().connect_accepted_socket(protocol_factory, sock, **options)

    _make_socket_transport = _with(_Base._make_socket_transport, _SelectorSocketTransport=SocketTransport)
    _make_ssl_transport = _with(_Base._make_ssl_transport, _SelectorSocketTransport=SocketTransport)
    _make_datagram_transport = _with(_Base._make_datagram_transport, _SelectorDatagramTransport=DatagramTransport)

    sock_recv = _of_usnet(_Base.sock_recv)
    sock_recv_into = _of_usnet(_Base.sock_recv_into)
    sock_recvfrom = _of_usnet(_Base.sock_recvfrom)
    sock_recvfrom_into = _of_usnet(_Base.sock_recvfrom_into)
    sock_sendall = _of_usnet(_Base.sock_sendall)
    sock_sendto = _of_usnet(_Base.sock_sendto)
    sock_connect = _of_usnet(_Base.sock_connect)
    sock_accept = _of_usnet(_Base.sock_accept)
    sock_sendfile = _of_usnet(_Base.sock_sendfile)

    async def _sock_sendfile_native(self, sock, file, offset, count):
        """As where the kernel sends a regular file: from `offset` on, wherever the file stands, and nobody else writes meanwhile."""
        try:
            os.fstat(file.fileno())
        except (OSError, AttributeError):
            raise asyncio.SendfileNotAvailableError("not a regular file") from None
        file.seek(offset)
        return await self._sock_sendfile_fallback(sock, file, offset, count)

    def create_task(self, coro, **options):
        if self._task_factory is not None or not self._virtual:
            return super().create_task(coro, **options)
        self._check_closed()
        task = Task(coro, loop=self, **options)
        if task._source_traceback:
            del task._source_traceback[-1]
        try:
            return task
        finally:
            del task    # a task that raised holds this frame

    # Names and other threads

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        return getaddrinfo(host, port, family, type, proto, flags, stack=self._stack)

    async def getnameinfo(self, sockaddr, flags=0):
        return getnameinfo(sockaddr, flags, stack=self._stack)

    def run_in_executor(self, executor, func, *args):
        """On a device: as asyncio's, in a thread, which may not use the stack. In a world func runs as a program of its own on the host,
        whatever the executor, and what it waits for takes virtual time; in virtual time without a world, at once."""
        if self._programs is None:
            return super().run_in_executor(executor, func, *args)
        if executor is None:
            self._check_default_executor()
        return super().run_in_executor(self._programs, func, *args)

    async def shutdown_default_executor(self, *args, **kwargs):
        if self._programs is None:
            return await super().shutdown_default_executor(*args, **kwargs)
        self._executor_shutdown_called = True
        await self._programs.finish(self, *args, **kwargs)

    # Signals

    def add_signal_handler(self, sig, callback, *args):
        """As asyncio's, from the main thread. No signal reaches a host of a simulated world: there the handler is never called."""
        if self._signals is not None:
            self._check_closed()
            self._signals.add(sig, callback, args)

    def remove_signal_handler(self, sig):
        return self._signals.remove(sig) if self._signals is not None else False

    # What there is not

    async def create_unix_connection(self, *args, **kwargs):
        raise NotImplementedError("a stack has no unix sockets")

    create_unix_server = create_unix_connection

    async def _make_subprocess_transport(self, *args, **kwargs):
        raise NotImplementedError("a loop of usnet's starts no processes: their pipes are the operating system's")

    def _make_read_pipe_transport(self, *args, **kwargs):
        raise NotImplementedError("a loop of usnet's waits for sockets of its stack, not for pipes and terminals")

    _make_write_pipe_transport = _make_read_pipe_transport


def new_event_loop(stack: Any = None) -> asyncio.AbstractEventLoop:
    """An EventLoop on `stack`, or on the current one; for asyncio.Runner(loop_factory=...) and the like."""
    return EventLoop(stack)


def run(main: Coroutine[Any, Any, _Result], *, stack: Any = None, debug: bool | None = None) -> _Result:
    """asyncio.run() on a stack, or on the current one: what the coroutine `main` returns."""
    with contextlib.nullcontext() if stack is None else use(stack):
        with asyncio.Runner(debug=debug, loop_factory=functools.partial(new_event_loop, stack)) as runner:
            return runner.run(main)
