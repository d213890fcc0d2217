"""Who gets what when several share: ports with SO_REUSEPORT, epoll instances with EPOLLEXCLUSIVE; and the four ways to linger."""

import socket
import struct

import pytest

import usnet
from tests.sockets.kit import Net, Usnet
from usnet import EPOLLEXCLUSIVE, EPOLLIN
from usnet.lab.world import World


def reuse(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def test_connections_are_spread_over_listeners_that_share_a_port(net):
    listeners = [net.tcp("server") for _ in range(4)]
    port = 0
    for listener in listeners:
        reuse(listener)
        listener.bind((net.host, port))
        port = listener.getsockname()[1]
        listener.listen(128)
        listener.setblocking(False)
    clients = []
    for _ in range(100):
        clients.append(net.tcp())
        clients[-1].connect((net.host, port))
    net.settle()
    counts, peers = [], set()
    for listener in listeners:
        counts.append(0)
        try:
            while True:
                conn, peer = listener.accept()
                net.keep(conn)
                counts[-1] += 1
                peers.add(peer)
        except BlockingIOError:
            pass
    assert sum(counts) == 100 and min(counts) >= 8, counts
    assert peers == {client.getsockname() for client in clients}


def test_datagrams_are_spread_over_sockets_that_share_a_port_and_a_flow_stays(net):
    servers = [net.udp("server") for _ in range(4)]
    port = 0
    for server in servers:
        reuse(server)
        server.bind((net.host, port))
        port = server.getsockname()[1]
        server.setblocking(False)
    clients = [net.udp() for _ in range(60)]
    for round_ in range(3):
        for client in clients:
            client.sendto(b"%d" % round_, (net.host, port))
        net.settle()
    places = {}
    for i, server in enumerate(servers):
        try:
            while True:
                _, sender = server.recvfrom(10)
                places.setdefault(sender[1], set()).add(i)
        except BlockingIOError:
            pass
    assert len(places) == 60 and all(len(at) == 1 for at in places.values())
    assert {i for at in places.values() for i in at} == {0, 1, 2, 3}


def polling_programs(mask, n=3):
    """How many of n programs, each asleep in an instance of its own over one listener, wake for one connection."""
    world = World(seed=1)
    server, client = world.host("server", "10.0.0.1/24"), world.host("client", "10.0.0.2/24")
    world.link(server, client, delay="1ms")
    woken = []
    made = []

    def wait(name):
        if not made:
            made.append(usnet.create_server(("", 80)))
        with usnet.epoll() as ep:
            ep.register(made[0], mask)
            if ep.poll(1):
                woken.append(name)

    for name in range(n):
        server.run(wait, name)
    client.run(lambda: usnet.create_connection(("10.0.0.1", 80)).close())
    world.run_programs()
    made[0].close()
    return woken


def test_one_connection_wakes_all_that_wait_for_it():
    assert sorted(polling_programs(EPOLLIN)) == [0, 1, 2]


def test_one_connection_wakes_one_of_those_that_share():
    assert len(polling_programs(EPOLLIN | EPOLLEXCLUSIVE)) == 1


# --- Lingering ---


def linger(sock, on, seconds):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize(("on", "seconds"), [(0, 0), (1, 0), (1, 5), (0, 5)])
def test_what_the_peer_sees_of_a_close(net, on, seconds, unread):
    """Without lingering, or with time: the data, then the end; with no time: a reset. Unread data makes it a reset always."""
    client, server = net.connected()
    linger(client, on, seconds)
    if unread:
        server.send(b"never read")
        net.settle()
    client.send(b"last words")
    net.settle()
    client.close()
    net.settle()
    assert server.recv(100) == b"last words"
    if unread or (on and not seconds):
        with pytest.raises(ConnectionResetError):
            server.recv(100)
    assert server.recv(100) == b""


def closing(on, seconds, block, reads):
    """(virtual seconds that close took, bytes that the peer got in the end)"""
    net = Net(Usnet())
    try:
        client, server = net.connected()
        client.setblocking(block)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        linger(client, on, seconds)
        client.setblocking(False)
        sent = net.fill(client)
        if reads:
            net.drain(server, sent)
        client.setblocking(block)
        start = net.clock.now()
        client.close()
        return (net.clock.now() - start) / 1e9
    finally:
        net.close()


@pytest.mark.parametrize(
    ("on", "seconds", "block", "reads", "takes"),
    [(0, 0, True, False, 0), (1, 0, True, False, 0), (1, 3, False, False, 0), (1, 3, True, False, 3), (1, 3, True, True, 0)],
)
def test_how_long_a_close_takes(on, seconds, block, reads, takes):
    """Only a blocking socket that lingers for some time waits, and no longer than its data needs."""
    assert closing(on, seconds, block, reads) == pytest.approx(takes, abs=0.3)
