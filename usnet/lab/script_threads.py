"""The `_thread` module of one script: its threads are programs of its host, and their locks wait in the world's time.

`threading` is the standard library's own over it. Threads take turns only where they wait, in a fixed order: who waits longest for a lock gets
it first.
"""

import _thread as std
import contextvars
import weakref
from collections import deque

from greenlet import GreenletExit  # type: ignore[import-untyped, unused-ignore]

from usnet.lab.programs import FOREVER, current
from usnet.lab.script_modules import face
from usnet.sockets.aio_policy import installed
from usnet.sockets.host import seconds_to_ns


def deadline_of(program, timeout):
    """The time in `timeout` seconds, ns; negative: never."""
    return FOREVER if timeout < 0 else min(FOREVER, program.env.now + seconds_to_ns(timeout))


def _check_timeout(blocking, timeout):
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > std.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")


class Lock:
    """A lock as _thread.lock; it goes to waiters in the order in which they came."""

    __slots__ = ("__weakref__", "_held", "_waiters")

    def __init__(self):
        self._held = False
        self._waiters: deque[list] = deque()

    def acquire(self, blocking=True, timeout=-1):
        _check_timeout(blocking, timeout)
        if not self._held:
            self._held = True
            return True
        program = current()
        if not blocking:
            if program is not None:
                program._count_wait()
            return False
        if program is None:
            raise RuntimeError("a lock is waited for outside of the script's threads")
        return self._wait(program, deadline_of(program, timeout))

    def _wait(self, program, deadline):
        waiter = [program, False]
        self._waiters.append(waiter)
        try:
            while not waiter[1]:
                program._block("a lock", deadline)
                if not waiter[1] and program.env.now >= deadline:
                    return False
        except BaseException:
            if waiter[1]:
                self.release()
            raise
        finally:
            if not waiter[1]:
                self._waiters.remove(waiter)
        return True

    def release(self):
        if not self._held:
            raise RuntimeError("release unlocked lock")
        if self._waiters:
            waiter = self._waiters.popleft()
            waiter[1] = True
            waiter[0]._wake()
        else:
            self._held = False

    def locked(self):
        return self._held

    def _at_fork_reinit(self):
        self.__init__()  # type: ignore[misc]

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc):
        self.release()

    def __repr__(self):
        return f"<{'locked' if self._held else 'unlocked'} lock object at {id(self):#x}>"


class RLock:
    """A lock that its owner may take again, as _thread.RLock."""

    def __init__(self):
        self._block, self._owner, self._count = Lock(), None, 0

    def acquire(self, blocking=True, timeout=-1):
        me = current()
        if self._count and self._owner is me:
            self._count += 1
            return True
        got = self._block.acquire(blocking, timeout)
        if got:
            self._owner, self._count = me, 1
        return got

    def release(self):
        if self._owner is not current() or not self._count:
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._block.release()

    def locked(self):
        return self._count > 0

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc):
        self.release()

    # For threading.Condition

    def _is_owned(self):
        return self._count > 0 and self._owner is current()

    def _recursion_count(self):
        return self._count if self._owner is current() else 0

    def _release_save(self):
        if not self._count:
            raise RuntimeError("cannot release un-acquired lock")
        state, self._count, self._owner = (self._count, self._owner), 0, None
        self._block.release()
        return state

    def _acquire_restore(self, state):
        self._block.acquire()
        self._count, self._owner = state

    def _at_fork_reinit(self):
        self.__init__()  # type: ignore[misc]


class Local:
    """Attributes that each thread has for itself, as _thread._local."""

    __slots__ = ("__dict__", "__weakref__", "_arguments", "_own")

    def __new__(cls, /, *args, **kwargs):
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError("Initialization arguments are not supported")
        self = object.__new__(cls)
        object.__setattr__(self, "_arguments", (args, kwargs))
        object.__setattr__(self, "_own", weakref.WeakKeyDictionary({current() or OUTSIDE: {}}))
        return self

    def _turn(self):
        """Has the attributes be those of the thread that runs; a thread that is new here calls __init__ as the first one did."""
        own, me = object.__getattribute__(self, "_own"), current() or OUTSIDE
        mine = own.get(me)
        if mine is not None:
            object.__setattr__(self, "__dict__", mine)
            return
        mine = own[me] = {}
        object.__setattr__(self, "__dict__", mine)
        args, kwargs = object.__getattribute__(self, "_arguments")
        type(self).__init__(self, *args, **kwargs)

    def __getattribute__(self, name):
        Local._turn(self)
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        if name == "__dict__":
            raise AttributeError(f"{type(self).__name__!r} object attribute '__dict__' is read-only")
        Local._turn(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        Local._turn(self)
        object.__delattr__(self, name)


class _Outside:
    """Stands for whoever is no thread of a script."""


OUTSIDE = _Outside()


class Handle:
    """A thread that can be joined, as _thread._ThreadHandle (Python 3.13 and newer)."""

    def __init__(self, ident=None):
        self.ident = ident
        self._over = Lock()
        self._over.acquire()
        self._is_done = False

    def is_done(self):
        return self._is_done

    def _set_done(self):
        if not self._is_done:
            self._is_done = True
            self._over.release()

    def join(self, timeout=None):
        if not self._is_done and self._over.acquire(timeout=-1 if timeout is None or timeout < 0 else timeout):
            self._over.release()


class Threads:
    """The threads of a script, in the order of their start; `ident` 1 is the main one's."""

    def __init__(self, script):
        self.script = script
        self.idents = {}  # program -> number
        self.last_ident = 0
        self.sentinels = {}  # program -> lock that is let go when it ends
        self.handles = []

    def adopt(self, program):
        """Gives a program its number."""
        self.last_ident += 1
        self.idents[program] = self.last_ident

    def get_ident(self):
        return self.idents.get(current(), 1)

    def start(self, function, args=(), kwargs=None, handle=None):
        """Starts a thread: its number."""
        if not callable(function):
            raise TypeError("first arg must be callable")
        kwargs = kwargs or {}

        def body():
            try:
                with installed(self.script.stack):
                    function(*args, **kwargs)
            except (SystemExit, GreenletExit):
                pass
            except BaseException as error:
                self.script.thread_failed(error, f"Exception ignored in thread started by: {function!r}")
            finally:
                self.ended(program, handle)

        program = self.script.spawn(body, contextvars.Context())
        self.adopt(program)
        return self.idents[program]

    def ended(self, program, handle=None):
        self.idents.pop(program, None)
        sentinel = self.sentinels.pop(program, None)
        if sentinel is not None and sentinel.locked():
            sentinel.release()
        if handle is not None:
            handle._set_done()

    def start_joinable(self, function, handle=None, daemon=True):
        handle = handle or Handle()
        handle.ident = self.start(function, handle=handle)
        if not daemon:
            self.handles.append(handle)
        return handle

    def shutdown(self):
        """Waits for the threads that are no daemons."""
        while self.handles:
            self.handles.pop(0).join()

    def set_sentinel(self):
        lock = self.sentinels[current()] = Lock()
        return lock

    def excepthook(self, args):
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread is not None else self.get_ident()
            self.script.thread_failed(args.exc_value, f"Exception in thread {name}:")

    def module(self):
        newer = {}
        if hasattr(std, "start_joinable_thread"):
            newer = {
                "start_joinable_thread": self.start_joinable, "_ThreadHandle": Handle, "_make_thread_handle": Handle,
                "_get_main_thread_ident": lambda: 1, "_shutdown": self.shutdown, "daemon_threads_allowed": lambda: True,
                "_is_main_interpreter": lambda: True,
            }  # fmt: skip
        made = face(
            "_thread", std, **newer, lock=Lock, LockType=Lock, RLock=RLock, allocate_lock=Lock, allocate=Lock,
            get_ident=self.get_ident, get_native_id=self.get_ident, start_new_thread=self.start, start_new=self.start,
            stack_size=lambda size=0, /: 0, _count=lambda: len(self.idents), exit=_exit, exit_thread=_exit,
            interrupt_main=self.script.refuse("_thread.interrupt_main", "an Event that the main thread looks at"),
            _excepthook=self.excepthook, _set_sentinel=self.set_sentinel,
            _local=Local,
        )  # fmt: skip
        made.__dict__.pop("set_name", None)  # the operating system knows one thread
        return made


def _exit():
    raise SystemExit
