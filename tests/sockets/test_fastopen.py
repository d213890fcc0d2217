"""Fast Open (RFC 7413) as programs use it: in worlds that lose and repeat whatever they like, every stream arrives once."""

import contextlib
import errno
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usnet.sockets.fastopen import MSG_FASTOPEN, TCP_FASTOPEN_CONNECT, counters, forget_servers
from usnet.testing import pair

CLIENTS, SERVERS = {"fastopen": 1}, {"fastopen": 2}
PORT = 80


def message(i, n):
    return bytes((i * 31 + j * 7 + (j >> 8)) & 255 for j in range(n)) + b"%08d" % i


def serve(host, taken):
    """Echoes; `taken` gets what each connection brought."""
    with host.stack.socket() as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        listener.bind(("", PORT))
        listener.listen(20)
        while True:
            sock, _ = listener.accept()
            host.run(echo, sock, taken)


def echo(sock, taken):
    got = bytearray()
    with sock, contextlib.suppress(OSError):
        while data := sock.recv(65536):
            got += data
            sock.sendall(data)
    taken.append(bytes(got))


def talk(stack, data, how):
    """One connection, which opens with its first bytes: what came back."""
    with stack.socket() as sock:
        if how == "connect":
            sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
            sock.connect(("server", PORT))
            sock.sendall(data)
        else:
            assert sock.sendto(data, MSG_FASTOPEN, ("server", PORT)) == len(data)
        sock.shutdown(socket.SHUT_WR)
        back = bytearray()
        while got := sock.recv(65536):
            back += got
        return bytes(back), sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[5] & 32


def conversations(net, sizes, how="sendto"):
    taken = []
    net.server.run(serve, net.server, taken)
    told = [message(i, n) for i, n in enumerate(sizes)]
    came = [net.call(talk, net.client.stack, data, how) for data in told]
    assert [back for back, _ in came] == told
    for stream in taken:
        assert any(data.startswith(stream) for data in told)
    assert set(told) <= set(taken)
    return [bool(fast) for _, fast in came]


@pytest.mark.parametrize("how", ["sendto", "connect"])
@pytest.mark.parametrize("n", [0, 100, 1412, 1413, 50_000])
def test_the_second_connection_sends_with_its_syn(how, n):
    with pair(client={"config": CLIENTS}, server={"config": SERVERS}) as net:
        assert conversations(net, [n, n, n], how) == [False, True, True]
        assert counters(net.server.stack)["passive"] == 2
        assert counters(net.client.stack)["active"] == 2


def test_it_saves_a_round_trip():
    with pair(client={"config": CLIENTS}, server={"config": SERVERS}, delay="50ms") as net:
        times = []

        def request():
            began = net.world.now
            with net.client.stack.socket() as sock:
                sock.sendto(b"x" * 100, MSG_FASTOPEN, ("server", PORT))
                assert len(sock.recv(100)) == 100
            times.append((net.world.now - began) // 1_000_000)

        net.server.run(serve, net.server, [])
        for _ in range(2):
            net.call(request)
        assert 300 <= times[0] <= 310 and 100 <= times[1] <= 105


def test_a_server_that_does_not_know_it_is_talked_to_the_ordinary_way():
    with pair(client={"config": CLIENTS}) as net:
        assert conversations(net, [100, 100, 5000]) == [False, False, False]


def test_what_is_forgotten_is_asked_for_again():
    with pair(client={"config": CLIENTS}, server={"config": SERVERS}) as net:
        taken = []
        net.server.run(serve, net.server, taken)
        assert [bool(net.call(talk, net.client.stack, b"x" * 9, "sendto")[1]) for _ in range(2)] == [False, True]
        forget_servers(net.client.stack)
        assert [bool(net.call(talk, net.client.stack, b"x" * 9, "sendto")[1]) for _ in range(2)] == [False, True]


def test_who_may_not_is_told():
    with pair(client={"config": {"fastopen": 0}}) as net, net.client.stack.socket() as sock:
        with pytest.raises(OSError, match="not supported") as told:
            sock.sendto(b"x", MSG_FASTOPEN, ("server", PORT))
        assert told.value.errno == errno.EOPNOTSUPP
        with pytest.raises(OSError, match="not supported"):
            sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)


losses = st.sampled_from([0, 0.05, 0.2, 0.4])
ways = st.fixed_dictionaries({"loss": losses, "duplicate": losses, "jitter": st.sampled_from(["0ms", "30ms"])})


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), ways, ways, st.lists(st.sampled_from([0, 1, 500, 1412, 3000, 20_000]), min_size=2, max_size=4),
       st.sampled_from(["sendto", "connect"]), st.booleans(), st.booleans())
def test_whatever_is_lost_or_comes_twice_every_stream_arrives_once(seed, up, down, sizes, how, plain, sack):
    """A SYN that comes twice may open a connection of its own, with its data again (RFC 7413, section 2.1): no more than that."""
    patient = {"syn_retries": 12, "synack_retries": 12, "data_retries": 30, "orphan_retries": 30, "arp_tries": 50, "sack": sack}
    client = {"config": CLIENTS | patient | {"timestamps": not plain}}
    server = {"config": SERVERS | patient}
    with pair(seed, client=client, server=server, up=up, down=down, limit="2h", checks=False) as net:
        conversations(net, sizes, how)
