"""Goodput in the simulator: controller x clock x round trip x buffer x loss, as text that is kept (tests/snapshots/goodput.txt): a change shows.

    python -m benchmarks.goodput            prints the table as it is kept, and what is other now
    python -m benchmarks.goodput --update   measures all of it, and keeps that

Every cell is the same on every machine: the clock is virtual, chance has a seed. A test measures some rows of it.
"""

import argparse
import itertools
import sys
from pathlib import Path

from usnet.lab.world import World
from usnet.tcp.limits import numbers

KEPT = Path(__file__).parents[1] / "tests" / "snapshots" / "goodput.txt"
CONTROLLERS = ("newreno", "cubic")
CLOCKS = ("1us", "1ms", "16ms")             # what a host's clock reads multiples of
TRIPS = (1, 20, 100)                        # ms
BUFFERS = (64 << 10, 1 << 20, 0)            # bytes of SO_SNDBUF and SO_RCVBUF; 0: they grow by themselves
LOSSES = ("0", "0.1%", "1%", "5%")          # of frames in the data's direction
RATE = 50                                   # Mbit/s
MOST = 5_000_000                            # bytes, after which a run ends,
LONGEST = 10_000_000_000                    # or ns
PORT = 7
PIECE = bytes(1 << 16)


def measure(controller, trip, loss, buffer=0, clock="1us", *, rate=RATE, most=MOST, longest=LONGEST, queue=None, seed=1, **settings):
    """Mbit/s of payload that a receiver reads over a link of so many Mbit/s, with half of the round trip (ms) each way and a queue of as many bytes
    as are under way in one (64 frames at least, or `queue` of them), until `most` bytes have arrived or `longest` ns are over."""
    config = numbers({"congestion": controller, **settings})
    with World(seed) as world:
        ends = [world.host(name, address, config=config, granularity=clock) for name, address in (("a", "10.0.0.1/24"), ("b", "10.0.0.2/24"))]
        frames = queue or max(64, int(rate * 1000 * trip / 8 / 1514))
        world.link(*ends, rate=f"{rate}Mbit", delay=f"{round(trip * 500)}us", up={"loss": loss, "queue": frames}, ports={"slots": (1024, 4096)})
        done = []

        def receive():
            with ends[1].stack.socket() as listener:
                adjust(listener)
                listener.bind(("", PORT))
                listener.listen(1)
                sock, _ = listener.accept()
                with sock:
                    got, began = 0, world.now
                    while got < most:
                        got += len(sock.recv(1 << 16))
                        done[:] = [got, world.now - began]

        def send():
            with ends[0].stack.socket() as sock:
                adjust(sock)
                sock.connect(("10.0.0.2", PORT))
                while True:
                    sock.send(PIECE)

        def adjust(sock):
            if buffer:
                sock.setsockopt(1, 7, buffer)
                sock.setsockopt(1, 8, buffer)

        receiver = ends[1].run(receive)
        ends[0].run(send, daemon=True)
        world.env.run(world.env.any_of([receiver.done, world.env.timeout(longest)]))
        got, took = done or (0, 1)
        return got * 8000 / took if receiver.done.triggered else got * 8000 / longest


def line(controller, clock, trip, buffer):
    """A row of the table."""
    cells = [measure(controller, trip, loss, buffer, clock) for loss in LOSSES]
    size = f"{buffer >> 10} KiB" if buffer else "grows"
    return f"{controller:8} {clock:>5} {trip:>4} ms {size:>9} " + "".join(f"{cell:9.3g}" for cell in cells)


def rows():
    """What the rows are of, in their order."""
    return list(itertools.product(CONTROLLERS, CLOCKS, TRIPS, BUFFERS))


def head():
    return [
        f"Goodput in Mbit/s over a link of {RATE} Mbit/s, whose queue holds one bandwidth-delay product (64 frames at least).",
        f"Of {MOST // 1_000_000} MB, or of what arrives in {LONGEST // 10**9} s. `python -m benchmarks.goodput --update` writes this file.",
        "",
        f"{'':8} {'clock':>5} {'trip':>7} {'buffers':>9} " + "".join(f"{loss:>9}" for loss in LOSSES),
    ]


def kept():
    """The lines that are kept, by what each is of."""
    return dict(zip(rows(), KEPT.read_text().splitlines()[len(head()) :], strict=True))


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goodput", description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="keeps what this build gives")
    update = parser.parse_args(argv).update
    before = kept() if KEPT.exists() else {}
    made = head()
    print("\n".join(made))
    for row in rows():
        made.append(line(*row))
        was = before.get(row, "")
        print(made[-1] if was in ("", made[-1]) else f"-{was}\n+{made[-1]}", flush=True)
    if update:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text("\n".join(made) + "\n")
    return 0 if update or made[len(head()) :] == list(before.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
