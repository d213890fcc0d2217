"""Null ports of the stand-in: a region's memory, with rings that nothing moves through."""
import errno

import pytest

from tests.backends.netmap.handle import IN, NULL, OUT, PORT_INFO_GET, Handle, PortInfo, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn


@pytest.fixture
def kernel():
    return StandIn()


def test_a_null_port_holds_a_region_and_its_buffers(kernel):
    kernel.nic("eth0")
    null = opened(kernel, "any", NULL, mem_id=1, extra_bufs=5)
    nic = opened(kernel, "eth0")
    assert (null.answer.mem_id, null.answer.extra_bufs) == (1, 5)
    assert (null.answer.tx_rings, null.answer.rx_rings) == (0, 0)
    assert null.nifp.name == b"null:any"
    used = {slot.buf_idx for ring in (nic.tx, nic.rx) for slot in ring.slots}
    free, i = set(), null.nifp.bufs_head
    while i:
        free.add(i)
        i = int.from_bytes(nic.memory[nic.tx.buffer(i):nic.tx.buffer(i) + 4], "little")
    assert len(free) == 5 and not free & used


def test_its_rings_keep_what_is_put_into_them(kernel):
    null = opened(kernel, "n", NULL, mem_id=1, tx_rings=2, rx_rings=1, tx_slots=4, rx_slots=8)
    assert (null.answer.tx_rings, null.answer.rx_rings, null.answer.tx_slots, null.answer.rx_slots) == (2, 1, 4, 8)
    null.tx.put(frame(1))
    assert (null.txsync(), null.rxsync()) == (0, 0)
    assert null.tx.state == (1, 1, 3)
    assert null.rx.state == (0, 0, 0)
    assert null.poll(IN | OUT) == OUT


def test_it_needs_a_region_that_exists(kernel):
    assert Handle(kernel).register("n", NULL) == -errno.EINVAL
    assert Handle(kernel).register("n", NULL, mem_id=77) == -errno.EINVAL


def test_two_of_the_same_name_are_two(kernel):
    a = opened(kernel, "n", NULL, mem_id=1, tx_rings=1, tx_slots=4)
    b = opened(kernel, "n", NULL, mem_id=1, tx_rings=1, tx_slots=4)
    assert not {slot.buf_idx for slot in a.tx.slots} & {slot.buf_idx for slot in b.tx.slots}
    assert Handle(kernel).control(PORT_INFO_GET, "n", PortInfo(mem_id=1)) == -errno.ENXIO
