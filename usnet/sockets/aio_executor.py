"""Functions that block, run beside a loop in virtual time: where there are programs, as one each."""

import asyncio
import concurrent.futures
import warnings

from usnet.sockets.context import use


class Programs(concurrent.futures.Executor):
    """An executor without threads. A poller with start_program(function, name) runs functions as programs of their own: what they wait for takes
    virtual time. With other pollers they run at once, where they are submitted."""

    def __init__(self, stack):
        self._stack = stack
        self._start = getattr(stack.poller, "start_program", None)
        self._unfinished = {}  # futures, in their order

    def submit(self, fn, /, *args, **kwargs):
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._unfinished[future] = None

        def program():
            try:
                if future.set_running_or_notify_cancel():
                    self._run(future, fn, args, kwargs)
            finally:
                del self._unfinished[future]

        if self._start is None:
            program()
        else:
            self._start(program, f"executor:{getattr(fn, '__name__', 'function')}")
        return future

    def _run(self, future, fn, args, kwargs):
        try:
            with use(self._stack):
                result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    async def finish(self, loop, timeout=None):
        """Waits in the loop until all have ended, or for up to `timeout` seconds (RuntimeWarning)."""
        waiting = [asyncio.wrap_future(future, loop=loop) for future in self._unfinished]
        if waiting and (await asyncio.wait(waiting, timeout=timeout))[1]:
            warnings.warn(f"functions in the executor did not end within {timeout} seconds", RuntimeWarning, stacklevel=2)
