"""TCP_CORK and MSG_MORE hold back what does not fill a segment; TCP_QUICKACK turns delayed ACKs off for a while. Linux's tcp(7)."""

import socket

import pytest

from usnet.testing.peer import established, listening

TCP = socket.IPPROTO_TCP


def corked(**config):
    tcp = established(**config)
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 1)
    return tcp


def send_more(tcp, n):
    tcp.sent += bytes(n)
    assert tcp.sock.send(bytes(n), socket.MSG_MORE) == n



def test_full_segments_leave_and_the_rest_stays():
    tcp = corked()
    tcp.send(2000)
    tcp.expect(". 1:1461(1460) ack 1")
    tcp.rx(". 1:1(0) ack 1461")
    tcp.expect_nothing()
    tcp.send(920)
    tcp.expect("P. 1461:2921(1460) ack 1")


def test_pulling_the_cork_sends_what_waits():
    tcp = corked()
    for _ in range(3):
        tcp.send(100)
    tcp.at(ms=150)
    tcp.expect_nothing()
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 0)
    tcp.expect("P. 1:301(300) ack 1")
    tcp.rx(". 1:1(0) ack 301")
    tcp.send(10)
    tcp.expect("P. 301:311(10) ack 1")


def test_it_holds_for_200_ms_from_the_first_byte():
    tcp = corked()
    tcp.send(100)
    tcp.at(ms=120)
    tcp.send(50)
    tcp.at(ms=200)
    tcp.expect("P. 1:151(150) ack 1")
    tcp.rx(". 1:1(0) ack 151")
    tcp.send(10)
    tcp.at(ms=400)
    tcp.expect("P. 151:161(10) ack 1")


def test_the_200_ms_are_no_retransmission_timeout():
    tcp = corked(rto_min=1_000_000_000)
    tcp.send(100)
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")


def test_what_the_peer_sends_does_not_prolong_it():
    tcp = corked()
    tcp.send(100)
    tcp.at(ms=100)
    tcp.rx("P. 1:11(10) ack 1")
    tcp.at(ms=140)
    tcp.expect(". 1:1(0) ack 11")
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 11")


def test_behind_what_is_out_it_counts_from_the_acknowledgment():
    tcp = corked()
    tcp.send(1500)
    tcp.expect(". 1:1461(1460) ack 1")
    tcp.at(ms=100)
    tcp.rx(". 1:1(0) ack 1461")
    tcp.at(ms=300)
    tcp.expect("P. 1461:1501(40) ack 1")


def test_holding_back_is_not_the_peers_silence():
    tcp = corked()
    tcp.sock.setsockopt(TCP, socket.TCP_USER_TIMEOUT, 50)
    for round_ in range(20):
        tcp.send(10)
        tcp.after(ms=200)
        tcp.expect(f"P. {round_ * 10 + 1}:{round_ * 10 + 11}(10) ack 1")
        tcp.rx(f". 1:1(0) ack {round_ * 10 + 11}")
    assert tcp.state == "ESTABLISHED"
    assert tcp.counters()["probes"] == 0


def test_a_window_that_is_closed_is_probed_in_a_cork_too():
    tcp = corked()
    tcp.rx(". 1:1(0) ack 1 win 0")
    tcp.send(100)
    tcp.at(ms=200)
    tcp.expect("P. 1:2(1) ack 1")
    tcp.rx(". 1:1(0) ack 2 win 65535")
    tcp.expect_nothing()
    tcp.after(ms=200)
    tcp.expect("P. 2:101(99) ack 1")


def test_nodelay_sends_what_waits_and_what_follows_waits_again():
    tcp = corked()
    tcp.send(100)
    tcp.sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.send(100)
    tcp.expect_nothing()
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 0)
    tcp.expect("P. 101:201(100) ack 1")
    tcp.send(100)
    tcp.expect("P. 201:301(100) ack 1")


@pytest.mark.parametrize("end", ["shutdown", "close"])
def test_the_end_of_the_stream_pulls_it(end):
    tcp = corked()
    tcp.send(100)
    if end == "close":
        tcp.sock.close()
    else:
        tcp.sock.shutdown(socket.SHUT_WR)
    tcp.expect("FP. 1:101(100) ack 1")


def test_a_large_frame_stops_at_the_last_full_segment():
    tcp = established(offload=True)
    tcp.sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 1)
    tcp.send(3000)
    tcp.expect(". 1:2921(2920) ack 1")


def test_accepted_connections_are_corked_as_their_listener():
    tcp = listening()
    tcp.listener.setsockopt(TCP, socket.TCP_CORK, 1)
    tcp.handshake()
    tcp.send(100)
    tcp.expect_nothing()


def test_more_holds_back_until_a_call_without_it():
    tcp = established()
    send_more(tcp, 100)
    send_more(tcp, 100)
    tcp.expect_nothing()
    tcp.sent += bytes(10)
    assert tcp.sock.send(bytes(10)) == 10
    tcp.expect("P. 1:211(210) ack 1")


def test_more_that_never_comes_is_waited_for_200_ms():
    tcp = established()
    send_more(tcp, 100)
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")


def test_a_buffer_filled_in_place_ends_it_too():
    tcp = established()
    send_more(tcp, 100)
    with tcp.sock.send_buffer(50) as b:
        b[:] = bytes(50)
        tcp.sent += bytes(50)
        b.commit(50)
    tcp.expect("P. 1:151(150) ack 1")


# --- TCP_QUICKACK ---


def arrive(tcp, first, n=1):
    for i in range(n):
        tcp.rx(f"P. {first + 10 * i}:{first + 10 * i + 10}(10) ack 1")


def test_acks_are_not_delayed_for_sixteen_arrivals():
    tcp = established()
    tcp.sock.setsockopt(TCP, socket.TCP_QUICKACK, 1)
    for i in range(16):
        assert tcp.sock.getsockopt(TCP, socket.TCP_QUICKACK) == 1
        arrive(tcp, 1 + 10 * i)
        tcp.expect(f". 1:1(0) ack {11 + 10 * i}")
    assert tcp.sock.getsockopt(TCP, socket.TCP_QUICKACK) == 0
    arrive(tcp, 161)
    tcp.after(ms=40)
    tcp.expect(". 1:1(0) ack 171")


def test_an_ack_that_is_owed_goes_at_once():
    tcp = established()
    arrive(tcp, 1)
    tcp.expect_nothing()
    tcp.sock.setsockopt(TCP, socket.TCP_QUICKACK, 1)
    tcp.expect(". 1:1(0) ack 11")
    arrive(tcp, 11)
    tcp.expect(". 1:1(0) ack 21")


def test_an_even_number_sends_the_owed_one_only():
    tcp = established()
    arrive(tcp, 1)
    tcp.sock.setsockopt(TCP, socket.TCP_QUICKACK, 2)
    tcp.expect(". 1:1(0) ack 11")
    arrive(tcp, 11)
    tcp.expect_nothing()


def test_it_is_turned_off_by_0():
    tcp = established()
    tcp.sock.setsockopt(TCP, socket.TCP_QUICKACK, 1)
    tcp.sock.setsockopt(TCP, socket.TCP_QUICKACK, 0)
    arrive(tcp, 1)
    tcp.after(ms=40)
    tcp.expect(". 1:1(0) ack 11")
