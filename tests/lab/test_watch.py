"""The invariants that are looked at behind every event: silent where all is well, loud where a stack or what it runs in was tampered with.

Those that only a bug of the core breaks are shown by tests/properties/planted.py."""
import pytest

from usnet.lab.watch import RULES, Watch
from usnet.lab.world import World

MS = 1_000_000


@pytest.fixture
def world():
    with World(1) as world:
        for i, name in enumerate(("client", "server")):
            world.host(name, f"10.0.0.{i + 1}/24")
        world.link("client", "server", delay=20 * MS)
        yield world


def talk(world, before=lambda: None):
    """An upload of 20 kB, with something done before it."""

    def client():
        with world.hosts["client"].stack.create_connection(("10.0.0.2", 7)) as sock:
            before()
            sock.sendall(bytes(20_000))

    def server():
        with world.hosts["server"].stack.create_server(("", 7)) as listener:
            sock, _ = listener.accept()
            with sock:
                while sock.recv(5000):
                    pass

    world.hosts["server"].run(server)
    world.hosts["client"].run(client)
    world.run(until=5000 * MS)


@pytest.mark.parametrize("every", [True, False])
def test_where_all_is_well_nothing_is_found_and_the_run_is_the_same(world, every):
    watch = Watch(world, every)
    talk(world)
    assert watch.violations == {}
    assert watch.looks > 40
    assert watch.largest_gap == 20 * MS
    with World(1) as other:
        for i, name in enumerate(("client", "server")):
            other.host(name, f"10.0.0.{i + 1}/24")
        other.link("client", "server", delay=20 * MS)
        talk(other)
        assert other.digest() == world.digest()


def test_a_host_that_sleeps_past_its_deadline_is_found(world):
    watch = Watch(world)
    world.network.call_at(100 * MS, world.hosts["client"].simulated.wake_at, 2**63 - 1)
    talk(world)
    assert list(watch.violations) == ["timer"]
    assert watch.violations["timer"][0].startswith("at 0.100000000 s client")


def test_a_round_trip_shorter_than_the_path_is_found(world):
    """A delay that varies both ways from now on, of which Watch was not told."""
    watch = Watch(world)
    talk(world, lambda: world.network.links["client-server"].change(reorder=True, jitter={"kind": "uniform", "spread": 19 * MS}))
    assert list(watch.violations) == ["rtt"]
    assert "against 40000000" in watch.violations["rtt"][0]


def test_a_path_that_becomes_shorter_is_none(world):
    watch = Watch(world)
    talk(world, lambda: world.network.links["client-server"].change(delay=MS))
    assert watch.violations == {}


def test_a_timeout_outside_its_limits_is_found(world):
    watch = Watch(world)
    talk(world, lambda: world.hosts["client"].stack.configure(rto_max=1))
    assert "rto" in watch.violations


def test_closed_it_looks_no_more(world):
    watch = Watch(world)
    watch.close()
    talk(world)
    assert watch.looks == 0


def test_every_rule_has_a_name_and_says_what_it_is():
    assert len(RULES) == 13
    assert all(text[0].islower() or text.startswith(("SND", "SSTH")) for text in RULES.values())
