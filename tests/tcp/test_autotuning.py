"""Buffers that grow with the path: settings rcvbuf_most and sndbuf_most."""

import socket

import pytest

from usnet.testing.peer import syn_received

MS = 1_000_000


def opened(us, **config):
    """A connection whose handshake took so long."""
    tcp = syn_received(mss=1000, **{"wscale": 0, **config})
    tcp.after(us=us)
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def receiver(us=20_000, **config):
    """With 64 KiB to receive into."""
    return opened(us, **{"rcvbuf": 65536, "rcvbuf_most": 1 << 20, **config})


def brings(tcp, n, each_ms):
    """n segments of 1,000 bytes, one every each_ms, and each is read at once."""
    for _ in range(n):
        seq = tcp.snapshot()["rcv_nxt"] - tcp.snapshot()["irs"]
        tcp.after(ns=int(each_ms * MS))
        tcp.rx(f". {seq}:{seq + 1000}(1000) ack 1")
        tcp.recv(65536)
        tcp.take()


def test_half_a_buffer_in_a_round_trip_doubles_it_and_the_peer_is_told():
    tcp = receiver()
    brings(tcp, 33, 0.05)
    assert tcp.snapshot()["rcvbuf"] == 65536    # the first half: nothing to compare with
    brings(tcp, 33, 0.05)
    assert tcp.snapshot()["rcvbuf"] == 131072
    seq = tcp.snapshot()["rcv_nxt"] - tcp.snapshot()["irs"]
    assert tcp.snapshot()["rcv_adv"] - tcp.snapshot()["irs"] - seq > 100_000
    assert tcp.counters()["rcvbuf_grown"] == 1


def test_it_grows_up_to_the_limit_and_stays_there():
    tcp = receiver(rcvbuf_most=200_000)
    brings(tcp, 400, 0.01)
    assert tcp.snapshot()["rcvbuf"] == 200_000


def test_what_comes_slowly_needs_no_more():
    tcp = receiver()
    brings(tcp, 200, 1)
    assert tcp.snapshot()["rcvbuf"] == 65536


def test_what_is_not_read_does_not_make_it_grow():
    tcp = receiver()
    for i in range(60):
        tcp.rx(f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1")
    assert tcp.snapshot()["rcvbuf"] == 65536


def test_the_offered_shift_has_room_for_the_limit():
    """RFC 7323, 2.3."""
    assert receiver().snapshot()["rcv_wscale"] == 5
    assert receiver(rcvbuf_most=0).snapshot()["rcv_wscale"] == 1


@pytest.mark.parametrize("option", ["rcvbuf", "clamp"])
def test_what_was_set_stays(option):
    tcp = receiver()
    if option == "rcvbuf":
        tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    else:
        tcp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 65536)
    brings(tcp, 150, 0.01)
    assert tcp.snapshot()["rcvbuf"] == 65536


def sender(us=20_000):
    return opened(us, win=60000, wscale=8, sndbuf=10_000, sndbuf_most=100_000, slow_start_step=2)


def fills(tcp, turns, us=20_000):
    """The application writes whatever fits, and all that leaves is acknowledged so much later."""
    for _ in range(turns):
        tcp.send(1 << 18)
        sent = tcp.take()
        tcp.after(us=us)
        tcp.rx(f". 1:1(0) ack {sent[-1].seq + sent[-1].length}")
    return tcp.snapshot()


def test_a_send_buffer_grows_while_it_is_smaller_than_what_may_be_out():
    found = fills(sender(), 5)
    assert 10_000 < found["cc"]["cwnd"] <= found["sndbuf"] <= 4 * found["cc"]["cwnd"]
    assert found["sndbuf"] in (20_000, 40_000, 80_000, 100_000)


def test_a_send_buffer_with_something_unsent_in_it_is_large_enough():
    tcp = opened(20_000, win=5_000, wscale=0, sndbuf=20_000, sndbuf_most=100_000)
    assert fills(tcp, 5)["sndbuf"] == 20_000


def test_buffers_do_not_outgrow_what_a_way_that_short_can_carry():
    """64 KiB in 5 us are more than 100 Gbit/s: the processors are what is slow, and larger queues only leave their caches."""
    tcp = receiver(us=5)
    brings(tcp, 150, 0.00001)
    assert tcp.snapshot()["rcvbuf"] == 65536
    assert fills(sender(us=0.5), 5, us=0.5)["sndbuf"] == 10_000


def test_a_send_buffer_that_was_set_stays():
    tcp = sender()
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    assert fills(tcp, 4)["sndbuf"] == 10_000
