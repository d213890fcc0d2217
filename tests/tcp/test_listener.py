"""Queues of listeners, and limits: RFC 9293, 3.9.1; RFC 4987; abuse R1, R2."""

import errno
from itertools import pairwise

import pytest

from usnet.testing.peer import PEER, listening


def opened(tcp, port):
    peer = tcp.another(port)
    peer.rx("S 0:0(0)")
    peer.expect("S. 0:0(0) ack 1")
    peer.rx(". 1:1(0) ack 1")
    return peer


def test_the_syn_ack_does_not_wait_for_accept():
    """libusnet's F9."""
    tcp = listening()
    opened(tcp, 41000).expect_nothing()


def test_connections_are_accepted_in_the_order_of_their_completion():
    tcp = listening()
    for port in (41003, 41001, 41002):
        opened(tcp, port)
    for port in (41003, 41001, 41002):
        sock, address = tcp.listener.accept()
        assert address == ("10.0.0.2", port) == sock.getpeername()
        sock.close()
    with pytest.raises(BlockingIOError):
        tcp.listener.accept()


def test_a_full_queue_drops_syns_and_does_not_refuse_them():
    tcp = listening(backlog=2)
    for i in range(3):  # one more than the backlog, as on Linux and BSD
        opened(tcp, 41000 + i)
    late = tcp.another(42000)
    late.rx("S 0:0(0)")
    late.expect_nothing()
    assert tcp.drops() == {"accept_queue_full": 1}
    tcp.accept()
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")


def test_a_handshake_that_ends_on_a_full_queue_is_finished_later():
    tcp = listening(backlog=1)
    late = tcp.another(42000)
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")
    for i in range(2):
        opened(tcp, 41000 + i)
    late.rx(". 1:1(0) ack 1")
    late.expect_nothing()
    assert late.state == "SYN_RECEIVED"
    tcp.accept()
    late.at(s=1)
    late.expect("S. 0:0(0) ack 1")
    late.rx(". 1:1(0) ack 1")
    assert late.state == "ESTABLISHED"


def test_a_connection_that_was_reset_before_accept_says_so():
    tcp = listening()
    opened(tcp, 41000).rx("R 1:1(0)")
    conn, _ = tcp.listener.accept()
    conn.setblocking(False)
    with pytest.raises(ConnectionResetError):
        conn.recv(1)
    conn.close()


def test_a_connection_that_was_reset_before_accept_still_has_its_peers_address():
    tcp = listening()
    opened(tcp, 41000).rx("R 1:1(0)")
    conn, peer = tcp.listener.accept()
    assert peer == (PEER, 41000)
    conn.close()


def test_data_that_came_before_accept_is_there():
    tcp = listening()
    opened(tcp, 41000).rx("FP. 1:6(5) ack 1", data=b"hello")
    conn, _ = tcp.listener.accept()
    assert conn.recv(10) == b"hello"
    assert conn.recv(10) == b""
    conn.close()


def test_a_flood_of_syns_leaves_the_established_and_a_bounded_queue():
    tcp = listening(max_syn_queue=16, syncookies=0)
    good = opened(tcp, 41000)
    tcp.accept()
    for i in range(200):
        flood = tcp.another(50000 + i)
        flood.rx("S 0:0(0)")
        flood.take()
    assert tcp.drops() == {"syn_queue_full": 200 - 16}
    good.rx("P. 1:11(10) ack 1")
    assert len(tcp.recv()) == 10
    assert tcp.cable.memory()["connections"] == 18
    tcp.watch(s=100)
    assert tcp.cable.memory()["connections"] == 2


def test_at_the_limit_of_connections_syns_are_dropped_and_counted():
    tcp = listening(syncookies=0, limits={"max_connections": 4})
    for i in range(6):
        tcp.another(41000 + i).rx("S 0:0(0)")
    assert tcp.drops() == {"no_memory": 3}
    tcp.watch(s=100)
    tcp.another(42000).handshake()


def test_at_the_limit_a_socket_fails_with_an_errno():
    tcp = listening(limits={"max_connections": 2})
    tcp.cable.stack.socket().close()
    with tcp.cable.stack.socket(), pytest.raises(OSError) as e:
        tcp.cable.stack.socket()
    assert e.value.errno in (errno.ENOBUFS, errno.ENFILE, errno.EMFILE, errno.ENOMEM)


def test_a_new_backlog_counts_from_then_on():
    tcp = listening(backlog=0)
    opened(tcp, 41000)
    tcp.another(41001).rx("S 0:0(0)")
    assert tcp.drops() == {"accept_queue_full": 1}
    tcp.listener.listen(5)
    opened(tcp, 41001)


def test_ports_run_out_with_an_errno_and_come_back():
    """28,232 ports to one destination; TIME-WAIT holds them (abuse R7)."""
    from usnet.testing.peer import conversation

    tcp = conversation(limits={"max_connections": 30000, "max_sockets": 30000})
    stack = tcp.cable.stack
    socks, ports = [], set()
    while True:
        sock = stack.socket()
        sock.setblocking(False)
        status = sock.connect_ex(("10.0.0.2", 40000))
        if status != errno.EINPROGRESS:
            break
        socks.append(sock)
        if len(socks) % 100 == 0:
            ports.update(eth_port(frame) for frame, _ in tcp.cable.wire.receive())
    assert status == errno.EADDRNOTAVAIL
    assert len(socks) == 28232
    sock.close()
    for s in socks:
        s.close()
    sock = stack.socket()
    sock.setblocking(False)
    assert sock.connect_ex(("10.0.0.2", 40000)) == errno.EINPROGRESS
    sock.close()
    assert len(ports) > 28000
    assert tcp.cable.memory() == {**tcp.cable.memory(), "connections": 0, "timers": 0, "chunks": 0}


def eth_port(frame):
    return int.from_bytes(frame[34:36], "big")


def test_ephemeral_ports_are_hard_to_guess():
    """RFC 6056: other destinations, other offsets; one destination, no port twice in a row."""
    from usnet.testing.peer import conversation

    tcp = conversation(seed=5)
    firsts = []
    for i in range(8):
        sock = tcp.cable.stack.socket()
        sock.setblocking(False)
        sock.connect_ex(("10.0.0.2", 5000 + i))
        firsts.append(sock.getsockname()[1])
        sock.close()
    assert len({b - a for a, b in pairwise(firsts)}) > 4
