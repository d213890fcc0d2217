"""Finds the script that computes and never waits: no time passes while it does, and nobody else has a turn.

A thread of the operating system looks now and then at how much processor time has gone by in one turn, and breaks it off.
"""

import ctypes
import gc
import sys
import threading
import time
import weakref

from usnet.lab.script_report import where

COLLECT = 1001
"""Turns between two searches for garbage; odd, since ends of turns count too."""
IDLE = 25
"""So many looks without a turn, and the thread ends."""
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
        self.collects = False  # garbage, now and then
        self._over = threading.Event()
        self._thread = None

    def begin(self, script):
        """It is the script's turn."""
        self.running = script
        self.turn += 1
        if self._thread is None:
            self._start()
        if self.collects and self.turn % COLLECT == 0:
            gc.collect()

    def end(self):
        self.running = None
        self.turn += 1

    def _start(self):
        if self.patience is not None:
            ident = threading.get_ident()
            self._thread = threading.Thread(target=_look, args=(weakref.ref(self), ident, self._over), name="usnet-watch", daemon=True)
            self._thread.start()

    def stop(self):
        self._over.set()
        if self._thread is not None:
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

    def goes_home(self):
        """Whether the thread may end, since nobody has had a turn for long; the next turn starts another."""
        mine, self._thread = self._thread, None
        if self.running is not None:
            self._thread = mine  # it began meanwhile
        return self._thread is None


def _look(reference, ident, over):
    clock = time.pthread_getcpuclockid(ident)
    seen, since, idle = -1, 0.0, 0
    while not over.wait(LOOK):
        watch = reference()
        if watch is None:
            return
        used = time.clock_gettime(clock)
        script = watch.running
        idle = idle + 1 if script is None and watch.turn == seen else 0
        if idle > IDLE and watch.goes_home():
            return
        if script is None or watch.turn != seen:
            seen, since = watch.turn, used
        elif used - since > watch.patience:
            watch.strike(ident, script, used - since)
            seen = -1
        del watch, script
