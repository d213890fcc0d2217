"""Ports on the stand-in, whose users keep the rules of rings in any order, or write rubbish. USNET_FUZZ: see test_fuzz.py."""
import collections
import errno
import select

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.backends.netmap.adapters import stand_in
from tests.backends.netmap.handle import BUF_CHANGED, MOREFRAG, Handle
from tests.backends.netmap.test_fuzz import BROADCAST, edges, run, which
from usnet.backends import netmap
from usnet.backends.netmap.opening import open_port


def pair_of_ports(kind):
    """Two ports of a stand-in with a way between them, and what must be closed before the pools are counted."""
    device = stand_in(256)
    device.nic("em0", rx_buf_max=256, mtu=200)
    keep = [Handle(device)]
    assert keep[0].register("em0") == 0
    start = device.pools()
    settings_ = {"slots": 8, "exclusive": False, **({"offsets": 32} if "offsets" in kind else {"spares": 2})}
    near, far = ("em0{1", "em0}1") if "pipe" in kind else ("vale0:a", "vale0:b")
    held = []
    if "header" in kind:
        for name in (near, far):
            held.append(netmap.open(name, device, tx_slots=8, rx_slots=8))
            netmap.port_hdr_set(name, 12, device)
    ports = [open_port(name, device=device, **settings_) for name in (near, far)]
    for each in held:
        each.close()
    return device, keep, start, ports


class Stacks(RuleBasedStateMachine):
    """Two that keep the rules: what one sends the other receives, once and in order, whatever happens in between."""
    kinds = ("pipe", "pipe with offsets", "switch", "switch with header", "switch with offsets")

    @initialize(kind=st.sampled_from(kinds))
    def opens(self, kind):
        self.device, self.keep, self.start, self.ports = pair_of_ports(kind)
        self.lossy = "switch" in kind
        self.way = [collections.deque(), collections.deque()]       # frames that are on their way from port 0, from port 1
        self.slots = [0, 0]                                         # that they take
        self.count = 0

    def new_frame(self, size):
        self.count += 1
        return BROADCAST[:12] + self.count.to_bytes(4, "big") * (size // 4)

    def needs(self, port, frame):
        ring = port.tx_ring()
        return -(-(len(frame) + 12) // (ring.buf_size - 32))

    def room(self, end, slots):
        """A switch drops what finds no room."""
        if not self.lossy:
            return True
        assert self.ports[1 - end].rx_ring().sync() == 0
        return self.slots[end] + slots <= 7

    @rule(end=st.integers(0, 1), size=st.sampled_from((4, 60, 180, 256, 600, 1000)))
    def sends(self, end, size):
        frame = self.new_frame(size)
        slots = self.needs(self.ports[end], frame)
        if self.room(end, slots) and self.ports[end].send(frame):
            self.way[end].append(frame)
            self.slots[end] += slots

    @rule(end=st.integers(0, 1), sizes=st.lists(st.sampled_from((4, 60, 180)), max_size=7), sync=st.booleans())
    def fills(self, end, sizes, sync):
        ring = self.ports[end].tx_ring()
        for size in sizes:
            if ring.space and self.room(end, 1):
                frame = self.new_frame(size)
                ring.write(ring.head, frame)
                ring.advance()
                self.way[end].append(frame)
                self.slots[end] += 1
        if sync:
            assert ring.sync() == 0

    @rule(end=st.integers(0, 1), most=st.integers(0, 8), back=st.booleans())
    def takes(self, end, most, back):
        """Frames, whole; some are sent back in the buffer that they came in."""
        rx, tx = self.ports[end].rx_ring(), self.ports[end].tx_ring()
        assert rx.sync() == 0
        for _ in range(most):
            if not rx.space:
                break
            first, frame, more = rx.head, b"", True
            while more:
                assert rx.space
                frame += rx.read(rx.head)
                more = rx.slot(rx.head).flags & MOREFRAG
                if more or not (back and rx.head == first and tx.space and self.room(end, 1)):
                    rx.advance()
                    continue
                mine, offset, theirs, other = rx.slot(first), rx.offset(first), tx.slot(tx.head), tx.offset(tx.head)
                tx.set_slot(tx.head, buf_idx=mine.buf_idx, len=mine.len, flags=BUF_CHANGED, offset=offset)
                rx.set_slot(first, buf_idx=theirs.buf_idx, flags=BUF_CHANGED, offset=other)
                tx.advance()
                rx.advance()
                self.way[end].append(frame)
                self.slots[end] += 1
            expected = self.way[1 - end].popleft()
            self.slots[1 - end] -= self.needs(self.ports[end], expected) if len(expected) > 200 else 1
            assert frame == expected

    @rule(end=st.integers(0, 1), how=st.sampled_from(("tx", "rx", "arm", "link")))
    def looks(self, end, how):
        port = self.ports[end]
        if how == "arm":
            port.arm(True)
        elif how == "link":
            assert port.link_up
        else:
            assert (port.tx_ring() if how == "tx" else port.rx_ring()).sync() == 0

    @rule(end=st.integers(0, 1))
    def waits(self, end):
        """Whoever has handed all over and syncs no more hears of each frame."""
        for port in self.ports:
            assert port.tx_ring().sync() == 0
        port = self.ports[end]
        assert port.rx_ring().sync() == 0
        waiting = port.rx_ring().space
        port.arm()
        with select.epoll() as epoll:
            epoll.register(port.fileno(), select.EPOLLIN)
            assert bool(epoll.poll(0)) >= bool(waiting)

    def teardown(self):
        if not hasattr(self, "ports"):
            return
        for _ in range(40):                     # a pipe gives slots back one sync later
            for end, port in enumerate(self.ports):
                assert port.tx_ring().sync() == 0
                self.takes(end, 8, False)
        assert not any(self.way)
        for port in self.ports:
            assert port.statistics()["ring_resets"] == 0
            port.close()
        assert self.device.pools() == self.start


class PortVandals(RuleBasedStateMachine):
    """Rubbish in rings: a sync sets the ring up anew, and nothing else; those at the other end see nothing of it but lost frames."""

    @initialize(kind=st.sampled_from(Stacks.kinds))
    def opens(self, kind):
        self.kind = kind
        self.device, self.keep, self.start, self.ports = pair_of_ports(kind)

    def ring(self, which):
        port = self.ports[which & 1]
        return port.tx_ring() if which & 2 else port.rx_ring()

    def sync(self, which):
        ring = self.ring(which)
        status = ring.sync()
        assert status in (0, -errno.EINVAL)
        assert max(ring.head, ring.cur, ring.tail) < 8
        if status:
            assert ring.sync() == 0
        return status

    @rule(which=which, field=st.sampled_from(("head", "cur", "tail")), value=edges)
    def writes_an_index(self, which, field, value):
        setattr(self.ring(which), field, value)

    @rule(which=which, field=st.sampled_from(("buf_idx", "len", "flags", "offset")), value=edges, place=st.integers(0, 7))
    def writes_into_a_slot(self, which, field, value, place):
        self.ring(which).set_slot(place, **{field: value & (0xffff if field in ("flags", "len") else 2**32 - 1)})

    @rule(which=which, by=st.integers(0, 9))
    def advances(self, which, by):
        ring = self.ring(which)
        if ring.head < 8:
            ring.advance(by)

    @rule(which=which)
    def syncs(self, which):
        self.sync(which)

    @rule(which=which)
    def arms(self, which):
        self.ports[which & 1].arm(True)

    @rule(which=which)
    def asks_for_the_link(self, which):
        assert self.ports[which & 1].link_up

    def teardown(self):
        if not hasattr(self, "ports"):
            return
        for n in range(4):
            self.ring(n).head = 99
            assert self.sync(n) == -errno.EINVAL
        for _ in range(10):                     # what lies in the rings is of no interest
            for n in range(4):
                self.sync(n)
                if not n & 2:
                    ring = self.ring(n)
                    ring.advance(ring.space)
                    assert ring.sync() == 0
        for end in (0, 1):
            for ring in (self.ports[end].tx_ring(), self.ports[1 - end].rx_ring()):
                for i in range(8 if "offsets" in self.kind else 0):
                    ring.set_slot(i, offset=32)     # the module moves frames where those of the two ends differ, too far even
            frame = BROADCAST[:12] + b"good" * 20
            assert self.ports[end].send(frame)
            assert [data for data, _ in self.ports[1 - end].receive()] == [frame]
        for port in self.ports:
            port.close()


def test_two_stacks_lose_nothing_between_them():
    run(Stacks)


def test_rubbish_in_the_rings_of_a_port_sets_them_up_anew_and_no_more():
    run(PortVandals)
