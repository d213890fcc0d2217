"""What a running stack tells through its control socket: the questions of `usnet ss` and `usnet stat`."""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usnet.backends.control import ControlDoor, default_path


def about(stack: Any) -> dict[str, Any]:
    """Whose stack it is."""
    return {
        "pid": os.getpid(),
        "program": Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python",
        "ports": [port.name for port in stack.ports],
    }


def statistics(stack: Any) -> dict[str, Any]:
    """Counters by layer, and by port."""
    return {**about(stack), "counters": stack.statistics(), "by_port": {port.name: port.statistics() for port in stack.ports}}


def connections(stack: Any) -> dict[str, Any]:
    return {**about(stack), "connections": [one._asdict() for one in stack.connections()]}


def open_door(stack: Any, path: str | None) -> ControlDoor:
    """The control socket of a stack, which it does not keep alive."""
    alive = weakref.ref(stack)
    questions = {"about": about, "statistics": statistics, "connections": connections}
    name = stack.ports[0].name if stack.ports else "stack"
    answers: dict[str, Callable[[], Any]] = {word: functools.partial(lambda answer: answer(alive()), answer) for word, answer in questions.items()}
    return ControlDoor(default_path(name) if path is None else path, answers)
