"""Pipes of the stand-in: two ends that hand each other slots."""
import errno

import pytest

from tests.backends.netmap.handle import (
    BUF_CHANGED,
    ERR,
    IN,
    MOREFRAG,
    NULL,
    ONE_NIC,
    OUT,
    PORT_HDR_GET,
    PORT_INFO_GET,
    SW,
    Handle,
    PortHdr,
    PortInfo,
    frame,
    opened,
)
from usnet.backends.netmap.standin.kernel import StandIn


@pytest.fixture
def kernel():
    return StandIn()


@pytest.fixture
def ends(kernel):
    """Both ends of a pipe with 8 slots a ring, of a VALE port."""
    return opened(kernel, "vale0:p{1", tx_slots=8, rx_slots=8), opened(kernel, "vale0:p}1")


def indices(ring):
    return [slot.buf_idx for slot in ring.slots]


def info(kernel, name, **wish):
    body = PortInfo(**wish)
    return Handle(kernel).control(PORT_INFO_GET, name, body), body


def test_the_other_end_sees_the_very_buffers_that_were_sent(ends):
    a, b = ends
    sent = indices(a.tx)[:2]
    a.tx.put(frame(1), frame(2, 100))
    assert (a.txsync(), b.rxsync()) == (0, 0)
    assert (a.tx.state, b.rx.state) == ((2, 2, 7), (0, 0, 2))
    assert indices(b.rx)[:2] == sent
    assert b.rx.get() == [frame(1), frame(2, 100)]


def test_both_rings_show_the_same_buffers_from_the_start(ends):
    a, b = ends
    assert indices(a.tx) == indices(b.rx)
    assert indices(a.rx) == indices(b.tx)
    assert not set(indices(a.tx)) & set(indices(a.rx))


def test_what_the_receiver_gives_back_is_the_sender_s_again(ends):
    a, b = ends
    a.tx.put(*[frame(i) for i in range(7)])
    a.txsync()
    assert a.tx.state == (7, 7, 7)
    b.rxsync()
    b.rx.advance(3)
    b.rxsync()
    assert a.txsync() == 0
    assert a.tx.state == (7, 7, 2)
    assert b.rx.state == (3, 3, 7)


def test_a_buffer_that_the_receiver_swaps_in_goes_to_the_sender(ends):
    a, b = ends
    a.tx.put(frame(1))
    a.txsync()
    b.rxsync()
    mine, other = b.tx.slots[0], b.rx.slots[0]
    mine.buf_idx, other.buf_idx = other.buf_idx, mine.buf_idx
    mine.flags = other.flags = BUF_CHANGED
    given = other.buf_idx
    b.rx.advance()
    b.rxsync()
    assert (a.tx.slots[0].buf_idx, a.tx.slots[0].flags, b.rx.slots[0].flags) == (given, BUF_CHANGED, 0)


def test_a_frame_of_several_slots_is_announced_when_it_is_whole(ends):
    a, b = ends
    for i, data in enumerate((b"whole" * 12, b"first", b"second")):
        a.tx.write(i, data, MOREFRAG if i else 0)
    a.tx.set(3)
    a.txsync()
    b.rxsync()
    assert b.rx.state == (0, 0, 1)
    assert a.tx.state == (3, 3, 7)
    a.tx.write(3, b"last")
    a.tx.set(4)
    a.txsync()
    b.rxsync()
    assert b.rx.state == (0, 0, 4)
    assert [b.rx.slots[i].flags for i in range(4)] == [0, MOREFRAG, MOREFRAG, 0]


def test_frames_wait_for_an_end_that_is_opened_later(kernel):
    a = opened(kernel, "vale0:p}x", tx_slots=8, rx_slots=8)
    a.tx.put(frame(1), frame(2))
    assert a.txsync() == 0
    b = opened(kernel, "vale0:p{x")
    assert b.rx.state == (0, 0, 0)
    b.rxsync()
    assert b.rx.get() == [frame(1), frame(2)]


def test_what_lies_in_the_rings_stays_when_an_end_is_closed_and_opened_again(ends, kernel):
    a, b = ends
    a.tx.put(frame(1))
    a.txsync()
    b.rxsync()
    b.close()
    a.tx.put(frame(2))
    assert a.txsync() == 0
    assert a.poll(IN | OUT) == OUT
    again = opened(kernel, "vale0:p}1")
    assert again.rx.state == (0, 0, 1)
    again.rxsync()
    assert again.rx.get() == [frame(1), frame(2)]


def test_a_closed_end_is_no_error_to_the_other_but_a_ring_that_fills(ends):
    a, b = ends
    b.close()
    a.tx.put(*[frame(i) for i in range(7)])
    assert a.txsync() == 0
    assert a.tx.state == (7, 7, 7)
    assert a.poll(IN | OUT) == 0
    assert a.poll(IN | OUT) & ERR == 0


def test_poll_says_when_the_other_end_has_sent_or_given_back(ends):
    a, b = ends
    assert b.poll(IN) == 0
    a.tx.put(*[frame(i) for i in range(7)])
    assert a.poll(OUT) == 0
    assert b.poll(IN) == IN
    b.rx.get()
    b.rxsync()
    assert a.poll(OUT) == OUT


def test_all_buffers_come_back_when_both_ends_are_closed(kernel):
    kernel.nic("eth0", tx_slots=16, rx_slots=16)
    keep = Handle(kernel)
    assert keep.register("keep", NULL, mem_id=1) == 0      # or the region would begin anew with its next user
    before = kernel.pools()
    for order in (0, 1):
        ends = [opened(kernel, "eth0{1"), opened(kernel, "eth0}1")]
        ends[0].tx.put(frame(1), frame(2))
        ends[0].txsync()
        ends[1].rxsync()
        ends[1].rx.advance()
        ends[1].rxsync()
        ends[1].tx.put(frame(1))
        ends[1].txsync()
        ends[order].close()
        ends[1 - order].close()
        assert kernel.pools() == before


def test_a_nic_s_pipe_lives_in_its_region_and_leaves_the_nic_alone(kernel):
    kernel.nic("eth0", tx_slots=32, rx_slots=64)
    a = opened(kernel, "eth0{1")
    assert (a.answer.mem_id, a.answer.tx_slots, a.answer.rx_slots, a.answer.tx_rings, a.answer.host_tx_rings) == (1, 32, 64, 1, 0)
    b = opened(kernel, "eth0}1")
    assert (b.answer.tx_slots, b.answer.rx_slots) == (64, 32)
    assert (bytes(a.nifp.name), bytes(b.nifp.name)) == (b"eth0{1", b"eth0}1")
    assert opened(kernel, "eth0").answer.mem_id == 1


def test_a_vale_port_s_pipes_live_in_its_memory(kernel):
    port = opened(kernel, "vale0:p")
    assert opened(kernel, "vale0:p{1").answer.mem_id == port.answer.mem_id
    assert opened(kernel, "vale0:q{1").answer.mem_id != port.answer.mem_id


def test_a_parent_that_does_not_exist_is_made_and_goes_with_the_pipe(kernel):
    a = opened(kernel, "nopar{1", tx_slots=64)
    assert (a.answer.tx_slots, a.answer.rx_slots) == (64, 1024)
    b = opened(kernel, "nopar}1")
    assert info(kernel, "nopar")[0] == 0
    a.close()
    assert info(kernel, "nopar")[0] == 0
    b.close()
    assert info(kernel, "nopar")[0] == -errno.ENXIO


def test_a_name_that_no_interface_can_have_has_no_pipes(kernel):
    for name in ("this_is_too_long_a_name{1", "a:b{1", "a/b{1"):
        assert Handle(kernel).register(name) == -errno.ENXIO


def test_wishes_are_brought_into_bounds(kernel):
    opened(kernel, "vale0:p", tx_slots=100, rx_slots=200)
    for name, wish, expected in (
        ("vale0:p{1", {}, (1, 1, 100, 200)),
        ("vale0:p}1", {}, (1, 1, 200, 100)),
        ("vale0:p{1", {"tx_rings": 3, "rx_rings": 5, "tx_slots": 7, "rx_slots": 9}, (3, 5, 7, 9)),
        ("vale0:p}1", {"tx_rings": 3, "rx_rings": 5, "tx_slots": 7, "rx_slots": 9}, (5, 3, 9, 7)),
        ("vale0:p{1", {"tx_rings": 300, "rx_slots": 5000}, (256, 1, 100, 4096)),
    ):
        status, body = info(kernel, name, **wish)
        assert status == 0
        assert (body.tx_rings, body.rx_rings, body.tx_slots, body.rx_slots) == expected


def test_one_ring_of_several(kernel):
    a = opened(kernel, "vale0:p{1", ONE_NIC, ringid=1, tx_rings=2, rx_rings=2, tx_slots=8, rx_slots=8)
    b = opened(kernel, "vale0:p}1", ONE_NIC, ringid=1)
    assert a.ring(0) is None
    a.ring(1).put(frame(1))
    a.txsync()
    b.rxsync()
    assert b.ring(b.nifp.tx_rings + 1 + 1).get() == [frame(1)]


@pytest.mark.parametrize("name", ["vale0:p{", "{1", "vale0:p}", "}x"])
def test_a_pipe_needs_a_parent_and_a_name(kernel, name):
    assert Handle(kernel).register(name) == -errno.EINVAL


def test_pipes_have_no_host_rings(kernel):
    kernel.nic("eth0")
    assert Handle(kernel).register("eth0{1", SW) == -errno.EINVAL


def test_only_registering_makes_a_pipe(kernel):
    kernel.nic("eth0")
    assert Handle(kernel).control(PORT_HDR_GET, "eth0{1", PortHdr()) == -errno.ENODEV
    opened(kernel, "eth0{1")
    assert Handle(kernel).control(PORT_HDR_GET, "eth0}1", PortHdr()) == 0


def test_a_parent_has_at_most_64_pipes():
    kernel = StandIn(ring_num=400)
    kernel.nic("eth0", tx_slots=4, rx_slots=4)
    for i in range(64):
        opened(kernel, f"eth0{{{i}")
    assert Handle(kernel).register("eth0{64") == -errno.EINVAL
    opened(kernel, "eth0}5")


def test_a_region_without_rings_left_refuses_and_takes_nothing():
    kernel = StandIn(ring_num=6)
    kernel.nic("eth0", tx_slots=4, rx_slots=4)
    keep = opened(kernel, "eth0{1")
    before = kernel.pools()
    assert Handle(kernel).register("eth0{2") == -errno.ENOMEM
    assert kernel.pools() == before
    assert keep.txsync() == 0
