"""Worlds: hosts, links, switches and routers with whole stacks, and their digests."""

import contextlib
import errno
import gc
import os
import re
import socket
import subprocess
import sys
import weakref

import pytest

import usnet
from usnet.lab import programs
from usnet.lab.environment import SimulationStalled
from usnet.lab.programs import sleep
from usnet.lab.world import World

SERVER = ("10.0.0.2", 7)


def echo_server(address, connections=1):
    with usnet.create_server(address) as listener:
        for _ in range(connections):
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)


def fetch(address, payload, got):
    with usnet.create_connection(address) as sock:
        sock.sendall(payload)
        sock.shutdown(usnet.SHUT_WR)
        while data := sock.recv(1 << 16):
            got += data


def two_hosts(seed=1, **link):
    world = usnet.World(seed=seed)
    client, server = world.host("client", "10.0.0.1/24"), world.host("server", "10.0.0.2/24")
    world.link(client, server, **{"rate": "10Mbit", "delay": "5ms", **link})
    return world, client, server


def echo_run(seed=1, **link):
    world, client, server = two_hosts(seed, **link)
    got = bytearray()
    payload = bytes(i * 7 % 251 for i in range(50_000))
    server.run(echo_server, SERVER)
    client.run(fetch, SERVER, payload, got)
    world.run()
    assert got == payload
    return world


def test_an_echo_over_a_lossy_link_arrives_whole_and_leaves_nothing_behind():
    world = echo_run(loss=0.05, duplicate=0.01, corrupt=0.01, jitter="1ms")
    for host in world.hosts.values():
        memory = host.statistics()["memory"]
        assert {k: memory[k] for k in ("connections", "chunks", "timers", "out_of_order")} == dict.fromkeys(
            ("connections", "chunks", "timers", "out_of_order"), 0
        )


def test_the_same_seed_gives_the_same_digest_and_another_seed_another():
    assert echo_run(3, loss=0.05).digest() == echo_run(3, loss=0.05).digest()
    assert echo_run(3, loss=0.05).digest() != echo_run(4, loss=0.05).digest()


def test_the_digest_is_the_same_in_other_processes_and_under_other_hash_seeds():
    here = echo_run(5, loss=0.05).digest()
    code = "from tests.lab.test_world import echo_run; print(echo_run(5, loss=0.05).digest())"
    for hash_seed in ("0", "1234"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert there.stdout.strip() == here


def test_the_digest_counts_what_calls_return_even_when_no_frame_shows_it():
    digests = set()
    for piece in (100, 1000):
        world, client, server = two_hosts()

        def read_in_pieces(n=piece):
            with usnet.create_server(SERVER) as listener:
                connection, _ = listener.accept()
                with connection:
                    sleep("1s")
                    while connection.recv(n):
                        pass

        server.run(read_in_pieces)
        client.run(fetch, SERVER, b"x" * 1000, bytearray())
        world.run()
        digests.add(world.digest())
    assert len(digests) == 2


def test_a_router_joins_two_networks_and_the_way_is_as_long_as_its_links():
    world = usnet.World(seed=1)
    near = world.host("near", "10.0.1.1/24", gateway="10.0.1.254")
    far = world.host("far", "10.0.2.1/24", gateway="10.0.2.254")
    router = world.router("router", "10.0.1.254/24", "10.0.2.254/24")
    world.link(near, router, delay="10ms")
    world.link(router, far, delay="30ms")
    got, connected = bytearray(), []

    def client():
        before = world.now
        fetch(("10.0.2.1", 7), b"through" * 1000, got)
        connected.append(world.now - before)

    far.run(echo_server, ("10.0.2.1", 7))
    near.run(client)
    world.run()
    assert got == b"through" * 1000
    assert router.statistics()["ip"]["forwarded"] > 10
    # ARP on both networks (20 and 60 ms), the handshake, then two windows of data at most, 80 ms each, and the end
    assert 240_000_000 <= connected[0] <= 500_000_000


def test_a_smaller_mtu_between_routers_is_found_out_by_icmp():
    world = usnet.World(seed=1)
    near = world.host("near", "10.0.1.1/24", gateway="10.0.1.254")
    first = world.router("first", "10.0.1.254/24", "10.0.3.1/24", gateway="10.0.3.2")
    second = world.router("second", "10.0.3.2/24", "10.0.2.254/24", routes=[("10.0.1.0/24", "10.0.3.1")])
    far = world.host("far", "10.0.2.1/24", gateway="10.0.2.254")
    world.link(near, first, delay="1ms")
    world.link(first, second, delay="1ms", ports={"mtu": 900})
    world.link(second, far, delay="1ms")
    got = bytearray()
    far.run(echo_server, ("10.0.2.1", 7))
    near.run(fetch, ("10.0.2.1", 7), b"m" * 30_000, got)
    world.run()
    assert got == b"m" * 30_000
    assert first.statistics()["ip"]["icmp_out"] >= 1
    assert second.statistics()["ip"]["icmp_out"] >= 1


def test_many_hosts_on_a_switch_talk_to_each_other():
    world = usnet.World(seed=2)
    switch = world.switch("switch")
    hosts = [world.host(f"h{i}", f"10.0.0.{i + 1}/24") for i in range(6)]
    results = [bytearray() for _ in hosts]
    for host in hosts:
        world.link(host, switch, rate="100Mbit", delay="1ms")
    for i, host in enumerate(hosts):
        host.run(echo_server, (host.address, 7))
        neighbour = hosts[(i + 1) % len(hosts)]
        host.run(fetch, (neighbour.address, 7), bytes([i]) * 5000, results[i])
    world.run()
    assert [bytes(r) for r in results] == [bytes([i]) * 5000 for i in range(6)]


def test_nobody_at_the_address_is_an_error_in_time_and_a_closed_port_at_once():
    world, client, _ = two_hosts()
    seen = []

    def knock():
        for address in (("10.0.0.2", 9), ("10.0.0.77", 9)):
            began = world.now
            try:
                usnet.create_connection(address)
            except OSError as error:
                seen.append((error.errno, world.now - began))

    client.run(knock)
    world.run()
    assert [e for e, _ in seen] == [errno.ECONNREFUSED, errno.EHOSTUNREACH]
    assert seen[0][1] < 100_000_000
    assert seen[1][1] < 10_000_000_000


def test_a_program_that_nobody_will_wake_is_named():
    world, client, _ = two_hosts()

    def wait_for_nobody():
        with usnet.create_server(("10.0.0.1", 7)) as listener:
            listener.accept()

    client.run(wait_for_nobody)
    with pytest.raises(SimulationStalled, match=r"client:wait_for_nobody \(in a wait for .*read of descriptor \d+ \(tcp 10.0.0.1:7 LISTEN"):
        world.run()


def test_all_who_wait_are_named_with_what_they_wait_for():
    world, client, server = two_hosts()

    def never_answers():
        with usnet.create_server(SERVER) as listener, listener.accept()[0] as sock, usnet.epoll() as epoll:
            epoll.register(sock, usnet.EPOLLPRI)
            epoll.poll()

    def asks():
        with usnet.create_connection(SERVER) as sock:
            sock.recv(1)

    def floods():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            sock.recv(1)

    server.run(never_answers)
    client.run(asks)
    client.run(floods)
    with pytest.raises(SimulationStalled) as error:
        world.run()
    text = re.sub(r"descriptor \d+", "descriptor N", re.sub(r"10.0.0.1:\d+", "10.0.0.1:N", str(error.value)))
    assert text.partition("these wait: ")[2].split(", ") == [
        "server:never_answers (in a wait for something to read of descriptor N (epoll))",
        f"client:asks (in a wait for something to read of descriptor N (tcp 10.0.0.1:N to {SERVER[0]}:{SERVER[1]} ESTABLISHED))",
        "client:floods (in a wait for something to read of descriptor N (not bound))",
    ]


@pytest.mark.parametrize("ask", ["recv", "poll"])
def test_a_loop_in_which_no_time_passes_is_named(ask, monkeypatch):
    monkeypatch.setattr(programs, "NO_PROGRESS_LIMIT", 1000)
    world, client, _ = two_hosts()

    def spin():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock, usnet.epoll() as epoll:
            sock.bind(("10.0.0.1", 9))
            sock.setblocking(False)
            epoll.register(sock, usnet.EPOLLIN)
            while True:
                if ask == "poll":
                    epoll.poll(0)
                else:
                    with contextlib.suppress(BlockingIOError):
                        sock.recv(100)

    client.run(spin)
    with pytest.raises(programs.NoProgress, match="client:spin"):
        world.run()


def test_an_exception_of_a_program_comes_out_of_run_with_its_name():
    world, client, _ = two_hosts()

    def fail():
        raise ValueError("on purpose")

    client.run(fail)
    with pytest.raises(ValueError, match="on purpose") as caught:
        world.run()
    assert any("client:fail" in note for note in caught.value.__notes__)


def test_host_names_are_given_once():
    world, _, _ = two_hosts()
    with pytest.raises(ValueError, match="client"):
        world.host("client", "10.0.0.9/24")


def abandon(fails):
    """A world whose server waits for ever; weak references to it and to one of its stacks."""
    with usnet.World(seed=1) as world:
        client = world.host("client", "10.0.0.1/24")
        server = world.host("server", SERVER[0])
        world.link(client, server, delay="1ms")
        server.run(echo_server, SERVER, 2)
        client.run(fetch, SERVER, b"x" * 1000, [])
        with contextlib.suppress(SimulationStalled):
            world.run("1ms" if fails else None)
        return weakref.ref(world), weakref.ref(server.stack)


@pytest.mark.parametrize("fails", [False, True])
def test_a_closed_world_is_freed_with_programs_that_still_waited(fails):
    references = abandon(fails)
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_closing_a_world_runs_what_programs_do_at_their_end_once_and_closes_its_stacks():
    ended = []

    def wait():
        try:
            sleep("1h")
        finally:
            ended.append("program")

    world = usnet.World()
    host = world.host("a", "10.0.0.1/24")
    host.run(wait)
    world.run("1s")
    world.close()
    world.close()
    assert ended == ["program"] and host.stack.closed


def test_an_error_at_a_programs_end_comes_out_of_close_and_all_else_is_closed():
    def wait():
        try:
            sleep("1h")
        finally:
            raise ValueError("at the end")

    world = usnet.World()
    hosts = [world.host(name, address) for name, address in (("a", "10.0.0.1/24"), ("b", "10.0.0.2/24"))]
    for host in hosts:
        host.run(wait)
    world.run("1s")
    with pytest.raises(ValueError, match="at the end"):
        world.close()
    assert not world.env.programs and all(host.stack.closed for host in hosts)


def test_a_program_cannot_close_its_world():
    world = usnet.World()
    world.host("a", "10.0.0.1/24").run(world.close)
    with pytest.raises(RuntimeError, match="closed by what runs in it"):
        world.run()


@pytest.mark.parametrize("address", ["here", "10.0.0.1/33", "10.0.0.300"])
def test_what_is_no_address_is_refused_when_the_host_is_made(address):
    with pytest.raises(ValueError, match=address):
        usnet.World().host("a", address)


@pytest.mark.parametrize("options", [{"gateway": "10.0.1.1"}, {"routes": [("10.2.0.0/16", "10.0.1.1")]}])
def test_a_next_hop_that_no_link_can_reach_is_refused(options):
    with pytest.raises(ValueError, match=r"host a: 10\.0\.1\.1"):
        usnet.World().host("a", "10.0.0.1/24", **options)
    usnet.World().host("a", "10.0.0.1/24", "10.0.1.2/24", **options)


def crashing(world):
    """A client that sends without an end to a server that reads, and what became of each."""
    client, server = world.host("client", "10.0.0.1/24"), world.host("server", "10.0.0.2/24")
    world.link(client, server, rate="10Mbit", delay="10ms")
    told = []

    def serve():
        with usnet.socket() as listener:
            listener.bind(("", 80))
            listener.listen()
            try:
                with listener.accept()[0] as sock:
                    while sock.recv(65536):
                        pass
            finally:
                told.append("server ends")

    def fetch():
        try:
            with usnet.create_connection(("10.0.0.2", 80)) as sock:
                while True:
                    sock.sendall(bytes(10000))
        except ConnectionError as error:
            told.append(type(error).__name__)

    server.run(serve, daemon=True)
    client.run(fetch)
    return client, server, told, serve


def test_a_host_that_crashes_says_nothing_and_forgets_everything():
    with World(seed=3) as world:
        _client, server, told, serve = crashing(world)
        world.run(until="1s")
        server.crash()
        assert told == ["server ends"] and server.is_off
        assert server.stack.statistics()["memory"]["connections"] == server.stack.statistics()["memory"]["descriptors"] == 0
        sent = world.network.statistics()["links"]["client-server"]["down"]["sent"]
        world.run(until="2s")
        links = world.network.statistics()["links"]["client-server"]
        assert links["down"]["sent"] == sent and links["up"]["dropped"]["down"] > 0
        server.boot()
        server.run(serve, daemon=True)
        world.run()
        assert told == ["server ends", "ConnectionResetError"]
        assert world.network.statistics()["links"]["client-server"]["down"]["sent"] > sent


def test_a_host_that_crashes_and_comes_back_takes_new_connections():
    with World(seed=3) as world:
        client, server, told, serve = crashing(world)
        world.run(until="1s")
        server.crash()
        server.boot()
        server.run(serve, daemon=True)
        world.run()

        def call():
            with usnet.create_connection(("10.0.0.2", 80)) as sock:
                sock.sendall(b"x")

        client.run(call)
        world.run()
        assert told == ["server ends", "ConnectionResetError", "server ends"]


def test_a_stalled_host_loses_what_its_ring_cannot_hold_and_goes_on():
    with World(seed=3) as world:
        sender, receiver = world.host("sender", "10.0.0.1/24"), world.host("receiver", "10.0.0.2/24")
        world.link(sender, receiver, ports={"slots": (256, 8)}, delay="1ms")
        got = []

        def listen():
            with usnet.socket(type=socket.SOCK_DGRAM) as sock:
                sock.bind(("", 9))
                while True:
                    got.append(sock.recv(100))

        def talk():
            with usnet.socket(type=socket.SOCK_DGRAM) as sock:
                for i in range(30):
                    sock.sendto(bytes([i]), ("10.0.0.2", 9))
                    sleep("10ms")

        receiver.run(listen, daemon=True)
        sender.run(talk)
        world.run(until="95ms")
        receiver.stall()
        before = len(got)
        world.run(until="215ms")
        assert len(got) == before
        receiver.resume()
        world.run()
        assert world.network.statistics()["links"]["sender-receiver"]["up"]["dropped"]["overrun"] == 30 - len(got) == 5
        assert [data[0] for data in got] == [*range(17), *range(22, 30)]


def test_a_stalled_sender_keeps_its_frames():
    with World(seed=3) as world:
        sender, receiver = world.host("sender", "10.0.0.1/24"), world.host("receiver", "10.0.0.2/24")
        world.link(sender, receiver, delay="1ms")
        got = []

        def talk():
            with usnet.socket(type=socket.SOCK_DGRAM) as sock:
                for i in range(30):
                    sock.sendto(bytes([i]), ("10.0.0.2", 9))
                    sleep("10ms")

        def listen():
            with usnet.socket(type=socket.SOCK_DGRAM) as sock:
                sock.bind(("", 9))
                while True:
                    data = sock.recv(100)
                    got.append((world.now, data[0]))

        receiver.run(listen, daemon=True)
        sender.run(talk)
        world.run(until="95ms")
        sender.stall()
        world.run(until="215ms")
        count = len(got)
        sender.resume()
        world.run()
        assert [i for _, i in got] == list(range(30))
        assert count == 10 and {t for t, i in got if 10 <= i < 22} == {216_000_000}


def test_neighbours_that_are_known_are_not_asked_for():
    with World() as world:
        a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
        world.link(a, b, delay="300ms")
        a.learn(b)
        b.learn(a)

        def call():
            with pytest.raises(ConnectionRefusedError):
                usnet.create_connection(("10.0.0.2", 80))

        a.run(call)
        world.run()
        assert world.now == 600_000_000 and a.statistics()["ip"]["arp_requests_out"] == b.statistics()["ip"]["arp_requests_out"] == 0
