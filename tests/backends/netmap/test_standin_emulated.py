"""NICs of the stand-in whose drivers know nothing of netmap."""
import errno

import pytest

from tests.backends.netmap.handle import BUF_CHANGED, IN, MOREFRAG, REPORT, Handle, Offsets, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn

SLOTS = 8


@pytest.fixture
def kernel():
    return StandIn(buf_num=256)


@pytest.fixture
def nic(kernel):
    return kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS, mtu=9000, emulated=True)


def test_the_mtu_must_fit_one_buffer(kernel, nic):
    assert Handle(kernel).register("em0") == -errno.EINVAL
    nic.set_mtu(2048)
    assert Handle(kernel).register("em0") == 0


@pytest.fixture
def port(kernel, nic):
    nic.set_mtu(2048)
    return opened(kernel, "em0")


def test_frames_wait_outside_until_rxsync_copies_them_into_what_the_slots_say_then(kernel, port, nic):
    nic.inject([frame(1), frame(2)])
    port.rx.slots[0].buf_idx, port.rx.slots[1].buf_idx = 3, 2       # nobody said NS_BUF_CHANGED
    port.rxsync()
    assert bytes(port.memory[port.rx.buffer(3):][:60]) == frame(1)
    assert port.rx.get() == [frame(1), frame(2)]


def test_as_many_wait_as_the_ring_has_slots_and_one(port, nic):
    assert nic.inject([frame(i) for i in range(20)]) == SLOTS + 1
    assert nic.drops == 20 - SLOTS - 1
    port.rxsync()
    assert port.rx.get() == [frame(i) for i in range(SLOTS - 1)]
    port.rxsync()
    assert port.rx.get() == [frame(SLOTS - 1), frame(SLOTS)]


def test_slots_given_back_are_filled_in_the_same_sync(port, nic):
    nic.inject([frame(i) for i in range(SLOTS + 1)])
    port.rxsync()
    port.rx.advance(1)
    port.rxsync()
    assert port.rx.state == (1, 1, 0)


def test_a_slot_without_a_buffer_costs_all_frames_of_the_sync(port, nic):
    nic.inject([frame(1), frame(2), frame(3)])
    port.rx.slots[1].buf_idx = 0
    assert port.rxsync() == 0
    assert port.rx.state == (0, 0, 0)
    assert [(slot.buf_idx, slot.len) for slot in port.rx.slots][:3] == [(2, 60), (0, 0), (4, 60)]
    port.rx.slots[1].buf_idx = 3
    nic.inject([frame(4)])
    port.rxsync()
    assert port.rx.get() == [frame(4)]


def test_long_frames_span_slots_though_nobody_asked(kernel, nic):
    nic.set_mtu(2048)
    port = opened(kernel, "em0")
    assert nic.inject([frame(1, 2060)]) == 1
    port.rxsync()
    assert [(slot.len, slot.flags) for slot in port.rx.slots][:2] == [(2048, MOREFRAG), (12, 0)]
    assert b"".join(port.rx.get()) == frame(1, 2060)


def test_frames_at_offsets_are_cut_at_the_buffers_end(kernel, nic):
    nic.set_mtu(2048)
    port = opened(kernel, "em0", options=[Offsets(reqtype=5, max_offset=100, initial=100)])
    nic.inject([frame(1), frame(2, 2040)])
    before = bytes(port.memory[port.rx.buffer(4):][:64])
    port.rxsync()
    assert bytes(port.memory[port.rx.buffer(2) + 100:][:60]) == frame(1)
    assert bytes(port.memory[port.rx.buffer(4):][:64]) == before


def test_slots_come_back_at_once_also_by_poll(port, nic):
    port.tx.put(frame(1), frame(2))
    port.tx.slots[0].flags = REPORT | BUF_CHANGED | MOREFRAG
    port.poll(IN)
    assert port.tx.state == (2, 2, 1)
    assert nic.sent() == [frame(1), frame(2)]
    assert port.tx.slots[0].flags == MOREFRAG                       # which means nothing to it


def test_without_a_link_frames_are_lost(port, nic):
    nic.set_link(False)
    port.tx.put(frame(1))
    port.txsync()
    assert port.tx.state == (1, 1, 0)
    nic.set_link(True)
    port.txsync()
    assert nic.sent() == []


def test_what_waits_goes_with_the_last_user(kernel, port, nic):
    nic.inject([frame(1)])
    port.close()
    nic.set_mtu(2048)
    again = opened(kernel, "em0")
    again.rxsync()
    assert again.rx.state == (0, 0, 0)
