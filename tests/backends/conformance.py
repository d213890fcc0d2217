"""What every port must do, whatever moves its frames. A backend's tests derive a class from `Conformance` and give it
an adapter:

    class TestMine(Conformance):
        adapter = MyAdapter()

An adapter makes rigs. A rig is one port with what the test does at its other end.
"""
import itertools
import random
import time

import pytest

from usnet.backends.poller import OSPoller
from usnet.backends.ring import PortCaps
from usnet.wire.gso import complete, cut
from usnet.wire.mirror import checksum

EINVAL, ENXIO = -22, -6
META_CSUM_NEEDED, META_CSUM_VALID, GSO_TCPV4 = 1, 2, 1
NS_MOREFRAG = 0x20
MS = 1_000_000


def frame(number: int, size: int = 60) -> bytes:
    """A recognisable frame of an EtherType for local experiments."""
    body = bytes((number * 7 + i) & 0xFF for i in range(size - 18))
    return b"\x02\x00\x00\x00\x00\x0a\x02\x00\x00\x00\x00\x0b\x88\xb5" + number.to_bytes(4, "big") + body


def several(payload: int, gso: int) -> tuple[bytes, dict[str, int]]:
    """(a frame of several TCP segments from 10.0.0.1 to 10.0.0.2, its meta); with gso=0 of one."""
    l4 = b"\x00\x01\x00\x02" + bytes(8) + b"\x50\x18\xff\xff\x00\x00\x00\x00" + bytes(i * 3 & 0xFF for i in range(payload))
    addresses = b"\x0a\x00\x00\x01\x0a\x00\x00\x02"
    l3 = b"\x45\x00" + (20 + len(l4)).to_bytes(2, "big") + b"\x00\x00\x40\x00\x40\x06\x00\x00" + addresses
    l3 = l3[:10] + checksum(l3).to_bytes(2, "big") + l3[12:]
    partial = (checksum(addresses + b"\x00\x06" + len(l4).to_bytes(2, "big")) ^ 0xFFFF).to_bytes(2, "big")
    meta = {"flags": META_CSUM_NEEDED, "csum_start": 34, "csum_offset": 16, "hdr_len": 54}
    whole = b"\x02\x00\x00\x00\x00\x0a\x02\x00\x00\x00\x00\x0b\x08\x00" + l3 + l4[:16] + partial + l4[18:]
    return whole, {**meta, "gso_type": GSO_TCPV4, "gso_size": gso} if gso else meta


def finished(frames):
    """Frames with their metas as a wire would carry them: cut, with complete checksums."""
    done = []
    for f, meta in frames:
        if meta["gso_size"]:
            done += cut(f, meta["gso_type"], meta["gso_size"])
        else:
            done.append(complete(f, meta["csum_start"], meta["csum_offset"]) if meta["flags"] & META_CSUM_NEEDED else f)
    return done


class Rig:
    """`port`: what is tested. The other end is driven by the methods."""
    port = None

    def inject(self, frames):
        """Makes frames arrive at the port."""
        raise NotImplementedError

    def feed(self):
        """Lets frames come that inject() could not deliver yet: for wires that would lose what finds no room. Called before syncs that wait
        for some."""

    def sent(self):
        """Frames that have left the port since the last call."""
        raise NotImplementedError

    def inject_large(self, frame, meta):
        """Makes a frame arrive with its offload header, where the adapter says has_offloads."""
        raise NotImplementedError

    def sent_large(self):
        """Frames that have left, as a wire would carry them (finished())."""
        raise NotImplementedError

    def pull(self, up):
        """Unplugs the cable, or plugs it in again."""
        raise NotImplementedError

    def vanish(self):
        """Takes the device away."""
        raise NotImplementedError

    def close(self):
        self.port.close()


class Adapter:
    """How to make a rig; and, where the port's description cannot tell, what is possible."""
    can_pull = True
    can_vanish = True
    can_inject_later = True         # False: only what `arriving` named (a file)
    waits = True                    # an OSPoller can wait for it
    can_fragment = True             # takes buffers smaller than its frames
    counts_overruns = True          # False: frames that find no room on the way are lost and nobody counts them (a switch)
    keeps_sent = True               # False: frames that were sent and not read yet are overwritten by later ones, so that they are read at once
    has_offloads = False            # the port has PORT_VNET_HDR, and the rig has inject_large() and sent_large()
    counts_too_long = True          # the port itself sees frames that no run of slots can hold

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        """A rig with rings of that many slots; `arriving` frames are on their way to it."""
        raise NotImplementedError


def collect(rig, count, idle_syncs=50):
    """Receives until `count` frames are there, or nothing has come for a while (of real time, as devices need)."""
    got = []
    for _ in range(idle_syncs):
        rig.feed()
        frames = rig.port.receive()
        got += frames
        if len(got) >= count:
            break
        if not frames:
            time.sleep(0.001)
    return got


def eventually_received(rig):
    """What arrives first, with metas."""
    for _ in range(300):
        rig.feed()
        if got := rig.port.receive(meta=True):
            return got
        time.sleep(0.001)
    raise AssertionError("nothing arrived")


def fill(rig, ring, slots, syncs=200):
    """Syncs until the user has so many slots."""
    for _ in range(syncs):
        rig.feed()
        assert ring.sync() == 0
        if ring.space >= slots:
            return
        time.sleep(0.001)
    raise AssertionError(f"{ring.space} slots of {slots} after {syncs} syncs")


def eventually(condition, tries=300):
    """Whether it comes true: at once, or (a kernel tells of links when it finds the time) a little later."""
    for _ in range(tries):
        if condition():
            return True
        time.sleep(0.01)
    return False


def bodies(frames):
    return [f for f, _ in frames]


class Conformance:
    adapter: Adapter

    @pytest.fixture
    def rig(self):
        made = []

        def make(arriving=(), **settings):
            made.append(self.adapter.open(arriving, **settings))
            return made[-1]
        yield make
        for rig in made:
            rig.close()

    def needs(self, rig, cap):
        if not rig.port.caps & cap:
            pytest.skip(f"this port cannot {cap.name.lower()}")

    def may(self, what):
        if not getattr(self.adapter, what):
            pytest.skip(f"this backend's adapter says {what} = False")

    # Description

    def test_it_describes_itself(self, rig):
        port = rig().port
        said = port.describe()
        assert said["name"] == port.name and ":" in port.name
        assert len(port.mac) == 6 and not port.mac[0] & 1 and any(port.mac)
        assert port.mtu >= 68 and port.link_up and not port.gone
        assert (port.caps & PortCaps.SEND == PortCaps.SEND) == bool(said["tx_slots"])
        assert said["rx_slots"] == [8]
        assert set(port.statistics().values()) == {0}

    # Receiving

    def test_frames_arrive_whole_in_order_and_with_a_time(self, rig):
        expected = [frame(i, 60 + i * 40) for i in range(30)]
        got = collect(rig(expected, slots=64), 30)
        assert bodies(got) == expected
        times = [t for _, t in got]
        assert times == sorted(times) and times[0] > 0

    def test_a_sync_brings_at_most_all_slots_but_one(self, rig):
        expected = [frame(i) for i in range(20)]
        rig = rig(expected, slots=8)
        ring = rig.port.rx_ring()
        fill(rig, ring, 7)
        assert ring.space == 7
        tail = ring.tail
        assert ring.sync() == 0 and ring.tail == tail
        got = bodies(collect(rig, 20))
        lost = rig.port.statistics()["rx_overruns"]
        assert (len(got) + lost == 20 or not self.adapter.counts_overruns) and [f for f in expected if f in got] == got

    def test_slots_that_are_kept_are_not_overwritten(self, rig):
        expected = [frame(i) for i in range(12)]
        rig = rig(expected, slots=8)
        ring = rig.port.rx_ring()
        fill(rig, ring, 7)
        first = ring.head
        ring.advance(3)
        ring.sync()
        fill(rig, ring, 7)
        assert ring.space == 7 and ring.head == (first + 3) % 8
        assert [ring.read((first + i) % 8) for i in range(3, 7)] == expected[3:7]

    @pytest.mark.parametrize("slots", [2, 3, 7, 8, 13])
    def test_rings_of_any_length_wrap_around(self, rig, slots):
        expected = [frame(i, 60 + i % 50) for i in range(5 * slots + 3)]
        assert bodies(collect(rig(expected, slots=slots), len(expected))) == expected

    def test_a_frame_longer_than_a_buffer_spans_slots(self, rig):
        self.may("can_fragment")
        expected = [frame(1, 1000), frame(2, 256), frame(3, 257), frame(4, 64)]
        rig = rig(expected, slots=32, buf_size=256)
        ring = rig.port.rx_ring()
        room = ring.room(ring.head)             # less than a buffer where frames begin further in
        lengths = [min(room, len(f) - at) for f in expected for at in range(0, len(f), room)]
        fill(rig, ring, len(lengths))
        slots = [ring.slot(i) for i in range(len(lengths))]
        assert [s.len for s in slots] == lengths
        ends = list(itertools.accumulate(-(-len(f) // room) for f in expected))
        assert [i + 1 for i, s in enumerate(slots) if not s.flags & NS_MOREFRAG] == ends
        assert bodies(rig.port.receive()) == expected

    def test_a_frame_that_no_run_of_slots_can_hold_is_counted_and_those_around_it_arrive(self, rig):
        self.may("can_fragment")
        try:
            rig = rig([frame(1, 100), frame(2, 1400), frame(3, 100)], slots=5, buf_size=256)
        except ValueError:
            return                      # refused at once: the port's MTU does not fit such a ring
        assert bodies(collect(rig, 2)) == [frame(1, 100), frame(3, 100)]
        assert not self.adapter.counts_too_long or rig.port.statistics()["rx_too_long"] == 1

    # Sending

    def test_frames_leave_whole_and_in_order(self, rig):
        rig = rig(slots=64)
        self.needs(rig, PortCaps.SEND)
        expected = [frame(i, 60 + i * 40) for i in range(30)]
        assert all(rig.port.send(f) for f in expected)
        assert rig.sent() == expected

    def test_nothing_leaves_before_a_sync(self, rig):
        rig = rig()
        self.needs(rig, PortCaps.SEND)
        ring = rig.port.tx_ring()
        ring.write(ring.head, frame(1))
        ring.advance()
        assert rig.sent() == []
        assert ring.sync() == 0 and rig.sent() == [frame(1)]

    def test_one_transmit_slot_stays_unused_and_slots_come_back(self, rig):
        rig = rig(slots=8)
        self.needs(rig, PortCaps.SEND)
        ring = rig.port.tx_ring()
        for batch in range(5):
            assert ring.space == 7
            expected = [frame(batch * 7 + i) for i in range(7)]
            for f in expected:
                ring.write(ring.head, f)
                ring.advance()
            assert ring.space == 0
            assert ring.sync() == 0
            assert rig.sent() == expected
            assert ring.sync() == 0

    def test_a_full_ring_refuses_and_later_takes_again(self, rig):
        rig = rig(slots=4)
        self.needs(rig, PortCaps.SEND)
        ring = rig.port.tx_ring()
        for i in range(3):
            ring.write(ring.head, frame(i))
            ring.advance()
        assert ring.space == 0
        expected = [frame(0), frame(1), frame(2)]
        got = []
        for i in range(3, 40):
            if rig.port.send(frame(i)):
                expected.append(frame(i))
            if not self.adapter.keeps_sent:
                got += rig.sent()
        got += rig.sent()
        for _ in range(50):             # a device may take its time
            rig.port.sync()
            got += rig.sent()
            if got == expected:
                break
        assert [f for f in expected if f in got] == got and len(got) >= 3
        assert got == expected or not self.adapter.counts_overruns

    @pytest.mark.parametrize("slots", [2, 3, 7, 13])
    def test_sending_wraps_around_rings_of_any_length(self, rig, slots):
        rig = rig(slots=slots)
        self.needs(rig, PortCaps.SEND)
        got = []
        for i in range(5 * slots):
            assert rig.port.send(frame(i, 60 + i))
            got += rig.sent()
        assert got == [frame(i, 60 + i) for i in range(5 * slots)]

    def test_a_sent_frame_may_span_slots(self, rig):
        self.may("can_fragment")
        rig = rig(slots=32, buf_size=256)
        self.needs(rig, PortCaps.SEND)
        expected = [frame(1, 1000), frame(2, 256), frame(3, 257)]
        assert all(rig.port.send(f) for f in expected)
        assert rig.sent() == expected

    # Offloads

    @pytest.mark.parametrize(("payload", "gso"), [(1, 0), (1000, 0), (2000, 1000), (9999, 1448), (65495, 1460)])
    def test_a_frame_of_several_segments_leaves(self, rig, payload, gso):
        self.may("has_offloads")
        rig = rig(slots=128)
        large, meta = several(payload, gso)
        assert PortCaps.VNET_HDR in rig.port.caps and rig.port.send(large, meta=meta)
        assert rig.sent_large() == finished([(large, {"gso_size": 0, **meta})])

    @pytest.mark.parametrize(("payload", "gso"), [(1, 0), (1000, 0), (2000, 1000), (9999, 1448), (60000, 1460)])
    def test_a_frame_of_several_segments_arrives_in_one_or_more(self, rig, payload, gso):
        self.may("has_offloads")
        rig = rig(slots=128)
        large, meta = several(payload, gso)
        rig.inject_large(large, meta)
        wanted, got = finished([(large, {"gso_size": 0, **meta})]), []
        for _ in range(50):
            rig.feed()
            got += rig.port.receive(meta=True)
            if len(finished(got)) >= len(wanted):
                break
            time.sleep(0.001)
        assert finished(got) == wanted
        assert all(m["flags"] & (META_CSUM_NEEDED | META_CSUM_VALID) for _, m in got)

    def test_plain_frames_have_no_offload_header(self, rig):
        self.may("has_offloads")
        rig = rig([frame(1)])
        ((got, meta),) = eventually_received(rig)
        assert got == frame(1) and not meta["flags"] & META_CSUM_NEEDED and not meta["gso_size"]

    # Rules broken

    @pytest.mark.parametrize(("direction", "spoil"), [
        # on an empty transmit ring every slot but the unused one is the user's, so that fewer moves are wrong
        *(("tx", s) for s in ("cur behind head", "head outside", "cur outside")),
        *(("rx", s) for s in ("cur behind head", "head outside", "cur outside", "head beyond tail", "cur beyond tail",
                              "head goes back")),
    ])
    def test_broken_indices_set_the_ring_up_anew(self, rig, direction, spoil):
        rig = rig([frame(i) for i in range(4)], slots=8)
        if direction == "tx":
            self.needs(rig, PortCaps.SEND)
            for i in range(3):
                rig.port.send(frame(i))
            rig.sent()
            rig.port.sync()
            ring = rig.port.tx_ring()
        else:
            ring = rig.port.rx_ring()
            fill(rig, ring, 4)
            ring.advance()
            assert ring.sync() == 0
        head, n = ring.head, ring.num_slots
        ring.head, ring.cur = {
            "cur behind head": ((head + 2) % n, (head + 1) % n), "head outside": (n, n),
            "cur outside": (head, 2**32 - 1),
            "head beyond tail": ((ring.tail + 1) % n,) * 2, "cur beyond tail": (head, (ring.tail + 1) % n),
            "head goes back": (head - 1, head),
        }[spoil]
        assert ring.sync() == EINVAL
        assert ring.space == (7 if direction == "tx" else 0)
        assert rig.port.statistics()["ring_resets"] == 1
        self.still_works(rig)

    @pytest.mark.parametrize("index", [0, 1, "n_bufs", 2**32 - 1])
    def test_a_bad_buffer_index_sets_the_ring_up_anew(self, rig, index):
        rig = rig([frame(0)])
        ring = rig.port.tx_ring() if rig.port.caps & PortCaps.SEND else rig.port.rx_ring()
        fill(rig, ring, 1)
        ring.set_slot(ring.head, buf_idx=rig.port.describe()["buffers"] if index == "n_bufs" else index, len=60)
        ring.advance()
        assert ring.sync() == EINVAL
        assert rig.port.statistics()["ring_resets"] == 1
        assert all(2 <= ring.slot(i).buf_idx < rig.port.describe()["buffers"] for i in range(8))
        self.still_works(rig)

    @pytest.mark.parametrize("fault", ["too long", "cut short"])
    def test_a_bad_transmit_slot_sets_the_ring_up_anew_and_nothing_leaves(self, rig, fault):
        rig = rig()
        self.needs(rig, PortCaps.SEND)
        ring = rig.port.tx_ring()
        ring.write(ring.head, frame(1), flags=NS_MOREFRAG if fault == "cut short" else 0)
        if fault == "too long":
            ring.set_slot(ring.head, len=2049)
        ring.advance()
        assert ring.sync() == EINVAL
        assert rig.sent() == [] and ring.space == 7
        self.still_works(rig)

    def test_a_tail_that_the_user_wrote_is_put_back(self, rig):
        rig = rig()
        ring = rig.port.rx_ring()
        ring.sync()
        tail, ring.tail = ring.tail, 5
        assert tail != 5
        assert ring.sync() == 0 and ring.tail == tail

    def test_rubbish_in_the_rings_never_does_more_than_reset_them(self, rig):
        rig = rig(slots=7)
        r = random.Random(5)
        rings = [rig.port.rx_ring()] + ([rig.port.tx_ring()] if rig.port.caps & PortCaps.SEND else [])
        for _ in range(300):
            ring = r.choice(rings)
            for _ in range(r.randrange(3)):
                setattr(ring, r.choice(["head", "cur", "tail"]), r.choice([r.randrange(9), 2**32 - 1]))
            ring.set_slot(r.randrange(7), buf_idx=r.choice([r.randrange(20), 2**31]), len=r.randrange(65536),
                          flags=r.randrange(65536))
            status = ring.sync()
            assert status in (0, EINVAL), status
            assert ring.space <= 6
        for ring in rings:
            ring.head = ring.cur = 99
            assert ring.sync() == EINVAL
        if rig.port.caps & PortCaps.SEND:
            rig.sent()
        self.still_works(rig)

    def still_works(self, rig):
        if rig.port.caps & PortCaps.SEND:
            rig.port.sync()
            rig.sent()
            assert rig.port.send(frame(77))
            assert rig.sent() == [frame(77)]
        if self.adapter.can_inject_later:
            collect(rig, 1 << 30, idle_syncs=2)
            rig.inject([frame(78)])
            assert frame(78) in bodies(collect(rig, 1))

    # Buffers

    def test_a_received_buffer_swaps_with_a_spare_one_and_keeps_its_frame(self, rig):
        expected = [frame(i, 90) for i in range(20)]
        rig = rig(expected, slots=5, spares=2)
        self.needs(rig, PortCaps.SWAP)
        assert len(set(rig.port.spare_buffers)) == 2 and rig.port.pool != 0
        ring = rig.port.rx_ring()
        fill(rig, ring, 2)
        at, kept = ring.head, ring.slot(ring.head).buf_idx
        assert kept not in rig.port.spare_buffers
        ring.set_slot(at, buf_idx=rig.port.spare_buffers[0], flags=1)
        ring.advance()
        assert bodies(collect(rig, 19)) == expected[1:]
        ring.set_slot(at, buf_idx=kept, len=90)
        assert ring.read(at) == expected[0]

    def test_a_received_buffer_is_sent_by_swapping_slots(self, rig):
        rig = rig([frame(5, 99)])
        self.needs(rig, PortCaps.SWAP | PortCaps.SEND)
        if not rig.port.caps & PortCaps.SEND:
            pytest.skip("this port cannot send")
        rx, tx = rig.port.rx_ring(), rig.port.tx_ring()
        fill(rig, rx, 1)
        mine, theirs = rx.slot(rx.head).buf_idx, tx.slot(tx.head).buf_idx
        rx.set_slot(rx.head, buf_idx=theirs, flags=1)
        tx.set_slot(tx.head, buf_idx=mine, len=99, flags=1)
        rx.advance()
        tx.advance()
        assert (rx.sync(), tx.sync()) == (0, 0)
        assert rig.sent() == [frame(5, 99)]

    # Link, device, waiting, counting

    def test_a_link_that_is_down_takes_frames_and_drops_them(self, rig):
        self.may("can_pull")
        rig = rig()
        self.needs(rig, PortCaps.SEND)
        rig.pull(False)
        assert eventually(lambda: not rig.port.link_up) and not rig.port.gone
        assert all(rig.port.send(frame(i)) for i in range(20))
        assert rig.sent() == []
        assert rig.port.statistics()["tx_errors"] == 20
        rig.pull(True)
        assert eventually(lambda: rig.port.link_up)
        self.still_works(rig)

    def test_a_port_that_vanished_says_so_at_every_sync(self, rig):
        self.may("can_vanish")
        rig = rig()
        rig.vanish()
        assert [rig.port.rx_ring().sync() for _ in range(3)] == [ENXIO] * 3
        if rig.port.caps & PortCaps.SEND:
            assert rig.port.tx_ring().sync() == ENXIO
        assert rig.port.gone and not rig.port.link_up
        with pytest.raises(OSError, match="No such device"):
            rig.port.sync()

    def test_a_closed_port_stays_closed(self, rig):
        rig = rig()
        rig.port.close()
        rig.port.close()
        assert rig.port.gone and rig.port.rx_ring().sync() == ENXIO

    def test_frames_and_bytes_are_counted(self, rig):
        rig = rig([frame(i, 100) for i in range(5)])
        collect(rig, 5)
        said = rig.port.statistics()
        assert (said["rx_frames"], said["rx_bytes"]) == (5, 500)
        if rig.port.caps & PortCaps.SEND:
            for i in range(4):
                rig.port.send(frame(i, 200))
            rig.sent()
            said = rig.port.statistics()
            assert (said["tx_frames"], said["tx_bytes"], said["tx_errors"]) == (4, 800, 0)

    def test_a_wait_ends_when_a_frame_arrives_and_not_before(self, rig):
        self.may("waits")
        rig = rig()
        self.needs(rig, PortCaps.FILENO)
        with OSPoller() as poller:
            poller.add_port(rig.port)
            rig.port.receive()
            for i in range(3):
                assert not poller.wait(poller.clock.now() + 2 * MS)
                if not self.adapter.can_inject_later:
                    return
                rig.inject([frame(i)])
                assert poller.wait(poller.clock.now() + 2000 * MS)
                assert poller.wait(poller.clock.now() + 2000 * MS), "still there, so still ready"
                assert bodies(collect(rig, 1)) == [frame(i)]
