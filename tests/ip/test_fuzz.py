"""Any bytes: nothing breaks, every frame is acted upon or is one counted drop, and all that was held is given back."""

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR, fragment
from scapy.layers.l2 import ARP, Dot1Q, Ether

from tests.ip.ip_lab import PEER, PEER_MAC, TX_ONLY, US, US_MAC, Bench, S, arp, eth, ip, ping, udp

FRAG = {"frag_bad", "frag_overlap", "frag_limit", "frag_timeout"}
GOOD = [
    bytes(f)
    for f in (
        ping(),
        ping(b""),
        udp(),
        udp(b"", dport=1),
        udp(dst="10.0.0.255"),
        udp(dst="255.255.255.255"),
        ip(TCP(flags="S", options=[("MSS", 1460)])),
        arp(),
        arp(op=2, hwdst=US_MAC, dst=US_MAC),
        arp(psrc=US),
        ip(b"x" * 30, proto=4),
        ip(ICMP(), options=[IPOption_RR(length=11)]),
        ip(ICMP(type=3, code=3) / IP(src=US, dst=PEER) / UDP(sport=5000, dport=4000) / b"x"),
        ip(ICMP(type=3, code=4, nexthopmtu=600) / IP(src=US, dst=PEER, len=1400) / TCP()),
        eth(Dot1Q(vlan=0) / IP(src=PEER, dst=US) / UDP(sport=1, dport=5000)),
        *[eth(f) for f in fragment(IP(src=PEER, dst=US, id=9) / UDP(sport=1, dport=5000) / bytes(200), 64)],
        *[eth(f) for f in fragment(IP(src=PEER, dst=US, id=10) / ICMP(type=8) / bytes(100), 48)],
        Ether(src="02:00:00:00:00:55", dst=US_MAC) / ARP(op=1, psrc="10.0.0.85", hwsrc="02:00:00:00:00:55", pdst=US),
    )
]


def repair(frame):
    """A right IP checksum, so that what was changed is looked at."""
    from scapy.utils import checksum

    raw = bytearray(frame)
    n = max(20, (raw[14] & 15) * 4) if len(raw) > 14 else 0
    if len(raw) >= 34 and raw[12:14] == b"\x08\x00":
        raw[24:26] = b"\0\0"
        raw[24:26] = checksum(bytes(raw[14 : 14 + n])).to_bytes(2, "big")
    return bytes(raw)


@st.composite
def mutated(draw):
    raw = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from("flip set cut grow".split()))
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        if kind == "flip" and raw:
            raw[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and raw:
            raw[at] = draw(st.sampled_from([0, 1, 4, 5, 127, 128, 255]))
        elif kind == "cut":
            del raw[max(1, at) :]
        elif kind == "grow":
            raw += draw(st.binary(min_size=1, max_size=40))
    return repair(raw) if draw(st.booleans()) else bytes(raw)


frames = st.lists(
    st.one_of(
        mutated(),
        st.sampled_from(GOOD),
        st.binary(min_size=1, max_size=100),
        st.binary(max_size=60).map(lambda b: bytes(eth(b, type=0x800))),
    ),
    min_size=1,
    max_size=40,
)


def bench(**config):
    b = Bench(met=False)
    b.host.configure(**config)
    for port in (5000, 5001):
        e = b.host.udp()
        e.options(rcvbuf=2000)
        e.bind(None, port)
    return b


def settle(b, now):
    """Lets every timer run out, empties the endpoints' queues."""
    for _ in range(50):
        deadline = b.host.run(now)
        b.wire.receive()
        if deadline is None:
            return
        now = max(now, deadline)
    raise AssertionError("timers without end")


def check_balance(b, n):
    drops, c = b.host.drops(), b.host.counters()
    held = c["fragments_in"] - c["fragments_used"] - sum(drops.get(k, 0) for k in FRAG)
    received = sum(v for k, v in drops.items() if k not in TX_ONLY | FRAG)
    done = c["arp_in"] + c["tcp_in"] + c["icmp_in"] + c["udp_in"] + c["forwarded"]
    assert n + c["reassembled"] + c["looped"] == done + received + c["fragments_in"]
    assert held >= 0 and (held == 0) == (b.host.held()["reassemblies"] == 0)
    assert len(b.host.handed_up) == c["tcp_in"] + sum(p["kind"] == "icmp_error" for p in b.host.handed_up)


@settings(max_examples=150, deadline=None)
@given(frames, st.integers(0, 3))
def test_every_frame_is_acted_upon_or_is_one_counted_drop(sent, gap):
    b = bench()
    for i, frame in enumerate(sent):
        before = sum(v for k, v in b.host.drops().items() if k not in TX_ONLY | FRAG)
        assert b.wire.send(frame)
        b.host.run(i * gap * S)
        b.wire.receive()
        after = sum(v for k, v in b.host.drops().items() if k not in TX_ONLY | FRAG)
        assert after - before in (0, 1)
        check_balance(b, i + 1)
    settle(b, len(sent) * 3 * S + 100 * S)
    held = b.host.held()
    assert (
        held["timers"],
        held["reassemblies"],
        held["reassembly_bytes"],
        held["neighbour_bytes"],
        held["loopback"],
    ) == (0, 0, 0, 0, 0)
    b.host.reset(1)
    assert set(b.host.held().values()) == {0}


@settings(max_examples=80, deadline=None)
@given(frames)
def test_a_router_survives_anything_and_the_same_frames_give_the_same_frames(sent):
    def story():
        b = bench(forward=1, icmp_rate=1000000)
        b.host.add_route("0.0.0.0/0", "10.0.0.254")
        out = []
        for i, frame in enumerate(sent):
            b.wire.send(frame)
            b.host.run(i * S)
            out += b.wire.receive()
        settle(b, 1000 * S)
        assert b.host.held()["neighbour_bytes"] == 0
        b.host.reset(1)
        assert set(b.host.held().values()) == {0}
        return [f for f, _ in out], b.host.drops()

    assert story() == story()


@settings(max_examples=40, deadline=None)
@given(frames, st.integers(1, 3))
def test_little_memory_is_a_counted_drop(sent, chunks):
    b = Bench(met=False, chunks=chunks, max_timers=2)
    b.host.configure(max_neighbours=2)
    e = b.host.udp()
    e.bind(None, 5000)
    for i, frame in enumerate(sent):
        b.wire.send(frame)
        b.host.run(i * S)
        b.wire.receive()
    check_balance(b, len(sent))
    b.host.reset(1)
    assert set(b.host.held().values()) == {0}


def test_everything_answered_goes_to_whoever_asked():
    """No frame that comes in, good or not, makes one go out to a station that sent nothing."""
    b = Bench()
    for f in GOOD:
        for got in b.feed(f):
            assert got.dst in (PEER_MAC, "02:00:00:00:00:55") or got[ARP].op == 1
