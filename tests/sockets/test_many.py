"""Calls for many messages: each message fares as it would in a call of its own."""

import errno

import pytest

import usnet
from usnet import EPOLLET, EPOLLIN, EPOLLOUT


def pairs(us, n):
    """n connections: (clients, servers)."""
    made = [us.connected() for _ in range(n)]
    return [client for client, _ in made], [server for _, server in made]


def stack_of(sock):
    return sock.stack


def test_what_is_there_of_many_sockets_comes_in_one_call(us):
    clients, servers = pairs(us, 4)
    servers[0].send(b"one")
    servers[2].send(b"three, and more")
    servers[3].close()
    us.settle()
    stack = stack_of(clients[0])
    assert stack.recv_many(clients, 5) == [b"one", None, b"three", b""]
    assert stack.recv_many([c.fileno() for c in clients], 100) == [None, None, b", and more", b""]
    assert stack.recv_many([], 100) == [] and stack.recv_many(iter(clients[:1]), 100) == [None]


def test_many_are_sent_in_one_call_and_arrive(us):
    clients, servers = pairs(us, 3)
    data = [b"bytes", bytearray(b"a bytearray"), memoryview(b"a view")]
    assert stack_of(clients[0]).send_many(zip(clients, data, strict=True)) == [5, 11, 6]
    us.settle()
    assert [server.recv(100) for server in servers] == [bytes(d) for d in data]


def test_errors_are_told_in_the_place_of_their_message(us):
    clients, servers = pairs(us, 4)
    stack = stack_of(clients[0])
    closed = clients[1].fileno()
    clients[1].close()
    servers[2].setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    servers[2].close()
    us.settle()
    servers[0].send(b"0")
    servers[3].send(b"3")
    us.settle()
    got = stack.recv_many([clients[0], closed, clients[2], clients[3], clients[1]], 10)
    assert (got[0], got[3]) == (b"0", b"3")
    assert [(type(e), e.errno) for e in (got[1], got[2], got[4])] == [
        (OSError, errno.EBADF), (ConnectionResetError, errno.ECONNRESET), (OSError, errno.EBADF)]
    taken = stack.send_many([(clients[0], b"a"), (closed, b"b"), (clients[2], b"c"), (clients[3], b"d")])
    assert (taken[0], taken[3]) == (1, 1)
    assert (taken[1].errno, taken[2].errno) == (errno.EBADF, errno.EPIPE)
    us.settle()
    assert (servers[0].recv(9), servers[3].recv(9)) == (b"a", b"d")


def test_no_call_waits_whatever_the_timeout(us):
    clients, servers = pairs(us, 1)
    clients[0].settimeout(None)
    stack, big = stack_of(clients[0]), bytes(1 << 20)
    clients[0].setsockopt(usnet.SOL_SOCKET, usnet.SO_SNDBUF, 4096)
    assert stack.recv_many(clients, 10) == [None]
    (taken,) = stack.send_many([(clients[0], big)])
    assert 0 < taken < 1 << 20
    assert stack.send_many([(clients[0], big)]) == [None]
    servers[0].setblocking(False)
    us.settle()
    assert servers[0].recv(10) == bytes(10)


def test_what_is_wrong_with_a_call_raises_and_what_stands_before_it_is_sent(us):
    clients, servers = pairs(us, 2)
    clients[0].setsockopt(usnet.IPPROTO_TCP, usnet.TCP_NODELAY, 1)
    stack = stack_of(clients[0])
    for wrong in ((clients[1], "text"), (clients[1], None), (clients[1],), ("socket", b"x"), 7):
        with pytest.raises((TypeError, ValueError)):
            stack.send_many([(clients[0], b"x"), wrong])
    us.settle()
    assert servers[0].recv(100) == b"x" * 5
    for call in (lambda: stack.recv_many(["socket"], 5), lambda: stack.recv_many(7, 5), lambda: stack.recv_many(clients, "5")):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        stack.recv_many(clients, -1)


def test_an_epoll_reads_what_it_reports(us):
    clients, servers = pairs(us, 4)
    with us.epoll("client") as poller:
        for client, mask in zip(clients, (EPOLLIN, EPOLLIN, EPOLLIN, EPOLLOUT), strict=True):
            poller.register(client, mask)
        servers[0].send(b"zero")
        servers[1].close()
        us.settle()
        got = dict(poller.recv_many(100, 0))
        assert got == {clients[0].fileno(): b"zero", clients[1].fileno(): b"", clients[3].fileno(): None}
        poller.modify(clients[3], EPOLLIN)
        poller.unregister(clients[1])
        assert poller.recv_many(100, 0) == []
        with pytest.raises(ValueError):
            poller.recv_many(-1)
        with pytest.raises(ValueError):
            poller.recv_many(100, 0, 0)
    with pytest.raises(ValueError):
        poller.recv_many(100, 0)


def test_an_epoll_gives_no_more_than_was_asked_for_and_those_that_waited_longest_first(us):
    clients, servers = pairs(us, 5)
    with us.epoll("client") as poller:
        for client in clients:
            poller.register(client, EPOLLIN | EPOLLET)
        for i in (3, 1, 4, 0, 2):
            servers[i].send(b"%d" % i)
            us.settle()
        order = [data for _ in range(3) for _, data in poller.recv_many(10, 0, 2)]
        assert order == [b"3", b"1", b"4", b"0", b"2"]
        assert poller.recv_many(10, 0) == []


def test_a_listener_says_none(us):
    listener = us.listener()
    with us.epoll("server") as poller:
        poller.register(listener, EPOLLIN)
        client = us.tcp()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        us.settle()
        assert poller.recv_many(100, 0) == [(listener.fileno(), None)]
        assert stack_of(listener).recv_many([listener], 10) == [None]
        listener.accept()[0].close()


def test_datagrams_keep_their_borders():
    world = usnet.World(seed=1)
    a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
    world.link(a, b)
    got = []

    def receiver():
        with usnet.socket(type=usnet.SOCK_DGRAM) as sock, usnet.epoll() as poller:
            sock.bind(("", 7))
            poller.register(sock, EPOLLIN)
            while sum(data is not None for data in got) < 3:
                got.extend(data for _, data in poller.recv_many(8))
            got.extend(sock.stack.recv_many([sock], 8))

    def sender():
        with usnet.socket(type=usnet.SOCK_DGRAM) as sock:
            sock.connect(("10.0.0.2", 7))
            assert sock.stack.send_many([(sock, b"one"), (sock, b""), (sock, b"three is long")]) == [3, 0, 13]

    with world:
        b.run(receiver)
        a.run(sender)
        world.run()
    assert got == [b"one", b"", b"three is", None]


def test_in_simulation_it_is_message_for_message_the_same():
    def digest(many):
        world = usnet.World(seed=3)
        a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
        world.link(a, b, delay="5ms")

        def server():
            with usnet.create_server(("", 7)) as listener, usnet.epoll() as poller:
                sock = listener.accept()[0]
                poller.register(sock, EPOLLIN)
                with sock:
                    while data := (poller.recv_many(100)[0][1] if many else poller.poll() and sock.recv(100)):
                        sock.stack.send_many([(sock, data)]) if many else sock.send(data)

        def client():
            with usnet.create_connection(("10.0.0.2", 7)) as sock:
                for i in range(20):
                    sock.sendall(b"%d" % i * 10)
                    sock.recv(100)

        with world:
            b.run(server)
            a.run(client)
            world.run()
            return world.digest()

    assert digest(True) == digest(False)
