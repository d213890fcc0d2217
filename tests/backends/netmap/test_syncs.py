"""What stands between the stack and the module at each sync: frames held back, the module's own re-initialisation, links, waiting."""
import os
import select
import time

import pytest

from tests.backends.conformance import MS, bodies, frame
from tests.backends.netmap.adapters import stand_in
from usnet.backends.netmap.intercept import Intercept
from usnet.backends.netmap.opening import open_port
from usnet.backends.netmap.standin.interface import NicInterface
from usnet.backends.poller import OSPoller

EINVAL, EIO, ENXIO = -22, -5, -6
NS_MOREFRAG = 0x20
RXSYNC, TXSYNC = 0x6995, 0x6994
POLLIN, POLLOUT, POLLERR = 1, 4, 8


class Bench:
    """A NIC of the stand-in's, a port on it, and hands in between: before(request) runs ahead of each sync of the module's, and may answer in its
    place; after(request) runs behind it."""

    def __init__(self, slots=8, interface=False, can_stop=False, **settings):
        self.waiting = select.epoll() if can_stop else None     # in the module's place, when poll() says POLLERR
        self.stopped, self.watching, self.error = False, None, os.eventfd(1)
        self.before = self.after = lambda request: None
        self.poll_answer = None
        self.watched = []
        self.inner = stand_in()
        self.nic = self.inner.nic("em0", tx_slots=slots, rx_slots=slots)
        self.port = open_port("em0", device=Intercept(self.inner, self.seen), interface=NicInterface(self.nic) if interface else None, **settings)
        self.rx, self.tx = self.port.rx_ring(), self.port.tx_ring()

    def seen(self, call, fd, *details):
        if call == "watch":
            self.watched.append(details[0])
            if self.waiting:
                return self.watch(fd, details[0])
        if call == "poll":
            return self.poll_answer
        if call != "ioctl" or details[0] not in (RXSYNC, TXSYNC):
            return None
        answer = self.before(details[0])
        if answer is None:
            answer = self.inner.call_ioctl(fd, details[0])
            self.after(details[0])
        return answer

    def watch(self, fd, events):
        if self.watching is None:
            self.watching = self.inner.call_watch(fd, events)
            self.waiting.register(self.watching, select.EPOLLIN)
            self.waiting.register(self.error, 0)
        self.inner.call_watch(fd, events)
        self.waiting.modify(self.error, select.EPOLLIN if self.stopped and events else 0)
        return self.waiting.fileno()

    def stop(self, on):
        self.stopped = on
        self.before = (lambda request: EIO) if on else lambda request: None
        self.poll_answer = POLLERR if on else None
        if on and self.watched[-1]:
            self.waiting.modify(self.error, select.EPOLLIN)

    def close(self):
        self.port.close()
        if self.waiting:
            self.waiting.close()
        os.close(self.error)

    def mark(self, flags):
        """The frame's slots at those places go on in the next, from the next receive sync on."""
        def after(request):
            if request == RXSYNC:
                for i, flag in flags.items():
                    self.rx.set_slot(i, flags=NS_MOREFRAG if flag else 0)
                self.after = lambda request: None
        self.after = after


@pytest.fixture
def bench():
    made = []

    def make(**settings):
        made.append(Bench(**settings))
        return made[-1]
    yield make
    for each in made:
        each.close()


# Frames that are not whole yet

def test_the_beginning_of_a_frame_is_held_back_until_its_end_is_there(bench):
    b = bench()
    tails = []
    b.before = lambda request: tails.append(b.rx.tail) if request == RXSYNC else None
    b.nic.inject([frame(0), frame(1), frame(2)])
    b.mark({2: True})
    assert b.rx.sync() == 0 and b.rx.space == 2
    assert b.port.statistics()["rx_frames"] == 2
    assert b.rx.sync() == 0 and b.rx.space == 2
    b.nic.inject([frame(3)])
    assert b.rx.sync() == 0 and b.rx.space == 4
    assert bodies(b.port.receive()) == [frame(0), frame(1), frame(2) + frame(3)]
    assert b.port.statistics()["rx_frames"] == 3 and b.port.statistics()["rx_bytes"] == 240
    assert tails[:3] == [0, 3, 3], "the module finds its own tail"


def test_nobody_wakes_up_for_the_beginning_of_a_frame(bench):
    b = bench()
    b.nic.inject([frame(0)])
    b.mark({0: True})
    assert b.rx.sync() == 0 and b.rx.space == 0
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert not poller.wait(poller.clock.now() + 2 * MS)
        assert b.rx.sync() == 0 and b.rx.space == 0
        assert not poller.wait(poller.clock.now() + 2 * MS)
        b.nic.inject([frame(1)])
        assert poller.wait(poller.clock.now() + 2000 * MS)
    assert bodies(b.port.receive()) == [frame(0) + frame(1)]
    assert b.port.statistics()["ring_resets"] == 0


def test_a_frame_that_fills_the_ring_is_dropped_to_its_end(bench):
    b = bench()
    b.nic.inject([frame(i) for i in range(7)])
    b.mark(dict.fromkeys(range(7), True))
    assert b.rx.sync() == 0 and b.rx.space == 0
    assert b.port.statistics()["rx_too_long"] == 1
    assert b.rx.sync() == 0
    b.nic.inject([frame(10), frame(11), frame(12), frame(13)])
    b.mark({7: True, 0: True, 1: False})
    assert b.rx.sync() == 0
    assert bodies(b.port.receive()) == [frame(13)]
    assert b.port.statistics()["rx_frames"] == 1 and b.port.statistics()["ring_resets"] == 0


def test_a_reset_drops_the_rest_of_a_frame_that_had_begun(bench):
    b = bench()
    b.nic.inject([frame(0), frame(1)])
    b.mark({1: True})
    assert b.rx.sync() == 0
    b.rx.head = 99
    assert b.rx.sync() == EINVAL and b.rx.space == 0
    b.nic.inject([frame(2), frame(3)])
    assert bodies(b.port.receive()) == [frame(3)]


# The module's own doing

@pytest.mark.parametrize("which", ["tx", "rx"])
def test_a_silent_reinitialisation_is_noticed(bench, which):
    b = bench()
    ring, request = (b.tx, TXSYNC) if which == "tx" else (b.rx, RXSYNC)
    b.nic.inject([frame(0), frame(1), frame(2)])
    assert b.rx.sync() == 0
    ring.write(ring.head, frame(7))
    ring.advance()

    def spoil(made):
        if made == request:
            ring.head = 99              # behind the check's back
            b.before = lambda request: None
    b.before = spoil
    assert ring.sync() == EINVAL
    assert b.port.statistics()["ring_resets"] == 1
    assert ring.head < 8
    b.nic.sent()
    b.nic.inject([frame(5)])
    assert frame(5) in bodies(b.port.receive())
    assert b.port.send(frame(6)) and b.nic.sent() == [frame(6)]


@pytest.mark.parametrize(("field", "value"), [("buf_idx", 1), ("buf_idx", 2**31)])
def test_what_the_module_brings_cannot_reach_beyond_the_pool(bench, field, value):
    b = bench()
    b.nic.inject([frame(0), frame(1)])
    b.after = lambda request: b.rx.set_slot(0, **{field: value})
    assert b.rx.sync() == 0
    b.after = lambda request: None
    assert bodies(b.port.receive()) == [b"", frame(1)]
    assert b.port.statistics()["ring_resets"] == 0


def test_the_module_never_sees_what_breaks_the_rules(bench):
    b = bench()
    seen = []
    b.before = lambda request: seen.append((b.tx.head, b.rx.head))
    b.tx.head, b.rx.head = 99, 77
    assert (b.tx.sync(), b.rx.sync()) == (EINVAL, EINVAL)
    assert seen == []
    assert (b.tx.sync(), b.rx.sync()) == (0, 0) and seen == [(0, 0)] * 2


def test_waiting_finds_broken_rules_and_the_next_sync_says_so(bench):
    b = bench()
    b.rx.head = 77
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert not poller.wait(poller.clock.now() + MS)
        assert b.rx.head == 0, "poll() in the module reads the ring"
    assert b.rx.sync() == EINVAL and b.port.statistics()["ring_resets"] == 1
    assert b.rx.sync() == 0


def test_frames_that_waiting_brought_are_seen_at_the_next_sync_with_their_time(bench):
    b = bench()
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert not poller.wait(poller.clock.now() + MS)
        b.nic.inject([frame(0)])
        before = b.port.clock.now()
        assert poller.wait(poller.clock.now() + 2000 * MS)
        b.port.arm()
        b.nic.inject([frame(1)])
        ((first, t), (second, _)) = b.port.receive()
    assert (first, second) == (frame(0), frame(1)) and before <= t <= b.port.clock.now()
    assert b.port.statistics()["rx_frames"] == 2


def test_a_swapped_receive_buffer_is_filled_also_where_the_flag_was_forgotten(bench):
    b = bench(slots=4, spares=1)
    b.nic.inject([frame(0)])
    assert b.rx.sync() == 0
    kept = b.rx.slot(0).buf_idx
    b.rx.set_slot(0, buf_idx=b.port.spare_buffers[0], flags=0)      # drivers look at buf_idx only where NS_BUF_CHANGED is set
    b.rx.advance()
    assert b.rx.sync() == 0
    b.nic.inject([frame(i) for i in range(1, 4)])
    assert bodies(b.port.receive()) == [frame(i) for i in range(1, 4)]
    assert b.rx.sync() == 0
    b.nic.inject([frame(4)])
    assert bodies(b.port.receive()) == [frame(4)]
    b.rx.set_slot(1, buf_idx=kept, len=60)
    assert b.rx.read(1) == frame(0)


# The link

def test_a_ring_that_is_stopped_is_a_link_that_is_down_and_comes_back(bench):
    b = bench()
    b.before = lambda request: EIO
    b.poll_answer = POLLERR
    assert b.rx.sync() == 0 and not b.port.link_up and not b.port.gone
    assert all(b.port.send(frame(i)) for i in range(20))
    assert b.port.statistics()["tx_errors"] == 20
    b.before, b.poll_answer = (lambda request: None), None
    assert b.port.send(frame(1)) and b.nic.sent() == [frame(1)]
    assert b.port.link_up


def test_a_ring_that_is_stopped_because_its_interface_has_gone_is_gone(bench):
    b = bench()
    b.nic.remove()
    assert [b.rx.sync() for _ in range(3)] == [ENXIO] * 3 and b.port.gone and b.tx.sync() == ENXIO


def test_a_full_ring_that_nothing_leaves_asks_for_the_link(bench):
    b = bench(interface=True)
    assert b.port.link_up
    b.nic.set_link(False)
    for i in range(7):
        b.tx.write(b.tx.head, frame(i))
        b.tx.advance()
        assert b.tx.sync() == 0
    b.tx.sync()
    assert b.port.describe()["link"] == "down"
    b.nic.set_link(True)
    assert b.tx.sync() == 0 and b.port.describe()["link"] == "up"


@pytest.mark.parametrize("error", [-16, -22])
def test_other_errors_of_a_sync_are_passed_on(bench, error):
    b = bench()
    b.before = lambda request: error
    assert (b.rx.sync(), b.tx.sync()) == (error, error) and b.port.link_up


# Waiting

def wakeups(poller, ms):
    """How often a wait of so long is ended by something else than time."""
    end, count = poller.clock.now() + ms * MS, 0
    while poller.clock.now() < end:
        count += poller.wait(end)
    return count


def test_waiting_does_not_spin_on_room_to_send(bench):
    b = bench()
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert wakeups(poller, 5) == 0
        assert b.port.send(frame(1))
        assert wakeups(poller, 5) == 0
        assert set(b.watched) == {POLLIN}


def test_a_full_ring_wakes_up_when_there_is_room_again_and_once(bench):
    b = bench()
    b.nic.set_link(False)               # what is sent stays in the ring
    while b.tx.space:
        b.tx.write(b.tx.head, frame(1))
        b.tx.advance()
    assert b.tx.sync() == 0 and b.tx.space == 0
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert wakeups(poller, 5) == 0 and b.watched[-1] == POLLIN | POLLOUT
        b.nic.set_link(True)
        assert poller.wait(poller.clock.now() + 2000 * MS)
        assert b.tx.sync() == 0 and b.tx.space == 7
        assert wakeups(poller, 5) == 0 and b.watched[-1] == POLLIN


def test_one_descriptor_waits_for_all_rings():
    device = stand_in()
    nic = device.nic("em0", tx_rings=3, rx_rings=3)
    with open_port("em0", device=device) as port, OSPoller() as poller:
        poller.add_port(port)
        for ring in (2, 0, 1):
            assert not poller.wait(poller.clock.now() + MS)
            nic.inject([frame(ring)], ring)
            assert poller.wait(poller.clock.now() + 2000 * MS)
            assert bodies(port.receive()) == [frame(ring)]


def test_frames_that_were_left_keep_it_awake(bench):
    b = bench()
    b.nic.inject([frame(0), frame(1)])
    assert b.rx.sync() == 0
    b.rx.advance()
    with OSPoller() as poller:
        poller.add_port(b.port)
        for _ in range(3):
            assert poller.wait(time.monotonic_ns() + 2000 * MS)


def test_room_that_waiting_found_may_be_used_before_the_next_sync(bench):
    b = bench(spares=1)
    b.nic.set_busy(True)
    while b.tx.space:
        b.tx.write(b.tx.head, frame(1))
        b.tx.advance()
    assert b.tx.sync() == 0 and b.tx.space == 0
    b.nic.set_busy(False)
    b.port.arm(True)                    # poll() in the module moves tail
    assert b.tx.space == 7
    for i in range(5):
        if i == 2:
            b.tx.set_slot(b.tx.head, buf_idx=b.port.spare_buffers[0], flags=0)
        b.tx.write(b.tx.head, frame(10 + i))
        b.tx.advance()
    assert b.tx.sync() == 0
    assert b.nic.sent()[-5:] == [frame(10 + i) for i in range(5)] and b.port.statistics()["ring_resets"] == 0


def test_a_tail_that_was_written_while_waiting_is_not_believed(bench):
    b = bench()
    b.nic.set_busy(True)
    while b.tx.space:
        b.tx.write(b.tx.head, frame(1))
        b.tx.advance()
    assert b.tx.sync() == 0
    b.port.arm(True)
    b.tx.tail = (b.tx.tail + 3) % 8
    b.tx.advance(2)
    assert b.tx.sync() == EINVAL and b.tx.space == 0
    b.nic.set_busy(False)
    assert b.tx.sync() == 0 and b.tx.space == 7 and b.nic.sent() == [frame(1)] * 7


def test_half_a_frame_is_not_seen_after_the_port_has_gone(bench):
    b = bench()
    b.nic.inject([frame(0), frame(1)])
    b.mark({1: True})
    assert b.rx.sync() == 0 and b.rx.space == 1
    b.port.arm()                        # shows all to the module, and to whoever looks
    b.nic.remove()
    assert b.tx.sync() == ENXIO and b.rx.sync() == ENXIO
    assert b.rx.space == 1 and b.rx.read(b.rx.head) == frame(0)



def test_a_port_that_has_gone_wakes_up_once(bench):
    b = bench()
    with OSPoller() as poller:
        poller.add_port(b.port)
        b.nic.remove()
        assert poller.wait(poller.clock.now() + 2000 * MS)
        assert b.rx.sync() == ENXIO
        assert wakeups(poller, 5) == 0


def test_a_stopped_ring_is_looked_at_from_time_to_time(bench):
    """poll() of such a ring says POLLERR at once, whatever it is asked for."""
    b = bench(can_stop=True)
    with OSPoller() as poller:
        poller.add_port(b.port)
        assert wakeups(poller, 5) == 0
        b.stop(True)
        assert poller.wait(poller.clock.now() + 2000 * MS)
        count, end = 0, poller.clock.now() + 100 * MS
        while poller.clock.now() < end:
            assert b.rx.sync() == 0
            count += poller.wait(end)
        assert 2 <= count <= 12
        b.stop(False)
        assert poller.wait(poller.clock.now() + 2000 * MS)
        assert b.rx.sync() == 0 and b.port.send(frame(1)) and b.nic.sent() == [frame(1)]
        assert wakeups(poller, 5) == 0
        b.nic.inject([frame(2)])
        assert poller.wait(poller.clock.now() + 2000 * MS) and bodies(b.port.receive()) == [frame(2)]


def test_rubbish_that_is_written_while_a_reset_waits_to_be_told_is_cleared_too(bench):
    b = bench()
    b.rx.head = 77
    b.port.arm()
    b.rx.head = 99
    b.port.arm()
    assert b.rx.head == 0, "poll() in the module reads the ring"
    b.rx.head = 88
    assert b.rx.sync() == EINVAL and b.rx.head == 0
    assert b.rx.sync() == 0 and b.port.statistics()["ring_resets"] == 1
