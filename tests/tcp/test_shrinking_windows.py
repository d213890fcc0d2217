"""A peer that takes back what its window promised (RFC 9293, 3.8.6; RFC 7323, 2.4): nothing new leaves beyond it, what is out is sent again within
it, a closed one is probed, and all arrives once it opens."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from usnet.testing.peer import Tcp, established
from usnet.wire.mirror import TcpHeader

MSS = 1000
KINDS = {"rack": {"sack": True, "recovery": 1}, "sack": {"sack": True, "recovery": 0}, "none": {}}
STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 5000)),
    st.tuples(st.just("wait"), st.sampled_from([1, 50, 250, 1000, 5000])),
    st.tuples(st.just("answer"), st.sampled_from([0, 0, 1, 99, 500, 999, 1000, 1001, 2500, 8000, 65535])),
    st.tuples(st.just("lose"), st.integers(1, 5)),
)


class Peer:
    """Takes what arrives, loses what it is told to, and answers with any window. `broken`: what left that must not."""

    def __init__(self, tcp: Tcp, shift: int) -> None:
        self.tcp, self.shift = tcp, shift
        self.here: set[int] = set()         # numbers that arrived ahead of `next`
        self.next = 1
        self.una, self.edge = 1, 1 + 65535  # as last said
        self.top = 1                        # behind all that was sent
        self.losing = 0
        self.broken: list[str] = []

    def see(self) -> None:
        self.tcp.cable.run()
        for segment in self.tcp.take():
            self.judge(segment)
            if self.losing:
                self.losing -= 1
                continue
            self.here.update(range(segment.seq, segment.end))
            while self.next in self.here:
                self.here.discard(self.next)
                self.next += 1

    def judge(self, segment) -> None:
        probe = segment.length == 1 and segment.seq == self.una
        slack = (1 << self.shift) - 1 if segment.end <= self.top and self.edge > self.una else 0
        if segment.length and not probe and segment.end > self.edge + slack:
            self.broken.append(f"{segment} ends behind {self.edge}, {self.top} sent")
        if segment.length and (segment.seq < self.una or segment.seq > self.top):
            self.broken.append(f"{segment} begins at neither {self.una} nor {self.top}, nor between")
        self.top = max(self.top, segment.end)

    def wait(self, ms: int) -> None:
        tcp, then = self.tcp, self.tcp.cable.clock.now() + ms * 10**6
        while True:
            self.see()
            deadline = tcp.cable.run()
            if deadline is None or deadline > then:
                break
            tcp.cable.clock.set(max(deadline, tcp.cable.clock.now()))
        tcp.cable.clock.set(then)

    def answer(self, window: int) -> None:
        """With what is here reported, where that was agreed on."""
        tcp, field = self.tcp, window >> self.shift
        blocks = []
        for number in sorted(self.here):
            if blocks and blocks[-1][1] == number:
                blocks[-1][1] += 1
            else:
                blocks.append([number, number + 1])
        sack = tuple((tcp.us_isn + a & 0xFFFFFFFF, tcp.us_isn + b & 0xFFFFFFFF) for a, b in blocks[-3:]) if tcp.reports else ()
        ack = (tcp.us_isn + self.next) & 0xFFFFFFFF
        header = TcpHeader(tcp.port, tcp.us_port, (tcp.isn + 1) & 0xFFFFFFFF, ack, 16, field, 0, sack=sack)
        tcp.cable.put(6, header.to_bytes(b"", tcp.peer_ip, tcp.our_ip), 0, tos=0)
        self.una, self.edge = self.next, self.next + (field << self.shift)
        self.see()


def meet(kind, shift) -> Peer:
    from usnet.testing.peer import PEER, US

    tcp = established(mss=MSS, wscale=shift if shift else None, sndbuf=1 << 16, **KINDS[kind])
    tcp.reports, tcp.peer_ip, tcp.our_ip = "sack" in KINDS[kind], PEER, US
    peer = Peer(tcp, shift)
    peer.answer(65535)
    return peer


def sane(tcp) -> None:
    k = tcp.snapshot()
    out, again = (k["snd_max"] - k["snd_una"]) & 0xFFFFFFFF, (k["snd_nxt"] - k["snd_una"]) & 0xFFFFFFFF
    assert again <= out <= len(tcp.sent)
    assert k["state"] == "ESTABLISHED"
    assert k["cc"]["cwnd"] >= MSS


def play(kind, shift, steps) -> Peer:
    peer = meet(kind, shift)
    for what, n in steps:
        if what == "write":
            try:
                peer.tcp.send(n)
            except BlockingIOError:
                pass
            peer.see()
        elif what == "wait":
            peer.wait(n)
        elif what == "answer":
            peer.answer(n)
        else:
            peer.losing = n
        sane(peer.tcp)
    return peer


@pytest.mark.parametrize("shift", [0, 7])
@pytest.mark.parametrize("kind", KINDS)
@given(steps=st.lists(STEPS, max_size=25))
@example(steps=[("write", 5000), ("answer", 1000), ("wait", 250), ("answer", 0), ("wait", 5000)])
@example(steps=[("write", 5000), ("write", 5000), ("lose", 2), ("answer", 2500), ("wait", 1000), ("answer", 1), ("wait", 1000)])
@settings(max_examples=60, deadline=None)
def test_whatever_windows_a_peer_has_nothing_leaves_beyond_them_and_all_arrives(kind, shift, steps):
    peer = play(kind, shift, steps)
    peer.losing = 0
    for _ in range(200):
        peer.answer(65535)
        if peer.next == len(peer.tcp.sent) + 1:
            break
        peer.wait(1000)
    assert peer.broken == []
    assert peer.next == len(peer.tcp.sent) + 1
    sane(peer.tcp)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_closes_over_what_is_out_is_probed_for_as_long_as_the_peer_answers(kind):
    peer = meet(kind, 0)
    peer.tcp.send(5000)
    peer.see()
    peer.next = 1                           # it has thrown away what it took
    peer.here.clear()
    for _ in range(40):
        before = peer.tcp.counters()["probes"]
        peer.answer(0)
        peer.wait(61_000)
        assert peer.tcp.counters()["probes"] > before
        peer.next = 1
    sane(peer.tcp)
    assert peer.broken == []


@pytest.mark.parametrize(("wnd", "again"), [(4, 500), (3, 500), (0, 1)])
def test_a_window_told_in_units_may_seem_to_shrink_by_less_than_one(wnd, again):
    """RFC 7323, 2.4: 4 units of 128 bytes hold 500, and 3 may have been 511; a closed one is probed."""
    tcp = established(mss=MSS, wscale=7)
    tcp.send(500)
    tcp.take()
    tcp.rx(f". 1:1(0) ack 1 win {wnd}")
    tcp.at(ms=200)
    tcp.expect(f"P. 1:{again + 1}({again}) ack 1")


def test_new_data_has_no_such_slack():
    tcp = established(mss=MSS, wscale=7)
    tcp.rx(". 1:1(0) ack 1 win 3")
    tcp.send(500)
    tcp.expect_nothing()
    tcp.at(ms=200)
    tcp.expect(". 1:385(384) ack 1")
