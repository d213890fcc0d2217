"""Networks of tests without pytest: what pair(), scenario() and world() make, and what their end asks for."""

import asyncio

import pytest

import usnet
from tests.sources import ROOT
from usnet.backends.fate import Fate
from usnet.testing import CheckFailed, pair, scenario, world


def serve():
    with usnet.create_server(("", 7)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)


def echoed(n=5000):
    with usnet.create_connection(("server", 7)) as s:
        s.sendall(bytes(n))
        s.shutdown(usnet.SHUT_WR)
        got = 0
        while data := s.recv(65536):
            got += len(data)
    return got


def dropped(link):
    return {way: link.statistics()[way]["dropped"]["fate"] for way in ("up", "down")}


def test_the_same_setting_makes_the_same_network_each_time():
    setting, digests = pair(seed=3, loss=0.1), []
    for _ in range(2):
        with setting as net:
            net.server.run(serve)
            assert net.call(echoed, 30_000) == 30_000
        digests.append(net.world.digest())
    assert digests[0] == digests[1]


@pytest.mark.parametrize("fate", [
    Fate("drop", at="b->a", flag="synack", nth=1),
    {"do": "drop", "at": "server->client", "match": {"flag": "synack", "nth": 1}},
])
def test_a_fate_strikes_the_frame_that_it_names(fate):
    with pair(fates=[fate]) as net:
        net.server.run(serve)
        net.call(echoed)
        assert net.world.now > 1_000_000_000
    assert dropped(net.link) == {"up": 0, "down": 1}


def test_up_is_what_the_client_sends_and_hosts_take_settings():
    with pair(up={"delay": "30ms"}, down={"delay": "5ms"}, client={"config": {"sack": 0}}, server={"config": {"rcvbuf": 4096}}) as net:
        assert (net.link.up.delay, net.link.down.delay) == (30_000_000, 5_000_000)
        assert net.client.stack.core.configuration()["sack"] == 0
        assert net.server.stack.core.configuration()["rcvbuf"] == 4096
        net.server.run(serve)
        net.call(echoed)


def test_a_setting_is_shown_as_the_call_that_makes_it():
    assert repr(pair()) == "pair()"
    fates = [{"do": "drop", "at": "client->server", "match": {"flag": "data", "nth": 2}}]
    shown = repr(pair(seed=2, limit="5s", fates=fates, delay="1ms"))
    assert shown == f"pair(seed=2, limit='5s', fates={fates!r}, delay='1ms')"
    assert repr(eval(shown)) == shown


def test_what_a_link_or_a_host_cannot_be_is_told_when_the_network_is_made():
    with pytest.raises(ValueError, match="a link has no lost"), pair(lost=1):
        pass
    with pytest.raises(ValueError, match="at: 'a->c' is none of client->server"), pair(fates=[{"do": "drop", "at": "a->c"}]):
        pass


def test_a_scenarios_network_carries_ones_own_programs():
    with scenario(ROOT / "sim_scenarios" / "fin-loss.toml", case="fin-1") as net:
        assert net.world.seed == 1
        net.server.run(serve)
        assert net.call(echoed, 1000) == 1000
    assert dropped(net.link) == {"up": 1, "down": 0}


def test_a_scenario_of_several_cases_needs_the_name_of_one():
    with pytest.raises(ValueError, match="case is one of fin-1, fin-3, answer, last-ack, not None"):
        scenario(ROOT / "sim_scenarios" / "fin-loss.toml")
    with pytest.raises(ValueError, match="the file has no cases"):
        scenario(ROOT / "sim_scenarios" / "single-loss-mid.toml", case="one")


def test_a_scenario_without_client_or_server_is_refused(tmp_path):
    (tmp_path / "others.toml").write_text("""
schema = 1
name = "others"
about = "two hosts of other names"
source = ["none"]
duration = "60s"
[hosts.client]
[hosts.b]
[[links]]
a = "client"
b = "b"
""")
    with pytest.raises(ValueError, match="there is no server"):
        scenario(tmp_path / "others.toml")


def test_a_world_runs_to_its_end_and_is_closed():
    ended = []

    def wait():
        asyncio.run(asyncio.sleep(5))
        ended.append(made.now)

    with world(seed=4) as made:
        made.host("one", "10.0.0.1/24").run(wait)
    assert ended == [5_000_000_000]
    assert made.hosts["one"].stack.closed


def test_after_an_exception_the_world_does_not_run_on():
    def fail():
        with pair() as net:
            net.client.run(echoed)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()


def test_what_waits_at_the_limit_is_named():
    def wait():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as s:
            s.bind(("", 99))
            s.recv(1)

    with pytest.raises(CheckFailed, match=r"at 2 s of virtual time, the limit, these programs still wait: client:wait \(in"), pair(limit="2s") as net:
        net.client.run(wait)
    with pytest.raises(CheckFailed, match=r"at 2 s of virtual time"), pair(limit="2s") as net:
        net.call(wait)
