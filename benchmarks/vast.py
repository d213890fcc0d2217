"""Many connections: what one costs that does nothing, how many are held at once, and whether anything grows with how many there were."""

import gc
import resource
import time

from benchmarks import building, lwip, native
from benchmarks.rows import row

LWIP_CONNECTIONS = 2_000  # it looks through all of them for each that is set up
RECORDED = {"lwIP": 257, "kernel": 3_900}  # bytes an end
DRIVERS_OWN = 8  # bytes an end that the driver keeps: its descriptor


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def idle(options):
    """Bytes of an established connection that does nothing, at one end: by the sizes of its structs, and by what the process grew."""
    sizes = building.module("joined").sizes()
    grown = []
    connections = options.connections or max(64, int(100_000 * options.share))
    with native.joined(64, most=connections + 4096) as both:
        gc.collect()
        before = resident()
        both.connect(connections)
        grown.append((resident() - before) / (2 * connections) - DRIVERS_OWN)
    lacking = lwip.missing()
    theirs, struct = [], []
    if not lacking:
        few = max(64, int(LWIP_CONNECTIONS * min(1, options.share)))
        with lwip.joined(64) as both:
            before = resident()
            both.connect(few)
            theirs.append((resident() - before) / (2 * few) - DRIVERS_OWN)
            struct.append(both.limits["sizeof(tcp_pcb)"] + 16)
    case = f"{connections:,} established"
    yield row("idle", "structs of an established connection", "bytes/end", [sum(sizes.values())], f"{lwip.NAME}, with malloc's part", struct,
              why=lacking, parts=sizes)
    yield row("idle", case, "bytes of RSS/end", grown, lwip.NAME, theirs, why=lacking)
    for name, bytes_an_end in RECORDED.items():
        yield row("idle", case, "bytes of RSS/end", grown, f"{name} (recorded)", [bytes_an_end])


def hold(options):
    """As many connections as are asked for in one process, both ends: set-up in ten parts, then each echoes once and every byte is looked at."""
    connections = options.connections or max(640, int(100_000 * options.share))
    part = connections // 10
    before, parts = resident(), []
    with native.joined(0, most=10 * part + 4096, check=True) as both:
        for _ in range(10):
            began = time.process_time_ns()
            both.connect(part)
            parts.append((time.process_time_ns() - began) / part)
        grown = resident() - before
        echoes = both.each_once()
        echoed = resident() - before
        if echoes["wrong"]:
            raise RuntimeError(f"{echoes['wrong']} of {both.n} connections echoed something else, or nothing")
        case = f"{both.n:,} connections, both ends"
        yield row("hold", case, "ns/set-up, last tenth", [parts[-1]], "usnet, first tenth", [parts[0]], parts=[round(ns) for ns in parts])
        yield row("hold", case, "ns/echo, each once", [echoes["ns"] / echoes["units"]], echoed=echoes["units"])
        yield row("hold", case, "GB of RSS, established", [grown / 1e9])
        yield row("hold", case, "GB of RSS, after the echoes", [echoed / 1e9])
        yield row("hold", case, "bytes of RSS/end", [grown / (2 * both.n)])


def churn(options):
    """Connections set up, accepted and closed, 64 at once, in ten parts: what the process grew by behind the first part, and whether the last one
    took longer."""
    cycles = options.connections or max(6_400, int(1_000_000 * options.share))
    part = cycles // 640 * 64
    parts, memory = [], []
    with native.connect(64) as run:
        for _ in range(10):
            done = run(part)
            if done["wrong"]:
                raise RuntimeError(f"{done['wrong']} of {done['units']} connections failed")
            parts.append(done["ns"] / done["units"])
            memory.append(resident())
    case = f"{10 * part:,} connections, one after the other"
    yield row("churn", case, "ns/connection, last tenth", [parts[-1]], "usnet, first tenth", [parts[0]], parts=[round(ns) for ns in parts])
    yield row("churn", case, "bytes of RSS grown behind the first tenth", [memory[-1] - memory[0]], parts=memory)
