"""Waits end for what was asked for, never early, and as Python expects when signals come."""
import os
import select
import signal
import threading
import time

import pytest

from usnet.backends.clock import Clock, ManualClock, MonotonicClock
from usnet.backends.pair import make_pair
from usnet.backends.poller import OSPoller, Poller
from usnet.backends.ring import Port

FOREVER = 2**63 - 1


@pytest.fixture
def poller():
    with OSPoller() as p:
        yield p


def test_the_clock_is_the_operating_systems():
    before, now, after = time.monotonic_ns(), MonotonicClock().now(), time.monotonic_ns()
    assert before <= now <= after


def test_a_manual_clock_moves_only_forward():
    clock = ManualClock(5)
    clock.advance(10)
    clock.set(20)
    assert clock.now() == 20 and Clock().now() == 0
    with pytest.raises(ValueError, match="back"):
        clock.set(19)


@pytest.mark.parametrize("wait", [0, 1, 999, 70_001, 1_500_000])
def test_a_deadline_is_never_cut_short(poller, wait):
    deadline = poller.clock.now() + wait
    assert poller.wait(deadline) is False
    assert poller.clock.now() >= deadline


def test_a_time_that_has_passed_does_not_block_but_looks(poller):
    assert poller.wait(0) is False
    poller.ring_doorbell()
    poller.ring_doorbell()
    assert poller.wait(0) is True
    assert poller.wait(0) is False, "ringing twice wakes once"


def test_the_doorbell_wakes_from_another_thread_while_the_gil_is_free(poller):
    timer = threading.Timer(0.01, poller.ring_doorbell)
    timer.start()
    assert poller.wait(FOREVER) is True
    timer.join()


def test_a_signal_handler_runs_and_its_exception_comes_out(poller):
    ran = []

    def handler(*_):
        ran.append(1)
        if len(ran) == 2:
            raise KeyError("out")
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        with pytest.raises(KeyError):
            poller.wait(FOREVER)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ran == [1, 1], "the first, which raised nothing, did not end the wait"


def test_descriptors_and_ports_are_added_and_removed(poller):
    r, w = os.pipe()
    a, b = make_pair()
    poller.add_port(r)
    poller.add_port(a)
    with pytest.raises(FileExistsError):
        poller.add_port(a)
    os.write(w, b"x")
    assert poller.wait(FOREVER)
    poller.remove_port(r)
    assert not poller.wait(0)
    b.send(b"x" * 60)
    assert poller.wait(FOREVER)
    poller.remove_port(a)
    assert not poller.wait(0)
    with pytest.raises(KeyError):
        poller.remove_port(a)
    os.close(r)
    os.close(w)


def test_a_port_without_a_descriptor_is_refused(poller):
    with pytest.raises(ValueError, match="no descriptor"):
        poller.add_port(Port())


def test_it_nests_in_another_poll(poller):
    assert select.select([poller], [], [], 0) == ([], [], [])
    poller.ring_doorbell()
    assert select.select([poller], [], [], 1) == ([poller], [], [])


def test_closing_is_final(poller):
    poller.close()
    poller.close()
    for call in (poller.ring_doorbell, poller.fileno, lambda: poller.wait(0)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_the_base_waits_for_nothing():
    with pytest.raises(NotImplementedError):
        Poller().wait(0)


def test_a_sender_is_woken_when_there_is_room_again(poller):
    a, b = make_pair(slots=4)
    while a.send(b"x" * 60):
        pass
    poller.add_port(a)
    a.arm(True)
    assert not poller.wait(0)
    b.receive()
    b.sync()
    assert poller.wait(FOREVER)
    assert a.send(b"x" * 60)
