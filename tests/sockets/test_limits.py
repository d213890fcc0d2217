"""Every limit: what a program is told when it is reached, that all works again when there is room, and that nothing is lost by it."""

import errno
import socket

import pytest

import usnet
from tests.sockets.kit import Net, Together, Usnet
from usnet import EPOLLIN, EPOLLOUT
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair


class Small(Usnet):
    """Two stacks, the server's of a given size."""

    def __init__(self, sizes, **config):
        self.clock = ManualClock(1_000_000_000)
        stacks = []
        for n, port in enumerate(make_pair(clock=self.clock)):
            made = {"seed": n + 1, "poller": Together(self.clock, stacks), "config": config, **(sizes if n == 0 else {})}
            stacks.append(usnet.Stack(port, f"10.9.0.{n + 1}/24", **made))
        self.server, self.client = stacks


@pytest.fixture
def small():
    made = []

    def make(*, config=None, **sizes):
        made.append(Net(Small(sizes, **(config or {}))))
        return made[-1]

    yield make
    for net in made:
        net.close()
        for stack in (net.server, net.client):
            assert stack.closed


def code(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


def memory(stack):
    """What the stack holds, neighbours aside."""
    return {name: n for name, n in stack.statistics()["memory"].items() if name not in ("neighbours", "timers")}


def seconds(net, n):
    """Lets time pass in steps: retransmissions, TIME-WAIT."""
    for _ in range(n * 10):
        net.clock.advance(100_000_000)
        net.settle()


def echoes(net, listener=None):
    """A connection made, used and closed."""
    own = listener is None
    listener = listener or net.server.create_server((net.host, 0))
    client = net.client.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.sendall(b"works")
    net.settle()
    assert server.recv(10) == b"works"
    for sock in (client, server, *([listener] if own else [])):
        sock.close()
    net.settle()


def all_gone(net):
    """Once TIME-WAIT is over, both stacks hold nothing."""
    seconds(net, 70)
    for stack in (net.server, net.client):
        assert not any(memory(stack).values()), memory(stack)


def nonblocking(net, side="client"):
    sock = net.tcp(side)
    sock.setblocking(False)
    return sock


def test_descriptors_run_out_in_socket_and_epoll_and_come_back(small):
    net = small(max_sockets=4)
    socks = [net.tcp("server") for _ in range(4)]
    for make in (net.server.socket, net.server.epoll):
        assert code(make) == errno.EMFILE
    for sock in socks:
        sock.close()
    echoes(net)
    all_gone(net)


def test_descriptors_run_out_in_accept_and_the_connection_waits(small):
    net = small(max_sockets=3)
    listener = net.listener()
    clients = [nonblocking(net) for _ in range(4)]
    for client in clients:
        client.connect_ex(listener.getsockname())
    net.settle()
    accepted = [listener.accept()[0] for _ in range(2)]
    with pytest.raises(OSError) as e:
        listener.accept()
    assert e.value.errno == errno.EMFILE
    clients[2].send(b"I am waiting")
    net.settle()
    accepted[0].close()
    third, peer = listener.accept()
    assert peer == clients[2].getsockname()
    assert third.recv(100) == b"I am waiting"
    assert code(listener.accept) == errno.EMFILE
    for sock in (*accepted, third, listener, *clients):
        sock.close()
    all_gone(net)


def test_a_listener_whose_accept_met_emfile_stays_readable(small):
    net = small(max_sockets=3)
    listener = net.listener()
    ep = net.epoll("server")
    ep.register(listener, EPOLLIN)
    for _ in range(2):
        nonblocking(net).connect_ex(listener.getsockname())
    net.settle()
    held, _ = listener.accept()
    assert code(listener.accept) == errno.EMFILE
    assert ep.poll(0) == [(listener.fileno(), EPOLLIN)]
    held.close()
    assert ep.poll(0) == [(listener.fileno(), EPOLLIN)]
    net.keep(listener.accept()[0])
    assert ep.poll(0) == []


def test_connections_run_out_and_those_who_knock_are_let_in_when_there_is_room(small):
    net = small(max_connections=3)
    listener = net.listener()
    clients = [nonblocking(net) for _ in range(3)]
    for client in clients:
        client.connect_ex(listener.getsockname())
    net.settle()
    accepted = [listener.accept()[0] for _ in range(2)]
    assert net.server.statistics()["tcp_drops"]["no_memory"] > 0
    assert code(net.server.socket) == errno.ENOBUFS
    assert clients[2].connect_ex(listener.getsockname()) == errno.EALREADY
    for client in clients[:2]:
        client.close()  # they wait in TIME-WAIT, the server's ends are free
    net.settle()
    for sock in accepted:
        sock.close()
    seconds(net, 4)
    assert clients[2].connect_ex(listener.getsockname()) == 0
    third, _ = listener.accept()
    for sock in (third, clients[2], listener):
        sock.close()
    all_gone(net)


def test_no_room_for_a_socket_leaves_no_descriptor_behind(small):
    net = small(max_connections=1)
    one = net.tcp("server")
    for _ in range(100):
        assert code(net.server.socket) == errno.ENOBUFS
    one.close()
    assert net.tcp("server").fileno() == 3


def test_a_full_queue_of_connections_drops_and_counts_and_takes_them_later(small):
    net = small()
    listener = net.listener(0)
    clients = [nonblocking(net) for _ in range(4)]
    for client in clients:
        client.connect_ex(listener.getsockname())
    net.settle()
    assert net.server.statistics()["tcp_drops"]["accept_queue_full"] > 0
    held = []
    listener.settimeout(100)
    for _ in clients:
        held.append(listener.accept()[0])
    assert {sock.getpeername() for sock in held} == {client.getsockname() for client in clients}
    for sock in (*held, *clients, listener):
        sock.close()
    all_gone(net)


def test_local_ports_run_out_for_binding_and_come_back(small):
    net = small()
    socks = []
    for _ in range(28232):
        sock = net.server.socket()
        sock.bind((net.host, 0))
        socks.append(sock)
    late = net.tcp("server")
    assert code(late.bind, (net.host, 0)) == errno.EADDRINUSE
    assert code(late.listen) == errno.EADDRINUSE
    assert late.connect_ex(("10.9.0.2", 80)) == errno.EADDRNOTAVAIL
    free = socks[77].getsockname()
    socks[77].close()
    late.bind((net.host, 0))
    assert late.getsockname() == free
    for sock in (*socks, late):
        sock.close()
    echoes(net)


def test_local_ports_run_out_for_connecting_and_come_back(small):
    net = small(config={"syn_retries": 0})
    socks = []
    for _ in range(28232):
        sock = net.server.socket()
        sock.setblocking(False)
        assert sock.connect_ex((net.dead, 80)) == errno.EINPROGRESS
        socks.append(sock)
    late = nonblocking(net, "server")
    assert late.connect_ex((net.dead, 80)) == errno.EADDRNOTAVAIL
    assert late.connect_ex((net.dead, 81)) == errno.EINPROGRESS  # another destination: the same ports serve again
    socks.pop().close()
    later = nonblocking(net, "server")
    assert later.connect_ex((net.dead, 80)) == errno.EINPROGRESS
    for sock in (*socks, late, later):
        sock.close()
    net.settle()
    assert memory(net.server)["connections"] == 0
    echoes(net)


def test_datagram_ports_run_out_and_come_back(small):
    net = small()
    socks = []
    for _ in range(28232):
        sock = net.server.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 0))
        socks.append(sock)
    late = net.udp("server")
    assert code(late.bind, ("", 0)) == errno.EADDRINUSE
    assert code(late.sendto, b"x", ("10.9.0.2", 9)) == errno.EADDRINUSE
    socks.pop().close()
    assert late.sendto(b"x", ("10.9.0.2", 9)) == 1
    for sock in (*socks, late):
        sock.close()
    assert memory(net.server)["udp"] == 0


def test_memory_for_what_is_sent_runs_out_and_comes_back(small):
    net = small(max_chunks=64)
    listener = net.listener()
    pairs = []
    for _ in range(4):
        client = nonblocking(net)
        client.connect_ex(listener.getsockname())
        net.settle()
        server, _ = listener.accept()
        server.setblocking(False)
        pairs.append((server, client))
    sent = {}
    told = set()
    for server, client in pairs:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sent[server] = 0
        try:
            while True:
                sent[server] += server.send(bytes(30_000))
        except OSError as e:
            told.add(e.errno)
    assert errno.ENOBUFS in told and told <= {errno.ENOBUFS, errno.EAGAIN}
    for server, client in pairs:
        assert net.drain(client, sent[server]) == sent[server]
    net.pass_time()
    for server, _ in pairs:
        assert server.send(b"again") == 5
    for pair in pairs:
        for sock in pair:
            sock.close()
    listener.close()
    all_gone(net)


def test_a_blocking_send_waits_for_memory(small):
    net = small(max_chunks=16)
    listener = net.listener()
    client = nonblocking(net)
    client.connect_ex(listener.getsockname())
    net.settle()
    server = net.keep(listener.accept()[0])
    server.settimeout(0.5)
    with pytest.raises(TimeoutError):
        server.sendall(bytes(10_000_000))
    assert len(client.recv(1 << 20)) > 0


def test_datagrams_beyond_the_receive_buffer_are_dropped_and_counted_and_then_taken_again(small):
    net = small()
    server, client = net.udp("server"), net.udp()
    server.bind((net.host, 0))
    server.setblocking(False)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(20):
        client.sendto(bytes(1000), server.getsockname())
    net.settle()
    assert net.server.statistics()["ip_drops"]["udp_queue_full"] > 0
    got = 0
    while True:
        try:
            got += len(server.recv(2000)) == 1000
        except BlockingIOError:
            break
    assert 0 < got < 20
    client.sendto(b"room again", server.getsockname())
    net.settle()
    assert server.recv(100) == b"room again"
    assert memory(net.server)["chunks"] == 0


def test_registrations_run_out_and_come_back(small):
    net = small(max_sockets=60)
    socks = [net.udp("server") for _ in range(30)]
    instances = [net.epoll("server") for _ in range(30)]
    pairs = [(ep, sock) for ep in instances for sock in socks]
    registered, refused = pairs[: 4 * 63], pairs[4 * 63]
    for ep, sock in registered:
        ep.register(sock, EPOLLOUT)
    assert code(refused[0].register, refused[1], EPOLLOUT) == errno.ENOSPC
    ep, sock = registered.pop()
    ep.unregister(sock)
    instances[-1].register(sock, EPOLLOUT)
    assert instances[-1].poll(0) == [(sock.fileno(), EPOLLOUT)]
    assert code(refused[0].register, refused[1], EPOLLOUT) == errno.ENOSPC
    for end in (*instances, *socks):
        end.close()
    again = net.epoll("server")
    other = [net.udp("server") for _ in range(30)]
    for sock in other:
        again.register(sock, EPOLLOUT)
    assert len(again.poll(0)) == 30


def test_listeners_run_out_and_come_back(small):
    net = small()
    socks = []
    for _ in range(4096):
        sock = net.server.socket()
        sock.listen()
        socks.append(sock)
    late = net.tcp("server")
    assert code(late.listen) == errno.ENOBUFS
    socks.pop().close()
    late.listen()
    for sock in (*socks, late):
        sock.close()
    echoes(net)
    all_gone(net)
