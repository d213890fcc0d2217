"""Captures show what passed; faults do what the rules say, in the port's time."""
import io
import random
import shutil
import subprocess
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.backends.conformance import frame
from usnet.backends.clock import ManualClock, MonotonicClock
from usnet.backends.fate import Fate
from usnet.backends.pair import make_pair
from usnet.backends.pcap.reader import CaptureReader
from usnet.backends.poller import OSPoller
from usnet.backends.wrappers.capture import CapturePort
from usnet.backends.wrappers.faults import FaultPort
from usnet.backends.wrappers.pcapng import PcapngWriter
from usnet.wire.gso import complete, cut

MS = 10**6
NEEDED = 1      # META_CSUM_NEEDED


def bodies(frames):
    return [f for f, _ in frames]


# Capture

def test_a_capture_shows_both_directions_in_order_with_the_ports_times(tmp_path):
    clock = ManualClock(1000)
    a, b = make_pair(clock=clock, buf_size=(256, 2048))
    path = tmp_path / "c.pcapng"
    with CapturePort(a, path) as port:
        port.send(frame(1, 1000))
        clock.advance(50)
        b.send(frame(2))
        port.receive()
        clock.advance(50)
        port.send(frame(3))
    with pytest.raises(OSError, match="No such device"):
        port.sync()
    reader = CaptureReader(path)
    assert [reader.read() for _ in range(4)] == [
        (frame(1, 1000), 1000, 1, 2), (frame(2), 1050, 1, 1), (frame(3), 1100, 1, 2), None]


def test_times_of_the_monotonic_clock_become_the_time_of_day(tmp_path):
    a, _ = make_pair()
    with CapturePort(a, tmp_path / "c.pcapng") as port:
        port.send(frame(1))
    ((_, when),) = CaptureReader(tmp_path / "c.pcapng")
    assert abs(when - time.time_ns()) < 60 * 10**9
    assert isinstance(a.clock, MonotonicClock)


def test_a_file_object_gets_everything_by_the_end(tmp_path):
    a, b = make_pair()
    out = io.BytesIO()
    with CapturePort(a, out) as port:
        for i in range(300):
            port.send(frame(i, 1400))
            b.receive()
    (tmp_path / "c.pcapng").write_bytes(out.getvalue())
    assert bodies(CaptureReader(tmp_path / "c.pcapng")) == [frame(i, 1400) for i in range(300)]


def test_a_frame_is_captured_once_however_often_it_is_synced(tmp_path):
    a, b = make_pair()
    port = CapturePort(a, tmp_path / "c.pcapng")
    b.send(frame(1))
    for _ in range(3):
        port.rx_ring().sync()
        port.tx_ring().sync()
    port.receive()
    assert port.writer.frames == 1
    port.close()


def test_several_ports_share_a_writer(tmp_path):
    a, b = make_pair()
    writer = PcapngWriter(tmp_path / "c.pcapng")
    left, right = CapturePort(a, writer), CapturePort(b, writer)
    left.send(frame(1))
    assert bodies(right.receive()) == [frame(1)]
    left.close()
    writer.close()
    assert bodies(CaptureReader(tmp_path / "c.pcapng")) == [frame(1)] * 2


def test_a_full_disk_ends_the_capture_not_the_traffic():
    a, b = make_pair()
    port = CapturePort(a, "/dev/full")
    for i in range(400):
        assert port.send(frame(i, 1400))
        assert bodies(b.receive()) == [frame(i, 1400)]
    with pytest.raises(OSError, match="No space"):
        port.flush()
    assert port.writer.lost > 0
    with pytest.raises(OSError, match="No space"):
        port.close()
    assert a.gone


def test_a_file_object_that_fails_does_not_either():
    class Broken(io.RawIOBase):
        def write(self, data):
            raise KeyError("broken")
    a, _ = make_pair()
    port = CapturePort(a, Broken())
    assert port.send(frame(1))
    with pytest.raises(OSError):
        port.flush()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark (Debian package tshark)")
def test_tshark_reads_a_capture_without_complaint(tmp_path):
    clock = ManualClock(1_700_000_000_123_456_789)
    a, _ = make_pair(clock=clock)
    path = tmp_path / "c.pcapng"
    sizes = [60, 61, 62, 63, 1514]
    with CapturePort(a, path) as port:
        for i, size in enumerate(sizes):
            port.send(frame(i, size))
            clock.advance(1)
    fields = [arg for f in ("frame.time_epoch", "frame.len", "frame.packet_flags_direction",
                            "frame.interface_name") for arg in ("-e", f)]
    out = subprocess.run(["tshark", "-r", path, "-T", "fields", *fields], capture_output=True, text=True, timeout=60,
                         check=True)
    assert out.stdout.splitlines() == [f"1700000000.{123456789 + i}\t{n}\t0x00000002\tpair:pair:a" for i,
                                       n in enumerate(sizes)]
    assert "damaged" not in out.stderr and "error" not in out.stderr.lower()


# Faults

def harmed(*rules, slots=64, seed=1, **kw):
    clock = ManualClock(0)
    a, b = make_pair(clock=clock, slots=slots)
    return FaultPort(a, rules, seed, **kw), b, clock


def test_a_rule_strikes_its_direction_alone():
    port, far, _ = harmed(Fate("drop", at="a->b", nth="2..3"), Fate("drop", at="b->a", nth=1))
    for i in range(5):
        port.send(frame(i))
        far.send(frame(10 + i))
    assert bodies(far.receive()) == [frame(0), frame(3), frame(4)]
    assert bodies(port.receive()) == [frame(i) for i in (11, 12, 13, 14)]
    assert port.fault_counts()["dropped"] == (2, 1)
    assert port.statistics()["tx_frames"] == 5 and port.statistics()["rx_frames"] == 4


def test_a_delayed_frame_arrives_when_it_is_due_and_others_overtake_it():
    port, far, clock = harmed(Fate("delay(5ms)", nth=1))
    far.send(frame(1))
    far.send(frame(2))
    assert port.receive() == [(frame(2), 0)]
    clock.advance(5 * MS - 1)
    assert port.receive() == []
    clock.advance(1)
    assert port.receive() == [(frame(1), 5 * MS)]


def test_a_delayed_frame_leaves_also_when_the_user_only_receives():
    port, far, clock = harmed(Fate("delay(5ms)"))
    port.send(frame(1))
    clock.advance(5 * MS)
    assert far.receive() == []
    port.receive()
    assert bodies(far.receive()) == [frame(1)]


def test_equal_delays_keep_the_order():
    port, far, clock = harmed(Fate("delay(1ms)"))
    for i in range(20):
        port.send(frame(i))
    clock.advance(MS)
    port.sync()
    assert bodies(far.receive()) == [frame(i) for i in range(20)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_frames_with_delays_of_all_lengths_arrive_in_the_order_of_their_times(seed):
    delays = [random.Random(seed).randrange(40) for _ in range(200)]
    port, far, clock = harmed(*[Fate(f"delay({delay + 1}ms)", nth=i + 1) for i, delay in enumerate(delays)], slots=512)
    got = []
    for i in range(200):
        port.send(frame(i))
        if i % 20 == 19:                    # some go while others come
            clock.advance(MS)
            port.sync()
            got += bodies(far.receive())
    clock.advance(40 * MS)
    port.sync()
    got += bodies(far.receive())
    came_and_due = [(i // 20 + 1 + delay, i) for i, delay in enumerate(delays)]
    assert got == [frame(i) for _, i in sorted(came_and_due)]


def test_a_frame_whose_turn_comes_overtakes_those_that_wait_for_a_later_time():
    port, far, clock = harmed(Fate("delay(1ms)", nth=[1, 2]), Fate("reorder(3, within=10ms)", nth=3),
                              Fate("reorder(2, within=10ms)", nth=4))
    for i in range(7):
        port.send(frame(i))
    assert bodies(far.receive()) == [frame(i) for i in (4, 5, 3, 2, 6)]
    clock.advance(10 * MS)
    port.sync()
    assert bodies(far.receive()) == [frame(0), frame(1)]
    assert port.fault_counts()["held"] == 0


def test_duplicates_follow_at_their_gap():
    port, far, clock = harmed(Fate("dup(2, gap=1ms)"))
    port.send(frame(1))
    seen = []
    for _ in range(4):
        port.sync()
        seen.append(len(far.receive()))
        clock.advance(MS)
    assert seen == [1, 1, 1, 0]


def test_a_corrupted_frame_differs_in_one_bit_behind_the_ethernet_header():
    port, far, _ = harmed(Fate("corrupt"))
    port.send(frame(1))
    ((got, _),) = far.receive()
    difference = int.from_bytes(got, "big") ^ int.from_bytes(frame(1), "big")
    assert difference.bit_count() == 1 and got[:14] == frame(1)[:14]


def test_a_reordered_frame_passes_behind_so_many_others_or_in_time():
    port, far, clock = harmed(Fate("reorder(2, within=10ms)", nth=[1, 6]))
    for i in range(6):
        port.send(frame(i))
    assert bodies(far.receive()) == [frame(i) for i in (1, 2, 0, 3, 4)]
    clock.advance(10 * MS)
    port.sync()
    assert bodies(far.receive()) == [frame(5)]


def test_a_full_ring_behind_it_holds_frames_back_in_order():
    port, far, _ = harmed(Fate("dup"), slots=8)
    sent = []
    for i in range(200):
        if port.send(frame(i)):
            sent.append(frame(i))
    got = []
    for _ in range(1000):
        frames = bodies(far.receive())
        got += frames
        port.sync()
    assert got[::2] == sent == got[1::2]


def test_a_sleeper_is_woken_for_a_frame_that_becomes_due():
    a, b = make_pair()
    with FaultPort(a, [Fate("delay(3ms)")]) as port, OSPoller() as poller:
        poller.add_port(port)
        b.send(frame(1))
        start = poller.clock.now()
        got = []
        while not got:
            assert poller.wait(start + 2 * 10**9)
            got = port.receive()
        assert poller.clock.now() - start >= 3 * MS and bodies(got) == [frame(1)]


def test_more_than_can_be_held_are_left_where_they_are():
    port, far, clock = harmed(Fate("delay(1s)"), slots=512, max_held=100)
    for i in range(60):
        port.send(frame(i))
    clock.advance(10**9)
    got = []
    for _ in range(10):
        port.sync()
        got += bodies(far.receive())
        clock.advance(10**9)
    assert got == [frame(i) for i in range(60)]
    assert port.fault_counts()["overflow"] == 0


def test_the_same_seed_gives_the_same_fates():
    def run(seed):
        port, far, _ = harmed(Fate("drop", p=0.3), slots=512, seed=seed)
        for i in range(300):
            port.send(frame(i))
        return bodies(far.receive())
    assert run(5) == run(5) != run(6)


# Offloads

def several(n=3000, size=1000):
    """(a frame of several TCP segments, its meta, the segments)"""
    from usnet.wire.mirror import checksum
    payload = bytes(i * 5 & 255 for i in range(n))
    raw = bytearray(bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2", flags="DF") / TCP(seq=5, flags="PA") / payload))
    raw[50:52] = (checksum(bytes(raw[26:34]) + b"\0\x06" + (len(raw) - 34).to_bytes(2, "big")) ^ 0xFFFF).to_bytes(2, "big")
    meta = {"flags": NEEDED, "csum_start": 34, "csum_offset": 16, "gso_type": 1, "gso_size": size}
    return bytes(raw), meta, cut(bytes(raw), 1, size)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark (Debian package tshark)")
def test_a_capture_has_frames_of_several_slots_whole_and_their_checksums_complete(tmp_path):
    a, b = make_pair(buf_size=(512, 2048), offload=True)
    path = tmp_path / "c.pcapng"
    large, meta, _ = several()
    single, its, _ = several(100)
    with CapturePort(a, path) as port:
        assert port.send(large, meta=meta) and port.send(single, meta={**its, "gso_type": 0, "gso_size": 0})
        # on the wire they stay as they were
        assert [(f, m["gso_size"]) for f, m in b.receive(meta=True)] == [(large, 1000), (single, 0)]
        b.send(large, meta=meta)
        assert [m["gso_size"] for _, m in port.receive(meta=True)] == [1000]
    out = subprocess.run(["tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e", "frame.len", "-e", "tcp.checksum.status"],
                         capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.splitlines() == [f"{len(large)}\t1", f"{len(single)}\t1", f"{len(large)}\t1"]


def offloading(*rules):
    a, b = make_pair(clock=ManualClock(0), buf_size=(512, 2048), offload=True)
    return FaultPort(a, rules, 1), b


def test_a_rule_strikes_single_segments_of_a_frame():
    large, meta, segments = several()
    port, far = offloading(Fate("drop", at="a->b", nth=2), Fate("dup", at="b->a", nth=3))
    port.send(large, meta=meta)
    assert [(f, m["gso_size"], m["flags"] & NEEDED) for f, m in far.receive(meta=True)] == [(segments[i], 0, 0) for i in (0, 2)]
    far.send(large, meta=meta)
    assert [f for f, _ in port.receive()] == [segments[0], segments[1], segments[2], segments[2]]


def test_what_is_corrupted_is_seen_to_be():
    """A partial checksum would be completed over the wrong bytes."""
    port, far = offloading(Fate("corrupt", at="b->a"))
    single, meta, _ = several(100)
    far.send(single, meta={**meta, "gso_type": 0, "gso_size": 0})
    ((seen, its),) = port.receive(meta=True)
    assert its["flags"] == 0
    good = complete(single, meta["csum_start"], meta["csum_offset"])
    assert sum((a ^ b).bit_count() for a, b in zip(seen, good, strict=True)) == 1
