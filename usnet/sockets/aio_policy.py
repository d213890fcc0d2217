"""Which loop asyncio.run() and asyncio.new_event_loop() make: usnet's where that was asked for, else what they would make without usnet.

asyncio has one policy for the whole process. Ours asks the context, which each thread, task and program has for itself; where nothing was
said there, the policy that was in force before answers.
"""

import asyncio
import contextvars
import functools
from asyncio import events
from typing import Any

from usnet.sockets.aio import new_event_loop, socket_class

# Python 3.14 has the same things under private names, and warns of the public ones.
_AbstractPolicy: Any = vars(events).get("_AbstractEventLoopPolicy") or events.AbstractEventLoopPolicy
_DefaultPolicy: Any = vars(events).get("_BaseDefaultEventLoopPolicy") or events.BaseDefaultEventLoopPolicy
_get_policy: Any = vars(events).get("_get_event_loop_policy") or events.get_event_loop_policy
_set_policy: Any = vars(events).get("_set_event_loop_policy") or events.set_event_loop_policy

_here: contextvars.ContextVar[Any] = contextvars.ContextVar("usnet.aio", default=None)


class EventLoopPolicy(_DefaultPolicy):
    """A policy whose loops are usnet.aio.EventLoop()s, on `stack` or on what is the current stack when one is made."""

    def __init__(self, stack=None):
        super().__init__()
        self._stack = stack

    def _loop_factory(self):
        return new_event_loop(self._stack)


class _ByContext(_AbstractPolicy):
    """Asks the policy of the context, or else the one that was there before."""

    def __init__(self, otherwise):
        self.otherwise = otherwise

    def _policy(self):
        here = _here.get()
        return self.otherwise if here is None else here.policy

    def get_event_loop(self):
        return self._policy().get_event_loop()

    def set_event_loop(self, loop):
        self._policy().set_event_loop(loop)

    def new_event_loop(self):
        return self._policy().new_event_loop()

    def get_child_watcher(self):
        return self.otherwise.get_child_watcher()

    def set_child_watcher(self, watcher):
        self.otherwise.set_child_watcher(watcher)


def _selector_loop(cls, *args, **kwargs):
    """asyncio.SelectorEventLoop's __new__: programs that ask for this class mean an ordinary loop."""
    here = _here.get()
    if here is not None and cls is asyncio.SelectorEventLoop and not args and not kwargs:
        return here.policy.new_event_loop()
    return object.__new__(cls)


def _install():
    if not isinstance(_get_policy(), _ByContext):
        _set_policy(_ByContext(_get_policy()))
    cls: Any = asyncio.SelectorEventLoop
    if "__new__" not in vars(cls):
        cls.__new__ = _selector_loop


class installed:  # noqa: N801
    """Inside, asyncio.run(), asyncio.new_event_loop(), asyncio.SelectorEventLoop() and what is built on them make loops of usnet's, on `stack` or
    on the current one; in this thread, task or program alone. Programs on hosts of a World have this already. `socket`: the class of sockets
    that these loops make, derived from usnet.socket."""

    def __init__(self, stack=None, *, socket=None):
        self._stack, self._socket = stack, socket

    @functools.cached_property
    def policy(self):
        """Made when it is asked for: most programs in a World are no asyncio."""
        return EventLoopPolicy(self._stack)

    def __enter__(self):
        _install()
        self._token = _here.set(self)
        self._made_with = socket_class.set(self._socket or socket_class.get())

    def __exit__(self, *exception):
        socket_class.reset(self._made_with)
        _here.reset(self._token)
