"""Connections that do not read, or whose peers do not, cannot keep a port's spare buffers: what has been held for longest is copied to chunks when
they run low. Whatever is copied, the bytes are the same."""

import pytest

from tests.sockets.test_zero_copy import MS, SAID, Cable, copies
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair

SPARES = 16
LOW = SPARES // 8


@pytest.fixture
def cable_with():
    made = []

    def get(*, config=None, sizes=None, **ports):
        clock = ManualClock(1_000_000_000)
        made.append(Cable(*make_pair(clock=clock, **{"spares": SPARES, **ports}), clock, sizes, **(config or {})))
        return made[-1]

    yield get
    for cable in made:
        cable.close()


def kept(stack):
    return stack.statistics()["memory"]["kept_buffers"]


def silent(cable, n, size=60_000):
    """Connections that were sent `size` bytes each and read nothing."""
    pairs = [cable.connect() for _ in range(n)]
    for near, _ in pairs:
        assert near.send(SAID[:size]) == size
        cable.settle(100)
    return pairs


def changes(stack, before):
    return {name: n - before[name] for name, n in copies(stack).items() if n != before[name]}


def read_all(cable, sock, size):
    got = b""
    while len(got) < size:
        got += sock.recv(1 << 20)
        cable.settle()
    return got


def test_those_who_read_get_the_buffers_of_those_who_do_not(cable_with):
    cable = cable_with()
    pairs = silent(cable, 3)
    assert kept(cable.far_stack) == SPARES - LOW
    before, near = copies(cable.far_stack), cable.near
    for i in range(200):
        near.send(SAID[i : i + 1448])
        cable.settle()
        assert cable.far.recv(5000) == SAID[i : i + 1448]
    changed = changes(cable.far_stack, before)
    assert changed["in_kept"] == changed["in_read"] == 200 * 1448
    assert 0 < changed["in_aside"] <= (SPARES - LOW) * 1448
    assert "in_short" not in changed
    for _, far in pairs:
        assert read_all(cable, far, 60_000) == SAID[:60_000]
    assert kept(cable.far_stack) == 0


def test_the_oldest_goes_first(cable_with):
    cable = cable_with()
    for size in (1400, 1300, 1200):
        near, _ = cable.connect()
        near.setsockopt(6, 1, 1)  # TCP_NODELAY
        for _ in range(6 if size < 1400 else 2):
            near.send(SAID[:size])
            cable.settle(60)
    assert kept(cable.far_stack) == SPARES - LOW
    seen = []
    for _ in range(5):
        before = copies(cable.far_stack)
        cable.near.send(SAID[:1448])
        cable.settle(60)
        cable.far.recv(5000)
        seen.append(changes(cable.far_stack, before).get("in_aside"))
    assert seen == [1400, None, None, None, None]  # one place is enough for who reads at once
    for aside in (1400, 1300):
        before = copies(cable.far_stack)
        near, _ = cable.connect()
        near.send(SAID[:1448])
        cable.settle(60)
        near.send(SAID[:1448])
        cable.settle(60)
        assert changes(cable.far_stack, before)["in_aside"] == aside + (1300 if aside == 1300 else 0)


@pytest.mark.parametrize("read", [0, 1, 100, 2000, 3000])
def test_a_buffer_of_several_chunks_is_divided_wherever_reading_stopped(cable_with, read):
    cable = cable_with(buf_size=16384, mtu=9000)
    (_, far), (_, other) = silent(cable, 2, 70_000)
    got = far.recv(read) if read else b""
    before = copies(cable.far_stack)
    for i in range(10):
        cable.near.send(SAID[i : i + 8900])
        cable.settle(3)
    changed = changes(cable.far_stack, before)
    assert changed["in_kept"] > 8900 and changed["in_aside"] > 8900
    with far.recv_buffer() as part:
        assert bytes(part) == SAID[read : read + len(part)]
        got += bytes(part)
    assert got + read_all(cable, far, 70_000 - len(got)) == SAID[:70_000]
    assert read_all(cable, other, 70_000) == SAID[:70_000]
    assert cable.far.recv(5000) == SAID[:5000]


def test_what_peers_do_not_acknowledge_or_take_gives_way_to_what_they_do(cable_with):
    """The sender's side: windows that stay closed hold what was not sent."""
    cable = cable_with(config={"rcvbuf": 4096})
    pairs = silent(cable, 5, 60_000)
    assert kept(cable.near_stack) > SPARES // 2
    before = copies(cable.near_stack)
    for i in range(100):
        cable.near.send(SAID[i : i + 1448])
        cable.settle()
        assert cable.far.recv(5000) == SAID[i : i + 1448]
    changed = changes(cable.near_stack, before)
    assert changed["out_placed"] == 100 * 1448 and "out_chunk" not in changed
    assert before["out_aside"] % 1448 == 0 < before["out_aside"]
    for _, far in pairs:
        got = b""
        while len(got) < 60_000:
            try:
                got += far.recv(1 << 20)
            except BlockingIOError:
                cable.clock.advance(200 * MS)
            cable.settle()
        assert got == SAID[:60_000]
    assert kept(cable.near_stack) == 0


def test_what_was_put_aside_is_sent_again_when_it_is_lost(cable_with):
    cable = cable_with()
    near, far = cable.connect()
    near.send(SAID[:5792])
    cable.near_stack.ports[0].set_link(False)  # what is in the ring is lost
    cable.near_stack.ports[0].set_link(True)
    with cable.near_stack.socket(type=2) as datagrams:
        for _ in range(600):  # more than the ring has slots
            datagrams.sendto(bytes(1400), ("10.9.0.1", 9))
            cable.far_stack.run_once()
    silent_sends = [cable.connect()[0] for _ in range(3)]
    for sock in silent_sends:
        sock.send(SAID[:20_000])
    assert copies(cable.near_stack)["out_aside"] >= 5792
    cable.clock.advance(2000 * MS)
    cable.settle(300)
    assert far.recv(1 << 16) == SAID[:5792]


def test_frames_that_wait_in_the_ring_are_not_put_aside(cable_with):
    cable = cable_with()
    pairs = [cable.connect() for _ in range(4)]
    before = copies(cable.near_stack)
    for near, _ in pairs:
        near.send(SAID[:14480])
    changed = changes(cable.near_stack, before)
    assert "out_aside" not in changed and changed["out_chunk"] > 0
    cable.settle(300)
    for _, far in pairs:
        assert far.recv(1 << 16) == SAID[:14480]


def test_when_half_of_the_chunks_are_in_use_nothing_is_put_aside(cable_with):
    cable = cable_with(sizes={"max_chunks": 32})
    (_, far), (_, other) = silent(cable, 1, 40_000) + silent(cable, 1, 14_000)
    assert kept(cable.far_stack) == SPARES - LOW
    assert cable.far_stack.statistics()["memory"]["chunks"] >= 16
    before = copies(cable.far_stack)
    cable.near.send(SAID[:1448])
    cable.settle(60)
    assert changes(cable.far_stack, before) == {"in_short": 1448}
    assert cable.far.recv(5000) == SAID[:1448]
    assert read_all(cable, far, 40_000) == SAID[:40_000]
    assert read_all(cable, other, 14_000) == SAID[:14_000]


def newcomers(cable, n, size=1448):
    """So many messages to connections that do not read, each of which wants a buffer."""
    for _ in range(n):
        near, _ = cable.connect()
        near.send(SAID[:size])
        cable.settle(60)


def test_what_was_put_aside_still_counts_in_its_share(cable_with):
    cable = cable_with()
    near, far = cable.connect()
    near.send(SAID[: 8 * 1448])
    cable.settle(60)
    newcomers(cable, SPARES - LOW)
    before = copies(cable.far_stack)
    assert before["in_aside"] == 8 * 1448
    near.send(SAID[8 * 1448 : 9 * 1448])
    cable.settle(60)
    assert changes(cable.far_stack, before) == {"in_short": 1448}
    assert read_all(cable, far, 9 * 1448) == SAID[: 9 * 1448]
    near.send(SAID[:1448])
    cable.settle(60)
    assert changes(cable.far_stack, before)["in_kept"] == 1448
    assert far.recv(5000) == SAID[:1448]


def test_what_arrives_behind_a_divided_buffer_follows_it(cable_with):
    cable = cable_with(buf_size=16384, mtu=9000)
    near, far = cable.connect()
    near.send(SAID[:8900])
    cable.settle(60)
    newcomers(cable, SPARES - LOW, 8900)
    assert copies(cable.far_stack)["in_aside"] == 8900
    for at in (8900, 17800):
        near.send(SAID[at : at + 8900])
        cable.settle(60)
    assert read_all(cable, far, 26_700) == SAID[:26_700]


def test_what_the_application_holds_stays_where_it_is(cable_with):
    cable = cable_with(slots=16)
    near, far = cable.connect()
    near.send(SAID[: 7 * 1448])
    cable.settle(100)
    held = [far.recv_buffer() for _ in range(7)]
    newcomers(cable, 60)
    for i, buffer in enumerate(held):
        assert bytes(buffer) == SAID[i * 1448 : (i + 1) * 1448]
    before = kept(cable.far_stack)
    for buffer in held:
        buffer.release()
    assert before - kept(cable.far_stack) == 7
    assert copies(cable.far_stack)["in_aside"] == (60 - 7) * 1448


def test_a_stack_that_is_reset_knows_no_age_of_before():
    clock = ManualClock(1_000_000_000)
    cable = Cable(*make_pair(clock=clock, spares=SPARES), clock)
    silent(cable, 2)
    newcomers(cable, 9)
    assert copies(cable.far_stack)["in_aside"] == 11 * 1448
    cable.far_stack.reset(seed=7, now=clock.now())
    cable.near_stack.reset(seed=8, now=clock.now())
    for sock in (*cable.socks, cable.listener):
        sock.detach()
    cable.socks.clear()
    cable.listener = cable.far_stack.create_server(("", 80))
    cable.near, cable.far = cable.connect()
    cable.near.send(SAID[: 8 * 1448])
    cable.settle(60)
    newcomers(cable, 6, 1300)
    assert kept(cable.far_stack) == SPARES - LOW and copies(cable.far_stack)["in_aside"] == 0
    newcomers(cable, 1)
    assert copies(cable.far_stack)["in_aside"] == 1448
    assert read_all(cable, cable.far, 8 * 1448) == SAID[: 8 * 1448]
    assert kept(cable.far_stack) == 7
    cable.listener.close()
    cable.close()
