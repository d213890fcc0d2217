"""Scripts: ordinary programs, named by file, that run unedited on a host of a world.

    server.run_script("server.py", "8080")
    client.run_script("client.py", "server", "8080")
    world.run()

Each has a module table, `__main__` and sys.argv of its own (script_modules). docs/scripts.md says what it may use.
"""

import _contextvars
import contextvars
import errno
import importlib.util
import io
import os
import sys
import weakref
from pathlib import Path

from greenlet import GreenletExit, getcurrent  # type: ignore[import-untyped, unused-ignore]

from usnet.lab import script_system as system
from usnet.lab import script_tls
from usnet.lab.programs import NoProgress, Program, current, spawn
from usnet.lab.script_modules import Modules, Refused, face
from usnet.lab.script_report import last_line, show, trimmed, where
from usnet.lab.script_sockets import Selecting, epoll_class, socket_module
from usnet.lab.script_threads import Threads
from usnet.lab.script_time import Clock, datetime_module, live_module
from usnet.lab.script_watch import Stuck
from usnet.sockets.aio_policy import installed
from usnet.sockets.context import set_current

__all__ = ["Refused", "Script"]


def _find(path):
    """(file, folder on its sys.path, spec: none) of a script. FileNotFoundError where there is none."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return path, path.resolve().parent, None


def _find_module(name):
    """The same of a module, or of a package's __main__. ModuleNotFoundError where there is none."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or not spec.has_location:
        raise ModuleNotFoundError(f"there is no module {name} that could be run", name=name)
    return Path(str(spec.origin)), Path.cwd(), spec


class Thread(Program):
    """A thread of a script: a program in whose turns `__main__` is the script's."""

    script: "Script"
    is_waiting = False

    def run(self):
        self.script.enter()
        try:
            super().run()
        finally:
            self.script.leave()

    def _block(self, reason, until):
        script = self.script
        self.is_waiting = True
        script.leave()
        try:
            super()._block(reason, until)
        finally:
            script.enter()
            self.is_waiting = False
        while script.interrupts and self is script.main:
            script.interrupts.pop(0)()

    def _count_wait(self):
        if self.script.virtual:
            try:
                super()._count_wait()
            except NoProgress:
                self.script.hopeless(NoProgress(f"{self.script.name} goes on at {self.env.now / 1e9:g} s without any time passing, "
                                                f"at {where(sys._getframe(), self.script.modules.own_files)}"))


class Script:
    """A script on a host; made by Host.run_script().

    `status`: None while it runs, then its exit status; `error`: the exception that ended it, or None; `serves`: it has listened, or bound a
    datagram socket; `threads` run it.
    """

    def __init__(self, host, path, args=(), *, is_module=False, daemon=None, report=None):
        self.host, self.stack, self.world = host, host.stack, host.world
        self.virtual = self.world.virtual
        self.number = len(self.world.scripts)
        self.daemon, self.report = daemon, report
        self.status = self.error = None
        self._serves = False
        self.default_timeout = None
        self.interrupts = []
        self._sockets = {}  # descriptor -> weak reference to the socket that has it
        self._programs = {}  # those of its threads, in the order of their start
        self._kind = type("Thread", (Thread,), {"script": self})
        self.path, self.is_module = path, is_module
        self.file, self.folder, self._spec = _find_module(path) if is_module else _find(path)
        self.name = host.name
        self.argv = [str(self.file), *map(str, args)]
        self.entropy = system.entropy(self.world.seed_for(f"{host.name}/script{self.number}")) if self.virtual else None
        self.exits, self.threads, self.signals = system.Exits(), Threads(self), system.Signals(self)
        self.epoll = epoll_class(self.stack)
        self.modules = self._modules()
        self.main_module = self.modules.new("__main__", __file__=str(self.file), __spec__=self._spec, __loader__=None)
        self.main_module.__package__ = None if self._spec is None else self._spec.parent
        self.modules.overlay.add("__main__", self.main_module)
        context = contextvars.Context()
        self.main = self.spawn(self._main, context, f"{host.name}:{Path(self.path).name}")
        self.threads.adopt(self.main)

    def _modules(self):
        faces = {
            "sys": lambda: system.System(self), "os": lambda: system.os_module(self), "signal": self.signals.module, "atexit": self.exits.module,
            "importlib": lambda: system.importlib_module(self), "_thread": self.threads.module, "_socket": lambda: socket_module(self),
            "select": Selecting(self).module,
            # Python 3.14's threading gives each thread a new one; here it keeps which stack and which loops are the script's
            "_contextvars": lambda: face("_contextvars", _contextvars, Context=contextvars.copy_context),
        }  # fmt: skip
        mends = {"ssl": script_tls.mend}
        if self.virtual:
            clock = Clock(self.world.env, self.host)
            faces["time"] = lambda: clock.module(self)
            faces["datetime"] = lambda: datetime_module(clock)
            mends |= {"random": system.mend_random(self), "uuid": system.mend_uuid(self), "subprocess": system.mend_subprocess(self)}
            mends |= system.mends_of_multiprocessing(self)
        else:
            faces["time"] = live_module
        modules = Modules(self.folder, faces, mends, frozenset() if self.virtual else system.LIVE_SHARED)
        modules.own_files.add(str(self.file))
        self.modules = modules
        modules.builtins.__dict__["print"] = system.Printer(modules.load("sys"))
        for name in ("exit", "quit"):
            setattr(modules.builtins, name, sys.exit)
        return modules

    def refuse(self, name, instead):
        """A function that says what to use instead of `name`."""

        def refused(*args, **kwargs):
            raise Refused(f"{name} is not for scripts {'in a world' if self.virtual else 'on usnet'}: use {instead}")

        return refused

    # Its turns

    def spawn(self, function, context, name=None):
        context.run(set_current, self.stack)
        name = name or f"{self.main.name}/{self.threads.last_ident + 1}"
        program = spawn(self.world.env, context.run, function, name=name, daemon=True, kind=self._kind)
        self._programs[program] = None
        return program

    def enter(self):
        self.modules.overlay.put_on()
        self.world.last_turn = self.world.now
        self.world.watch.begin(self)

    def leave(self):
        self.modules.overlay.take_off()
        self.world.watch.end()

    def interrupt(self, function):
        """Has function() called on the main thread: here, if it runs, or where it waits. A handler of signals may call this."""
        if current() is self.main and not self.main.is_waiting:
            function()
        else:
            self.interrupts.append(function)
            self.world.interrupted()

    def deliver(self):
        """Wakes the main thread if it waits and an interrupt is there for it."""
        if self.interrupts:
            self.main._wake()

    def hopeless(self, error):
        """Ends the run of the world with an exception; this turn never ends."""
        program = getcurrent()
        if program.parent is None:
            raise error
        self.leave()
        program.parent.throw(error)

    def opened(self, sock):
        self._sockets[sock.fileno()] = weakref.ref(sock)

    @property
    def serves(self):
        return self._serves or self.stack.statistics()["memory"]["listeners"] > 0

    def started_serving(self):
        if not self._serves:
            self._serves = True
            self.world.scripts_changed()

    # Its life

    def _main(self):
        with installed(self.stack, socket=self.modules.load("socket").socket):
            self._guarded(self._execute)
            self._guarded(self._shutdown)
            self.end()

    def _execute(self):
        if self.virtual and not self.host.ports:
            self.host.new_port()  # without an interface there is no loopback either
        with io.open_code(str(self.file)) as file:
            code = compile(file.read(), str(self.file), "exec", dont_inherit=True)
        exec(code, self.main_module.__dict__)

    def _shutdown(self):
        threading = self.modules.table.get("threading")
        if threading is not None:
            threading._shutdown()
        self.exits.run()

    def _guarded(self, function):
        try:
            function()
        except GreenletExit:
            raise
        except SystemExit as error:
            self._exited(error)
        except Stuck:
            self.hopeless(NoProgress(self.world.watch.verdict))
        except BaseException as error:
            if self.virtual and isinstance(error, KeyboardInterrupt):
                self.hopeless(error)  # the user's, who wants all of it to end
            self._failed(error)

    def _exited(self, error):
        code = error.code
        if code is not None and not isinstance(code, int):
            print(code, file=self.modules.load("sys").stderr)
            code = 1
        self.status = (code or 0) & 0xFF

    def _failed(self, error):
        self.error = trimmed(error)
        self.status = 130 if isinstance(error, KeyboardInterrupt) else 1
        hook = self.modules.load("sys").__dict__.get("excepthook")
        if hook is not None:
            hook(type(error), error, error.__traceback__)
        elif self.report is not None:
            self.report(self, self.error)
        else:
            self.world.failures.append(self)
            error.add_note(f"on host {self.name}, {last_line(error)}, at {self.world.now / 1e9:g} s")

    def thread_failed(self, error, heading):
        """An exception that a thread did not handle: the script goes on, and its status is 1 at the end."""
        if isinstance(error, Stuck):
            self.hopeless(NoProgress(self.world.watch.verdict))
        if isinstance(error, GreenletExit):
            return
        self.thread_status = 1
        show(trimmed(error), f"{self.name}: {heading}", self.modules.load("sys").stderr)

    thread_status = 0

    def end(self):
        """As the end of a process: its threads are gone, its sockets closed."""
        self.status = self.status or self.thread_status
        self.ended_at = self.world.now
        me = current()
        for program in list(self._programs):
            if program is not me:
                program.kill()
        self._programs.clear()
        self.signals.reset()
        for fd, reference in sorted(self._sockets.items()):
            sock = reference()
            if sock is not None and sock.fileno() == fd:
                sock.abandon()
        self._sockets.clear()

    def places(self):
        """Where each of its threads waits: (name, file:line)."""
        return [(program.name, where(program.gr_frame, self.modules.own_files)) for program in self._programs if program.alive]

    def __repr__(self):
        return f"<Script {self.path} on {self.name}, {'running' if self.status is None else f'status {self.status}'}>"
