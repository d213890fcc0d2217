"""Ports with offloads in a world: whatever the stacks leave to their ports, the wire carries the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import usnet
from usnet.backends.fate import Fate
from usnet.lab.programs import sleep
from usnet.lab.world import World


def transfer(offload, total, piece=65536, nodelay=False, mtu=1500, slots=(256, 512), **model):
    """(digest, GSO frames' share: frames handed to the port of the sender) of a transfer between two hosts."""
    with World(seed=7) as world:
        client, server = world.host("client", "10.0.0.1"), world.host("server", "10.0.0.2")
        world.link(client, server, ports={"offload": offload, "mtu": mtu, "slots": slots}, **{"rate": "100Mbit", "delay": "2ms", **model})
        data = bytes(i * 31 + (i >> 8) & 255 for i in range(total))
        got = bytearray()

        def serve():
            with usnet.socket() as listener:
                listener.bind(("10.0.0.2", 80))
                listener.listen()
                sock, _ = listener.accept()
                with sock:
                    while part := sock.recv(65536):
                        got.extend(part)

        def fetch():
            with usnet.socket() as sock:
                if nodelay:
                    sock.setsockopt(6, 1, 1)
                sock.connect(("10.0.0.2", 80))
                for i in range(0, total, piece):
                    sock.sendall(data[i : i + piece])

        server.run(serve)
        client.run(fetch)
        world.run()
        assert bytes(got) == data
        return world.digest(), client.ports[0].statistics()["tx_frames"]


@pytest.mark.parametrize("nodelay", [False, True])
@pytest.mark.parametrize("piece", [100, 3000, 65536])
def test_the_wire_sees_the_same_frames_at_the_same_times(piece, nodelay):
    plain, frames = transfer(False, 300_000, piece, nodelay)
    cut, fewer = transfer(True, 300_000, piece, nodelay)
    assert plain == cut
    assert fewer < frames or piece < 3000


def test_loss_is_repaired():
    plain, _ = transfer(False, 500_000, loss=0.03)
    cut, _ = transfer(True, 500_000, loss=0.03)
    assert plain == cut


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    total=st.integers(1, 200_000), piece=st.integers(1000, 100_000), nodelay=st.booleans(), mtu=st.sampled_from([576, 1500, 9000]),
    slots=st.sampled_from([(8, 16), (64, 64), (256, 512)]), loss=st.sampled_from([0, 0.02]), duplicate=st.sampled_from([0, 0.02]),
    jitter=st.sampled_from(["0ms", "3ms"]),
)
def test_whatever_the_ring_and_the_link_the_bytes_arrive(total, piece, nodelay, mtu, slots, loss, duplicate, jitter):
    transfer(True, total, piece, nodelay, mtu, slots, loss=loss, duplicate=duplicate, jitter=jitter, reorder=True)


@pytest.mark.parametrize("slots", [(40, 256), (64, 256)])
def test_what_was_sent_without_a_copy_stays_whole_when_large_frames_take_its_slot(slots):
    """The small segment lies in the ring's buffer when it is lost; the ring comes round before it is sent again."""
    pieces = [100_000] * 12 + [1000] + [40_000] * 4
    data = bytes(i * 31 + (i >> 8) * 7 & 255 for i in range(sum(pieces)))
    got = bytearray()
    with World(seed=1) as world:
        client, server = world.host("client", "10.0.0.1"), world.host("server", "10.0.0.2")
        lost = Fate("drop", at="a->b", size=(1000, 1100), nth=1)
        world.link(client, server, ports={"offload": True, "slots": slots}, rate="1Gbit", delay="10ms", fates=[lost])

        def serve():
            with usnet.create_server(("10.0.0.2", 80)) as listener, listener.accept()[0] as sock:
                while part := sock.recv(65536):
                    got.extend(part)

        def fetch():
            at = 0
            with usnet.create_connection(("10.0.0.2", 80)) as sock:
                sock.setsockopt(6, 1, 1)
                for n in pieces:
                    sock.sendall(data[at : at + n])
                    at += n
                    if n == 100_000:
                        sleep("30ms")           # the window grows

        server.run(serve)
        client.run(fetch)
        world.run()
        assert client.statistics()["copies"]["out_lent"] == 1000
    assert bytes(got) == data
