"""The control socket: who may ask, what slow and hostile askers can do (nothing), and what remains of those that are gone."""

import errno
import itertools
import os
import socket
import stat
import subprocess
import sys
import threading

import pytest

from usnet.backends import control
from usnet.backends.control import ControlDoor, ControlError, ask, default_path, is_alive, running


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime directory of its own; the system's is out of sight."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directories = control.runtime_directories
    monkeypatch.setattr(control, "runtime_directories", lambda: directories()[:1])
    return tmp_path / "usnet"


@pytest.fixture
def door(tmp_path):
    answers = {"short": lambda: {"x": 1}, "long": lambda: ["y" * 1000] * 5000, "broken": lambda: 1 // 0}
    with_door = ControlDoor(tmp_path / "door.sock", answers)
    yield with_door
    with_door.close()


def answered(door, question):
    """What ask() says while the door is served."""
    said = []
    clock = itertools.count(door.next_look, control.INTERVAL)

    def run():
        try:
            said.append(ask(door.path, question))
        except ControlError as error:
            said.append(error)

    asker = threading.Thread(target=run)
    asker.start()
    while asker.is_alive():
        door.serve(next(clock))
    return said[0]


def test_short_and_long_answers_arrive_whole(door):
    assert answered(door, "short") == {"x": 1}
    assert answered(door, "long") == ["y" * 1000] * 5000
    assert door.askers == []


def test_unknown_questions_and_broken_answers_are_errors_of_the_asker_alone(door):
    assert "no such question: nonsense" in str(answered(door, "nonsense"))
    assert "ZeroDivisionError" in str(answered(door, "broken"))
    assert answered(door, "short") == {"x": 1}


def test_only_its_user_may_ask(door):
    assert stat.S_IMODE(os.stat(door.path).st_mode) == 0o600


def test_the_folder_is_made_for_its_user_only(runtime):
    path = default_path("tap:a/b")
    assert path.parent == runtime and stat.S_IMODE(os.stat(runtime).st_mode) == 0o700
    assert path.name == f"{os.getpid()}-tap:a_b.sock"


def test_a_second_stack_of_a_process_has_another_path(runtime):
    first = ControlDoor(default_path("x"), {})
    second = ControlDoor(default_path("x"), {})
    try:
        assert {path.name for path in running()} == {f"{os.getpid()}-x.sock", f"{os.getpid()}-x-2.sock"}
    finally:
        first.close()
        second.close()
    assert running() == []


def connect(door):
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    sock.connect(str(door.path))
    return sock


def test_who_says_nothing_or_reads_nothing_is_dismissed_after_a_while(door):
    with connect(door) as silent, connect(door) as deaf:
        deaf.send(b"long\n")
        assert door.serve(0) == control.INTERVAL
        assert len(door.askers) == 2
        door.serve(control.PATIENCE + control.INTERVAL)
        assert door.askers == []
        assert silent.recv(10) == b""


def test_a_question_without_an_end_is_dismissed(door):
    with connect(door) as sock:
        sock.send(b"x" * 1000)
        for now in range(0, 10**7, control.INTERVAL):
            door.serve(now)
        assert door.askers == []


def test_more_askers_than_there_is_room_for_wait_their_turn(door):
    socks = [connect(door) for _ in range(control.MOST_ASKERS + 5)]
    door.serve(0)
    assert len(door.askers) == control.MOST_ASKERS
    for sock in socks[:10]:
        sock.close()
    door.serve(control.INTERVAL)
    door.serve(2 * control.INTERVAL)
    assert len(door.askers) == control.MOST_ASKERS + 5 - 10
    for sock in socks:
        sock.close()


def test_looks_are_no_more_frequent_than_the_interval(door):
    door.serve(0)
    with connect(door):
        assert door.serve(control.INTERVAL - 1) is None and door.askers == []
        assert door.serve(control.INTERVAL) is not None and len(door.askers) == 1


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(ControlError, match="no stack runs there") as caught:
        ask(tmp_path / "nothing.sock", "short")
    assert caught.value.errno == errno.ESRCH


def test_a_program_that_does_not_drive_its_stack_is_said_so(door):
    with pytest.raises(ControlError, match=r"no answer within 0\.1 s: its program does not drive"):
        ask(door.path, "short", timeout=0.1)


def test_a_socket_in_use_is_not_taken_but_a_stale_one_is(door, tmp_path):
    with pytest.raises(ControlError, match="another stack"):
        ControlDoor(door.path, {})
    os.link(door.path, tmp_path / "kept")
    door.close()
    os.rename(tmp_path / "kept", door.path)         # as a process that was killed leaves it
    assert not is_alive(door.path)
    again = ControlDoor(door.path, {"short": lambda: 2})
    assert answered(again, "short") == 2
    again.close()
    assert not os.path.exists(door.path)


def test_what_a_killed_process_left_behind_is_removed(runtime):
    program = "from usnet.backends.control import *; d = ControlDoor(default_path('x'), {}); print(d.path); import os; os._exit(0)"
    left = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.exists(left)
    assert running() == []
    assert not os.path.exists(left)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ControlError):
        ControlDoor(tmp_path / "file", {})
    assert (tmp_path / "file").read_text() == "precious"


def test_a_path_that_is_too_long_is_said(tmp_path):
    with pytest.raises(ControlError, match="at most 107 bytes"):
        ControlDoor(tmp_path / ("x" * 100), {})


def test_another_doors_socket_is_not_taken_away_at_the_end(door, tmp_path):
    os.unlink(door.path)
    other = ControlDoor(door.path, {})
    door.close()
    assert is_alive(other.path)
    other.close()


def test_it_is_served_also_where_only_the_real_descriptor_is_waited_for(tmp_path):
    """asyncio's way: nobody blocks in the stack; select() waits for epoll.fileno(), and poll(0) drives."""
    import select

    import usnet
    from usnet.backends.pair import make_pair

    path = tmp_path / "door.sock"
    with usnet.Stack(make_pair()[0], "10.9.0.1/24", control=str(path)) as stack, stack.epoll() as ready:
        said = []
        asker = threading.Thread(target=lambda: said.append(ask(path, "about")))
        ready.fileno()
        asker.start()
        while asker.is_alive():
            select.select([ready.fileno()], [], [], 0.05)
            ready.poll(0)
    assert said[0]["pid"] == os.getpid() and said[0]["ports"] == ["pair:pair:a"]
