"""`sys`, `os`, `signal` and the like of one script: what it sees of the machine, and what it may not touch."""

import atexit as std_atexit
import importlib
import os as std_os
import random as std_random
import signal as std_signal
import sys as std_sys
from types import ModuleType

from usnet.lab.script_modules import Refused, face

ANOTHER = "run the other program as a script of its own, on this host or another"
THREADS = "threads (threading, concurrent.futures.ThreadPoolExecutor)"
OS_REFUSED = {
    **dict.fromkeys(["fork", "forkpty"], f"{THREADS}, or {ANOTHER}"),
    **dict.fromkeys([name for name in dir(std_os) if name.startswith(("exec", "spawn", "posix_spawn"))], ANOTHER),
    **dict.fromkeys(["system", "popen", "wait", "waitpid", "wait3", "wait4", "waitid"], ANOTHER),
    **dict.fromkeys(["pipe", "pipe2", "openpty"], "socket.socketpair(), which can be waited for"),
    **dict.fromkeys(["kill", "killpg"], "signal.raise_signal()"),
    **dict.fromkeys(["_exit", "abort"], "sys.exit()"),
}
"""Functions of os that a script may not call, and what to use instead."""
LIVE_REFUSED = ("fork", "forkpty")
"""Those of them that are refused on a device as well: two processes cannot share its rings."""
LIVE_SHARED = frozenset(["subprocess", "multiprocessing"])
"""Modules that work on a device, and need the machine's own `select` and pipes."""
SIGNAL_REFUSED = {
    **dict.fromkeys(["pause", "sigwait", "sigwaitinfo", "sigtimedwait", "pthread_kill", "set_wakeup_fd"], "a threading.Event"),
}
TIMERS_REFUSED = dict.fromkeys(["alarm", "setitimer"], "threading.Timer")
PROCESSES_REFUSED = (
    "Manager Pipe Lock RLock Condition Semaphore BoundedSemaphore Event Barrier Queue JoinableQueue SimpleQueue Pool RawValue RawArray Value Array"
).split()
"""What multiprocessing makes that only other processes need."""
PROCESSORS = 4
PID = 1000


class System(ModuleType):
    """The `sys` module: its own argv, path, modules, and what the script sets; the rest is the interpreter's."""

    def __init__(self, script):
        super().__init__("sys", std_sys.__doc__)
        self.argv = script.argv
        self.path = script.modules.path
        self.modules = script.modules.view
        self.orig_argv = [std_sys.executable, *script.argv]

    def __getattr__(self, name):
        return getattr(std_sys, name)

    def __dir__(self):
        return sorted({*dir(std_sys), *self.__dict__})


class Printer:
    """`print` of a script: to its own sys.stdout."""

    def __init__(self, system):
        self.system = system

    def __call__(self, *values, file=None, **options):
        print(*values, file=self.system.stdout if file is None else file, **options)


def os_module(script):
    """The `os` module: random bytes and processors are the world's; processes and pipes are refused."""
    refused = {name: OS_REFUSED[name] for name in (OS_REFUSED if script.virtual else LIVE_REFUSED) if hasattr(std_os, name)}
    replaced = {name: script.refuse(f"os.{name}", instead) for name, instead in refused.items()}
    if script.virtual:
        pid = PID + script.number
        entropy = script.entropy
        replaced.update(
            urandom=entropy.randbytes, getrandom=lambda size, flags=0: entropy.randbytes(size), getpid=lambda: pid, getppid=lambda: 1,
            cpu_count=lambda: PROCESSORS, process_cpu_count=lambda: PROCESSORS, sched_getaffinity=lambda pid: set(range(PROCESSORS)),
        )  # fmt: skip
    made = face("os", std_os, register_at_fork=lambda **functions: None, **replaced)
    made.__dict__.pop("sendfile", None)  # it knows descriptors of the operating system only
    return made


class Signals:
    """The `signal` module. Handlers are kept; in a world only raise_signal() of the script itself sends one."""

    def __init__(self, script):
        self.script = script
        self.handlers = {std_signal.SIGINT: std_signal.default_int_handler}
        self.real = {}  # what the process had before

    def signal(self, number, handler):
        number = std_signal.Signals(number)
        if not callable(handler) and handler not in (std_signal.SIG_IGN, std_signal.SIG_DFL):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        before = self.getsignal(number)
        self.handlers[number] = handler
        if not self.script.virtual:
            real = std_signal.signal(number, self.arrived if callable(handler) else handler)
            self.real.setdefault(number, real)
        return before

    def getsignal(self, number):
        return self.handlers.get(number, std_signal.SIG_DFL)

    def arrived(self, number, frame):
        """A signal of the operating system: its handler runs on the main thread of the script."""
        self.script.interrupt(lambda: self.handlers[number](number, frame))

    def raise_signal(self, number):
        handler = self.getsignal(number)
        if callable(handler):
            handler(number, None)
        elif handler == std_signal.SIG_DFL and number in (std_signal.SIGTERM, std_signal.SIGINT, std_signal.SIGHUP, std_signal.SIGQUIT):
            raise SystemExit(128 + number)

    def reset(self):
        """The process has its handlers back."""
        while self.real:
            std_signal.signal(*self.real.popitem())

    def module(self):
        refused = SIGNAL_REFUSED | (TIMERS_REFUSED if self.script.virtual else {})
        replaced = {name: self.script.refuse(f"signal.{name}", instead) for name, instead in refused.items() if hasattr(std_signal, name)}
        return face(
            "signal", std_signal, signal=self.signal, getsignal=self.getsignal, raise_signal=self.raise_signal,
            siginterrupt=lambda number, flag: None, **replaced,
        )  # fmt: skip


class Exits:
    """The `atexit` module."""

    def __init__(self):
        self.functions = []

    def register(self, function, /, *args, **kwargs):
        self.functions.append((function, args, kwargs))
        return function

    def unregister(self, function, /):
        self.functions = [entry for entry in self.functions if entry[0] != function]

    def run(self):
        """Calls them, the last one first; the last exception of one is raised at the end."""
        failure = None
        while self.functions:
            function, args, kwargs = self.functions.pop()
            try:
                function(*args, **kwargs)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    def module(self):
        return face(
            "atexit", std_atexit, register=self.register, unregister=self.unregister, _run_exitfuncs=self.run, _clear=self.functions.clear,
            _ncallbacks=lambda: len(self.functions),
        )  # fmt: skip


def importlib_module(script):
    """The `importlib` module: what it imports is the script's."""
    modules = script.modules

    def import_module(name, package=None):
        level = len(name) - len(name.lstrip("."))
        if level:
            if not package:
                raise TypeError(f"the 'package' argument is required to perform a relative import for {name!r}")
            name = importlib.util.resolve_name(name, package)
        return modules.load(name)

    def reload(module):
        if modules.table.get(module.__name__) is not module:
            return importlib.reload(module)
        module.__spec__.loader.exec_module(module)
        return module

    made = face("importlib", importlib, import_module=import_module, reload=reload, __import__=modules.import_)
    made.__path__ = importlib.__path__
    return made


def mend_random(script):
    """Its generators, when no seed is given, are seeded from the world's."""

    def mend(module):
        plain = module.Random.seed

        def seed(self, a=None, version=2):
            plain(self, script.entropy.getrandbits(128) if a is None else a, version)

        seed.__doc__ = plain.__doc__
        module.Random.seed = seed
        module._inst.seed()
        module.seed = module._inst.seed

    return mend


def mend_uuid(script):
    def mend(module):
        module._node = script.entropy.getrandbits(48) | 1 << 40

    return mend


def mend_subprocess(script):
    def mend(module):
        def refuse(self, *args, **options):
            raise Refused(f"subprocess.Popen is not for scripts in a world: {ANOTHER}")

        module.Popen.__init__ = refuse
        module.Popen.__del__ = lambda self: None

    return mend


def mends_of_multiprocessing(script):
    """Libraries import it, and ask it for processors or a context, without need of a process: only what would start or serve one is refused."""

    def mend_context(module):
        for name in PROCESSES_REFUSED:
            setattr(module.BaseContext, name, script.refuse(f"multiprocessing.{name}", f"{THREADS}, or {ANOTHER}"))

    def mend_process(module):
        module.BaseProcess.start = script.refuse("multiprocessing.Process.start", f"{THREADS}, or {ANOTHER}")

    return {"multiprocessing.context": mend_context, "multiprocessing.process": mend_process}


def entropy(seed):
    """What stands for the operating system's random bytes."""
    return std_random.Random(seed)
