"""What goes wrong in a script is said by host and by line of the script."""

import os
import re

import pytest

from usnet.lab.programs import NoProgress
from usnet.lab.script_modules import Refused
from usnet.lab.script_run import Deadlock

SERVER = """
    import socket
    with socket.create_server(("", 7)) as listener:
        connection, peer = listener.accept()
        connection.recv(100)
"""


def test_an_exception_comes_with_the_lines_of_the_script_alone(run):
    with pytest.raises(ZeroDivisionError) as caught:
        run({"server": SERVER, "client": """
            import socket, time
            def ask():
                s = socket.create_connection(("server", 7))
                time.sleep(3)
                return 1 / 0
            ask()
        """})  # fmt: skip
    assert re.fullmatch(r"on host client, .*client\.py:6, at 3\.0\d+ s", caught.value.__notes__[0])


def test_the_traceback_of_a_socket_call_ends_in_the_script(run, tmp_path):
    from usnet.lab.script_report import is_framework

    source = 'import socket\ns = socket.socket()\ns.settimeout(0.5)\ns.connect(("10.0.0.9", 7))\n'
    with pytest.raises(OSError) as caught:
        run({"host": source})
    frames = [str(entry.path) for entry in caught.traceback]
    inner = frames[max(i for i, name in enumerate(frames) if is_framework(name)) + 1:]
    assert [name for name in inner if name.endswith("host.py")] == [str(tmp_path / "host.py")] == inner


def test_an_exit_status_is_respected(run, capsys):
    for code, status in (("3", 3), ("None", 0), ("True", 1), ("'no'", 1), ("256", 0)):
        _, (script,), _ = run({"host": f"import sys, atexit\natexit.register(print, 'bye')\nsys.exit({code})"})
        assert script.status == status and script.error is None


def test_a_failing_thread_is_shown_and_makes_the_status_1(run, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr("usnet.lab.script.show", lambda error, heading, file: shown.append((error, heading)))
        lines, (script,), _ = run({"host": """
            import threading
            def fail():
                raise KeyError("here")
            t = threading.Thread(target=fail, name="worker")
            t.start(); t.join(); print("on")
        """})  # fmt: skip
    assert lines == ["on"] and script.status == 1 and script.error is None
    (error, heading), = shown
    assert heading == "host: Exception in thread worker:"
    names = []
    tb = error.__traceback__
    while tb:
        names.append(os.path.basename(tb.tb_frame.f_code.co_filename))
        tb = tb.tb_next
    assert names == ["threading.py", "threading.py", "host.py"]


def test_a_deadlock_is_told_by_the_line_of_each_program(run):
    with pytest.raises(Deadlock) as caught:
        run({"server": SERVER, "client": """
            import socket, threading
            s = socket.create_connection(("server", 7))
            lock = threading.Lock()
            lock.acquire()
            threading.Thread(target=lock.acquire).start()
            s.recv(100)
        """})  # fmt: skip
    text = str(caught.value)
    assert text.startswith("since 0.0")
    assert re.search(r"\n  server:server.py at \S*/server\.py:5 in <module>: connection\.recv\(100\)\n", text)
    assert re.search(r"\n  client:client.py at \S*/client\.py:7 in <module>: s\.recv\(100\)\n", text)
    assert re.search(r"\n  client:client.py/2 at \S*threading\.py:\d+ in run: ", text)


def test_a_server_that_nobody_talks_to_is_a_deadlock(run):
    with pytest.raises(Deadlock, match=r"server\.py:4"):
        run({"server": SERVER})


def test_time_that_runs_out_is_told_by_line(run):
    with pytest.raises(Deadlock, match=r"at 60 s, the limit.*\n.*host\.py:4 in <module>: time\.sleep\(1\)"):
        run({"host": "import time\n\nwhile True:\n    time.sleep(1)"}, limit="60s")


@pytest.mark.parametrize("loop", [
    "while time.time() < 2e9: pass",
    "while True:\n    try: s.recv(1)\n    except BlockingIOError: pass",
    "while True: select.select([s], [], [], 0)",
    "while not lock.acquire(False): pass",
    "while True: time.sleep(0)",
])
def test_a_loop_that_looks_again_and_again_while_no_time_passes(run, loop):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usnet.lab.programs.NO_PROGRESS_LIMIT", 10_000)
        with pytest.raises(NoProgress, match=r"^host goes on at 1 s without any time passing, at \S*/host\.py:\d+ in <module>: "):
            run({"host": f"""import select, socket, threading, time
s, t = socket.socketpair()
s.setblocking(False)
lock = threading.Lock()
lock.acquire()
time.sleep(1 - time.monotonic())
try:
    {loop.replace(chr(10), chr(10) + "    ")}
except Exception:
    print("swallowed")
"""}, patience=None)


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_loop_that_calls_nothing_is_broken_off(run, where):
    with pytest.raises(NoProgress, match=r"^host has computed for \d\.\d s without waiting.*/host\.py:4 in spin: while True: pass$"):
        run({"host": f"""
            import threading
            def spin():
                while True: pass
            {"spin()" if where == "main" else "threading.Thread(target=spin).start()"}
        """}, patience=0.3)  # fmt: skip


REFUSED = {
    "os.fork()": "os.fork is not for scripts in a world: use threads",
    "os.system('ls')": "os.system",
    "os.pipe()": "socket.socketpair",
    "os.kill(os.getpid(), 9)": "signal.raise_signal",
    "os._exit(3)": "sys.exit",
    "subprocess.run(['ls'])": "subprocess.Popen",
    "importlib.import_module('multiprocessing').Process(target=print).start()": "multiprocessing.Process.start",
    "importlib.import_module('multiprocessing').get_context('spawn').Pool(2)": "multiprocessing.Pool",
    "from multiprocessing import Queue; Queue()": "multiprocessing.Queue",
    "concurrent.futures.ProcessPoolExecutor()": "multiprocessing",
    "signal.alarm(1)": "threading.Timer",
    "signal.pause()": "threading.Event",
    "select.select([0], [], [], 1)": "only sockets",
    "with open(__file__) as f: select.select([f], [], [], 1)": "only sockets",
    "time.clock_settime(time.CLOCK_REALTIME, 1)": "clock",
    "socket.sethostname('x')": "name",
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_a_script_may_not_use_names_what_to_use_instead(run, call):
    with pytest.raises(Refused, match=re.escape(REFUSED[call])):
        run({"host": f"import concurrent.futures, importlib, os, select, signal, socket, subprocess, sys, time\n{call}"})


def test_a_second_descriptor_of_a_socket_is_refused_as_by_the_stack(run):
    for call in ("s.dup()", "socket.fromfd(s.fileno(), s.family, s.type)"):
        with pytest.raises(OSError, match="one descriptor"):
            run({"host": f"import socket\ns = socket.socket()\n{call}"})


def test_a_script_that_is_not_there():
    import usnet

    with usnet.World() as world, pytest.raises(FileNotFoundError, match=r"nothing\.py"):
        world.host("host", "10.0.0.1/24").run_script("nothing.py")
