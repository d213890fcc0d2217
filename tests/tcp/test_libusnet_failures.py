"""Ten ways in which libusnet failed when it was run: each must pass here."""
import pytest

from usnet.testing.peer import US, conversation, established, listening, stream
from usnet.wire.mirror import EthHeader, IcmpHeader, Ipv4Header


def test_f1_sixty_byte_echoes_are_right_however_often_buffers_wrap():
    """64 KiB of sequence numbers and buffers of 8 KiB, wrapped 30 times."""
    tcp = established(sndbuf=8096, rcvbuf=8096)
    for i in range(4000):
        seq = 1 + 60 * i
        tcp.rx(f"P. {seq}:{seq + 60}(60) ack {seq}")
        data = tcp.recv()
        assert data == stream(seq, 60)
        tcp.send(data)
        (reply,) = tcp.take()
        assert (reply.seq, reply.data) == (seq, data)


def test_f2_a_lost_segment_is_sent_again():
    tcp = established()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.rx(". 1:1(0) ack 101")
    tcp.at(s=700)
    tcp.expect_nothing()


def test_f3_four_duplicates_resend_and_the_next_write_has_new_numbers():
    tcp = established(mss=1000)
    tcp.send(5000)
    assert len(tcp.take()) == 5
    tcp.rx(*[". 1:1(0) ack 1"] * 4)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.send(1000)
    tcp.expect("P. 5001:6001(1000) ack 1")


def test_f4_what_arrives_out_of_order_is_read_in_order():
    tcp = established()
    tcp.rx("P. 101:201(100) ack 1")
    with pytest.raises(BlockingIOError):
        tcp.recv()
    tcp.rx("P. 1:101(100) ack 1")
    assert tcp.recv() == stream(1, 200)


def test_f5_a_window_that_closed_opens_again_when_the_application_reads():
    tcp = established(rcvbuf=4000)
    tcp.rx(*[f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1" for i in range(4)])
    assert tcp.take()[-1].win == 0
    assert tcp.recv() == stream(1, 4000)
    tcp.expect(". 1:1(0) ack 4001 win 4000")
    tcp.rx(". 4001:4002(1) ack 1")
    assert tcp.recv() == stream(4001, 1)


def test_f6_a_fin_is_told_to_the_application_and_everything_is_freed():
    tcp = established()
    with tcp.cable.stack.epoll() as poll:
        poll.register(tcp.sock, 0x2001)                         # EPOLLIN | EPOLLRDHUP
        tcp.rx("F. 1:1(0) ack 1")
        tcp.expect(". 1:1(0) ack 2")
        assert poll.poll(0) == [(tcp.sock.fileno(), 0x2001)]
        assert tcp.recv() == b""
        poll.unregister(tcp.sock)
    tcp.close()
    tcp.expect("F. 1:1(0) ack 2")
    tcp.rx(". 2:2(0) ack 2")
    assert tcp.state is None
    assert tcp.cable.memory()["connections"] == 1               # the listener
    tcp.us_isn = None
    tcp.isn += 100000                                           # the same four-tuple again
    tcp.handshake()


def test_f7_thousands_of_connections_one_after_another():
    tcp = listening()
    for i in range(2500):
        peer = tcp.another(1024 + i).handshake()
        peer.close()
        peer.expect("F. 1:1(0) ack 1")
        peer.rx("F. 1:1(0) ack 2")
        peer.expect(". 2:2(0) ack 2")
        tcp.cable.conversations.remove(peer)
        if i % 500 == 499:
            tcp.after(s=60)
    assert tcp.counters()["accepted"] == 2500
    tcp.after(s=61)
    assert tcp.cable.memory() == {**tcp.cable.memory(), "connections": 1, "chunks": 0, "timers": 0}


def test_f7_more_than_a_thousand_connections_at_once():
    tcp = listening(backlog=2000, limits={"max_connections": 2000, "max_sockets": 2000})
    peers = [tcp.another(2000 + i).handshake() for i in range(1200)]
    assert tcp.counters()["established"] == 1200
    for peer in peers:
        peer.rx("P. 1:61(60) ack 1")
    for peer in peers:
        assert peer.recv() == stream(1, 60)
        peer.close()


@pytest.mark.parametrize("length", [0, 1, 2, 7, 55, 56, 57, 199, 200, 1471, 1472])
def test_f8_pings_of_every_length_are_answered_with_a_right_checksum(length):
    tcp = conversation()
    body = IcmpHeader(8, 0, 0x00070003).to_bytes(stream(1, length))
    tcp.cable.put(1, body)
    tcp.cable.run()
    (frame,) = tcp.cable.strays
    eth = EthHeader.from_bytes(frame)
    ip = Ipv4Header.from_bytes(frame[eth.header_len:])
    reply = frame[eth.header_len + ip.header_len:eth.header_len + ip.total_len]
    assert (ip.src, ip.proto) == (US, 1)
    assert reply == IcmpHeader(0, 0, 0x00070003).to_bytes(stream(1, length))


def test_f9_the_syn_ack_does_not_wait_for_accept():
    tcp = listening()
    tcp.rx("S 0:0(0)")
    tcp.expect("S. 0:0(0) ack 1")


def test_f10_nothing_is_answered_that_was_not_offered():
    tcp = listening()
    tcp.rx("S 0:0(0) win 512 <mss 700>")
    tcp.expect("S. 0:0(0) ack 1 win 65535 <mss 1460>")
