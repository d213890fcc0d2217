"""Connections that are half open, at each limit that they can meet: the listener's queue for accept, its SYN queue, the stack's connections. What the
peer sees, which counter says so, and that all is as before when there is room again."""

import errno

import pytest

from usnet.testing.peer import listening

GIVE_UP = 63  # s: 1 + 2 + 4 + 8 + 16 + 32, the waits for an answer to a SYN-ACK and to the five that follow it


def half_open(tcp, port):
    """A peer that was answered and says nothing more."""
    peer = tcp.another(port)
    peer.rx("S 0:0(0)")
    peer.expect("S. 0:0(0) ack 1")
    return peer


def opened(tcp, port):
    peer = half_open(tcp, port)
    peer.rx(". 1:1(0) ack 1")
    peer.expect_nothing()
    return peer


def refused(tcp, port):
    """A peer whose SYN gets no answer at all."""
    peer = tcp.another(port)
    peer.rx("S 0:0(0)")
    peer.expect_nothing()
    return peer


def connections(tcp):
    """How many there are, the listener aside."""
    return tcp.cable.memory()["connections"] - 1


def accept(tcp, *peers):
    """Accepts connections, which must be these, in this order."""
    for peer in peers:
        peer.sock, address = tcp.listener.accept()
        peer.sock.setblocking(False)
        assert address[1] == peer.port


def works(peer):
    peer.rx("P. 1:11(10) ack 1")
    assert len(peer.sock.recv(100)) == 10
    peer.sock.send(b"answer")
    assert [s.length for s in peer.take() if s.length] == [6]


# --- The queue for accept ---


def test_a_half_open_connection_waits_while_the_queue_is_full():
    """Its last ACK is dropped, the SYN-ACK comes again as the timer says, and it is let in as soon as there is room."""
    tcp = listening(backlog=1)
    late = half_open(tcp, 42000)
    first, second = opened(tcp, 41000), opened(tcp, 41001)
    for ms in (0, 1000, 3000):
        late.at(ms=ms)
        if ms:
            late.expect("S. 0:0(0) ack 1")
        late.rx(". 1:1(0) ack 1")
        late.expect_nothing()
    assert tcp.drops() == {"accept_queue_full": 3}
    assert late.state == "SYN_RECEIVED"
    accept(tcp, first)
    late.rx("P. 1:6(5) ack 1")  # what the peer, who thinks that it is connected, sends again
    assert late.state == "ESTABLISHED"
    accept(tcp, second, late)


def test_data_behind_a_dropped_ack_is_not_acknowledged():
    tcp = listening(backlog=0)
    late = half_open(tcp, 42000)
    opened(tcp, 41000)
    late.rx("P. 1:6(5) ack 1")
    late.expect_nothing()
    tcp.accept()
    late.rx("P. 1:6(5) ack 1")
    late.after(ms=40)
    late.expect(". 1:1(0) ack 6")


def test_a_peer_that_was_kept_waiting_for_too_long_is_told_by_a_reset():
    tcp = listening(backlog=0)
    late = half_open(tcp, 42000)
    opened(tcp, 41000)
    late.rx(". 1:1(0) ack 1")
    again = [when for when, _ in late.watch(s=GIVE_UP)]
    assert again == [1000, 3000, 7000, 15000, 31000]
    assert connections(tcp) == 1
    late.rx("P. 1:6(5) ack 1")
    late.expect("R 1:1(0)")
    assert tcp.drops() == {"accept_queue_full": 1, "listen_flags": 1}


def test_beyond_a_full_queue_syns_meet_silence_and_hold_nothing():
    tcp = listening(backlog=0)
    opened(tcp, 41000)
    late = [refused(tcp, 42000 + i) for i in range(100)]
    assert tcp.drops() == {"accept_queue_full": 100}
    assert connections(tcp) == 1
    tcp.accept()
    late[7].rx("S 0:0(0)")
    late[7].expect("S. 0:0(0) ack 1")


# --- The SYN queue ---


def test_a_full_syn_queue_answers_nobody_new_and_goes_on_with_those_it_has():
    tcp = listening(max_syn_queue=3, syncookies=0)
    first, *_ = [half_open(tcp, 41000 + i) for i in range(3)]
    late = refused(tcp, 42000)
    first.rx("S 0:0(0)")  # its SYN-ACK was lost: no new connection
    first.expect("S. 0:0(0) ack 1")
    assert tcp.drops() == {"syn_queue_full": 1}
    first.rx(". 1:1(0) ack 1")  # leaves the queue
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")
    late.rx(". 1:1(0) ack 1")
    accept(tcp, first, late)
    works(first)
    works(late)


def test_a_reset_frees_a_place_in_the_syn_queue():
    tcp = listening(max_syn_queue=2, syncookies=0)
    gone, _ = half_open(tcp, 41000), half_open(tcp, 41001)
    late = refused(tcp, 42000)
    gone.rx("R 1:1(0)")
    gone.expect_nothing()
    assert connections(tcp) == 1
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")


def test_peers_who_never_answer_leave_the_syn_queue_after_their_last_syn_ack():
    tcp = listening(max_syn_queue=4, syncookies=0)
    dead = [half_open(tcp, 41000 + i) for i in range(4)]
    refused(tcp, 42000)
    assert len(dead[0].watch(s=GIVE_UP - 1)) == 5
    refused(tcp, 42001)
    for peer in dead:
        peer.take()
    tcp.after(s=1)
    tcp.cable.run()
    assert connections(tcp) == 0
    assert tcp.drops() == {"syn_queue_full": 2}
    for port in (42000, 42001, 42002, 42003):
        half_open(tcp, port)
    assert connections(tcp) == 4


def test_each_listener_has_a_syn_queue_of_its_own():
    tcp = listening(max_syn_queue=1, syncookies=0)
    half_open(tcp, 41000)
    refused(tcp, 41001)
    with tcp.cable.stack.create_server(("", 81)) as other:
        peer = tcp.another(43000)
        peer.us_port = 81
        peer.rx("S 0:0(0)")
        peer.expect("S. 0:0(0) ack 1")
        peer.rx(". 1:1(0) ack 1")
        peer.sock, _ = other.accept()
        peer.sock.setblocking(False)
        works(peer)


def test_closing_the_listener_resets_those_in_both_queues():
    tcp = listening(max_syn_queue=2, syncookies=0)
    waiting = opened(tcp, 41000)
    half = [half_open(tcp, 41001), half_open(tcp, 41002)]
    refused(tcp, 41003)
    tcp.listener.close()
    waiting.expect("R. 1:1(0) ack 1")
    for peer in half:
        peer.expect("R. 1:1(0) ack 1")
    assert tcp.cable.memory()["connections"] == 0


# --- The stack's connections ---


def test_connections_all_half_open_leave_the_established_alone_and_come_back():
    tcp = listening(syncookies=0, limits={"max_connections": 6})
    good = opened(tcp, 41000)
    accept(tcp, good)
    flood = [half_open(tcp, 42000 + i) for i in range(4)]
    late = refused(tcp, 43000)
    assert tcp.drops() == {"no_memory": 1}
    works(good)
    with pytest.raises(OSError) as e:
        tcp.cable.stack.socket()
    assert e.value.errno == errno.ENOBUFS
    flood[0].rx("R 1:1(0)")  # one place
    tcp.cable.stack.socket().close()
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")
    refused(tcp, 43001)
    late.watch(s=GIVE_UP)
    tcp.cable.run()
    assert connections(tcp) == 1
    for peer in flood:
        peer.take()
    for i in range(4):
        half_open(tcp, 44000 + i)
    assert tcp.drops() == {"no_memory": 2}


def test_with_no_connection_left_a_half_open_one_still_completes():
    tcp = listening(syncookies=0, limits={"max_connections": 2})
    only = half_open(tcp, 41000)
    refused(tcp, 41001)
    only.rx(". 1:1(0) ack 1")
    accept(tcp, only)
    works(only)
    only.rx("F. 11:11(0) ack 7")
    only.sock.close()
    assert [s.flags for s in only.take() if "F" in s.flags] == ["F."]
    only.rx(". 12:12(0) ack 8")
    assert connections(tcp) == 0
    half_open(tcp, 41001)


def test_limits_met_together_are_counted_by_the_first_that_says_no():
    tcp = listening(backlog=0, max_syn_queue=1, syncookies=0, limits={"max_connections": 4})
    first = half_open(tcp, 41000)
    refused(tcp, 41001)
    assert tcp.drops() == {"syn_queue_full": 1}
    first.rx(". 1:1(0) ack 1")
    refused(tcp, 41002)
    assert tcp.drops() == {"syn_queue_full": 1, "accept_queue_full": 1}
    accept(tcp, first)
    second = half_open(tcp, 41003)
    with tcp.cable.stack.socket():
        refused(tcp, 41004)  # the SYN queue is full, and so are the connections
        assert tcp.drops() == {"syn_queue_full": 2, "accept_queue_full": 1}
        second.rx("R 1:1(0)")
        with tcp.cable.stack.socket():
            refused(tcp, 41005)
    assert tcp.drops() == {"syn_queue_full": 2, "accept_queue_full": 1, "no_memory": 1}
    half_open(tcp, 41006)
