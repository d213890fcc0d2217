"""What is looked at when a test's world has come to its end."""

from types import SimpleNamespace

import pytest

import usnet
from usnet.testing import pair
from usnet.testing.checks import CheckFailed, judge, leftovers, run_to_rest
from usnet.testing.pairs import Watched

EMPTY = {"descriptors": 0, "connections": 0, "chunks": 0, "pieces": 0, "kept_buffers": 0, "out_of_order": 0, "scoreboards": 0, "trials": 0,
         "reassemblies": 0, "listeners": 0, "udp": 0, "timers": 1, "neighbours": 1}


def host(**memory):
    return SimpleNamespace(stack=SimpleNamespace(statistics=lambda: {"memory": {**EMPTY, **memory}}))


def test_a_host_without_sockets_that_holds_something_is_told():
    world = SimpleNamespace(hosts={"a": host(), "b": host(connections=1, timers=3), "c": host(chunks=2, descriptors=1)})
    assert list(leftovers(world)) == ["b has no open socket, and still holds 1 connections, 2 timers"]


@pytest.mark.parametrize("rule", ["ack", "nagle", "window"])
def test_rules_are_judged_but_those_that_programs_may_switch_off(rule):
    with pair() as net:
        watched = Watched(seed=1)
        watched.observer.tell(rule, 0, "planted")
        if rule == "nagle":
            judge(net.world, watched.observer)
        else:
            with pytest.raises(CheckFailed, match=f"{rule}: at 0.000000000 s planted"):
                judge(net.world, watched.observer)
            judge(net.world, watched.observer, frozenset([rule]))
        watched.close()


def test_the_last_bytes_arrive_before_servers_are_ended():
    """The client has gone when they are lost; they are sent again, and the server gets them."""
    got = []

    def serve():
        with usnet.create_server(("", 7)) as listener:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1000):
                    got.append(data)
                got.append("end")
            listener.accept()

    def tell():
        with usnet.create_connection(("server", 7)) as s:
            s.sendall(b"last words")

    drop = {"do": "drop", "at": "client->server", "match": {"flags": "PA", "nth": "1..3"}}
    with pair(fates=[drop]) as net:
        net.server.run(serve)
        net.call(tell)
        assert got == []
    assert got == [b"last words", "end"]


def test_servers_are_ended_where_they_wait_and_their_finally_runs():
    ended = []

    def serve():
        try:
            with usnet.create_server(("", 7)) as listener:
                listener.accept()
        finally:
            ended.append(True)

    setting = pair()
    with setting.watch() as watched:
        net = setting.build(watched)
        net.server.run(serve)
        run_to_rest(net.world, 10**9)
        assert ended == [True]
        assert net.server.statistics()["memory"]["descriptors"] == 0


def test_a_world_without_hosts_comes_to_rest():
    watched = Watched(seed=1)
    run_to_rest(watched.world, 10**9)
    watched.close()
