"""Monitors of the stand-in: what passes through the rings of another port."""
import errno

import pytest

from tests.backends.netmap.handle import (
    ALL_NIC,
    BUF_CHANGED,
    ERR,
    IN,
    MOREFRAG,
    NIC_SW,
    NULL,
    ONE_NIC,
    OUT,
    SW,
    Handle,
    frame,
    opened,
)
from usnet.backends.netmap.standin.kernel import StandIn

TX, RX, ZCOPY = 0x100, 0x200, 0x400
TXMON = 0x40


@pytest.fixture
def kernel():
    return StandIn()


@pytest.fixture
def ends(kernel):
    return opened(kernel, "vale0:p{1", tx_slots=8, rx_slots=8), opened(kernel, "vale0:p}1")


def monitor(kernel, name, flags, mode=ALL_NIC, **fields):
    return opened(kernel, name, mode, flags=flags, **fields)


def send(port, *frames):
    port.tx.put(*frames)
    assert port.txsync() == 0


def take(port, n=None):
    """Receives, and gives the slots back."""
    port.rxsync()
    found = port.rx.get()
    port.rxsync()
    return found


def seen(port, i=0):
    """[(bytes, flags)] of receive ring i, slot by slot; the slots go back."""
    assert port.rxsync() == 0
    ring = port.ring(port.nifp.tx_rings + max(port.nifp.host_tx_rings, 1) + i)
    found = []
    while ring.head != ring.tail:
        found.append((ring.read(ring.head), ring.slots[ring.head].flags))
        ring.advance()
    assert port.rxsync() == 0
    return found


def indices(ring):
    return [slot.buf_idx for slot in ring.slots]


# Copies -------------------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_seen_before_it_goes(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p{1", TX)
    a.tx.write(0, frame(1), MOREFRAG)
    a.tx.write(1, frame(2))
    a.tx.set(2)
    assert seen(mon) == []
    a.txsync()
    assert seen(mon) == [(frame(1), TXMON | MOREFRAG), (frame(2), TXMON)]
    assert take(b) == [frame(1), frame(2)]
    send(b, frame(3))
    take(a)
    assert seen(mon) == []


def test_what_is_received_is_seen_when_it_comes(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p}1", RX)
    send(a, frame(1))
    assert seen(mon) == [(frame(1), 0)]        # before the port's own user looks
    assert take(b) == [frame(1)]
    assert seen(mon) == []
    send(a, frame(2))
    assert take(b) == [frame(2)]
    assert seen(mon) == [(frame(2), 0)]


def test_both_directions_in_one(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p{1", TX | RX)
    send(a, frame(1))
    send(b, frame(2))
    assert seen(mon) == [(frame(1), TXMON), (frame(2), 0)]


def test_a_copy_is_a_copy(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p{1", TX)
    assert mon.answer.mem_id != a.answer.mem_id
    assert mon.nifp.name == b"vale0:p{1/t#0"
    send(a, frame(1))
    b.rxsync()
    b.rx.write(0, frame(9))
    assert seen(mon) == [(frame(1), TXMON)]


def test_several_may_watch_one_ring(kernel, ends):
    a, _ = ends
    mons = [monitor(kernel, "vale0:p{1", TX) for _ in range(3)]
    send(a, frame(1))
    mons[0].close()
    send(a, frame(2))
    assert seen(mons[1]) == seen(mons[2]) == [(frame(1), TXMON), (frame(2), TXMON)]
    mons[1].close()
    mons[2].close()
    send(a, frame(3))
    assert a.tx.head == 3


def test_who_does_not_keep_up_sees_the_last_ones(kernel, ends):
    a, _ = ends
    mon = monitor(kernel, "vale0:p{1", TX, rx_slots=4)
    send(a, *[frame(i) for i in range(5)])
    assert seen(mon) == [(frame(i), TXMON) for i in (2, 3, 4)]
    send(a, frame(5), frame(6))
    assert seen(mon) == [(frame(5), TXMON), (frame(6), TXMON)]


def test_poll_says_when_there_is_something_to_see(kernel, ends):
    a, _ = ends
    mon = monitor(kernel, "vale0:p{1", TX)
    assert mon.poll(IN) == 0
    send(a, frame(1))
    assert mon.poll(IN) == IN


def test_nothing_is_sent_through_a_monitor(kernel, ends):
    mon = monitor(kernel, "vale0:p{1", TX)
    mon.tx.put(frame(1))
    assert mon.txsync() == 0                    # the error stays with the ring
    assert mon.tx.state == (1, 1, 7)
    assert mon.poll(OUT) == ERR | OUT
    assert mon.tx.state == (1, 1, 7)


def test_one_ring_and_the_others_not(kernel):
    port = opened(kernel, "vale0:p", tx_rings=2, rx_rings=2)
    mon = monitor(kernel, "vale0:p", TX, ONE_NIC, ringid=1)
    for i in range(2):
        port.ring(i).put(frame(i))
    port.txsync()
    assert seen(mon, 1) == [(frame(1), TXMON)]
    assert mon.nifp.tx_rings == 1 and mon.nifp.rx_rings == 2


def test_the_host_s_rings_are_asked_for_in_vain(kernel):
    # They are in netmap mode before the monitor is asked to watch what enters it
    nic = kernel.nic("eth0")
    port = opened(kernel, "eth0", NIC_SW)
    mon = monitor(kernel, "eth0", TX | RX, NIC_SW)
    nic.host_send([frame(1)])
    nic.inject([frame(2)])
    port.rxsync()
    port.ring(0).put(frame(3))
    port.ring(1).put(frame(4))
    port.txsync()
    assert seen(mon, 1) == []
    assert seen(mon) == [(frame(2), 0), (frame(3), TXMON)]


@pytest.mark.parametrize("slots", [(0, 8), (5, 5), (5000, 4096)])
def test_slots_are_the_parent_s_or_what_is_wished(kernel, ends, slots):
    mon = Handle(kernel)
    assert mon.register("vale0:p{1", flags=RX, rx_slots=slots[0]) == 0
    assert mon.answer.rx_slots == slots[1]


# Without a copy -----------------------------------------------------------------------------------------------------------


def test_what_was_received_is_seen_when_its_slots_come_back(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p}1", ZCOPY)
    assert mon.answer.mem_id == b.answer.mem_id
    assert mon.answer.flags == TX | RX | ZCOPY
    assert mon.nifp.name == b"vale0:p}1/zrt#0"
    send(a, frame(1))
    b.rxsync()
    assert seen(mon) == []
    given, own = b.rx.slots[0].buf_idx, mon.rx.slots[0].buf_idx
    b.rx.advance()
    b.rxsync()
    assert (mon.rx.slots[0].buf_idx, b.rx.slots[0].buf_idx) == (given, own)
    assert (a.tx.slots[0].buf_idx, a.tx.slots[0].flags) == (own, BUF_CHANGED)
    assert seen(mon) == [(frame(1), 0)]


def test_what_was_sent_is_seen_when_its_slots_are_free_again(kernel, ends):
    a, b = ends
    mon = monitor(kernel, "vale0:p{1", ZCOPY)
    send(a, frame(1))
    assert seen(mon) == []
    take(b)
    a.txsync()
    assert seen(mon) == [(frame(1), TXMON)]


def test_a_second_one_sees_what_the_first_has_seen(kernel, ends):
    a, b = ends
    first, second = monitor(kernel, "vale0:p}1", ZCOPY), monitor(kernel, "vale0:p}1", ZCOPY)
    send(a, frame(1))
    take(b)
    assert second.rxsync() == 0
    assert second.rx.tail == 0
    assert seen(first) == [(frame(1), 0)]
    assert seen(second) == [(frame(1), 0)]
    send(a, frame(2))
    take(b)
    first.close()
    send(a, frame(3))
    take(b)
    assert seen(second) == [(frame(3), 0)]
    second.close()
    send(a, frame(4))
    assert take(b) == [frame(4)]


def test_copies_and_no_copies_at_once(kernel, ends):
    a, b = ends
    copy, swap = monitor(kernel, "vale0:p}1", RX), monitor(kernel, "vale0:p}1", ZCOPY)
    send(a, frame(1))
    assert (seen(copy), seen(swap)) == ([(frame(1), 0)], [])
    assert take(b) == [frame(1)]
    assert (seen(copy), seen(swap)) == ([], [(frame(1), 0)])


def test_no_buffer_is_lost(kernel):
    kernel.nic("eth0", tx_slots=16, rx_slots=16)
    keep = Handle(kernel)
    assert keep.register("keep", NULL, mem_id=1) == 0
    before = kernel.pools()
    a, b = opened(kernel, "eth0{1"), opened(kernel, "eth0}1")
    mons = [monitor(kernel, "eth0}1", ZCOPY) for _ in range(2)]
    for i in range(40):
        send(a, frame(i), frame(i))
        assert take(b) == [frame(i)] * 2
        seen(mons[0])
    every = [i for ring in (a.tx, a.rx, *(mon.rx for mon in mons)) for i in indices(ring)]
    assert len(set(every)) == len(every) == 4 * 16
    for port in (mons[0], b, a, mons[1]):
        port.close()
    assert kernel.pools() == before


# Parents ------------------------------------------------------------------------------------------------------------------


def test_who_is_not_in_netmap_mode_is_not_watched(kernel):
    kernel.nic("eth0")
    assert Handle(kernel).register("eth0", flags=RX) == -errno.EINVAL
    assert Handle(kernel).register("vale0:none", flags=RX) == -errno.EINVAL
    assert Handle(kernel).register("eth9", flags=RX) == -errno.ENXIO
    assert Handle(kernel).register("eth0", NULL, flags=RX) == -errno.EINVAL


def test_rings_that_the_parent_does_not_have_are_not_watched(kernel):
    keep = opened(kernel, "vale0:p")
    assert Handle(kernel).register("vale0:p", ONE_NIC, flags=RX, ringid=5) == -errno.EINVAL
    assert Handle(kernel).register("vale0:p", SW, flags=RX) == -errno.EINVAL
    keep.close()


@pytest.mark.parametrize("flags", [TX | RX, ZCOPY])
def test_when_the_parent_leaves_its_monitors_are_of_no_use(kernel, flags):
    kernel.nic("eth0")
    user = opened(kernel, "eth0")
    mons = [monitor(kernel, "eth0", flags) for _ in range(2)]
    user.close()
    for mon in mons:
        assert mon.rxsync() == 0
        assert mon.poll(IN) == ERR
    again = opened(kernel, "eth0")
    send(again, frame(1))
    assert all(mon.poll(IN) == ERR for mon in mons)
    for mon in mons:
        mon.close()
    fresh = monitor(kernel, "eth0", TX)
    send(again, frame(2))
    assert seen(fresh) == [(frame(2), TXMON)]


def test_a_monitor_keeps_its_parent_s_switch_port_but_not_its_mode(kernel):
    keep = opened(kernel, "vale0:p")
    mon = monitor(kernel, "vale0:p", RX)
    keep.close()
    assert mon.poll(IN) == ERR
    assert Handle(kernel).register("vale0:p") == 0
