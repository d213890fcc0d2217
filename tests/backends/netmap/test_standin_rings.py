"""Rings of the stand-in's NICs: what each call leaves in them, with users who keep the rules and users who do not."""
import pytest

from tests.backends.netmap.handle import BUF_CHANGED, MOREFRAG, ONE_NIC, REPORT, Offsets, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn

SLOTS = 8


@pytest.fixture
def kernel():
    return StandIn(buf_num=256)


@pytest.fixture
def nic(kernel):
    return kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS)


@pytest.fixture
def port(kernel, nic):
    return opened(kernel, "em0")


def test_rings_at_the_start(port):
    assert port.tx.state == (0, 0, SLOTS - 1)
    assert port.rx.state == (0, 0, 0)
    # The module writes its own numbers of directions there: 1 for transmit
    assert (port.tx.dir, port.rx.dir, port.tx.ringid, port.tx.num_slots, port.tx.buf_size) == (1, 0, 0, SLOTS, 2048)
    assert (port.tx.offset_mask, port.tx.buf_align, port.tx.flags) == (0, 0, 0)


def test_a_frame_leaves_at_txsync_and_its_slot_comes_back(port, nic):
    port.tx.put(frame(1), frame(2, 2048))
    port.tx.slots[0].flags = REPORT | BUF_CHANGED | 0x8000
    assert nic.sent() == []
    assert port.txsync() == 0
    assert nic.sent() == [frame(1), frame(2, 2048)]
    assert port.tx.state == (2, 2, 1)
    assert port.tx.slots[0].flags == 0x8000
    assert port.txsync() == 0
    assert nic.sent() == []


def test_the_ring_goes_round_its_end(port, nic):
    for number in range(5):
        port.tx.put(*[frame(10 * number + i) for i in range(SLOTS - 1)])
        assert port.txsync() == 0
        assert nic.sent() == [frame(10 * number + i) for i in range(SLOTS - 1)]
    assert port.tx.state == (5 * 7 % 8, 5 * 7 % 8, 5 * 7 % 8 - 1)


def test_cur_beyond_head_sends_only_up_to_head(port, nic):
    port.tx.write(0, frame(1))
    port.tx.set(1, 5)
    assert port.txsync() == 0
    assert nic.sent() == [frame(1)]
    assert port.tx.state == (1, 5, 0)


@pytest.mark.parametrize(("head", "cur", "tail"), [
    (SLOTS, SLOTS, 7), (SLOTS, 3, 7), (2**32 - 1, 0, 7), (2, 1, 2**31)])
def test_indices_that_are_of_no_ring_are_all_taken_back(port, nic, head, cur, tail):
    port.tx.put(frame(1))
    assert port.txsync() == 0
    port.tx.set(head, cur, tail)
    assert port.txsync() == 0                                   # and no errno says so
    assert port.tx.state == (1, 1, 0)
    assert nic.sent() == [frame(1)]


def test_a_bad_tail_alone_is_put_right(port, nic):
    port.tx.write(0, frame(1))
    port.tx.set(1, 1, 99)
    assert port.txsync() == 0
    assert port.tx.state == (1, 1, 0)
    assert nic.sent() == [frame(1)]


def test_wrong_indices_within_the_ring_are_believed(port, nic):
    nic.set_busy(True)
    port.tx.put(frame(1), frame(2))
    assert port.txsync() == 0
    assert port.tx.state == (2, 2, 7)
    port.tx.set(1)                                              # back: not what the NIC was told
    assert port.txsync() == 0
    assert port.tx.state == (1, 1, 7)
    nic.set_busy(False)
    assert nic.sent() == [frame(1), frame(2)]
    assert port.txsync() == 0                                   # now it is told that all slots but one are full
    assert len(nic.sent()) == SLOTS - 1
    assert port.tx.state == (1, 1, 0)


def test_with_a_wrong_head_the_users_tail_is_believed_too(port, nic):
    nic.set_busy(True)
    port.tx.put(frame(1), frame(2))
    port.txsync()
    port.tx.set(1, 1, 5)
    port.txsync()
    assert port.tx.state == (1, 1, 5)
    port.tx.set(6)                                              # now beyond tail
    port.txsync()
    assert port.tx.state == (6, 6, 5)
    nic.set_busy(False)
    assert nic.sent() == [frame(1), frame(2)]


def test_a_cur_that_is_of_no_ring_is_believed_where_the_ring_has_wrapped(port, nic):
    port.tx.put(frame(1))
    port.txsync()
    port.tx.set(1, 500)                                         # tail is 0: the module only asks that cur is not before head
    assert port.txsync() == 0
    assert port.tx.state == (1, 500, 0)


def test_reinit_clears_bad_buffers_and_lengths(port):
    port.rx.slots[0].buf_idx = 0
    port.rx.slots[1].buf_idx = 1
    port.rx.slots[2].buf_idx = 256
    port.rx.slots[3].len = 2049
    port.rx.slots[4].len = 2048
    port.rx.set(3)                                              # beyond tail
    assert port.rxsync() == 0
    assert [(slot.buf_idx, slot.len) for slot in port.rx.slots][:5] == [(0, 0), (0, 0), (0, 0), (5, 0), (6, 2048)]


def test_a_transmit_slot_without_a_buffer_sends_the_waste_buffer(port, nic):
    port.tx.put(frame(1))
    port.tx.slots[0].buf_idx = 4000
    assert port.txsync() == 0
    assert nic.sent() == [bytes(60)]


def test_a_length_beyond_the_buffer_is_cut(port, nic):
    port.tx.write(0, frame(1), length=65535)
    port.tx.advance()
    assert port.txsync() == 0
    sent, = nic.sent()
    assert len(sent) == 2048


def test_frames_are_shown_by_rxsync_and_not_before(port, nic):
    assert nic.inject([frame(1), frame(2, 1514)]) == 2
    assert port.rx.state == (0, 0, 0)
    assert port.rxsync() == 0
    assert port.rx.state == (0, 0, 2)
    assert port.rx.get() == [frame(1), frame(2, 1514)]
    assert [slot.flags for slot in port.rx.slots] == [0] * SLOTS


def test_the_nic_fills_what_it_was_given_at_the_last_sync(port, nic):
    assert nic.inject([frame(i) for i in range(10)]) == SLOTS - 1
    assert nic.drops == 3
    port.rxsync()
    assert port.rx.get() == [frame(i) for i in range(SLOTS - 1)]
    assert nic.inject([frame(1)]) == 0                          # given back, but the NIC has not been told
    port.rxsync()
    assert nic.inject([frame(1)]) == 1
    assert nic.drops == 4


def test_a_receive_tail_that_the_user_wrote_is_restored(port, nic):
    nic.inject([frame(1), frame(2)])
    port.rxsync()
    port.rx.set(1, 1, 5)
    assert port.rxsync() == 0
    assert port.rx.state == (1, 1, 2)


def test_head_beyond_tail_gives_back_slots_that_hold_nothing(port, nic):
    nic.inject([frame(1)])
    port.rxsync()
    port.rx.set(4)                                              # tail is 1
    assert port.rxsync() == 0
    assert port.rx.state == (4, 4, 1)                           # the module believes it


def test_a_buffer_is_swapped_only_where_the_flag_says_so(kernel, nic):
    port = opened(kernel, "em0", extra_bufs=2)
    spare, other = port.extra
    port.rx.slots[0].buf_idx, port.rx.slots[0].flags = spare, 0
    nic.inject([frame(i) for i in range(3)])
    port.rxsync()
    assert bytes(port.memory[port.rx.buffer(2):][:60]) == frame(0)          # the NIC still had the first buffer
    port.rx.slots[1].buf_idx, port.rx.slots[1].flags = other, BUF_CHANGED
    port.rx.set(3)
    port.rxsync()
    assert port.rx.slots[1].flags == 0
    nic.inject([frame(i) for i in range(10, 17)])
    port.rxsync()
    assert bytes(port.memory[port.rx.buffer(other):][:60]) == frame(16)
    assert bytes(port.memory[port.rx.buffer(2):][:60]) == frame(15)         # slot 0 was given back without the flag


def test_a_slot_given_back_without_a_buffer_stops_the_ring(port, nic):
    nic.inject([frame(1), frame(2)])
    port.rxsync()
    port.rx.slots[1].buf_idx = 0
    port.rx.set(2)
    for _ in range(2):
        assert port.rxsync() == 0
        assert (port.rx.slots[1].buf_idx, port.rx.slots[1].len) == (0, 0)
        assert nic.inject([frame(3)] * SLOTS) <= SLOTS - 3      # slots are not the NIC's again
    port.rx.slots[1].buf_idx = 3
    port.rx.get()
    assert port.rxsync() == 0
    assert nic.inject([frame(3)]) == 1


def test_frames_longer_than_a_buffer_span_slots():
    kernel = StandIn(buf_num=256)
    nic = kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS, mtu=9000, rx_buf_max=2048)
    port = opened(kernel, "em0")
    big = frame(3, 5000)
    assert nic.inject([big, frame(1)]) == 2
    port.rxsync()
    assert [(slot.len, slot.flags) for slot in port.rx.slots][:4] == [(2048, MOREFRAG), (2048, MOREFRAG), (904, 0), (60, 0)]
    assert b"".join(port.rx.get()[:3]) == big
    for i, part in enumerate((big[:2048], big[2048:4000], big[4000:])):
        port.tx.write(i, part, MOREFRAG if i < 2 else 0)
    port.tx.set(2)
    port.txsync()
    assert nic.sent() == []                                     # the NIC waits for the rest
    port.tx.set(3)
    port.txsync()
    assert nic.sent() == [big]
    assert nic.inject([frame(1, 9019)]) == 0                    # more than the MTU


def test_without_support_for_it_fragments_are_frames(kernel):
    nic = kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS, morefrag=False)
    port = opened(kernel, "em0")
    port.tx.write(0, frame(1), MOREFRAG)
    port.tx.write(1, frame(2))
    port.tx.set(2)
    port.txsync()
    assert nic.sent() == [frame(1), frame(2)]
    assert port.tx.slots[0].flags == MOREFRAG


def test_frames_at_offsets(kernel, nic):
    option = Offsets(reqtype=5, max_offset=100, initial=64, bits=16)
    port = opened(kernel, "em0", options=[option])
    assert (option.status, option.max_offset, port.rx.offset_mask) == (0, 100, 0xFFFF)
    assert {slot.ptr for slot in port.rx.slots} == {64}
    nic.inject([frame(1)])
    port.rxsync()
    assert bytes(port.memory[port.rx.buffer(2) + 64:][:60]) == frame(1)
    port.rx.slots[0].ptr = 0xABCD0000 | 90
    port.rx.slots[0].flags = BUF_CHANGED
    port.rx.set(1)
    port.rxsync()
    nic.inject([frame(i) for i in range(SLOTS - 1)])            # slots 1 to 7; slot 0 is the next
    port.rxsync()
    port.rx.get()
    port.rxsync()
    nic.inject([frame(33)])
    assert bytes(port.memory[port.rx.buffer(2) + 90:][:60]) == frame(33)
    port.tx.slots[0].ptr = 5000                                 # beyond what was agreed on: counts as 100
    at = port.tx.buffer(port.tx.slots[0].buf_idx) + 100
    port.memory[at:at + 60] = frame(9)
    port.tx.slots[0].len = 60
    port.tx.set(1)
    port.txsync()
    assert nic.sent() == [frame(9)]


def test_without_a_link_nothing_moves(port, nic):
    nic.set_link(False)
    port.tx.put(frame(1))
    assert port.txsync() == 0
    assert (nic.sent(), port.tx.state) == ([], (1, 1, 7))
    assert nic.inject([frame(2)]) == 0
    assert nic.drops == 1
    nic.set_link(True)
    assert port.txsync() == 0
    assert (nic.sent(), port.tx.state) == ([frame(1)], (1, 1, 0))


def test_a_wire_that_is_busy_keeps_slots(port, nic):
    nic.set_busy(True)
    port.tx.put(frame(1), frame(2))
    port.txsync()
    assert port.tx.state == (2, 2, 7)
    nic.set_busy(False)
    assert nic.sent() == [frame(1), frame(2)]
    port.txsync()
    assert port.tx.state == (2, 2, 1)


def test_each_ring_has_its_own_frames(kernel):
    nic = kernel.nic("em0", tx_rings=2, rx_rings=2, tx_slots=SLOTS, rx_slots=SLOTS)
    first, second = opened(kernel, "em0", ONE_NIC, ringid=0), opened(kernel, "em0", ONE_NIC, ringid=1)
    nic.inject([frame(1)], ring=1)
    first.rxsync()
    second.rxsync()
    assert first.ring(3).get() == []
    assert second.ring(4).get() == [frame(1)]
    assert nic.inject([frame(1)], ring=2) == 0


def test_a_ring_that_enters_netmap_mode_resets_those_that_are_in_it(kernel):
    nic = kernel.nic("em0", tx_rings=2, rx_rings=2, tx_slots=SLOTS, rx_slots=SLOTS)
    first = opened(kernel, "em0", ONE_NIC, ringid=0)
    nic.inject([frame(1)])
    first.rxsync()
    nic.inject([frame(2)])
    second = opened(kernel, "em0", ONE_NIC, ringid=1)           # the driver takes the NIC down and up again
    first.rxsync()
    assert first.ring(3).get() == [frame(1)]
    nic.inject([frame(3)])
    first.rxsync()
    assert first.ring(3).get() == [frame(3)]
    second.close()


def test_the_time_of_a_receive_sync_is_in_the_ring(kernel, port):
    port.rxsync()
    assert tuple(port.rx.ts) == (0, 0)
    kernel.set_time(5_123_456_789)
    port.rxsync()
    assert (tuple(port.rx.ts), tuple(port.tx.ts)) == ((5, 123456), (0, 0))
    kernel.set_parameter("no_timestamp", 1)
    kernel.set_time(9_000_000_000)
    port.rxsync()
    assert tuple(port.rx.ts) == (5, 123456)
    port.rx.header.flags = 0x2
    port.rxsync()
    assert tuple(port.rx.ts) == (9, 0)
