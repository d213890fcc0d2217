"""The current stack: what usnet.socket() and the others use when they are not told.

Each thread, task and greenlet has its own.
"""

import contextlib
import contextvars
from typing import Any

_current: contextvars.ContextVar[Any] = contextvars.ContextVar("usnet.stack")


def current():
    """The stack in use here. RuntimeError when there is none."""
    stack = _current.get(None)
    if stack is None:
        raise RuntimeError("no stack is in use here: make one with usnet.Stack(...), and enter it or usnet.use() it")
    return stack


def set_current(stack):
    """Makes it the current one; returns what reset_current takes."""
    return _current.set(stack)


def reset_current(token):
    _current.reset(token)


class use(contextlib.ContextDecorator):  # noqa: N801
    """Makes `stack` the current one inside the block. It is not closed at the end."""

    def __init__(self, stack):
        self._stack, self._tokens = stack, []

    def __enter__(self):
        self._tokens.append(_current.set(self._stack))
        return self._stack

    def __exit__(self, *exception):
        _current.reset(self._tokens.pop())
