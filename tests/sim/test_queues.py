"""Queue disciplines against references in plain Python (queue_references), packet by packet; what all of them share; their own figures."""

import random

import pytest

from tests.sim.queue_references import Codel, Fifo, FqCodel, Packet, Pie, Red, play
from tests.sim.worlds import collect, number, pair, send_each
from usnet.backends.sim.network import Network
from usnet.wire.raw import checksum

NS_OF_A_BYTE = 1000         # 8 Mbit/s


def ip_frame(n, size, flow=0, ecn=0, version=4):
    """A UDP packet of a flow, with its number in the payload."""
    udp = (5000 + flow).to_bytes(2, "big") + b"\x1f\x90" + (size - (34 if version == 4 else 54)).to_bytes(2, "big") + b"\x00\x00"
    body = (udp + n.to_bytes(4, "big")).ljust(size - (34 if version == 4 else 54), b"\x00")
    if version == 6:
        head = bytes([0x60, ecn << 4, 0, 0]) + len(body).to_bytes(2, "big") + b"\x11\x40" + b"\x20" * 16 + b"\x21" * 16
        return b"\xff" * 6 + b"\x02" * 6 + b"\x86\xdd" + head + body
    head = bytes([0x45, ecn]) + (20 + len(body)).to_bytes(2, "big") + b"\x00\x00\x40\x00\x40\x11\x00\x00" + b"\x0a\x00\x00\x01\x0a\x00\x00\x02"
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + head + body


def arrivals_of(seed, n, load=1.3, flows=1, capable=0.0, quiet=0.02):
    """(ns, Packet): random, in bursts of one flow, at so many times what the link carries; now and then nothing comes for a while."""
    rng = random.Random(seed)
    t, made = 1_000_003, []
    for index in range(n):
        size = rng.choice((80, 600, 1400)) + rng.randrange(114)
        made.append((t, Packet(index, size, rng.randrange(flows), rng.random() < capable)))
        t += int(size * NS_OF_A_BYTE / load * rng.expovariate(1)) + 1
        if rng.random() < quiet:
            t += int(rng.expovariate(1) * 60_000_000)
    return made


def run_link(arrivals, queue, seed=0, **model):
    """What a link makes of them: as queue_references.play()."""
    net = Network(seed)
    a, b = net.port("a", slots=(16, 4096)), net.port("b", slots=(16, 4096))
    link = net.link(a, b, rate=8 * 10**9 // NS_OF_A_BYTE, queue=queue, **model)
    net.logging = True
    got = collect(b)
    for t, packet in arrivals:
        net.call_at(t, a.send, ip_frame(packet.index, packet.size, packet.flow, 2 if packet.capable else 0))
    net.run()
    log = net.event_log()
    way = log[log["direction"] == 0]
    sent = [
        (int(row["index"]), int(row["time"]) - int(row["length"]) * NS_OF_A_BYTE, bool(row["altered"])) for row in way[way["what"] == 1]
    ]
    for (_t, frame), (_index, _start, marked) in zip(got, sent, strict=True):
        assert checksum(frame[14:34]) == 0 and (frame[15] & 3 == 3) == marked
    return sent, {int(row["index"]) for row in way[way["what"] == 2]}, link.up.statistics()


def compare(reference, queue, arrivals, seed=0):
    sent, lost, statistics = run_link(arrivals, queue, seed)
    wanted, wanted_lost = play(reference, arrivals, NS_OF_A_BYTE)
    assert sent == wanted
    assert lost == wanted_lost
    counted = statistics["queue"]
    assert sum(counted["drops"].values()) == len(lost) and sum(counted["marks"].values()) == sum(marked for _, _, marked in sent)
    assert counted["sent"] == len(sent)
    return counted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("capable", [0.0, 0.5])
def test_red_does_as_floyd_and_jacobson_say(seed, capable):
    arrivals = arrivals_of(seed, 3000, load=1.2, capable=capable)
    reference = Red(5.5, 15.5, 0.1, 1 / 128, 1000 * NS_OF_A_BYTE, ecn=True, seed=seed)
    model = {"kind": "red", "min": 5, "max": 15, "p": 0.1, "weight": "1/128", "ecn": True}
    reference.low, reference.high = 5, 15
    counted = compare(reference, model, arrivals, seed)
    assert counted["drops"]["early"] > 20 and (counted["marks"]["early"] > 10) == (capable > 0)


def test_red_above_its_range_drops_what_could_be_marked():
    arrivals = arrivals_of(1, 2000, load=4, capable=1.0)
    reference = Red(5000, 15000, 0.02, 1 / 64, 1000 * NS_OF_A_BYTE, gentle=False, of_bytes=True, ecn=True, seed=1)
    counted = compare(reference, {"kind": "red", "min": "5kB", "max": "15kB", "p": 0.02, "weight": "1/64", "gentle": False, "ecn": True}, arrivals, 1)
    assert counted["drops"]["forced"] > 100 and counted["drops"]["early"] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("capable", [0.0, 0.5])
def test_codel_does_as_rfc_8289_says(seed, capable):
    arrivals = arrivals_of(seed, 4000, load=1.15, capable=capable, quiet=0.005)
    counted = compare(Codel(ecn=True, packets=60), {"kind": "codel", "ecn": True, "packets": 60}, arrivals, seed)
    assert counted["drops"]["delay"] > 10 and counted["drops"]["full"] > 10 and (counted["marks"]["delay"] > 5) == (capable > 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("capable", [0.0, 0.5])
def test_fq_codel_does_as_rfc_8290_says(seed, capable):
    arrivals = arrivals_of(seed, 4000, load=1.3, flows=12, capable=capable, quiet=0.005)
    reference = FqCodel(300, 100, ecn=True)
    counted = compare(reference, {"kind": "fq_codel", "ecn": True, "packets": 100, "quantum": 300, "flows": 65536}, arrivals, seed)
    assert counted["drops"]["full"] > 20 and counted["drops"]["delay"] + counted["marks"]["delay"] > 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [True, False])
def test_pie_does_as_rfc_8033_says(seed, spread):
    arrivals = arrivals_of(seed, 4000, load=1.3, capable=0.5, quiet=0.005)
    counted = compare(Pie(spread=spread, ecn=True, seed=seed), {"kind": "pie", "ecn": True, "spread": spread}, arrivals, seed)
    assert counted["drops"]["early"] > 100 and counted["marks"]["early"] > 1


def test_pie_leaves_a_burst_alone():
    """For as long as it is told nothing is dropped, however long the queue; and again when all was calm for a while (section 4.3)."""
    arrivals = arrivals_of(4, 4000, load=1.6, capable=0.0, quiet=0)
    late = [(t + 20_000_000_000, Packet(p.index + 4000, p.size)) for t, p in arrivals]
    reference = Pie()
    reference.BURST = reference.allowance = 1_500_000_000
    counted = compare(reference, {"kind": "pie", "burst": "1500ms"}, arrivals + late)
    assert counted["drops"]["early"] > 100


@pytest.mark.parametrize("limits", [{"packets": 12}, {"bytes": "9kB"}])
def test_a_queue_with_a_limit_is_the_same_on_both_ways(limits):
    arrivals = arrivals_of(7, 2000)
    counted = compare(Fifo(packets=limits.get("packets", 1e9), octets=9000 if "bytes" in limits else 1e9), {"kind": "fifo", **limits}, arrivals)
    assert counted["drops"]["full"] > 100
    runs = [run_link(arrivals, {"kind": kind, **limits}) for kind in ("droptail", "fifo")]
    assert runs[0][:2] == runs[1][:2]


def test_a_full_queue_is_marked_from_its_step_on():
    """DCTCP's way: what finds K frames waiting is marked (RFC 8257, 3.1), and so is what waited too long."""
    arrivals = [(i + 1, Packet(i, 1000, 0, True)) for i in range(20)]
    sent, lost, statistics = run_link(arrivals, {"kind": "fifo", "step_packets": 5})
    assert [marked for _, _, marked in sent] == [False] * 6 + [True] * 14 and not lost
    assert statistics["queue"]["marks"]["step"] == 14
    sent, _, _ = run_link(arrivals, {"kind": "fifo", "step_bytes": "5kB"})
    assert [marked for _, _, marked in sent] == [False] * 6 + [True] * 14
    sent, _, _ = run_link(arrivals, {"kind": "fifo", "step_stay": "5ms"})
    assert [marked for _, _, marked in sent] == [False] * 6 + [True] * 14


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("ecn", [0, 1, 2, 3])
def test_only_what_understands_ecn_is_marked(version, ecn):
    _, a, _, _link, got = pair(rate="8Mbit", queue={"kind": "fifo", "step_packets": 1})
    net = a.network
    frames = [ip_frame(n, 500, ecn=ecn, version=version) for n in range(4)]
    for frame in frames:
        net.call_at(1, a.send, frame)
    net.run()
    seen = [frame for _, frame in got]
    assert seen[:2] == frames[:2]
    bits = [frame[15] & 3 if version == 4 else frame[15] >> 4 & 3 for frame in seen]
    assert bits == [ecn] * 2 + [3 if ecn else 0] * 2
    assert version == 6 or all(checksum(frame[14:34]) == 0 for frame in seen)
    assert [frame[16:24] + frame[26:] for frame in seen] == [frame[16:24] + frame[26:] for frame in frames]


def test_how_long_frames_stay_is_known_within_three_percent():
    arrivals = [(i + 1, Packet(i, 1000)) for i in range(100)]
    _, _, statistics = run_link(arrivals, {"kind": "fifo"})
    stay = statistics["queue"]["stay"]
    for part, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        exact = (100 * share - 1) * 1_000_000
        assert exact - 100 <= stay[part] <= exact * 1.04
    assert stay["max"] == 99 * 1_000_000 - 99 and abs(stay["mean"] - 49.5 * 1_000_000) < 100
    assert statistics["queue"]["packets_max"] == 99 and statistics["queue"]["bytes_max"] == 99_000


@pytest.mark.parametrize("kind", ["fifo", "codel", "fq_codel", "pie", "red"])
def test_a_link_that_goes_down_loses_what_waits(kind):
    net, a, _b, link, got = pair(rate="8Mbit", queue={"kind": kind, **({"min": 50, "max": 150} if kind == "red" else {})})
    send_each(net, a, range(1, 11), size=1000)
    net.call_at(2_500_000, link.unplug)
    net.call_at(5_000_000, link.plug)
    net.call_at(6_000_000, a.send, ip_frame(99, 1000))
    net.run()
    assert [number(frame) for _, frame in got[:2]] == [0, 1] and len(got) == 3
    assert got[2][0] == 7_000_000
    counters = link.up.statistics()
    assert counters["dropped"]["down"] == 8 and counters["queue"]["packets"] == 0
    assert net.statistics()["frames_in_flight"] == 0


def test_a_new_rate_holds_from_the_next_frame_on():
    net, a, _b, link, got = pair(rate="8Mbit", queue={"kind": "fifo"})
    send_each(net, a, [1, 2, 3], size=1000)
    net.call_at(1_500_000, setattr, link.up, "rate", "80Mbit")
    net.run()
    assert [t for t, _ in got] == [1_000_001, 2_000_001, 2_100_001]


def test_a_queue_may_change_while_frames_wait():
    net, a, _b, link, got = pair(rate="8Mbit", queue={"kind": "codel"})
    send_each(net, a, range(1, 9), size=1000)
    net.call_at(1_500_000, setattr, link.up, "queue", {"kind": "fq_codel"})
    net.call_at(2_500_000, setattr, link.up, "queue", {"kind": "fifo", "packets": 2})
    net.run()
    assert [number(frame) for _, frame in got] == [0, 1, 2, 3, 4]
    assert link.up.statistics()["dropped"]["queue"] == 3
    link.up.change(queue=None)
    assert "queue" not in link.up.statistics()


@pytest.mark.parametrize("kind", ["fifo", "codel", "fq_codel", "pie", "red"])
def test_a_network_that_is_used_again_does_the_same(kind):
    queue = {"kind": kind, "packets": 30, **({"min": 5, "max": 15} if kind == "red" else {})}

    def run(net):
        for t, packet in arrivals_of(5, 800, load=2, quiet=0):
            net.call_at(t, net.ports["a"].send, ip_frame(packet.index, packet.size, packet.flow))
        net.run(until="200ms")
        return net.digest()

    def build():
        net = Network(3)
        net.link(net.port("a"), net.port("b", slots=(16, 4096)), rate="8Mbit", queue=queue, loss={"kind": "gilbert-elliott", "p": 0.02, "r": 0.3})
        return net

    first = build()
    once = run(first)
    assert first.links["a-b"].up.statistics()["queue"]["packets"] > 0       # some are left in it
    assert first.reset(3)
    assert run(first) == once == run(build())


@pytest.mark.parametrize(("value", "told"), [
    ({"kind": "blue"}, "kind: 'blue' is none of"),
    ({"kind": "red", "max": 5}, "min: is missing"),
    ({"kind": "red", "min": 5, "max": 5}, "max: 5 is not above"),
    ({"kind": "red", "min": 5, "max": "5kB"}, "both are packets"),
    ({"kind": "red", "min": 1, "max": 5, "weight": 0.003}, "weight: 0.003 is not"),
    ({"kind": "codel", "target": "5"}, "target: '5'"),
    ({"kind": "codel", "min": 5}, "min: a queue of kind codel has no such key"),
    ({"kind": "pie", "alpha": 0.1}, "alpha: 0.1 is no number of sixteenths"),
    ({"kind": "fq_codel", "flows": 0}, "flows: 0 is no number from 1 on"),
    ({"kind": "codel", "ecn": 1}, "ecn: 1 is neither true nor false"),
])
def test_a_queue_that_cannot_be_is_told_by_its_key(value, told):
    net = Network()
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        net.link(net.port("a"), net.port("b"), queue=value)
