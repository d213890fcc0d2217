"""Unchanged blocking programs in virtual time: many of them on a few stacks."""

import errno
import socket

import pytest

import usnet
from usnet.lab.programs import sleep
from usnet.lab.world import World


def pair(seed=1, **link):
    world = World(seed=seed)
    a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
    world.link(a, b, **{"delay": "10ms", **link})
    return world, a, b


def serve_one(port, out):
    with usnet.create_server(("", port)) as listener:
        conn, _ = listener.accept()
        with conn:
            while data := conn.recv(4096):
                out.append(data)
                conn.sendall(data)


def ask(host, port, text):
    with usnet.create_connection((host, port)) as sock:
        sock.sendall(text)
        sock.shutdown(usnet.SHUT_WR)
        got = b""
        while data := sock.recv(4096):
            got += data
        return got


def test_programs_on_two_hosts_talk_and_time_is_the_links():
    world, a, b = pair()
    seen = []
    a.run(serve_one, 80, seen)
    client = b.run(ask, "10.0.0.1", 80, b"hello")
    world.run_programs()
    assert client.value == b"hello" == b"".join(seen)
    assert 40_000_000 <= world.now < 200_000_000


def test_many_programs_share_one_stack():
    world, a, b = pair()
    seen = [[] for _ in range(10)]
    for n in range(10):
        a.run(serve_one, 1000 + n, seen[n])
    clients = [b.run(ask, "10.0.0.1", 1000 + n, b"%d" % n * 5000) for n in range(10)]
    world.run_programs()
    assert [c.value for c in clients] == [b"%d" % n * 5000 for n in range(10)]


def test_losses_cost_time_but_no_bytes_and_the_run_repeats():
    def once():
        world, a, b = pair(seed=5, loss=0.1, rate="10Mbit")
        a.run(serve_one, 80, [])
        client = b.run(ask, "10.0.0.1", 80, bytes(range(256)) * 200)
        world.run_programs()
        assert client.value == bytes(range(256)) * 200
        return world.now, world.digest()

    assert once() == once()


def test_a_timeout_in_a_program_is_exact():
    world, a, _ = pair()

    def wait():
        with usnet.socket() as sock:
            sock.settimeout(0.7)
            with pytest.raises(TimeoutError):
                sock.connect(("10.0.0.99", 1))
        return world.now

    program = a.run(wait)
    world.run_programs()
    assert program.value == 700_000_000


def test_a_program_whose_socket_another_closes_gets_ebadf():
    world, a, _ = pair()
    listener = []

    def wait():
        listener.append(usnet.create_server(("", 80)))
        with pytest.raises(OSError, match="Bad file") as e:
            listener[0].accept()
        return e.value.errno, world.now

    def shut():
        sleep("1s")
        listener[0].close()

    waiting = a.run(wait)
    a.run(shut)
    world.run_programs()
    assert waiting.value == (errno.EBADF, 1_000_000_000)


def test_a_program_in_epoll_hears_what_another_registers_and_shuts_down():
    world, a, _ = pair()
    shared = {}

    def watch():
        shared["ep"] = usnet.epoll()
        shared["sock"] = usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM)
        shared["sock"].connect(("10.0.0.2", 9))
        first = shared["ep"].poll()
        shared["ep"].modify(shared["sock"], usnet.EPOLLIN)
        second = shared["ep"].poll()
        shared["ep"].close()
        shared["sock"].close()
        return first, second, world.now

    def meddle():
        sleep("1s")
        shared["ep"].register(shared["sock"], usnet.EPOLLOUT)
        sleep("1s")
        shared["sock"].shutdown(usnet.SHUT_RD)

    watcher = a.run(watch)
    a.run(meddle)
    world.run_programs()
    assert watcher.value == ([(4, usnet.EPOLLOUT)], [(4, usnet.EPOLLIN)], 2_000_000_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1"])
def test_programs_of_one_host_talk_to_each_other(host):
    world, a, _ = pair()
    a.run(serve_one, 80, [])
    client = a.run(ask, host, 80, b"to myself" * 10_000)
    world.run_programs()
    assert client.value == b"to myself" * 10_000


def test_a_program_waits_on_epoll_for_what_another_host_sends():
    world, a, b = pair()

    def watch():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock, usnet.epoll() as ep:
            sock.bind(("", 9))
            ep.register(sock, usnet.EPOLLIN)
            assert ep.poll(0.5) == []
            assert ep.poll() == [(sock.fileno(), usnet.EPOLLIN)]
            return sock.recv(10), world.now

    def send():
        sleep("2s")
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("10.0.0.1", 9))

    watcher = a.run(watch)
    b.run(send)
    world.run_programs()
    assert watcher.value == (b"x", 2_030_000_000)  # ARP there and back, and the datagram


def test_a_send_before_a_sleep_is_sent_again_when_it_is_lost():
    """The stack's timers run while its programs sleep."""
    world, a, b = pair()
    got = []
    a.run(serve_one, 80, got)

    def client():
        sock = usnet.create_connection(("10.0.0.1", 80))
        sleep("5s")  # timers of the handshake are over
        link = next(iter(world.network.links.values()))
        link.up.loss = link.down.loss = 1
        sock.sendall(b"lost at first")
        sleep("100ms")
        link.up.loss = link.down.loss = 0
        sleep("3s")
        said = bytes(b"".join(got))
        assert sock.recv(100) == said
        sock.close()
        return said

    program = b.run(client)
    world.run_programs()
    assert program.value == b"lost at first"


def test_reading_tells_the_sender_at_once_that_there_is_room():
    world, a, b = pair()

    def reader():
        with usnet.create_server(("", 80)) as listener:
            conn, _ = listener.accept()
            sleep("40s")  # by now the sender probes seldom
            got = 0
            while got < 1 << 20:
                got += len(conn.recv(1 << 20))
            sleep("10s")
            conn.close()

    def writer():
        with usnet.create_connection(("10.0.0.1", 80)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)  # does not grow
            sock.sendall(bytes(2_500_000))
            return world.now

    a.run(reader)
    program = b.run(writer)
    world.run_programs()
    assert 40_000_000_000 < program.value < 40_500_000_000


def test_a_blocked_program_sleeps_through_what_does_not_concern_it():
    world, a, b = pair()
    waits = 0

    class Counting(type(a.stack.poller)):
        def wait_for(self, deadline, token):
            nonlocal waits
            waits += 1
            return super().wait_for(deadline, token)

    a.stack.poller.__class__ = Counting

    def reader():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as unread, usnet.create_server(("", 80)) as listener:
            unread.bind(("", 9))
            conn, _ = listener.accept()
            conn.sendall(bytes(200_000))  # acknowledged bit by bit
            assert conn.recv(10) == b"end"
            conn.close()

    def sender(left=200_000):
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            for _ in range(20):
                sock.sendto(b"x", ("10.0.0.1", 9))
                sleep("10ms")
        with usnet.create_connection(("10.0.0.1", 80)) as sock:
            while got := sock.recv(100_000):
                left = left - len(got)
                if left == 0:
                    sock.sendall(b"end")

    a.run(reader)
    b.run(sender)
    world.run_programs()
    assert waits == 2


def test_a_blocking_send_takes_all_of_it():
    """As the kernel's does; with a timeout it takes what fits."""
    world, a, b = pair(rate="100Mbit")
    size = 3_000_000

    def sink():
        with usnet.create_server(("", 80)) as listener:
            conn, _ = listener.accept()
            with conn:
                return sum(iter(lambda: len(conn.recv(1 << 16)), 0))

    def source():
        with usnet.create_connection(("10.0.0.1", 80)) as sock:
            assert sock.send(bytes(size)) == size
            sock.settimeout(5)
            return sock.send(bytes(size))

    got, sent = a.run(sink), b.run(source)
    world.run_programs()
    assert 0 < sent.value < size
    assert got.value == size + sent.value


def test_a_blocking_send_cut_short_by_a_reset_says_how_much_it_took_and_then_why():
    world, a, b = pair()

    def rude():
        with usnet.create_server(("", 80)) as listener:
            conn, _ = listener.accept()
            conn.recv(1000)
            conn.setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            conn.close()

    def source():
        with usnet.create_connection(("10.0.0.1", 80)) as sock:
            taken = sock.send(bytes(30_000_000))
            with pytest.raises(ConnectionResetError):
                sock.send(b"more")
            return taken

    a.run(rude)
    taken = b.run(source)
    world.run_programs()
    assert 0 < taken.value < 30_000_000
