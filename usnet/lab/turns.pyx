"""What Python and asyncio keep for a thread, kept for each program: programs share one thread, and each may have a loop of its own."""

import sys
from asyncio import events, tasks

cdef object running_loop = events._get_running_loop
cdef object hooks_now = sys.get_asyncgen_hooks
cdef object depth_now = sys.get_coroutine_origin_tracking_depth
# Python 3.11 keeps the current task by its loop, which need not be taken away.
cdef object _swap_current_task = getattr(tasks, "_swap_current_task", None)


def set_aside():
    """Before others run: takes away the running loop, its task, the hooks of asynchronous generators and the tracking of coroutines. Returns what
    take_up() gives back; None when there was nothing."""
    loop = running_loop()
    hooks = hooks_now()
    depth = depth_now()
    if loop is None and hooks.firstiter is None and hooks.finalizer is None and not depth:
        return None
    task = None
    if loop is not None:
        task = tasks.current_task(loop)
        if task is not None and _swap_current_task is not None:
            _swap_current_task(loop, None)
        events._set_running_loop(None)
    sys.set_asyncgen_hooks(None, None)
    sys.set_coroutine_origin_tracking_depth(0)
    return loop, task, hooks, depth


def take_up(aside):
    """After others ran."""
    if aside is None:
        return
    loop, task, hooks, depth = aside
    if loop is not None:
        events._set_running_loop(loop)
        if task is not None and _swap_current_task is not None:
            _swap_current_task(loop, task)
    sys.set_asyncgen_hooks(*hooks)
    sys.set_coroutine_origin_tracking_depth(depth)
