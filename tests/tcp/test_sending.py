"""When data may leave: Nagle, silly windows, closed windows and their probes (RFC 9293, 3.7.4, 3.8.6)."""

import socket
from itertools import pairwise

import pytest

from usnet.testing.peer import established, stream

TCP_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Nagle


def test_small_writes_wait_while_something_is_out():
    tcp = established()
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")
    tcp.send(10)
    tcp.send(10)
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 11")
    tcp.expect("P. 11:31(20) ack 1")


def test_full_segments_do_not_wait():
    tcp = established(mss=1000)
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")
    tcp.send(2500)
    tcp.expect(". 11:1011(1000) ack 1", ". 1011:2011(1000) ack 1")


def test_nodelay_sends_each_write():
    tcp = established()
    tcp.sock.setsockopt(*TCP_NODELAY, 1)
    for i in range(3):
        tcp.send(10)
        tcp.expect(f"P. {1 + 10 * i}:{11 + 10 * i}(10) ack 1")


def test_switching_nodelay_on_sends_what_waits():
    tcp = established()
    tcp.send(10)
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")
    tcp.sock.setsockopt(*TCP_NODELAY, 1)
    tcp.expect("P. 11:21(10) ack 1")


def test_closing_sends_what_nagle_held_back():
    tcp = established()
    tcp.send(10)
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")
    tcp.close()
    tcp.expect("FP. 11:21(10) ack 1")


def test_the_last_segment_of_a_write_is_pushed():
    """RFC 9293, 3.9.1.2."""
    tcp = established(mss=1000)
    tcp.sock.setsockopt(*TCP_NODELAY, 1)
    tcp.send(2500)
    tcp.expect(". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1", "P. 2001:2501(500) ack 1")


# Windows


def test_no_byte_behind_the_window_is_sent():
    tcp = established(mss=1000, win=2500)
    tcp.send(10000)
    tcp.expect(". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001 win 1000")
    tcp.expect(". 2001:3001(1000) ack 1")


def test_a_small_rest_of_the_window_is_not_used():
    """RFC 9293, 3.8.6.2.1: silly windows."""
    tcp = established(mss=1000, win=10000)
    tcp.send(20000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001 win 300")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 10001 win 1000")
    tcp.expect(". 10001:11001(1000) ack 1")


def test_a_small_window_is_used_in_the_end():
    """The override of 3.8.6.2.1: else it would stand for ever."""
    tcp = established(mss=1000, win=10000)
    tcp.send(20000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001 win 300")
    tcp.at(ms=200)
    tcp.expect(". 10001:10301(300) ack 1")


def test_having_used_it_late_is_no_timeout():
    """What then is lost waits for one RTO, not two, and what the peer has reported (RFC 2018) counts on."""
    tcp = established(mss=1000, win=10000, sack=True)
    tcp.send(11300)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001 win 300")
    tcp.at(ms=200)
    tcp.expect(". 10001:10301(300) ack 1")
    tcp.rx(". 1:1(0) ack 10001 win 2000")
    tcp.expect("P. 10301:11301(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10001 win 2000 <sack 10301:11301>")
    tcp.at(ms=399)
    tcp.expect_nothing()
    tcp.at(ms=400)
    tcp.expect(". 10001:10301(300) ack 1")


def test_half_the_largest_window_is_used_at_once():
    tcp = established(mss=1000, win=800)
    tcp.send(2000)
    tcp.expect(". 1:801(800) ack 1")
    tcp.rx(". 1:1(0) ack 801 win 400")
    tcp.expect(". 801:1201(400) ack 1")


def test_a_window_that_shrinks_is_survived():
    """RFC 9293, 3.8.6: MUST-34."""
    tcp = established(mss=1000, win=5000)
    tcp.send(10000)
    assert len(tcp.take()) == 5
    tcp.rx(". 1:1(0) ack 1001 win 1000")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 5001 win 3000")
    tcp.expect(". 5001:6001(1000) ack 1", ". 6001:7001(1000) ack 1", ". 7001:8001(1000) ack 1")


def test_resending_respects_a_window_that_shrank():
    tcp = established(mss=1000, win=5000)
    tcp.send(5000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 1 win 100")
    tcp.at(ms=200)
    tcp.expect(". 1:101(100) ack 1")


# Closed windows (RFC 9293, 3.8.6.1)


def test_a_closed_window_is_probed_ever_more_rarely():
    tcp = established(win=0)
    tcp.send(100)
    seen = tcp.watch(s=60)
    assert [ms for ms, _ in seen] == [200, 600, 1400, 3000, 6200, 12600, 25400, 51000]
    assert all(text.startswith("P. 1:2(1) ack 1") for _, text in seen)
    tcp.watch(s=200)
    at = [ms / 1000 for ms, _ in tcp.watch(s=200)]
    assert all(b - a == 60 for a, b in pairwise(at))


def test_a_probed_window_that_stays_closed_keeps_the_connection():
    tcp = established(win=0)
    tcp.send(100)
    for _ in range(100):
        for _ms, text in tcp.watch(s=60):
            assert "1:2(1)" in text
        tcp.rx(". 1:1(0) ack 1 win 0")
    assert tcp.state == "ESTABLISHED"


def test_probes_that_nobody_answers_end_it():
    tcp = established(win=0, data_retries=5)
    tcp.send(100)
    assert len(tcp.watch(s=100)) == 5
    assert tcp.state == "CLOSED"


def test_when_the_window_opens_everything_goes_at_once():
    tcp = established(win=0, mss=1000)
    tcp.send(3000)
    tcp.watch(s=1)
    tcp.rx(". 1:1(0) ack 1 win 5000")
    tcp.expect(". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1", "P. 2001:3001(1000) ack 1")


def test_a_probe_that_was_taken_is_not_sent_again():
    tcp = established(win=0, mss=1000)
    tcp.send(3000)
    tcp.at(ms=200)
    tcp.expect("P. 1:2(1) ack 1")
    tcp.rx(". 1:1(0) ack 2 win 0")
    tcp.after(ms=400)
    tcp.expect("P. 2:3(1) ack 1")
    tcp.rx(". 1:1(0) ack 3 win 5000")
    tcp.expect(". 3:1003(1000) ack 1", ". 1003:2003(1000) ack 1")  # the rest is Nagle's


def test_a_closed_window_does_not_stop_acknowledgments():
    tcp = established(win=0)
    tcp.send(100)
    tcp.rx("P. 1:11(10) ack 1 win 0")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 11")


def test_answers_to_probes_are_no_duplicate_acks():
    tcp = established(win=0)
    tcp.send(100)
    tcp.watch(s=10)
    tcp.rx(*[". 1:1(0) ack 1 win 0"] * 5)
    tcp.expect_nothing()
    assert tcp.counters()["dupacks_in"] == 0


def test_a_window_that_closes_behind_data_is_probed_when_all_is_acknowledged():
    tcp = established(win=1000, mss=1000)
    tcp.send(2000)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001 win 0")
    tcp.expect_nothing()
    tcp.after(ms=200)
    tcp.expect("P. 1001:1002(1) ack 1")


def test_no_peer_keeps_an_orphan_for_ever_with_a_closed_window():
    """RFC 6429."""
    tcp = established(win=0)
    tcp.send(100)
    tcp.close()
    for _ in range(40):
        tcp.watch(s=5)
        if tcp.state is None:
            break
        tcp.rx(". 1:1(0) ack 1 win 0")
    assert tcp.state is None
    assert tcp.cable.memory() == {**tcp.cable.memory(), "connections": 1, "chunks": 0}


@pytest.mark.parametrize("win", [0, 300])
def test_a_full_ring_does_not_stop_probing(win):
    """A probe that meets a full transmit ring is not the last."""
    tcp = established(win=10000, mss=1000, slots=16)
    tcp.send(20000)
    tcp.cable.run()
    tcp.take()
    tcp.rx(f". 1:1(0) ack 10001 win {win}")
    core, clock, start = tcp.cable.stack.core, tcp.cable.clock, tcp.cable.clock.now()
    clock.set(start + 150_000_000)
    for _ in range(40):  # pings whose answers fill the ring: the far end takes nothing
        tcp.cable.put(1, ping())
        core.run(clock.now())
    clock.set(start + 250_000_000)
    core.run(clock.now())
    assert [s for s in tcp.take() if s.length] == []
    assert tcp.watch(s=1)


def ping():
    from usnet.wire.mirror import IcmpHeader

    return IcmpHeader(8, 0, 1).to_bytes(b"x" * 56)


# The send queue


def test_a_full_send_buffer_says_try_again_and_frees_with_acks():
    tcp = established(sndbuf=4096, mss=1000)
    assert tcp.send(10000) == 4096
    with pytest.raises(BlockingIOError):
        tcp.send(1)
    tcp.take()
    tcp.rx(". 1:1(0) ack 1001")
    assert tcp.send(10000) == 1000


def test_what_the_peer_sends_meanwhile_is_kept_apart():
    tcp = established()
    tcp.rx("P. 1:101(100) ack 1")
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 101")
    assert tcp.recv() == stream(1, 100)
