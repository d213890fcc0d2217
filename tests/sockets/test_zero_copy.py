"""Bytes copied per byte delivered, by the stack's own counters; buffers in the application's hands; and what little messages can pin."""

import contextlib

import pytest

import usnet
from usnet.backends.clock import ManualClock
from usnet.backends.netmap.opening import open_port
from usnet.backends.netmap.standin.kernel import StandIn
from usnet.backends.pair import make_pair
from usnet.lab.world import World

from .kit import Together

MS = 1_000_000
TOTAL = 400_000
SAID = bytes((i * 7 + (i >> 8) * 13) & 255 for i in range(1 << 16)) * 8
ARRIVALS = ("in_small", "in_short", "in_apart", "in_gap")
IN = (*ARRIVALS, "in_read", "in_read_chunk", "in_packed")
OUT = ("out_placed", "out_chunk", "out_first")


class Cable:
    """Two stacks joined back to back, in virtual time: `near` and `far` are the ends of a connection."""

    def __init__(self, a, b, clock, sizes=None, **config):
        self.clock, stacks = clock, []
        for i, port in enumerate((a, b), 1):
            made = {"seed": i, "clock": clock, "poller": Together(clock, stacks), "config": config, **(sizes or {})}
            stacks.append(usnet.Stack(port, f"10.9.0.{i}/24", **made))
        self.far_stack, self.near_stack = stacks
        self.socks = []
        self.listener = self.far_stack.create_server(("", 80))
        self.near, self.far = self.connect()

    def connect(self):
        near = self.near_stack.create_connection(("10.9.0.1", 80))
        self.settle()
        far = self.listener.accept()[0]
        near.setblocking(False)
        far.setblocking(False)
        self.socks += [near, far]
        return near, far

    def settle(self, times=1):
        for _ in range(times):
            for _ in range(6):
                self.near_stack.run_once()
                self.far_stack.run_once()
            self.clock.advance(MS)

    def transfer(self, send, receive):
        """receive(socket) gives what it got, send(socket, at) says how much it took."""
        got, at = bytearray(), 0
        while len(got) < TOTAL:
            try:
                at += send(self.near, at) if at < TOTAL else 0
            except BlockingIOError:
                self.settle()
            try:
                got += receive(self.far)
            except BlockingIOError:
                self.settle()
        assert bytes(got) == SAID[:TOTAL]

    def close(self):
        for sock in self.socks:
            sock.close()
        for stack in (self.near_stack, self.far_stack):
            stack.close(linger=0)


class Lab:
    """The same in a world of the simulator: blocking programs."""

    def __init__(self, rings, **ports):
        self.world = World(seed=3, rings=rings)
        self.far_host, self.near_host = self.world.host("far", "10.9.0.1/24"), self.world.host("near", "10.9.0.2/24")
        self.world.link(self.far_host, self.near_host, rate="100Mbit", delay="1ms", ports=ports)
        self.near_stack, self.far_stack = self.near_host.stack, self.far_host.stack

    def transfer(self, send, receive):
        got = bytearray()

        def serve():
            with usnet.create_server(("", 80)) as listener, listener.accept()[0] as sock:
                while data := receive(sock):
                    got.extend(data)

        def tell():
            at = 0
            with usnet.create_connection(("10.9.0.1", 80)) as sock:
                while at < TOTAL:
                    at += send(sock, at)

        self.far_host.run(serve)
        self.near_host.run(tell)
        self.world.run()
        assert bytes(got) == SAID[:TOTAL]

    def close(self):
        self.world.close()


def make(kind, spares=1024, **config):
    clock = ManualClock(1_000_000_000)
    if kind == "pair":
        return Cable(*make_pair(clock=clock, spares=spares), clock, **config)
    if kind == "pipe":
        device = StandIn(buf_num=8192)
        device.nic("em0")
        return Cable(*(open_port(name, device=device, spares=spares, clock=clock) for name in ("em0{1", "em0}1")), clock)
    return Lab({"sim": "own", "nic": "netmap"}[kind], spares=spares)


@pytest.fixture
def cables():
    made = []

    def get(*args, **kwargs):
        made.append(make(*args, **kwargs))
        return made[-1]

    yield get
    for cable in made:
        cable.close()


def write(sock, at):
    return sock.send(SAID[at : min(at + 60000, TOTAL)])


def place(sock, at):
    with sock.send_buffer(TOTAL - at) as buffer:
        buffer[:] = SAID[at : at + len(buffer)]
        return buffer.commit()


def read(sock):
    return sock.recv(65536)


def look(sock):
    with sock.recv_buffer() as buffer:
        return bytes(buffer)


def copies(stack):
    return stack.statistics()["copies"]


def per_byte(stack, names):
    return sum(copies(stack)[name] for name in names) / TOTAL


@pytest.mark.parametrize("kind", ["pair", "sim", "nic", "pipe"])
def test_a_copying_receive_copies_each_byte_once(cables, kind):
    cable = cables(kind)
    cable.transfer(write, read)
    assert per_byte(cable.far_stack, IN) <= 1.004  # the last segment is less than half a buffer, and goes through a chunk
    assert copies(cable.far_stack)["in_read"] >= TOTAL * 0.996


@pytest.mark.parametrize("kind", ["pair", "sim", "nic"])
def test_a_copying_send_copies_each_byte_once(cables, kind):
    cable = cables(kind)
    cable.transfer(write, read)
    assert per_byte(cable.near_stack, OUT) == 1
    assert copies(cable.near_stack)["out_lent"] == TOTAL and copies(cable.near_stack)["out_again"] == 0


@pytest.mark.parametrize("kind", ["pair", "sim", "nic", "pipe"])
def test_a_receive_of_buffers_copies_nothing(cables, kind):
    cable = cables(kind)
    cable.transfer(write, look)
    assert per_byte(cable.far_stack, IN) <= 0.008  # that last segment again, in and out of its chunk
    assert copies(cable.far_stack)["in_handed"] >= TOTAL * 0.996


@pytest.mark.parametrize("kind", ["pair", "sim", "nic"])
def test_a_send_from_a_buffer_filled_in_place_copies_nothing(cables, kind):
    cable = cables(kind)
    cable.transfer(place, read)
    assert per_byte(cable.near_stack, OUT) == 0
    assert copies(cable.near_stack)["out_lent"] == copies(cable.near_stack)["out_committed"] == TOTAL


def until_it_blocks(step):
    with contextlib.suppress(BlockingIOError):
        while step():
            pass


def test_buffers_begin_where_segments_do_although_the_send_buffer_is_no_multiple_of_them(cables):
    cable, got, at = cables("pair", sndbuf=20_000), bytearray(), 0

    def put():
        nonlocal at
        at += place(cable.near, at)
        return at < TOTAL

    while len(got) < TOTAL:
        if at < TOTAL:
            until_it_blocks(put)
        cable.near_stack.run_once()
        cable.far_stack.run_once()
        until_it_blocks(lambda: got.extend(read(cable.far)) or True)
        cable.clock.advance(MS)  # there is always something under way
    assert bytes(got) == SAID[:TOTAL]
    assert copies(cable.near_stack)["out_lent"] == copies(cable.near_stack)["out_committed"] == TOTAL
    assert per_byte(cable.near_stack, OUT) == 0


def test_a_send_buffer_smaller_than_a_segment_is_still_used(cables):
    cable = cables("pair", sndbuf=1000)
    cable.transfer(place, read)
    assert copies(cable.near_stack)["out_committed"] == TOTAL


def test_a_pipe_of_netmaps_takes_buffers_away_so_what_may_be_needed_again_is_copied(cables):
    cable = cables("pipe")
    cable.transfer(write, read)
    assert per_byte(cable.near_stack, OUT) == 2 and copies(cable.near_stack)["out_lent"] == 0


@pytest.mark.parametrize("kind", ["pair", "sim", "pipe"])
def test_without_spare_buffers_each_byte_is_copied_twice(cables, kind):
    cable = cables(kind, spares=0)
    cable.transfer(place if kind == "pair" else write, read)
    assert per_byte(cable.far_stack, IN) == 2
    assert per_byte(cable.near_stack, OUT) == (1 if kind == "pair" else 2)


@pytest.mark.parametrize("spares", [1, 3, 17, 64])
@pytest.mark.parametrize("kind", ["pair", "sim", "nic", "pipe"])
def test_with_few_spare_buffers_all_arrives_and_all_come_back(cables, kind, spares):
    cable = cables(kind, spares=spares)
    cable.transfer(place, look)
    if kind in ("pair", "pipe"):
        cable.settle(60)
    for stack in (cable.near_stack, cable.far_stack):
        memory = stack.statistics()["memory"]
        assert memory["kept_buffers"] == memory["pieces"] == memory["chunks"] == 0


def test_small_writes_behind_each_other_fill_buffers(cables):
    cable = cables("sim")
    cable.transfer(lambda sock, at: sock.send(SAID[at : min(at + 101, TOTAL)]), read)
    assert per_byte(cable.near_stack, OUT) == 1 and copies(cable.near_stack)["out_again"] == 0
    assert cable.far_stack.statistics()["tcp_drops"]["checksum"] == 0  # summed in parts that begin at odd places too


# --- Buffers in the application's hands ---


def received(cable, data=SAID[:1400]):
    cable.near.send(data)
    cable.settle()
    return cable.far.recv_buffer()


def test_a_received_buffer_is_read_only_and_given_back_once(cables):
    cable = cables("pair")
    buffer = received(cable)
    view = memoryview(buffer)
    assert view.readonly and view == SAID[:1400] and buffer[1:3] == SAID[1:3] and buffer[0] == SAID[0]
    with pytest.raises(BufferError, match="views"):
        buffer.release()
    view.release()
    buffer.release()
    buffer.release()
    assert buffer.released and len(buffer) == 0 and "given back" in repr(buffer)
    with pytest.raises(ValueError, match="given back"):
        memoryview(buffer)
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 0


def test_a_received_buffer_outlives_its_socket_and_its_stack(cables):
    cable = cables("pair")
    buffer = received(cable)
    cable.far.close()
    cable.settle()
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 1
    cable.close()
    assert bytes(buffer) == SAID[:1400]
    buffer.release()
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 0


def test_a_received_buffer_that_is_dropped_is_given_back(cables):
    cable = cables("pair")
    buffer = received(cable)
    del buffer
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 0


def test_the_end_of_the_stream_is_an_empty_buffer(cables):
    cable = cables("pair")
    cable.near.close()
    cable.settle()
    with cable.far.recv_buffer() as buffer:
        assert len(buffer) == 0 and bytes(buffer) == b""


def test_small_messages_are_handed_out_together(cables):
    cable = cables("pair")
    cable.near.setsockopt(6, 1, 1)  # TCP_NODELAY
    for i in range(10):
        cable.near.send(bytes([i]) * 10)
        cable.settle()
    with cable.far.recv_buffer() as buffer:
        assert bytes(buffer) == b"".join(bytes([i]) * 10 for i in range(10))
    with pytest.raises(BlockingIOError):
        cable.far.recv_buffer()


def test_a_send_buffer_holds_no_more_than_a_segment_and_no_more_than_asked_for(cables):
    cable = cables("pair")
    with cable.near.send_buffer() as whole, cable.near.send_buffer(10) as ten:
        assert len(whole) == 1448 and len(ten) == 10
        ten[:5] = b"hello"
        assert ten.commit(5) == 5 and ten.released
    cable.settle()
    assert cable.far.recv(100) == b"hello"
    assert cable.near_stack.statistics()["memory"]["kept_buffers"] == 0


def test_misuse_of_send_buffers_has_clear_errors(cables):
    cable = cables("pair")
    with pytest.raises(ValueError, match="a buffer of 0 bytes"):
        cable.near.send_buffer(0)
    with cable.near.send_buffer(10) as buffer:
        with pytest.raises(ValueError, match="11 bytes of a buffer of 10"):
            buffer.commit(11)
        with memoryview(buffer), pytest.raises(BufferError, match="views"):
            buffer.commit()
    with pytest.raises(ValueError, match="given back"):
        buffer.commit()
    with pytest.raises(TypeError):
        type(buffer)()
    with usnet.socket(2, 2, stack=cable.near_stack) as datagrams, pytest.raises(OSError, match="not supported"):
        datagrams.send_buffer(10)
    with usnet.socket(stack=cable.near_stack) as fresh, pytest.raises(OSError, match="not connected"):
        fresh.recv_buffer()


def test_a_send_buffer_of_a_closed_socket_is_given_up(cables):
    cable = cables("pair")
    buffer = cable.near.send_buffer(10)
    cable.near.close()
    with pytest.raises(OSError):
        buffer.commit()
    assert buffer.released and cable.near_stack.statistics()["memory"]["kept_buffers"] == 0


def test_a_netmap_port_that_is_closed_leaves_unread_bytes_readable(cables):
    cable = cables("pipe")
    cable.near.send(SAID[:20000])
    cable.settle(200)
    with cable.far.recv_buffer() as first:
        at = len(first)
        assert cable.far_stack.statistics()["memory"]["kept_buffers"] > 10
        cable.far_stack.ports[0].close()
        assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 0
        assert len(bytes(first)) == at  # what the application has cannot move; its bytes are not said
    assert cable.far.recv(65536) == SAID[at:20000]
    assert copies(cable.far_stack)["in_left"] == 20000 - at


# --- What cannot be pinned ---


def test_a_flood_of_small_messages_takes_no_buffer_of_the_ring(cables):
    cable = cables("pair", spares=16)
    cable.near.setsockopt(6, 1, 1)  # TCP_NODELAY: a segment each
    for i in range(5000):
        cable.near.send(bytes([i & 255]))
        if i % 50 == 0:
            cable.settle()
    cable.settle(100)
    memory = cable.far_stack.statistics()["memory"]
    assert memory["kept_buffers"] == memory["pieces"] == 0 and memory["chunks"] <= 3
    assert copies(cable.far_stack)["in_small"] == 5000
    assert cable.far.recv(10000) == bytes(i & 255 for i in range(5000))


def test_many_idle_connections_with_one_unread_message_each_take_nothing(cables):
    cable = cables("pair", spares=16)
    held = [cable.connect() for _ in range(100)]
    for near, _ in held:
        near.send(b"unread")
        cable.settle()
    memory = cable.far_stack.statistics()["memory"]
    assert memory["kept_buffers"] == 0 and memory["chunks"] == 0    # a few bytes are near
    assert cable.near_stack.statistics()["memory"]["kept_buffers"] == 0  # all acknowledged


def test_unread_large_messages_take_their_share_and_no_more(cables):
    cable = cables("pair", spares=16)
    cable.near.send(SAID[:60000])
    cable.settle(200)
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 8  # half, whatever its receive buffer allows
    others = [cable.connect() for _ in range(10)]
    for near, _ in others:
        near.send(SAID[:1448])
        cable.settle()
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 14  # two are always left
    rest = (60000 - 8 * 1448) // 1448 * 1448  # the last segment is small
    assert copies(cable.far_stack)["in_short"] == rest and copies(cable.far_stack)["in_aside"] == 4 * 1448
    assert all(far.recv(5000) == SAID[:1448] for _, far in others)
    assert cable.far.recv(65536) == SAID[:60000]
    assert cable.far_stack.statistics()["memory"]["kept_buffers"] == 0


# --- What is still in the ring ---


@pytest.mark.parametrize(("spares", "frames"), [(16, 1), (0, 2)])
def test_a_segment_that_still_waits_in_the_ring_is_not_sent_twice(cables, spares, frames):
    cable = cables("pair", spares=spares)
    ring = cable.near_stack.ports[0].tx_ring()
    before, waiting = copies(cable.near_stack)["out_waiting"], ring.head
    cable.near.send(SAID[:1400])
    cable.clock.advance(1000 * MS)
    cable.near_stack.run_once()  # the retransmission timer; the other end has not looked yet
    assert ring.head - waiting == frames
    assert copies(cable.near_stack)["out_waiting"] - before == (1400 if spares else 0)
    cable.settle()
    assert cable.far.recv(5000) == SAID[:1400]
    assert cable.far_stack.statistics()["tcp_drops"]["duplicate"] == frames - 1


def test_a_sent_segment_is_kept_until_it_is_acknowledged_whatever_its_slot_is_used_for(cables):
    cable = cables("pair", spares=64)
    with cable.near_stack.socket(type=2) as other:
        cable.near.send(SAID[:1400])
        cable.near_stack.ports[0].set_link(False)  # what is in the ring is lost
        cable.near_stack.ports[0].set_link(True)
        for _ in range(600):  # more than the ring has slots
            other.sendto(b"\xff" * 1400, ("10.9.0.1", 9))
            cable.far_stack.run_once()
        cable.clock.advance(2000 * MS)
        cable.settle(300)
    assert cable.far.recv(5000) == SAID[:1400]
    assert copies(cable.near_stack)["out_again"] == 1400
