"""docs/libusnet.md is complete and true: every row of libusnet's list is there, every name and test in it exists."""

import importlib
import re
import subprocess
import sys

import pytest

import usnet
from tests.sources import PACKAGE, ROOT
from tests.test_docs import rows
from usnet.backends.pair import make_pair
from usnet.sockets.settings import SECTIONS, Settings

# The list: (first, last) of each kind of row.
IDS = [("A", 15, 2), ("E", 9, 2), ("EC", 17, 1), ("ET", 3, 1), ("P", 3, 2), ("K", 18, 2), ("S", 10, 2), ("F", 10, 1)]
CALLS = """
A01 usnet_setup A02 usnet_net_setup A03 usnet_dispatch A04 usnet_socket A05 usnet_bind A06 usnet_connect A07 usnet_listen
A08 usnet_accept_newconn A09 usnet_accept A10 usnet_read A11 usnet_write A12 usnet_close A13 read_handler_cb A14 usn_context A15 cpuset_t
E01 usnet_epoll_init E02 usnet_epoll_create E03 usnet_epoll_ctl E04 usnet_epoll_wait E05 usnet_epoll_read E06 usnet_epoll_write
E07 usnet_epoll_watch E08 usnet_epoll_process E09 usnet_ep_eq
""".split()
CONSTANTS = {
    "USN_EPOLL_CTL_ADD": 1, "USN_EPOLL_CTL_DEL": 2, "USN_EPOLL_CTL_MOD": 3, "USN_EPOLLNONE": 0, "USN_EPOLLIN": 1, "USN_EPOLLPRI": 2,
    "USN_EPOLLOUT": 4, "USN_EPOLLERR": 8, "USN_EPOLLHUP": 0x10, "USN_EPOLLRDNORM": 0x40, "USN_EPOLLRDBAND": 0x80,
    "USN_EPOLLWRNORM": 0x100, "USN_EPOLLWRBAND": 0x200, "USN_EPOLLMSG": 0x400, "USN_EPOLLRDHUP": 0x2000, "USN_EPOLLONESHOT": 1 << 30,
    "USN_EPOLLET": 1 << 31,
}
KNOBS = """
em1|10.10.10.2|35355|tcp_timewait|tcp_timeout|rcvbuf|sndbuf|32 MiB|1157647512|FIFO|10 x 100|burst 1024|512 frames|512 of each list|1 ms|
libusnet.log|SO_DEFAULT_BACKLOG|10 events and 5000 ms
""".replace("\n", "").split("|")
TABLE = rows("libusnet.md")
BY_ID = {row[0]: row for row in TABLE}


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def columns(python=False):
    """Rows whose third and fourth cells are names in Python and in Cython; or settings and remarks."""
    return [row for row in TABLE if len(row) == 5 and (row[0][0] in "AEP") == python]


def test_no_row_is_missing_and_none_is_told_twice():
    wanted = [f"{kind}{number:0{digits}}" for kind, last, digits in IDS for number in range(1, last + 1)]
    assert [row[0] for row in TABLE] == wanted


def test_the_rows_are_about_what_the_list_says():
    for number, name in zip(CALLS[::2], CALLS[1::2], strict=True):
        assert re.search(rf"\b{name}\b", BY_ID[number][1]), number
    assert [quoted(BY_ID[f"EC{i + 1}"][1])[0] for i in range(len(CONSTANTS))] == list(CONSTANTS)
    for i, knob in enumerate(KNOBS):
        assert knob in BY_ID[f"K{i + 1:02}"][1], knob


def exists_in_python(name):
    """`usnet.socket.bind`; `usnet ss`; `make test`; a file."""
    if name.startswith("usnet "):
        from usnet.cli.commands import COMMANDS

        return name.split()[1] in COMMANDS
    if name.startswith("make "):
        return re.search(rf"^{name.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None
    if not name.startswith("usnet."):
        return (ROOT / name).exists()
    found = usnet
    for part in name.split(".")[1:]:
        found = getattr(found, part, None) if found is not usnet else getattr(usnet, part)
    return found is not None


def test_every_python_name_exists():
    names = [name for row in columns(python=True) for name in quoted(row[2]) if name != "data"]
    assert len(names) > 60
    assert [name for name in names if not exists_in_python(name)] == []
    assert not exists_in_python("usnet.socket.bend") and not exists_in_python("usnet sss")


def test_every_cython_name_is_declared_in_a_pxd():
    text = "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.pxd")))
    names = [name for row in columns(python=True) for name in quoted(row[3]) if not name.startswith("-")]
    assert len(names) > 40
    missing = [name for name in names if not (ROOT / name).exists() and not re.search(rf"^(cdef|    ).*\b{name}\b", text, re.MULTILINE)]
    assert missing == []


def test_every_setting_exists():
    known = {f"{name}.{key}" for name, section in SECTIONS.items() for key in section.__dataclass_fields__}
    named = [name for row in columns() for name in quoted(row[2])]
    assert len(named) > 20
    assert [name for name in named if name not in known] == []
    assert all(row[2] and (quoted(row[2]) or row[3]) for row in columns())      # "none" says why


def test_every_test_exists():
    shown = [place for row in TABLE for place in quoted(row[-1])]
    assert all(quoted(row[-1]) for row in TABLE)
    for place in shown:
        path, _, name = place.partition("::")
        assert (ROOT / path).is_file(), place
        assert not name or f"def {name}(" in (ROOT / path).read_text(), place


def test_constants_have_the_numbers_that_they_had():
    declared = dict(re.findall(r"^    (USN_EPOLL\w+) = (.+)$", (PACKAGE / "sockets" / "api.pxd").read_text(), re.MULTILINE))
    assert {name: eval(value) for name, value in declared.items() if name in CONSTANTS} == CONSTANTS
    for name, number in CONSTANTS.items():
        if "CTL" not in name and name != "USN_EPOLLNONE":
            assert getattr(usnet, name.removeprefix("USN_")) & 0xFFFFFFFF == number


@pytest.fixture
def stack():
    with usnet.Stack(make_pair()[0], "10.9.0.1/24", seed=1) as made:
        yield made


def test_callbacks_are_the_data_of_a_selector(stack):
    called = []
    with usnet.selectors.DefaultSelector(stack=stack) as selector, stack.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
        sock.bind(("10.9.0.1", 7))
        selector.register(sock, 1, lambda sock: called.append(sock.recv(10)))
        sock.sendto(b"to itself", ("10.9.0.1", 7))
        for key, _ in selector.select(1):
            key.data(key.fileobj)
    assert called == [b"to itself"]


def test_a_registrations_data_comes_back_whole(tmp_path):
    from tests.sockets.outside import compile_module

    outside = compile_module(tmp_path, "data_of_events", """
from libc.stdint cimport uint64_t
from usnet.sockets.api cimport *
from usnet.sockets.host cimport Stack


def told(Stack stack, uint64_t data):
    cdef usn_epoll_event event
    cdef int ep = usn_epoll_create(&stack.n), fd = usn_socket(&stack.n, 2, 2, 0)
    cdef int status = usn_epoll_ctl_data(&stack.n, ep, USN_EPOLL_CTL_ADD, fd, USN_EPOLLOUT, data)
    cdef int n = usn_epoll_wait(&stack.n, ep, &event, 1)
    usn_close(&stack.n, fd, stack.now())
    usn_close(&stack.n, ep, stack.now())
    return status, n, event.events, event.data
""")
    with usnet.Stack(make_pair()[0], "10.9.0.1/24") as stack:
        assert outside.told(stack, 0xFEDCBA9876543210) == (0, 1, usnet.EPOLLOUT, 0xFEDCBA9876543210)


def test_the_sample_echoes_messages_of_60_bytes_through_losses():
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "echosvr.py"), "sim:"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["1000 messages came back"]


@pytest.mark.parametrize(("burst", "rounds", "runs"), [(1, 1, 10), (4, 1, 3), (4, 2, 2), (64, 64, 1)])
def test_the_burst_and_the_rounds_are_what_the_settings_say(burst, rounds, runs):
    """Ten datagrams arrive: how many runs it takes to take them in."""
    a, b = make_pair()
    settings = Settings.from_dict({"interface": {"address": "10.9.0.1/24"}, "driver": {"burst": burst, "rounds": rounds}})
    with usnet.Stack.from_settings(settings, a) as stack, usnet.Stack(b, "10.9.0.2/24") as other:
        receiver, sender = (s.socket(usnet.AF_INET, usnet.SOCK_DGRAM) for s in (stack, other))
        with receiver, sender:
            receiver.bind(("", 7))
            sender.sendto(b"x", ("10.9.0.1", 7))
            while receiver.fileno() and stack.statistics()["ip"]["udp_in"] == 0:        # the neighbours get to know each other
                other.run_once(), stack.run_once()
            for _ in range(10):
                sender.sendto(b"x", ("10.9.0.1", 7))
            taken = []
            while not taken or taken[-1] < 11:
                stack.core.run(stack.clock.now())
                taken.append(stack.statistics()["ip"]["udp_in"])
    assert len(taken) == runs


def test_the_names_of_the_document_are_importable_one_by_one():
    for name in ("Stack", "Settings", "socket", "epoll", "selectors"):
        assert name in usnet.__all__
    assert importlib.import_module("usnet.selectors") is usnet.selectors
