"""The burst loop: deadlines, wake-ups, bursts, full rings, and the memory that is given back."""

import re
from pathlib import Path

import pytest

from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.stack import StackCore
from usnet.testing.peer import US, conversation, established, last_ack, listening, stream, time_wait

PXD = Path(__file__).parents[2] / "usnet" / "tcp"


def test_a_burst_of_ten_full_segments_earns_five_acks():
    tcp = established()
    tcp.rx(*[f". {1 + i * 1460}:{1461 + i * 1460}(1460) ack 1" for i in range(10)])
    tcp.expect(*[f". 1:1(0) ack {1 + i * 1460}" for i in (2, 4, 6, 8, 10)])


def test_a_burst_of_acks_earns_one_pass_of_output():
    tcp = established(mss=1000)
    tcp.send(60000)
    assert len(tcp.take()) == 10
    tcp.rx(*[f". 1:1(0) ack {1 + i * 1000}" for i in range(1, 11)])
    assert [s.seq for s in tcp.take()] == [10001 + i * 1000 for i in range(20)]


# Deadlines


def exercised():
    """Conversations in many states with timers of every kind."""
    tcp = established()
    tcp.send(100)
    yield tcp
    tcp = established()
    tcp.rx("P. 1:11(10) ack 1")
    yield tcp
    tcp = established(win=0)
    tcp.send(100)
    yield tcp
    tcp = established()
    tcp.sock.setsockopt(6, 4, 10)
    tcp.sock.setsockopt(1, 9, 1)
    yield tcp
    yield time_wait(close=True)
    yield last_ack()
    tcp = listening()
    tcp.rx("S 0:0(0)")
    yield tcp


def state(tcp):
    core = tcp.cable.stack.core
    counters = {k: v for k, v in core.statistics().items() if k not in ("stack", "memory")}
    return [core.snapshot(c) for c in core.connections()], counters


def visible(snapshots):
    """What a lazily armed timer may change without meaning anything."""
    return [{k: v for k, v in s.items() if k not in ("timer", "timer_at")} for s in snapshots[0]], snapshots[1]


def test_a_wake_up_with_nothing_due_changes_nothing():
    for tcp in exercised():
        tcp.cable.run()
        tcp.take()
        deadline = tcp.cable.stack.core.run(tcp.cable.clock.now())
        assert deadline is not None
        before = state(tcp)
        for _ in range(3):
            assert tcp.cable.stack.core.run(tcp.cable.clock.now()) == deadline
            assert state(tcp) == before
        while tcp.cable.clock.now() + 10_000_000 < deadline and tcp.cable.elapsed < 1_000_000_000:
            tcp.cable.clock.advance(7_000_001)
            assert tcp.cable.stack.core.run(tcp.cable.clock.now()) == deadline
            assert state(tcp) == before
        assert tcp.take() == []


def test_the_next_deadline_is_never_later_than_the_earliest_true_one():
    for tcp in exercised():
        for _ in range(12):
            deadline = tcp.cable.run()
            tcp.take()
            due = [
                d for c in tcp.cable.stack.core.connections() for d in tcp.cable.stack.core.snapshot(c)["deadline"] if d
            ]
            if not due:
                break
            assert deadline is not None and deadline <= min(due)
            tcp.cable.clock.set(max(deadline, tcp.cable.clock.now()))


def test_a_late_wake_up_does_what_was_due_once():
    tcp = established()
    tcp.send(100)
    tcp.take()
    tcp.cable.clock.advance(500_000_000)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.rx("P. 1:11(10) ack 101")
    tcp.cable.clock.advance(3_600_000_000_000)
    tcp.expect(". 101:101(0) ack 11")


def test_a_quiet_stack_has_no_deadline():
    """Quiescence: nothing is left that could wake it."""
    tcp = last_ack()
    tcp.rx(". 2:2(0) ack 2")
    tcp.at(s=1000)
    assert tcp.cable.run() is None
    assert tcp.cable.stack.core.run(tcp.cable.clock.now()) is None


# Rings


@pytest.mark.parametrize("slots", [4, 8, 16])
def test_a_small_transmit_ring_loses_nothing(slots):
    tcp = established(mss=1000, wscale=7, win=60000, slots=slots)
    core, clock, wire = tcp.cable.stack.core, tcp.cable.clock, tcp.cable.wire
    got, total = bytearray(), 50_000
    tcp.send(total)
    for _ in range(2000):
        clock.advance(100_000)
        core.run(clock.now())  # as much as the ring takes
        tcp.cable.collect()
        for s in tcp.take():
            if s.length and s.seq == len(got) + 1:
                got += s.data
        if len(got) == total:
            break
        wire.send(frame_of(tcp, f". 1:1(0) ack {len(got) + 1} win 60000"))
    assert bytes(got) == stream(1, total)
    assert tcp.counters()["retransmits"] == 0


def frame_of(tcp, text):
    from usnet.testing.peer import PEER, PEER_MAC, US_MAC
    from usnet.testing.segments import parse_segment
    from usnet.wire.mirror import EthHeader, Ipv4Header

    body = tcp.build(parse_segment(text))
    return (
        EthHeader(US_MAC, PEER_MAC, 0x0800).to_bytes()
        + Ipv4Header(PEER, US, 6, total_len=20 + len(body)).to_bytes()
        + body
    )


def test_an_ack_that_met_a_full_ring_is_sent_later():
    tcp = established(slots=4)
    core, now = tcp.cable.stack.core, tcp.cable.clock.now()
    for i in range(12):  # each earns an ACK; nobody takes them from the ring
        seq = 101 + 200 * i
        tcp.cable.wire.send(frame_of(tcp, f". {seq}:{seq + 10}(10) ack 1"))
        core.run(now)
    tcp.take()
    core.run(now)
    tcp.cable.clock.advance(1_000_000)
    assert tcp.cable.run() is None or True
    tcp.take()
    tcp.rx(". 1:101(100) ack 1")
    assert tcp.take()[-1].ack == 111


# Ourselves


def test_a_stack_talks_to_itself():
    tcp = listening()
    stack = tcp.cable.stack
    with stack.socket() as client:
        client.setblocking(False)
        client.connect_ex((US, 80))
        stack.run_once()
        conn, _ = tcp.listener.accept()
        conn.setblocking(False)
        client.send(b"hello")
        stack.run_once()
        assert conn.recv(10) == b"hello"
        conn.close()
        stack.run_once()
        assert client.recv(10) == b""
    assert tcp.cable.wire.receive() == []


def test_what_is_sent_to_ourselves_is_a_reason_to_wake_at_once():
    tcp = listening()
    core, now = tcp.cable.stack.core, tcp.cable.clock.now()
    with tcp.cable.stack.socket() as client:
        client.setblocking(False)
        client.connect_ex((US, 80))
        assert core.flush(now) == now
        core.run(now)
        conn, _ = tcp.listener.accept()
        client.send(b"hello")
        assert core.flush(now) == now
        assert core.run(now) > now
        assert conn.recv(10) == b"hello"
        conn.close()


# Reset, memory


def script(core, port, wire, clock):
    """The frames that leave during a fixed conversation."""
    from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader

    out = []
    for step in range(40):
        header = TcpHeader(1000 + step % 7, 80 + step % 3, step * 1000, step, [2, 16, 18, 4, 1, 0][step % 6], 1000)
        body = header.to_bytes(b"x" * (step % 5), "10.0.0.2", US)
        frame = EthHeader("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800).to_bytes()
        wire.send(frame + Ipv4Header("10.0.0.2", US, 6, total_len=20 + len(body)).to_bytes() + body)
        core.run(clock.now())
        out += [frame for frame, _ in wire.receive()]
        clock.advance(10_000_000)
    return out


def test_after_a_reset_the_same_seed_gives_the_same_bytes():
    clock = ManualClock(0)
    port, wire = make_pair(mac=("02:00:00:00:00:01", "02:00:00:00:00:02"), clock=clock)
    core = StackCore(7, 64, 64, 64)
    core.add_port(port)
    core.add_address(0, US, 24)
    core.reset(7, 0)
    core.add_neighbour(0, "10.0.0.2", bytes.fromhex("020000000002"))
    first = script(core, port, wire, clock)
    core.reset(7, clock.now())
    core.add_neighbour(0, "10.0.0.2", bytes.fromhex("020000000002"))
    assert len(first) > 20
    assert script(core, port, wire, clock) == first
    core.reset(8, clock.now())
    assert core.statistics()["memory"]["connections"] == 0


def test_the_same_seed_gives_the_same_bytes_in_another_stack():
    def run(seed):
        tcp = established(seed=seed, timestamps=True, wscale=3)
        tcp.send(5000)
        tcp.rx("P. 1:11(10) ack 1461")
        frames = tcp.watch(s=3)
        return tcp.us_isn, tcp.us_ts, frames

    assert run(3) == run(3)
    assert run(3)[:2] != run(4)[:2]


def test_every_arena_is_empty_at_the_end():
    tcp = listening()
    conn = tcp.another(41000).handshake()
    conn.send(10000)
    conn.rx(". 1001:2001(1000) ack 1", ". 1:1001(1000) ack 1")
    conn.recv()
    tcp.another(41001).rx("S 0:0(0)")
    conn.rx("F. 2001:2001(0) ack 1")
    conn.close()
    tcp.listener.close()
    tcp.watch(s=400)
    assert {k: v for k, v in tcp.cable.memory().items() if v} == {"neighbours": 1}


# Names


def enum_names(text, name):
    body = re.search(rf"cdef enum {name}:\n((?:    .*\n)+)", text)[1]
    return [line.split("#")[0].strip() for line in body.splitlines()]


def struct_names(text, name):
    body = re.search(rf"cdef struct {name}:\n((?:(?:    .*)?\n)+?)(?=\S|\Z)", text)[1]
    lines = [line.split("#")[0].strip() for line in body.splitlines()]
    return [re.split(r"[ *]", line)[-1].split("[")[0] for line in lines if line]


def test_drops_are_named_as_in_the_enum():
    names = [n.removeprefix("TDROP_").lower() for n in enum_names((PXD / "state.pxd").read_text(), "tcp_drop")][:-1]
    assert list(conversation().cable.statistics()["tcp_drops"]) == names


def test_counters_and_settings_are_named_as_in_the_structs():
    tcp = conversation()
    assert list(tcp.counters()) == struct_names((PXD / "counters.pxd").read_text(), "tcp_counters")
    assert set(struct_names((PXD / "state.pxd").read_text(), "tcp_config")) <= set(tcp.cable.stack.core.configuration())


def test_snapshots_have_all_fields_of_a_connection():
    assert set(established().snapshot()) == set(struct_names((PXD / "tcb.pxd").read_text(), "tcb"))


def test_a_snapshot_of_nothing_is_an_index_error():
    with pytest.raises(IndexError):
        conversation().cable.stack.core.snapshot(0)


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"nonsense": 1}, "nonsense"), ({"rcvbuf": -1}, "rcvbuf"), ({"timestamps": 300}, "large"), ({"sndbuf": (1 << 30) + 1}, "buffer")],
)
def test_impossible_settings_change_nothing(settings, match):
    core = conversation().cable.stack.core
    before = core.configuration()
    with pytest.raises(ValueError, match=match):
        core.configure(delack=1, **settings)
    assert core.configuration() == before
