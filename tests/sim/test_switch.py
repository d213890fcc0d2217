"""The learning switch."""
import pytest

from tests.sim.worlds import collect, frame, number
from usnet.backends.sim.network import Network


def lan(n=4, **switch):
    net = Network()
    bridge = net.switch("lan", **switch)
    ports = [net.port(f"p{i}") for i in range(n)]
    for port in ports:
        net.link(port, bridge, delay="1us")
    return net, bridge, ports, [collect(port) for port in ports]


def send(net, source, destination, n):
    source.send(frame(n, dst=destination if isinstance(destination, bytes) else destination.mac, src=source.mac))
    net.run()


def numbers(heard):
    return [[number(data) for _, data in arrivals] for arrivals in heard]


def test_unknown_and_broadcast_are_flooded_and_known_goes_to_one_port():
    net, bridge, ports, heard = lan()
    send(net, ports[0], ports[2], 1)
    send(net, ports[2], ports[0], 2)
    send(net, ports[0], ports[2], 3)
    send(net, ports[1], b"\xff" * 6, 4)
    send(net, ports[1], b"\x33\x33\x00\x00\x00\x01", 5)
    assert numbers(heard) == [[2, 4, 5], [1], [1, 3, 4, 5], [1, 4, 5]]
    assert bridge.table() == {ports[0].mac: 0, ports[1].mac: 1, ports[2].mac: 2}
    assert bridge.statistics() == {"forwarded": 2, "flooded": 3, "filtered": 0, "too_short": 0, "table_full": 0}


def test_a_frame_for_where_it_came_from_is_filtered():
    net, bridge, ports, _ = lan()
    send(net, ports[0], ports[1], 1)
    ports[0].send(frame(2, dst=ports[0].mac, src=ports[3].mac))
    net.run()
    assert bridge.statistics()["filtered"] == 1


def test_an_address_that_moves_is_followed():
    net, _, ports, heard = lan()
    send(net, ports[0], ports[1], 1)
    ports[3].send(frame(2, dst=b"\xff" * 6, src=ports[0].mac))
    net.run()
    send(net, ports[1], ports[0], 3)
    assert [number(data) for _, data in heard[3]][-1] == 3
    assert number(heard[0][-1][1]) == 2


def test_addresses_age():
    net, bridge, ports, heard = lan(ageing="1s")
    send(net, ports[0], ports[1], 1)
    net.run("999ms")
    send(net, ports[2], ports[0], 2)
    net.run("2s")
    assert bridge.table() == {}
    send(net, ports[2], ports[0], 3)
    assert numbers(heard) == [[2, 3], [1, 3], [1], [1, 3]]


def test_a_full_table_floods_and_takes_new_addresses_when_old_ones_have_aged():
    net, bridge, ports, _ = lan(n=2, table=16, ageing="1s")
    sources = [bytes([2, 0, 0, 0, 1, i]) for i in range(40)]
    for i, source in enumerate(sources[:20]):
        ports[0].send(frame(i, src=source))
    net.run()
    assert list(bridge.table()) == sources[:12]
    assert bridge.statistics()["table_full"] == 8
    net.run("3s")
    for i, source in enumerate(sources[20:32]):
        ports[1].send(frame(i, src=source))
    net.run()
    assert bridge.table() == dict.fromkeys(sources[20:32], 1)


def test_the_link_of_a_switch_port_limits_what_leaves_through_it():
    net = Network()
    bridge = net.switch("lan")
    ports = [net.port(name) for name in "abc"]
    net.link(ports[0], bridge)
    net.link(ports[1], bridge)
    slow = net.link(ports[2], bridge, down={"rate": "8Mbit", "queue": 2})
    arrivals = collect(ports[2])
    for n in range(3):
        ports[0].send(frame(n, 100))
        ports[1].send(frame(n + 10, 100))
    net.run()
    assert [t for t, _ in arrivals] == [100_000, 200_000, 300_000]
    assert slow.down.statistics()["dropped"]["queue"] == 3


def test_a_table_size_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        Network().switch("x", table=100)
