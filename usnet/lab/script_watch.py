"""Finds the script that computes and never waits: no time passes while it does, and nobody else has a turn.

A thread of the operating system looks now and then at how much processor time has gone by in one turn, and breaks it off.
"""

import ctypes
import sys
import threading
import time
import weakref

from usnet.lab.script_report import where

LOOK = 0.2
"""Seconds between two looks."""


class Stuck(BaseException):
    """Raised in a script's program when its turn takes too long."""


class Watch:
    """`patience`: seconds of processor time that one turn may take; None: no end."""

    def __init__(self, patience):
        self.patience = patience
        self.turn = 0  # so many times the processor changed hands
        self.running = None  # the script whose turn it is
        self.verdict = ""
        self._over = threading.Event()
        self._thread = None

    def start(self):
        if self._thread is None and self.patience is not None:
            ident = threading.get_ident()
            self._thread = threading.Thread(target=_look, args=(weakref.ref(self), ident, self._over), name="usnet-watch", daemon=True)
            self._thread.start()

    def stop(self):
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread, self._over = None, threading.Event()

    def __del__(self):
        self._over.set()

    def strike(self, ident, script, used):
        self.verdict = (
            f"{script.name} has computed for {used:.1f} s without waiting, so that no time passes, "
            f"at {where(sys._current_frames().get(ident), script.modules.own_files)}"
        )
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Stuck))


def _look(reference, ident, over):
    clock = time.pthread_getcpuclockid(ident)
    seen, since = -1, 0.0
    while not over.wait(LOOK):
        watch = reference()
        if watch is None:
            return
        used = time.clock_gettime(clock)
        script = watch.running
        if script is None or watch.turn != seen:
            seen, since = watch.turn, used
        elif used - since > watch.patience:
            watch.strike(ident, script, used - since)
            seen = -1
        del watch, script
