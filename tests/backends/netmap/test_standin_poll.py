"""poll and watch of the stand-in: what is ready, what is synced on the way, and when somebody is woken."""
import errno
import select

import pytest

from tests.backends.netmap.handle import ERR, IN, NO_TX_POLL, ONE_NIC, OUT, RX_ONLY, TX_ONLY, Handle, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn

SLOTS = 4


@pytest.fixture
def kernel():
    return StandIn(buf_num=256)


@pytest.fixture
def nic(kernel):
    return kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS)


@pytest.fixture
def port(kernel, nic):
    return opened(kernel, "em0")


def readable(fd):
    return bool(select.select([fd], [], [], 0)[0])


def test_poll_receives_and_says_so(port, nic):
    assert port.poll(IN) == 0
    nic.inject([frame(1)])
    assert port.poll(IN) == IN
    assert port.rx.state == (0, 0, 1)
    assert port.poll(IN) == IN                                  # still unread
    assert port.rx.get() == [frame(1)]
    assert port.poll(IN) == 0


def test_cur_says_from_where_on_somebody_waits(port, nic):
    nic.inject([frame(1)])
    assert port.poll(IN) == IN
    port.rx.set(0, 1)                                           # seen, and kept
    assert port.poll(IN) == 0
    nic.inject([frame(2)])
    assert port.poll(IN) == IN
    assert port.rx.state == (0, 1, 2)


def test_poll_flushes_transmit_rings_whatever_is_asked(port, nic):
    for events in (0, IN, OUT, IN | OUT):
        port.tx.put(frame(events))
        port.poll(events)
        assert nic.sent() == [frame(events)]


def test_without_tx_poll_only_out_flushes(kernel, nic):
    port = opened(kernel, "em0", flags=NO_TX_POLL)
    port.tx.put(frame(1))
    assert port.poll(IN) == 0
    assert nic.sent() == []
    assert port.poll(OUT) == OUT
    assert nic.sent() == [frame(1)]


def test_out_alone_does_not_receive(port, nic):
    nic.inject([frame(1)])
    assert port.poll(OUT) == OUT
    assert port.rx.state == (0, 0, 0)
    assert port.poll(IN | OUT) == IN | OUT


def test_poll_takes_slots_back_only_when_there_are_none(port, nic):
    port.tx.put(frame(1))
    assert port.poll(OUT) == OUT
    assert port.tx.state == (1, 1, SLOTS - 1)                   # as drivers do: a txsync would have moved tail
    port.tx.put(frame(2), frame(3))
    assert port.poll(OUT) == OUT
    assert port.tx.state == (3, 3, 2)
    nic.set_busy(True)
    port.tx.put(frame(4), frame(5), frame(6))
    assert port.poll(OUT) == 0
    nic.set_busy(False)
    assert port.poll(OUT) == OUT
    assert nic.sent() == [frame(i) for i in range(1, 7)]


def test_a_frame_that_comes_while_others_are_unread_is_shown(port, nic):
    nic.inject([frame(1)])
    port.rxsync()
    nic.inject([frame(2)])
    assert port.poll(IN) == IN
    assert port.rx.get() == [frame(1), frame(2)]


def test_bad_indices_are_an_error_of_poll(port):
    port.rx.set(99)
    assert port.poll(IN) == ERR
    assert port.rx.state == (0, 0, 0)
    port.tx.set(99)
    assert port.poll(OUT) == OUT | ERR
    port.tx.set(99)
    assert port.poll(IN) == ERR                                 # because it flushes
    assert port.poll(IN | OUT) == OUT


def test_poll_of_one_direction(kernel, nic):
    receiver, sender = opened(kernel, "em0", flags=RX_ONLY), opened(kernel, "em0", flags=TX_ONLY)
    nic.inject([frame(1)])
    assert sender.poll(IN | OUT) == OUT
    assert receiver.poll(IN | OUT) == IN


def test_poll_looks_at_all_rings_bound(kernel):
    nic = kernel.nic("em1", tx_rings=2, rx_rings=2, tx_slots=SLOTS, rx_slots=SLOTS)
    everything, one = opened(kernel, "em1"), opened(kernel, "em1", ONE_NIC, ringid=0)
    nic.inject([frame(1)], ring=1)
    assert one.poll(IN) == 0
    assert everything.poll(IN) == IN


def test_a_poll_that_would_wait_for_ever_says_so(port):
    assert port.poll(IN, 1_000_000) == 0                        # no time passes here
    assert port.poll(IN, -1) == -errno.EDEADLK
    assert port.poll(OUT, -1) == OUT


def test_a_watched_descriptor_is_readable_while_frames_are_unread(kernel, port, nic):
    fd = kernel.call_watch(port.fd, IN)
    assert not readable(fd)
    nic.inject([frame(1)])
    assert readable(fd)
    nic.inject([frame(2)])
    assert readable(fd)
    port.rxsync()
    assert readable(fd)                                         # two frames that nobody has seen
    port.rx.get()
    port.rxsync()
    assert not readable(fd)
    nic.inject([frame(3)])
    assert readable(fd)
    assert port.poll(IN) == IN
    port.rx.get()
    assert port.poll(IN) == 0
    assert not readable(fd)


def test_watching_again_looks_anew_and_changes_what_is_waited_for(kernel, port, nic):
    fd = kernel.call_watch(port.fd, IN)
    nic.inject([frame(1)])
    port.rxsync()
    port.rx.get()
    assert readable(fd)
    assert kernel.call_watch(port.fd, IN) == fd
    assert not readable(fd)
    assert kernel.call_watch(port.fd, OUT) == fd
    assert readable(fd)
    nic.set_busy(True)
    port.tx.put(*[frame(i) for i in range(SLOTS - 1)])
    port.txsync()
    assert not readable(fd)
    nic.inject([frame(1)])
    assert not readable(fd)
    nic.set_busy(False)
    assert readable(fd)
    assert kernel.call_watch(port.fd, 0) == fd
    assert not readable(fd)


def test_watching_what_is_not_registered_is_ready_with_an_error(kernel):
    handle = Handle(kernel)
    fd = kernel.call_watch(handle.fd, IN)
    assert readable(fd)
    handle.close()
    assert kernel.call_watch(handle.fd, IN) == -errno.EBADF


def test_only_those_who_are_bound_to_the_ring_are_woken(kernel):
    nic = kernel.nic("em1", rx_rings=2, tx_rings=2, tx_slots=SLOTS, rx_slots=SLOTS)
    handles = [opened(kernel, "em1", ONE_NIC, ringid=0), opened(kernel, "em1", ONE_NIC, ringid=1), opened(kernel, "em1")]
    fds = [kernel.call_watch(handle.fd, IN) for handle in handles]
    nic.inject([frame(1)], ring=1)
    assert [readable(fd) for fd in fds] == [False, True, True]


def test_pulling_the_nic_shows_at_the_next_call(kernel, port, nic):
    fd = kernel.call_watch(port.fd, IN)
    nic.remove()
    assert not readable(fd)                                     # nobody wakes those who wait
    assert port.poll(IN) == ERR
    assert readable(fd)
