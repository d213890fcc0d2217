"""Rings, slots and buffers as Python sees them, on the stand-in."""
import errno
import gc
import os
import select

import numpy
import pytest

from usnet.backends import netmap
from usnet.backends.netmap.intercept import Intercept
from usnet.backends.netmap.standin.kernel import StandIn

FRAME = bytes.fromhex("ffffffffffff0200000000010800") + bytes(range(100))


@pytest.fixture
def kernel():
    return StandIn(buf_num=8192)


@pytest.fixture
def pair(kernel):
    """Two ports of one switch: what one sends, the other receives."""
    with netmap.open("vale0:a", kernel, extra_bufs=4) as a, netmap.open("vale0:b", kernel) as b:
        yield a, b


@pytest.fixture
def pipe(kernel):
    """Both ends of a pipe, which share their memory."""
    with netmap.open("vale0:p{1", kernel) as a, netmap.open("vale0:p}1", kernel) as b:
        yield a, b


def test_frames_are_sent_and_received(pair):
    a, b = pair
    assert a.send(FRAME)
    assert a.send(FRAME[::-1][:60].replace(b"\x01", b"\x02"))
    assert b.receive(1) == [FRAME]
    assert len(b.receive()) == 1
    assert b.receive() == []


def test_a_long_frame_spans_slots_and_comes_whole(pair):
    a, b = pair
    frame = FRAME[:14] + os.urandom(6000)
    assert a.send(frame)
    assert (a.tx_rings[0].slots["flags"][:4] & netmap.NS_MOREFRAG).tolist() == [32, 32, 0, 0]
    assert b.receive() == [frame]


def test_a_header_is_put_in_front_and_taken_off(kernel, pair):
    for name in ("vale0:a", "vale0:b"):
        netmap.port_hdr_set(name, 12, kernel)
    with netmap.open("vale0:a", kernel) as a, netmap.open("vale0:b", kernel) as b:
        a.send(FRAME)
        assert a.tx_rings[0][0].len == len(FRAME) + 12
        assert b.receive() == [FRAME]


@pytest.mark.parametrize("length", [0, 64 * 2048 + 1])
def test_a_frame_that_no_ring_can_hold_is_refused(pair, length):
    with pytest.raises(ValueError):
        pair[0].send(bytes(length))


def test_a_full_ring_takes_no_frame_and_keeps_what_it_has(pipe):
    a, _ = pipe
    sent = 0
    while a.send(FRAME):
        sent += 1
    assert sent == len(a.tx_rings[0]) - 1
    assert a.tx_rings[0].space == 0
    assert a.tx_rings[0].pending == sent


def test_filling_slots_in_place_is_sending(pair):
    a, b = pair
    ring = a.tx_rings[0]
    for i, slot in enumerate(ring):
        if i == 3:
            break
        slot.data = FRAME
        slot.flags = 0
    assert b.receive() == []
    ring.advance(3)
    assert (ring.head, ring.cur, b.receive()) == (3, 3, [])
    ring.sync()
    assert b.receive() == [FRAME] * 3


def test_iterating_a_receive_ring_gives_the_frames_and_leaves_them(pair):
    a, b = pair
    ring = b.rx_rings[0]
    a.send(FRAME)
    a.send(FRAME)
    b.rxsync()
    assert [bytes(slot.data) for slot in ring] == [FRAME, FRAME]
    assert ring.space == 2
    ring.advance(1)
    assert [slot.index for slot in ring] == [1]
    with pytest.raises(ValueError, match="2 slots to hand over, 1 to have"):
        ring.advance(2)
    assert ring.head == 1


def test_rings_go_round(pair):
    a, b = pair
    for n in range(3 * len(a.tx_rings[0])):
        assert a.send(FRAME[:60] + n.to_bytes(4, "big"))
        assert b.receive() == [FRAME[:60] + n.to_bytes(4, "big")]


def test_slots_are_reached_by_their_numbers_only(pair):
    ring = pair[0].tx_rings[0]
    assert ring[-1].index == len(ring) - 1
    for i in (len(ring), -len(ring) - 1, 2**40):
        with pytest.raises(IndexError):
            ring[i]


def test_no_index_reaches_out_of_the_pool(pair):
    a, _ = pair
    slot = a.tx_rings[0][0]
    for i in (0, 1, a.n_bufs, 2**32 - 1):
        with pytest.raises(IndexError):
            slot.buf_idx = i
        with pytest.raises(IndexError):
            a.buffer(i)
        a.tx_rings[0].slots["buf_idx"][0] = i           # the ring's own memory takes anything
        for reach in (lambda: slot.buf, lambda: slot.data, lambda: setattr(slot, "data", b"x")):
            with pytest.raises(IndexError):
                reach()
        assert a.send(FRAME) is False
    a.buffer(a.n_bufs - 1)[-1] = 1
    with pytest.raises(ValueError):
        slot.len = 2049


def test_a_length_or_offset_past_the_buffer_reaches_nothing(kernel):
    with netmap.open("vale0:a@offset:initial=64", kernel) as port:
        ring = port.tx_rings[0]
        slot = ring[0]
        with pytest.raises(ValueError):
            slot.offset = 65
        with pytest.raises(ValueError):
            slot.data = bytes(2048 - 63)
        slot.data = bytes(2048 - 64)
        ring.slots["len"][0] = 2048
        with pytest.raises(ValueError):
            slot.data  # noqa: B018
        for ptr in (2048, 2**63, 2**64 - 1):
            slot.ptr = ptr
            slot_len = ring.slots["len"]
            slot_len[0] = 1
            with pytest.raises(ValueError):
                slot.data  # noqa: B018
            assert port.send(b"x" * 20) is False


@pytest.mark.parametrize(("head", "tail"), [(2**32 - 1, 5), (5, 2**31), (1024, 0)])
def test_broken_indices_reach_nothing(pair, head, tail):
    ring = pair[0].tx_rings[0]
    ring.head, ring.tail = head, tail
    assert ring.space == 0
    assert list(ring) == []
    with pytest.raises(ValueError):
        ring.advance()
    with pytest.raises(ValueError):
        pair[0].send(b"")


def test_broken_indices_are_told_by_poll_and_put_right(pair):
    a, b = pair
    a.tx_rings[0].head = 4000
    assert a.poll(0) & netmap.Ready.ERR
    assert a.send(FRAME)
    assert b.receive() == [FRAME]


def test_swapped_buffers_carry_the_frame(pipe):
    a, b = pipe
    a.send(FRAME)
    b.rxsync()
    taken, free = b.rx_rings[0][0], b.tx_rings[0][0]
    was = taken.buf_idx, free.buf_idx
    free.swap(taken)
    assert (free.buf_idx, taken.buf_idx) == was
    assert free.flags & taken.flags & netmap.NS_BUF_CHANGED
    assert bytes(free.data) == FRAME
    b.rx_rings[0].advance()
    b.tx_rings[0].advance()
    b.txsync()
    assert a.receive() == [FRAME]


def test_buffers_of_other_regions_are_not_swapped(pair):
    a, b = pair
    before = a.tx_rings[0][0].buf_idx
    with pytest.raises(ValueError, match="different memory regions"):
        a.tx_rings[0][0].swap(b.rx_rings[0][0])
    with pytest.raises(ValueError, match="different memory regions"):
        b.rx_rings[0][0].swap(a.extra_buffers[0])
    assert (a.tx_rings[0][0].buf_idx, a.tx_rings[0][0].flags) == (before, 0)


def test_regions_of_two_kernels_are_two_even_with_one_number(kernel):
    kernels = [kernel, StandIn(buf_num=8192)]
    for each in kernels:
        each.nic("eth0")
    with netmap.open("eth0", kernels[0]) as a, netmap.open("eth0", kernels[1]) as b:
        assert a.mem_id == b.mem_id
        with pytest.raises(ValueError, match="different memory regions"):
            a.tx_rings[0][0].swap(b.tx_rings[0][0])


def test_an_extra_buffer_takes_a_frame_out_of_the_ring(pair):
    a, b = pair
    with netmap.open("vale0:c", b.descriptor.device, extra_bufs=1) as c:
        a.send(FRAME)
        c.rxsync()
        slot, extra = c.rx_rings[0][0], c.extra_buffers[0]
        was = slot.buf_idx, extra.buf_idx
        slot.swap(extra)
        assert (extra.buf_idx, slot.buf_idx) == was
        c.rx_rings[0].advance()
        c.rxsync()
        assert bytes(extra.buf[:len(FRAME)]) == FRAME


def test_slots_are_a_numpy_array_without_a_copy(pair):
    a, _ = pair
    ring = a.tx_rings[0]
    slots = ring.slots
    assert slots.dtype == numpy.dtype([("buf_idx", "u4"), ("len", "u2"), ("flags", "u2"), ("ptr", "u8")])
    assert len(slots) == len(ring)
    ring[5].len = 77
    assert slots["len"][5] == 77
    slots["len"][6] = 78
    assert ring[6].len == 78
    assert sorted(slots["buf_idx"].tolist()) == sorted(slot.buf_idx for slot in (ring[i] for i in range(len(ring))))


def test_a_buffer_is_seen_whole_and_written_in_place(pair):
    slot = pair[0].tx_rings[0][2]
    assert len(slot.buf) == pair[0].buf_size
    slot.buf[:4] = b"abcd"
    slot.len = 4
    assert bytes(slot.data) == b"abcd"
    slot.data[0] = ord("x")
    assert bytes(pair[0].buffer(slot.buf_idx)[:4]) == b"xbcd"


def test_views_outlive_a_close_and_do_no_harm(kernel):
    port = netmap.open("vale0:z", kernel)
    ring, slot = port.tx_rings[0], port.tx_rings[0][0]
    slot.data = FRAME
    views = [slot.data, slot.buf[10:20], numpy.frombuffer(slot.buf, "u1"), ring.slots]
    port.close()
    assert netmap.vale_list(kernel) == []
    for each in views:
        assert not numpy.asarray(each).tobytes().strip(b"\0")
    views[1][0] = 7
    for use in (lambda: slot.data, lambda: slot.len, lambda: ring.slots, lambda: ring.head, lambda: list(ring), lambda: port.buffer(2),
                ring.sync, lambda: port.poll(0), lambda: port.send(FRAME)):
        with pytest.raises((ValueError, IndexError), match=r"closed|range"):
            use()
    del each, views
    gc.collect()


def test_a_ring_keeps_its_port_open(kernel):
    ring = netmap.open("vale0:z", kernel).tx_rings[0]
    gc.collect()
    ring[0].data = FRAME
    assert bytes(ring[0].data) == FRAME
    assert len(netmap.vale_list(kernel)) == 1


def test_poll_tells_of_frames_and_of_room(pair):
    a, b = pair
    assert not b.poll(0)
    assert b.poll(0, out=True) == netmap.Ready.OUT
    a.send(FRAME)
    assert b.poll(0) == netmap.Ready.IN
    assert b.poll(0, out=True) == netmap.Ready.IN | netmap.Ready.OUT
    b.receive()
    assert not b.poll(0)


def test_poll_goes_on_after_a_signal(kernel):
    calls = []

    def interrupted(call, fd, *details):
        if call == "poll":
            calls.append(details[1])
            return -errno.EINTR if len(calls) < 3 else 1
        return None

    with netmap.open("vale0:a", Intercept(kernel, interrupted)) as port:
        assert port.poll(5) == netmap.Ready.IN
        assert len(calls) == 3
        assert 0 < calls[2] <= calls[0] == 5_000_000_000


def test_a_descriptor_to_select_on_tells_of_frames_and_only_if_asked_of_room(pair):
    a, b = pair
    assert select.select([b], [], [], 0) == ([], [], [])
    a.send(FRAME)
    assert select.select([b], [], [], 0) == ([b], [], [])
    b.receive()
    b.rxsync()
    b.watch()
    assert select.select([b.fileno()], [], [], 0)[0] == []
    assert select.select([b.watch(out=True)], [], [], 0)[0] != []
    assert b.watch(out=True) == b.fileno()


def test_errors_of_syncs_are_raised_with_what_to_do(kernel):
    nic = kernel.nic("eth0")
    with netmap.open("eth0", kernel) as port:
        nic.remove()
        for sync in (port.txsync, port.rxsync):
            with pytest.raises(OSError, match="gone") as gone:
                sync()
            assert gone.value.errno in (errno.EIO, errno.ENXIO)


def test_frames_cross_a_nic_and_its_host_rings(kernel):
    nic = kernel.nic("eth0")
    with netmap.open("eth0*", kernel) as port:
        nic.inject([FRAME])
        nic.host_send([FRAME[:80]])
        assert port.receive() == [FRAME, FRAME[:80]]
        port.send(FRAME[:70])
        assert nic.sent() == [FRAME[:70]]
        assert port.send(FRAME[:90], number=len(port.tx_rings) - 1)
        assert nic.host_received() == [FRAME[:90]]
        with pytest.raises(IndexError):
            port.send(FRAME, number=2)


def test_a_monitor_sees_what_another_receives(pair, kernel):
    a, b = pair
    with netmap.open("vale0:b/r", kernel) as monitor:
        a.send(FRAME)
        assert b.receive() == [FRAME]
        b.rxsync()
        assert monitor.receive() == [FRAME]
