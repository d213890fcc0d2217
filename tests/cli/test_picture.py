"""The trace of a connection, told by fates of which frames are lost, and its picture."""

import pytest

import usnet
from usnet.backends.fate import Fate
from usnet.lab.picture import Trace, draw
from usnet.lab.world import World

SIZE = 60_000


def transfer(*fates):
    """The Trace of SIZE bytes from 10.0.0.1 to 10.0.0.2 over a link whose end a is the receiver's."""
    world = World(1)
    receiver, sender = world.host("receiver", "10.0.0.2/24"), world.host("sender", "10.0.0.1/24")
    link = world.link(receiver, sender, rate="10Mbit", delay="10ms", fates=fates)
    trace = world.network.tap(Trace("10.0.0.1", "10.0.0.2", link))

    def send():
        with usnet.create_connection(("10.0.0.2", 80)) as sock:
            sock.sendall(bytes(SIZE))

    def receive():
        with usnet.create_server(("", 80)) as listener:
            sock, _ = listener.accept()
            with sock:
                while sock.recv(65536):
                    pass

    receiver.run(receive)
    sender.run(send)
    world.run()
    return trace


def test_without_losses_each_byte_is_seen_once_and_in_order():
    trace = transfer()
    assert (trace.losses, trace.retransmissions) == (0, 0)
    ends = [0, *(segment.last for segment in trace.segments)]
    assert [segment.first for segment in trace.segments] == ends[:-1]
    assert ends[-1] == SIZE
    assert [a.upto for a in trace.acks] == sorted(a.upto for a in trace.acks)
    assert all(ack.edge >= ack.upto for ack in trace.acks)


def test_a_lost_segment_and_its_repair_are_marked():
    trace = transfer(Fate("drop", at="b->a", flag="data", nth=5))
    (lost,) = (segment for segment in trace.segments if segment.lost)
    (again,) = (segment for segment in trace.segments if segment.again)
    assert lost is trace.segments[4]
    assert (again.first, again.last) == (lost.first, lost.last)
    assert again.time > lost.time


def test_a_lost_acknowledgement_is_marked():
    trace = transfer(Fate("drop", at="a->b", flag="ack", nth=4))
    assert sum(ack.lost for ack in trace.acks) == 1
    assert trace.losses == 0


def test_what_is_in_flight_returns_to_nothing():
    times, flights = transfer().in_flight()
    assert times == sorted(times)
    assert flights[-1] == 0 and 1460 <= max(flights) <= SIZE


def test_the_closer_look_is_at_the_repair():
    trace = transfer(Fate("drop", at="b->a", flag="data", nth=5))
    (again,) = (segment for segment in trace.segments if segment.again)
    begin, end = trace.episode(20_000_000)
    assert end - begin == 20_000_000 and begin <= again.time <= end


@pytest.mark.parametrize(
    "fates",
    [(), (Fate("drop", at="b->a", flag="data", nth="5,6,20"), Fate("drop", at="a->b", flag="ack", nth=4))],
    ids=["clean", "lossy"],
)
def test_a_picture_is_drawn_and_is_the_same_each_time(tmp_path, fates):
    pictures = []
    for name in ("a.png", "b.png"):
        draw(transfer(*fates), tmp_path / name, "a title")
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] and pictures[0].startswith(b"\x89PNG")


def test_a_connection_that_never_was_can_be_drawn_too(tmp_path):
    draw(Trace("10.0.0.1", "10.0.0.2", None), tmp_path / "empty.png", "nothing")
    assert (tmp_path / "empty.png").stat().st_size > 1000
