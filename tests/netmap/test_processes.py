"""Processes that share the real module, and that die in the middle of it."""
import contextlib

import pytest

from tests.netmap import links, module
from tests.netmap.ends import End, ask, serve
from tests.netmap.peers import memory_in_use
from usnet.backends import netmap

MB = 1 << 20


@contextlib.contextmanager
def pair(near, far):
    """(who asks, who serves), in the middle of their traffic."""
    with contextlib.ExitStack() as ends:
        serves = End(far, "10.9.0.2/24", serve)
        ends.callback(serves.kill)
        assert serves.line() == "ready"
        asks = End(near, "10.9.0.1/24", ask, "10.9.0.2")
        ends.callback(asks.kill)
        assert asks.line() == "ready"
        assert asks.line() == "10"
        yield asks, serves


def test_two_processes_talk_over_a_pipe():
    with pair("proc{1", "proc}1") as (asks, _):
        for wanted in ("20", "30"):
            assert asks.line() == wanted
    assert module.users() == 0


@pytest.mark.parametrize(("near", "far"), [("proc{1", "proc}1"), ("vale0:x", "vale0:y"), ("em0{1", "em0}1")], ids=["pipe", "vale", "pipe of a NIC"])
@pytest.mark.parametrize("victim", [0, 1], ids=["client", "server"])
def test_a_process_that_is_killed_in_mid_traffic_leaves_nothing(veth, near, far, victim):
    if near.startswith("em0"):
        veth()
    free = module.free_buffers()
    for _ in range(2):
        with pair(near, far) as ends:
            ends[victim].kill()
            # Its place can be taken again at once, beside the one that lives on
            with netmap.open((near, far)[victim]) as port:
                port.rxsync()
    assert module.users() == 0
    assert module.free_buffers() == free


def test_memory_does_not_grow_with_processes_that_die():
    used = []
    for _ in range(4):
        with pair("vale0:x", "vale0:y") as (asks, serves):
            asks.kill()
            serves.kill()
        used.append(memory_in_use())
    # A port's private memory is 8 MB, and two are made each time
    assert used[-1] - used[0] < 8 * MB, used
    assert module.users() == 0


def test_the_module_can_be_taken_out_after_all_that(load):
    links.remove("em0")
    load()
    assert module.users() == 0
