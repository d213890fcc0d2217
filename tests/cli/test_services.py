"""Echo and discard on a simulated network, and the loop under them."""

import errno
import hashlib
from types import SimpleNamespace

import pytest

import usnet
from tests.cli.kit import in_virtual_time, read_all
from usnet.cli.loop import Listener, Loop
from usnet.cli.services import Echo, serve_discard, serve_echo
from usnet.lab.programs import sleep, spawn
from usnet.lab.world import World

ADDRESS = ("10.0.0.1", 7)
DATA = hashlib.shake_128(b"data").digest(700_000)


def echo(*clients, **link):
    return in_virtual_time(lambda loop: serve_echo(loop, ("", 7)), *clients, **link)


def talker(data, gap="0ms"):
    """Sends while it receives, on two programs, and wants back what it sent."""

    def client():
        with usnet.create_connection(ADDRESS) as sock:
            from usnet.lab.programs import current

            def send():
                for at in range(0, len(data), 50_000):
                    sock.sendall(data[at : at + 50_000])
                    sleep(gap)
                sock.shutdown(usnet.SHUT_WR)

            spawn(current().env, send)
            assert read_all(sock) == data

    return client


def test_what_is_sent_comes_back_and_so_does_the_end():
    statistics = echo(talker(DATA), talker(b""), talker(DATA, gap="10ms"), talker(b"x"))
    assert (statistics.connections, statistics.open, statistics.failed) == (4, 0, 0)
    assert statistics.bytes_in == statistics.bytes_out == 2 * len(DATA) + 1


def test_losses_and_duplicates_change_nothing():
    assert echo(*[talker(DATA[:200_000])] * 8, loss=0.05, duplicate=0.02).failed == 0


def test_a_client_that_does_not_read_is_not_read_either():
    taken = []

    def fill(sock):
        while sum(taken) < 50_000_000:
            taken.append(sock.send(b"x" * 65536))

    def greedy():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_STREAM) as sock:
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_RCVBUF, 8192)
            sock.connect(ADDRESS)
            sock.settimeout(2)
            with pytest.raises(TimeoutError):
                fill(sock)
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    statistics = echo(greedy, talker(DATA))
    assert sum(taken) < 8_000_000  # what buffers of both ends hold, and no more
    assert (statistics.connections, statistics.open) == (2, 0)


def test_many_connections_at_once():
    def client():
        socks = [usnet.create_connection(ADDRESS) for _ in range(500)]
        for number, sock in enumerate(socks):
            sock.sendall(b"%d" % number)
        for number, sock in enumerate(socks):
            assert sock.recv(100) == b"%d" % number
        for sock in socks:
            sock.close()
        sleep("1s")

    statistics = echo(*[client] * 4)
    assert (statistics.connections, statistics.open, statistics.failed) == (2000, 0, 0)


def test_a_reset_is_the_end_of_that_connection_alone():
    def resets():
        with usnet.create_connection(ADDRESS) as sock:
            sock.sendall(b"x" * 1000)
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sleep("1s")

    statistics = echo(resets, talker(DATA), resets)
    assert (statistics.connections, statistics.open, statistics.failed) == (3, 0, 2)


def test_datagrams_come_back_one_for_one():
    def client():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            for size in (0, 1, 1472, 5000, 30_000):
                sock.sendto(b"d" * size, ADDRESS)
                assert sock.recvfrom(65536) == (b"d" * size, ADDRESS)

    assert echo(client).datagrams == 5


def test_discard_takes_all_and_says_nothing():
    def client():
        with usnet.create_connection(("10.0.0.1", 9)) as sock:
            sock.sendall(DATA)
            sock.shutdown(usnet.SHUT_WR)
            assert read_all(sock) == b""
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("10.0.0.1", 9))
            sock.settimeout(1)
            with pytest.raises(TimeoutError):
                sock.recvfrom(100)

    statistics = in_virtual_time(lambda loop: serve_discard(loop, ("", 9)), client)
    assert (statistics.bytes_in, statistics.bytes_out) == (len(DATA) + 1, 0)


def test_without_room_for_more_the_listener_waits_until_one_closes():
    class Full(Listener):
        """As if the table of sockets had room for two connections."""

        def __init__(self, loop):
            super().__init__(loop, ("", 7), Echo)
            self.turns = 0
            listening = self.sock

            def accept():
                self.turns += 1
                if loop.statistics.open >= 2:
                    raise OSError(errno.EMFILE, "no room")
                return listening.accept()

            self.sock = SimpleNamespace(fileno=listening.fileno, close=listening.close, accept=accept)

    made = []
    statistics = in_virtual_time(lambda loop: made.append(Full(loop)), *[talker(DATA[:100_000])] * 6)
    assert (statistics.connections, statistics.open) == (6, 0)
    assert made[0].turns < 60  # it does not ask over and over


def test_stop_from_a_handler_ends_the_loop_after_this_turn():
    class Last(Echo):
        def on_readable(self):
            super().on_readable()
            self.loop.stop()

    ended = []
    world = World(1)
    host, other = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
    world.link(host, other, delay="1ms")

    def serve():
        loop = Loop(usnet.current())
        Listener(loop, ("", 7), Last)
        loop.run()
        loop.close()
        ended.append(world.now)

    def client():
        with usnet.create_connection(ADDRESS) as sock:
            sock.sendall(b"bye")
            assert sock.recv(10) == b"bye"

    host.run(serve)
    other.run(client)
    world.run()
    assert len(ended) == 1
