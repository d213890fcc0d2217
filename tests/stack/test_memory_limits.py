"""A stack whose memory is nearly used up goes on, and one timer, packet or byte more never stops it for good."""

import errno
import socket

import pytest

import usnet
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.testing.peer import established, stream

NONE = 0xFFFFFFFF


@pytest.fixture
def alone():
    """Makes a stack on a wire that nobody listens to, without blocking."""
    stacks = []

    def make(address="10.9.0.1/16", **options):
        clock = ManualClock(1_000_000_000)
        port, _ = make_pair(clock=clock)
        stacks.append(usnet.Stack(port, address, seed=1, clock=clock, **options))
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.close(linger=0)


def nonblocking(stack, kind=socket.SOCK_STREAM):
    sock = stack.socket(type=kind)
    sock.setblocking(False)
    return sock


def test_a_sweep_over_absent_neighbours_leaves_connections_their_timers(alone):
    stack = alone(max_connections=4, config={"max_neighbours": 65536, "neighbour_bytes": 1 << 24})
    udp = nonblocking(stack, socket.SOCK_DGRAM)
    for i in range(6000):
        udp.sendto(b"?", (f"10.9.{1 + i // 250}.{1 + i % 250}", 9))
    assert stack.statistics()["memory"]["timers"] == 6000
    tcp = nonblocking(stack)
    tcp.connect_ex(("10.9.99.1", 80))
    stack.run_once()
    assert [stack.core.snapshot(c)["timer"] != NONE for c in stack.core.connections()] == [True]
    for sock in (udp, tcp):
        sock.close()


def connected_to_itself(stack):
    listener, client = nonblocking(stack), nonblocking(stack)
    listener.bind(("10.9.0.1", 80))
    listener.listen()
    client.connect_ex(("10.9.0.1", 80))
    for _ in range(10):
        stack.run_once()
    server, _ = listener.accept()
    server.setblocking(False)
    listener.close()
    return client, server


def test_what_is_on_its_way_to_ourselves_is_due_at_once(alone):
    stack = alone()
    client, server = connected_to_itself(stack)
    client.send(b"x")  # leaves with the call, into the queue of what comes back in
    now = stack.clock.now()
    assert stack.core.flush(now) == now
    stack.run_once()
    assert server.recv(10) == b"x"
    client.close()
    server.close()


def test_a_packet_to_ourselves_passes_however_little_may_wait(alone):
    stack = alone(config={"loopback_bytes": 100})
    client, server = connected_to_itself(stack)
    client.send(stream(1, 5000))
    got = b""
    for _ in range(100):
        stack.run_once()
        try:
            got += server.recv(5000)
        except BlockingIOError:
            stack.clock.advance(50_000_000)
    assert got == stream(1, 5000)
    client.close()
    server.close()


def send_forever(tcp):
    while True:
        tcp.send(1000)


def test_what_waits_to_be_sent_leaves_a_quarter_of_the_memory_to_what_arrives():
    tcp = established(limits={"max_chunks": 16}, win=0)
    with pytest.raises(OSError, match="buffer") as error:
        send_forever(tcp)
    assert error.value.errno == errno.ENOBUFS
    assert 10 <= tcp.cable.memory()["chunks"] <= 12
    for i in range(4):
        tcp.rx(f". {1 + i * 1000}:{1001 + i * 1000}(1000) ack 1 win 0")
    assert tcp.recv() == stream(1, 4000)


@pytest.mark.parametrize("setting", ["msl", "rto_max", "keep_idle", "arp_timeout", "reassembly_timeout"])
def test_times_that_would_pass_the_end_of_the_clock_are_refused(alone, setting):
    with pytest.raises(ValueError, match="from 0 to 10"):
        alone().configure(**{setting: 1 << 62})
