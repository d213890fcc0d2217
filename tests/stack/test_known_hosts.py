"""Connections to hosts that frames went to before: their SYNs go the short way, and say what they would have said on the long one."""

import pytest

import usnet

SERVER = ("10.0.0.2", 7)
TIMES = 4


def serve(peers):
    with usnet.create_server(SERVER) as listener:
        for _ in range(TIMES):
            connection, peer = listener.accept()
            with connection:
                peers.append(peer[0])
                while data := connection.recv(1 << 16):
                    connection.sendall(data)


def call(between):
    for i in range(TIMES):
        between(i)
        with usnet.create_connection(SERVER) as sock:
            sock.sendall(b"x" * 3000)
            sock.shutdown(usnet.SHUT_WR)
            while sock.recv(1 << 16):
                pass
        with pytest.raises(ConnectionRefusedError):
            usnet.create_connection(("10.0.0.2", 8))


def run(config, other, between=lambda i, world: None):
    """A world of two hosts of which one connects to the other several times: (digest, addresses that the server saw)."""
    world, peers = usnet.World(seed=5), []
    client, server = world.host("client", "10.0.0.1/24", config=config), world.host("server", "10.0.0.2/24", config=other)
    world.link(client, server, rate="10Mbit", delay="5ms")
    server.run(serve, peers)
    client.run(call, lambda i: between(i, world))
    world.run()
    digest = world.digest()
    world.close()
    return digest, peers


@pytest.mark.parametrize("other", [{}, {"timestamps": 0}, {"sack": 0}, {"window_scaling": 0}, {"option_layout": 1}], ids=str)
def test_a_known_host_hears_what_an_unknown_one_would(other):
    short = run({}, other)
    assert short[1] == ["10.0.0.1"] * TIMES
    assert run({"short_way": 0}, {**other, "short_way": 0}) == short
    assert run(other, {}) == run({**other, "short_way": 0}, {"short_way": 0})


def test_what_is_known_of_a_host_is_forgotten_with_our_address():
    def moved(i, world):
        if i == 2:
            core = world.hosts["client"].stack.core
            core.remove_address("10.0.0.1")
            core.add_address(0, "10.0.0.9", 24)

    assert run({}, {}, moved)[1] == ["10.0.0.1"] * 2 + ["10.0.0.9"] * 2
