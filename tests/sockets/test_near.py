"""Queues of a few bytes, which need no chunk: what is near, what moves along when more comes, and that no byte is lost on the way."""

import random
import socket

import pytest

from .test_zero_copy import SAID, Cable, cables  # noqa: F401

NEAR = 128


@pytest.fixture
def cable(cables):  # noqa: F811
    return cables("pair", spares=0)


def chunks(stack):
    return stack.statistics()["memory"]["chunks"]


def test_a_little_that_waits_takes_no_chunk(cable):
    cable.near.send(SAID[:NEAR])
    assert chunks(cable.near_stack) == 0
    cable.settle()
    assert chunks(cable.far_stack) == 0
    assert cable.far.recv(1000) == SAID[:NEAR]


def test_a_byte_more_takes_one(cable):
    cable.near.send(SAID[: NEAR + 1])
    assert chunks(cable.near_stack) == 1
    cable.settle()
    assert chunks(cable.far_stack) == 1
    assert cable.far.recv(1000) == SAID[: NEAR + 1]


def test_what_was_near_moves_along(cable):
    cable.near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, 300, 100):
        cable.near.send(SAID[at : at + 100])
        cable.settle()
    assert chunks(cable.far_stack) == 1
    assert cable.far.recv(1000, socket.MSG_PEEK) == SAID[:300]
    assert cable.far.recv(1000) == SAID[:300] and chunks(cable.far_stack) == 0


def test_peeking_and_reading_in_parts(cable):
    cable.near.send(SAID[:100])
    cable.settle()
    assert cable.far.recv(30, socket.MSG_PEEK) == SAID[:30]
    assert [cable.far.recv(30) for _ in range(4)] == [SAID[:30], SAID[30:60], SAID[60:90], SAID[90:100]]
    with pytest.raises(BlockingIOError):
        cable.far.recv(1)


def test_a_buffer_lent_of_what_is_near(cable):
    cable.near.send(SAID[:50])
    cable.settle()
    with cable.far.recv_buffer() as b:
        assert bytes(b) == SAID[:50]
    assert chunks(cable.far_stack) == 0


def test_what_arrives_ahead_while_something_is_near(cables):  # noqa: F811
    """The gap is filled by what is sent again, whatever lies near in front of it."""
    cable = cables("pair", spares=0)
    cable.near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    cable.near.send(SAID[:40])
    cable.settle()
    cable.near_stack.ports[0].set_link(False)
    cable.near.send(SAID[40:80])
    cable.near_stack.ports[0].set_link(True)
    cable.near.send(SAID[80:120])
    cable.settle(500)
    assert cable.far_stack.statistics()["tcp"]["ooo_in"] == 1
    assert cable.far.recv(1000) == SAID[:120]


@pytest.mark.parametrize("seed", range(20))
def test_any_sizes_in_any_order(cables, seed):  # noqa: F811
    """Both ways, with and without spare buffers, small and large in turn."""
    draw = random.Random(seed)
    cable = cables("pair", spares=seed % 2 * 16)
    ends = [cable.near, cable.far]
    said, heard = [0, 0], [b"", b""]
    for _ in range(300):
        who = draw.randrange(2)
        if draw.random() < 0.5:
            n = draw.choice((1, 7, 8, 40, 64, 120, 128, 129, 500, 1400, 3000))
            said[who] += ends[who].send(SAID[said[who] : said[who] + n])
        elif draw.random() < 0.4:
            cable.settle(draw.choice((1, 3)))
        else:
            try:
                heard[who] += ends[who].recv(draw.choice((1, 9, 64, 128, 200, 4000)))
            except BlockingIOError:
                pass
    for _ in range(100):
        cable.settle(10)
        for who in range(2):
            try:
                heard[who] += ends[who].recv(1 << 20)
            except BlockingIOError:
                pass
    assert heard == [SAID[: said[1]], SAID[: said[0]]]
    assert chunks(cable.near_stack) == chunks(cable.far_stack) == 0
