"""All benchmarks: which cases each has, and with whom usnet is compared."""

from functools import partial

from benchmarks import example, loopback, lwip, native, python_echo, sim
from benchmarks.cases import Case, Peer, Recorded

STEP = 1_000  # ns: what a turn takes of the stacks' time where instructions are counted, or where no timer is to fire
PLAIN = {"timestamps": 0, "mss": 1460}


def debian(work, *arguments, **more):
    return Peer(lwip.NAME, partial(work, *arguments, **more), lwip.missing, counts=True)


def kernel(work, *arguments):
    return Peer(loopback.NAME, partial(work, *arguments), loopback.missing)


PACKETS = Peer(loopback.PACKETS, loopback.packets, loopback.missing_packets)


NS3 = Peer(sim.NS3, sim.ns3, sim.missing)


def case(name, per, work, *arguments, peers=(), counted=0, units=100_000, warm=20_000, facts=None, **how):
    by_steps = partial(work, *arguments, **{"step": STEP, **how})
    return Case(name, per, partial(work, *arguments, **how), tuple(peers), units, warm, counted, by_steps, facts or {})


BULK_FACTS = {
    "ACKs/segment": lambda tally: tally["acks"] / tally["frames"],
    "bytes/segment": lambda tally: tally["bytes"] / tally["frames"],
}
FRAMES = {"frames/unit": lambda tally: tally["frames"] / tally["units"]}


PYTHON_ECHO = (
    Peer("select.epoll, one thread", python_echo.kernel_epoll, loopback.missing),
    Peer("select.epoll, own process", partial(python_echo.own_process, python_echo.serve_epoll), loopback.missing),
    Peer("asyncio, own process", partial(python_echo.own_process, python_echo.serve_asyncio), loopback.missing),
    Peer("uvloop, own process", partial(python_echo.own_process, python_echo.serve_uvloop), python_echo.missing_uvloop),
)


def bulk_case(name, *peers, **how):
    return case(name, "segment", native.bulk, peers=peers, counted=4_000, facts=BULK_FACTS, **how)


def echo_case(connections, *recorded):
    peers = (debian(lwip.echo, connections), *recorded, kernel(loopback.echo, connections))
    name = f"60 bytes, {connections:,} connection{'s' if connections > 1 else ''}"
    return case(name, "request", native.echo, connections, peers=peers, counted=max(3_000, 3 * connections), facts=FRAMES)


def chosen_case(connections, *recorded):
    """What more connections cost: caches are missed, no timer fires."""
    few = Peer("usnet, 64 connections", partial(native.chosen, 64, step=STEP), counts=True)
    counted = 6_400 if connections == 10_000 else 0
    name = f"64 under way over {connections:,}, at random"
    return case(name, "request", native.chosen, connections, peers=(few, *recorded), step=STEP, facts=FRAMES, counted=counted)


def timers_case(connections):
    """The same on a clock that goes on: delayed ACKs and retransmission timers may fire between a connection's turns."""
    few = Peer("usnet, 64 connections", partial(native.chosen, 64))
    return case(f"the same over {connections:,}, on the real clock", "request", native.chosen, connections, peers=(few,), facts=FRAMES)


def connect_case(batch, *recorded):
    peers = (debian(lwip.connect, batch), *recorded, kernel(loopback.connect, batch))
    name = f"connect, accept, close; {batch} at once"
    return case(name, "connection", native.connect, batch, peers=peers, counted=640, units=5_000, warm=1_000, facts=FRAMES)


# Figures of smoltcp and of lwIP built for speed: ns and instructions, both ends, checksums on.
CASES = {
    "bulk": [
        bulk_case("every feature on (timestamps), copying calls", debian(lwip.bulk), Recorded("smoltcp", 426, 3020), Recorded("lwIP", 771, 4706),
                  PACKETS, kernel(loopback.bulk)),
        bulk_case("every feature on (timestamps), zero-copy calls", debian(lwip.bulk, lent=True), Recorded("smoltcp", 426, 3020),
                  Recorded("lwIP", 689, 4462), lent=True),
        bulk_case("MSS 1460 without timestamps, copying calls", debian(lwip.bulk), Recorded("smoltcp", 426, 3020), Recorded("lwIP", 771, 4706),
                  **PLAIN),
        bulk_case("MSS 1460 without timestamps, zero-copy calls", debian(lwip.bulk, lent=True), Recorded("smoltcp", 426, 3020),
                  Recorded("lwIP", 689, 4462), lent=True, **PLAIN),
    ],
    "echo": [
        echo_case(1, Recorded("smoltcp", 796, 5895), Recorded("lwIP", 1351, 4720)),
        echo_case(64, Recorded("smoltcp", 544, 6109), Recorded("lwIP", 1268, 6177)),
        echo_case(1024, Recorded("smoltcp", 2500, 23_854), Recorded("lwIP", 9100, 30_287)),
        chosen_case(10_000, Recorded("smoltcp", 27_600), Recorded("lwIP", 41_500)),
        chosen_case(100_000),
        chosen_case(1_000_000),
        timers_case(100_000),
    ],
    "connect": [
        connect_case(1, Recorded("smoltcp", 2052), Recorded("lwIP", 2222)),
        connect_case(64, Recorded("smoltcp", 1857), Recorded("lwIP", 2351)),
    ],
    "sim": [
        case("dumbbell of switches, bulk, SimPy processes", "link-packet", sim.bulk, peers=(NS3,), units=300_000, warm=10_000, counted=20_000),
        case("dumbbell of routers, bulk, SimPy processes", "link-packet", sim.bulk, True, peers=(NS3,), units=300_000, warm=10_000, counted=20_000),
    ],
    "python-echo": [
        case("epoll server in Python, 64 connections", "message", python_echo.usnet_epoll, units=20_000, warm=5_000, counted=0, peers=PYTHON_ECHO),
        case("the same with calls for many messages", "message", python_echo.usnet_epoll, True, units=20_000, warm=5_000, counted=0,
             peers=PYTHON_ECHO[:1]),
    ],
    "property": [
        Case("handshake, 20 KB each way, faults, close", "example", example.run_plans, units=200, warm=20, missing=example.missing),
    ],
}
