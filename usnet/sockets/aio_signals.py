"""Signals as callbacks of a loop on a device."""

import asyncio
import contextlib
import inspect
import os
import signal


class Signals:
    """Handlers of one loop. While there are some, a pipe of the operating system's wakes the loop's poller, whichever thread the signal meets."""

    def __init__(self, loop, poller):
        self._loop = loop
        self._poller = poller
        self._handles = {}
        self._pipe: tuple[int, int] | None = None

    def add(self, sig, callback, args):
        """TypeError, ValueError for what cannot be a handler or a signal; RuntimeError outside of the main thread, or when it cannot be caught."""
        if inspect.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check(sig)
        if self._pipe is None:
            self._open()
        handle = asyncio.Handle(callback, args, self._loop, None)
        try:
            signal.signal(sig, self._caught)
            signal.siginterrupt(sig, False)
        except (OSError, ValueError) as error:
            if not self._handles:
                self._shut()
            raise RuntimeError(f"sig {sig} cannot be caught") from error
        self._handles[sig] = handle

    def remove(self, sig):
        """Whether there was a handler. The signal then does what it does by default."""
        self._check(sig)
        if self._handles.pop(sig, None) is None:
            return False
        signal.signal(sig, signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL)
        if not self._handles:
            self._shut()
        return True

    def close(self):
        for sig in list(self._handles):
            self.remove(sig)

    @staticmethod
    def _check(sig):
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")

    def _open(self):
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
        except (ValueError, OSError) as error:
            for fd in pipe:
                os.close(fd)
            raise RuntimeError(str(error)) from None
        self._pipe = pipe
        self._poller.add_port(pipe[0])

    def _shut(self):
        signal.set_wakeup_fd(-1)
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        with contextlib.suppress(ValueError):       # closed with its stack
            self._poller.remove_port(pipe[0])
        for fd in pipe:
            os.close(fd)

    def _caught(self, sig, frame):
        try:
            while self._pipe is not None and len(os.read(self._pipe[0], 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        handle = self._handles.get(sig)
        if handle is not None:
            self._loop._add_callback_signalsafe(handle)
